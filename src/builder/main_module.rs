//! Builds a module with `replace` or `exclude` directives, which `go install` refuses.
//!
//! It is built as its author builds it: as the main module, in a copy of its tree, with the directives in force. A directory in a
//! `replace` directive must be inside the module. If the module zip omits that directory because it is a module of its own, that
//! module is downloaded into it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use crate::error::{Error, Reason, internal_error};
use crate::golang::Resolved;
use crate::golang::resolve::go_mod::{LocalReplacement, read_local_replacements};
use crate::golang::resolve::replacements::{FetchedReplacement, fetch_replacements};
use crate::golang::resolve::unpacked_directory;
use crate::golang::run::command::Go;
use crate::store::artifact::GeneratedModFiles;

/// The directory of the copy, relative to the work directory of the build.
pub(super) const COPY: &str = "module";

/// Reads the requirements that `go` has added to the copy: the newest versions of today.
pub fn read_requirements(work: &Path) -> Result<GeneratedModFiles, Error> {
    let read = |name: &str| match fs::read(work.join(COPY).join(name)) {
        // A module without requirements has no go.sum.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        // A comment may contain any bytes.
        read => read
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|e| internal_error(format!("read the {name} that go wrote"), &e)),
    };
    Ok(GeneratedModFiles {
        go_mod: read("go.mod")?,
        go_sum: read("go.sum")?,
    })
}

/// Copies the module's tree into `work`. Returns the copy, and the modules that were downloaded in place of directories.
pub fn copy_module(
    go: Go<'_>,
    work: &Path,
    resolved: &Resolved,
    deadline: Instant,
) -> Result<(PathBuf, Vec<FetchedReplacement>), Error> {
    let module = unpacked_directory(go, work, resolved, deadline)?;
    let copy = work.join(COPY);
    copy_tree(&module, &copy).map_err(|e| internal_error("copy the module", &e))?;
    if resolved.has_unpinned_dependencies {
        fs::write(copy.join("go.mod"), resolved.initial_go_mod())
            .map_err(|e| internal_error("write a go.mod for the module", &e))?;
    }
    let replacements = read_local_replacements(go, work, &copy.join("go.mod"), deadline)?;
    let mut outside = replacements
        .iter()
        .filter(|replacement| is_outside_module(Path::new(&replacement.directory)));
    if let Some(LocalReplacement {
        module, directory, ..
    }) = outside.next()
    {
        return Err(Error::new(Reason::ReplaceDirectives).detail(format!(
            "Its go.mod replaces {module} with {directory}, a directory outside the module."
        )));
    }
    let replaced = fetch_replacements(go, work, &copy, resolved, &replacements, deadline)?;
    for module in &replaced {
        copy_tree(&module.unpacked, &copy.join(&module.directory))
            .map_err(|e| internal_error("copy a replacement module", &e))?;
    }
    Ok((copy, replaced))
}

/// Whether a path in a `replace` directive may be outside the module.
fn is_outside_module(path: &Path) -> bool {
    path.components()
        .any(|c| matches!(c, Component::RootDir | Component::ParentDir))
}

/// Copies regular files and directories. A module has no others (golang.org/x/mod/zip).
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = pending.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                pending.push((entry.path(), to));
            } else if kind.is_file() {
                fs::copy(entry.path(), &to)?;
                // Go unpacks modules read-only, but writes to go.mod and go.sum in the copy.
                fs::set_permissions(&to, Permissions::from_mode(0o600))?;
            }
        }
    }
    Ok(())
}
