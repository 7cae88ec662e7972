//! What `go install` refuses, a module with `replace` or `exclude` directives, built as its author builds it: as the main
//! module, from a copy of its tree, with the directives as they are written. They may lead into the module only; what its zip leaves
//! out there is taken from a module of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::golang::Resolved;
use crate::golang::command::Go;
use crate::golang::module_files::replacing_directories;
use crate::golang::replaced::{self, Replaced};
use crate::golang::resolve::module_directory;
use crate::store::artifact::Needs;

/// Where in a build's directory the copy is.
pub(super) const COPY: &str = "module";

/// What `go` found that the module needs: the newest of today.
pub fn needs(work: &Path) -> Result<Needs, Refusal> {
    let read = |name: &str| match fs::read(work.join(COPY).join(name)) {
        // A module without requirements has no sums.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        // A comment may have any bytes.
        read => read
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|e| trouble(format!("read the {name} that go made"), &e)),
    };
    Ok(Needs {
        go_mod: read("go.mod")?,
        go_sum: read("go.sum")?,
    })
}

/// Puts a copy of the module's tree into `work`, and says where, and which modules stand in it for directories.
pub fn copy(
    go: Go<'_>,
    work: &Path,
    resolved: &Resolved,
    deadline: Instant,
) -> Result<(PathBuf, Vec<Replaced>), Refusal> {
    let module = module_directory(go, work, resolved, deadline)?;
    let copy = work.join(COPY);
    copy_tree(&module, &copy).map_err(|e| trouble("copy the module", &e))?;
    if resolved.states_no_needs {
        fs::write(copy.join("go.mod"), resolved.first_go_mod())
            .map_err(|e| trouble("give the module a go.mod", &e))?;
    }
    let replacements = replacing_directories(go, work, &copy.join("go.mod"), deadline)?;
    let mut directories = replacements.iter().map(|replacement| &replacement.directory);
    if let Some(path) = directories.find(|path| leads_out(Path::new(path))) {
        return Err(
            Refusal::new(Reason::OwnDirectives).detail(format!("a replace directive leads to {path}"))
        );
    }
    let replaced = replaced::fetch(go, work, &copy, resolved, &replacements, deadline)?;
    for module in &replaced {
        copy_tree(&module.unpacked, &copy.join(&module.directory))
            .map_err(|e| trouble("copy a module that is replaced by a directory", &e))?;
    }
    Ok((copy, replaced))
}

/// Whether a directory may not be the module's own.
fn leads_out(path: &Path) -> bool {
    path.components()
        .any(|c| matches!(c, Component::RootDir | Component::ParentDir))
}

/// A module's tree has regular files and directories only (golang.org/x/mod/zip); all else is left out.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                left.push((entry.path(), to));
            } else if kind.is_file() {
                fs::copy(entry.path(), &to)?;
                // Go makes what it unpacks read-only; go.mod and go.sum are written to here.
                fs::set_permissions(&to, Permissions::from_mode(0o600))?;
            }
        }
    }
    Ok(())
}
