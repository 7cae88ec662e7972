//! The output of the tools of one package.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

use super::{ToolContext, ToolError};
use crate::sandbox::cell::Cell;

/// Redirects the tool's output to a file that `go` does not read, so that text of a module author that the tool quotes cannot
/// pass for a message of `go`. `go` sees only the errors that gox-server prints before the tool starts.
pub(super) fn redirect(context: &ToolContext, cell: &Cell, command: &mut Command) -> Result<(), ToolError> {
    // The linker writes to the directory `exe` in the package's directory.
    let is_package_dir = |dir: &&Path| dir.file_name().is_some_and(|name| name != "exe");
    let package_dir = cell
        .write
        .iter()
        .flat_map(|dir| dir.ancestors())
        .find(is_package_dir);
    let name = package_dir.and_then(Path::file_name).unwrap_or_default();
    let path = context.output.join(name);
    let io_error = |error| ToolError::Other(format!("cannot write {}: {error}", path.display()));
    // The tools of a package run one after the other.
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let file = opened.map_err(io_error)?;
    command.stdout(file.try_clone().map_err(io_error)?).stderr(file);
    Ok(())
}
