//! Where the state and the user's own settings are.

use std::env;
use std::path::{Component, Path, PathBuf};

use super::GOX_DIR;
use super::read::{BadSetting, bad, text};

/// All state.
pub(super) fn state_dir() -> Result<PathBuf, BadSetting> {
    const WANTED: &str = "an absolute path without .. is wanted";
    let dir = match text(GOX_DIR)? {
        Some(dir) => plain_path(Path::new(&dir)).ok_or_else(|| bad(GOX_DIR, dir, WANTED))?,
        None => xdg("XDG_CACHE_HOME")
            .or_else(|| Some(xdg("HOME")?.join(".cache")))
            .unwrap_or_else(|| "/var/cache".into())
            .join("gox-server"),
    };
    match unusable_by_go(&dir) {
        Some(part) => Err(bad(
            GOX_DIR,
            dir.display().to_string(),
            format!("a path without {part} is wanted: go reads more than one word there"),
        )),
        None => Ok(dir),
    }
}

/// What a path has that `go` cannot quote: GOPATH is a list with colons, `compile -trimpath` has one with `;` and `=>`, and the words
/// of a flag are quoted by one kind of quotes (cmd/internal/quoted).
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

/// A directory of the user's. A relative one is invalid and to be ignored (XDG Base Directory Specification).
pub(super) fn xdg(name: &str) -> Option<PathBuf> {
    plain_path(Path::new(&env::var_os(name)?))
}

/// An absolute path as everybody writes it who names a file below, without `//` and `/./`: programs are searched for it.
fn plain_path(path: &Path) -> Option<PathBuf> {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    (path.is_absolute() && !climbs).then(|| path.components().collect())
}
