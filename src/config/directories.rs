//! Directories of the state and of the user's settings.

use std::env;
use std::path::{Component, Path, PathBuf};

use super::GOX_DIR;
use super::read::{BadSetting, read_text};

/// Reads the directory of all state.
pub(super) fn read_state_dir() -> Result<PathBuf, BadSetting> {
    const ABSOLUTE: &str = "must be an absolute path without ..";
    let dir = match read_text(GOX_DIR)? {
        Some(dir) => normalize(Path::new(&dir)).ok_or_else(|| BadSetting::new(GOX_DIR, dir, ABSOLUTE))?,
        None => directory_from_env("XDG_CACHE_HOME")
            .or_else(|| Some(directory_from_env("HOME")?.join(".cache")))
            .unwrap_or_else(|| "/var/cache".into())
            .join("gox-server"),
    };
    match unusable_by_go(&dir) {
        Some(part) => Err(BadSetting::new(
            GOX_DIR,
            dir.display().to_string(),
            format!("must not contain {part}, because go would split the path there"),
        )),
        None => Ok(dir),
    }
}

/// Returns the part of a path that `go` cannot quote. GOPATH is a list separated by colons; `compile -trimpath` takes a list with `;`
/// and `=>`; words of a flag are quoted by one kind of quotes, without escapes (cmd/internal/quoted).
fn unusable_by_go(dir: &Path) -> Option<&'static str> {
    let path = dir.to_string_lossy();
    [
        (":", "a colon"),
        (";", "a semicolon"),
        ("=>", "=>"),
        ("\n", "a newline"),
    ]
    .into_iter()
    .find_map(|(part, name)| path.contains(part).then_some(name))
    .or((path.contains('"') && path.contains('\'')).then_some("both kinds of quotes"))
}

/// Reads a directory of the user from a variable. A relative path is ignored (XDG Base Directory Specification).
pub(super) fn directory_from_env(name: &str) -> Option<PathBuf> {
    normalize(Path::new(&env::var_os(name)?))
}

/// Normalizes an absolute path: no `//`, no `/./`. Programs are searched for this path, which must be spelled the same everywhere.
/// `None` if it is relative or contains `..`.
fn normalize(path: &Path) -> Option<PathBuf> {
    let has_parent = path.components().any(|part| part == Component::ParentDir);
    (path.is_absolute() && !has_parent).then(|| path.components().collect())
}
