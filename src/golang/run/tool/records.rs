//! The files to which gox-server appends a line before or after a tool, for the builder. No tool can write to them.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{ToolContext, ToolError};

/// The file with one line for each tool of a build that made a forbidden system call.
pub fn forbidden_calls(work: &Path) -> PathBuf {
    work.join("forbidden-calls")
}

/// Records that the tool starts.
pub(super) fn append_progress(context: &ToolContext, tool: &str, package: &str) {
    // Progress is only displayed: the build continues without it.
    append(&context.progress, &format!("{tool} {package}\n")).ok();
}

/// The files that earlier tools of this build have recorded. Only gox-server writes to this list.
pub(super) fn read_inputs(context: &ToolContext) -> HashSet<PathBuf> {
    // Without the list, this tool checks and records everything again.
    let recorded = fs::read_to_string(&context.inputs).unwrap_or_default();
    recorded.lines().map(PathBuf::from).collect()
}

/// Records files that the tool will read. Files of the compile cache are recorded before the tool starts, so that the builder
/// hashes them whatever the tool does; archives of this build, after they have been checked.
pub(super) fn append_inputs<'a>(
    context: &ToolContext,
    paths: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), ToolError> {
    let lines: String = paths
        .into_iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    append(&context.inputs, &lines)
        .map_err(|error| ToolError::Other(format!("cannot write {}: {error}", context.inputs.display())))
}

/// Appends lines in one write, so that lines of concurrent tools do not mix.
pub(super) fn append(file: &Path, lines: &str) -> io::Result<()> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.and_then(|mut file| file.write_all(lines.as_bytes()))
}
