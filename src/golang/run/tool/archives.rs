//! The compiled packages that a tool imports.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::{Invocation, ToolContext, ToolError};
use crate::golang::run::build_id::{ArchiveError, check_archive, check_cached_archive};

/// A compiled package that a tool reads.
pub(super) struct ImportedArchive {
    package: String,
    pub(super) file: PathBuf,
}

/// The archives of the import configuration. Its lines are `packagefile IMPORTPATH=FILE`. The linker also reads the archive of
/// package main, which is its last argument.
pub(super) fn archives(invocation: Invocation<'_>) -> Result<Vec<ImportedArchive>, ToolError> {
    let mut archives = Vec::new();
    if let Some(config) = invocation.value("-importcfg") {
        let text = fs::read_to_string(config)
            .map_err(|error| ToolError::Other(format!("cannot read {config}: {error}")))?;
        let parse_line = |line: &str| {
            let (package, file) = line.strip_prefix("packagefile ")?.split_once('=')?;
            Some(ImportedArchive {
                package: package.to_owned(),
                file: PathBuf::from(file),
            })
        };
        archives.extend(text.lines().filter_map(parse_line));
    }
    let main = invocation
        .arguments
        .last()
        .filter(|_| invocation.name() == "link");
    archives.extend(main.map(|file| ImportedArchive {
        package: "main".to_owned(),
        file: PathBuf::from(file),
    }));
    Ok(archives)
}

/// Checks the archives before the tool reads them: otherwise `go` could cache a package that was compiled against a forged
/// archive as if it had been compiled against the genuine one. Returns the archives of this build that are not `recorded`, that
/// is, that no earlier tool has checked.
pub(super) fn check(
    context: &ToolContext,
    invocation: Invocation<'_>,
    recorded: &HashSet<PathBuf>,
) -> Result<Vec<PathBuf>, ToolError> {
    let mut new = Vec::new();
    for ImportedArchive { package, file } in archives(invocation)? {
        let checked = if file.starts_with(&context.cache) {
            check_cached_archive(&file)
        } else if file.starts_with(&context.work) && !recorded.contains(&file) {
            check_archive(&file).map(|()| new.push(file))
        } else {
            // Checked already, in GOROOT, or outside the cell of the tool.
            Ok(())
        };
        match checked {
            // The tool reports a missing file itself, with the position of the import.
            Err(ArchiveError::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {}
            checked => checked.map_err(|error| ToolError::Archive { package, error })?,
        }
    }
    Ok(new)
}
