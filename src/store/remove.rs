//! Removes files and trees. Other processes never see a tree that is partly removed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The prefix of entries that are about to be removed. No module path contains a colon.
pub(super) const ASIDE_PREFIX: &str = "dead:";

/// The name under which a file or tree is removed. It contains the inode, so it is unique on a file system.
pub(super) fn aside_path(dir: &Path, metadata: &Metadata) -> PathBuf {
    dir.join(format!("{ASIDE_PREFIX}{}", metadata.ino()))
}

/// A directory with a longer path is moved up before it is read. The paths of its entries are then shorter than PATH_MAX, 4096.
const LONGEST_PATH: usize = 2048;

/// Removes a file or a tree, including read-only directories, which Go makes. A missing path is no error.
///
/// The depth of a tree is limited neither by open descriptors nor by the stack: a zip of one file can make a thousand nested
/// directories.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove_tree(path),
        Ok(_) => ignore_missing(fs::remove_file(path)),
        Err(error) => ignore_missing(Err(error)),
    }
}

/// Calls [`remove`] and only logs an error: the next sweep tries again.
pub fn remove_or_warn(path: &Path) {
    if let Err(error) = remove(path) {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}

fn remove_tree(top: &Path) -> io::Result<()> {
    // The loop reads each directory twice. The second time it is empty.
    let mut stack = vec![top.to_owned()];
    let mut number = 0;
    while let Some(dir) = stack.last() {
        let mut subdirectories = Vec::new();
        for entry in entries(dir)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                ignore_missing(fs::remove_file(entry.path()))?;
            } else if entry.path().as_os_str().len() <= LONGEST_PATH {
                subdirectories.push(entry.path());
            } else {
                // The name may exist: an interrupted removal leaves some, and a module proxy chooses those of an unverified tree.
                let up = loop {
                    number += 1;
                    let up = top.join(format!("{ASIDE_PREFIX}{number}"));
                    if fs::symlink_metadata(&up).is_err() {
                        break up;
                    }
                };
                // rename(2) of a directory needs write permission for it, to change its `..` entry.
                make_writable(&entry.path())?;
                fs::rename(entry.path(), &up)?;
                subdirectories.push(up);
            }
        }
        if subdirectories.is_empty() {
            ignore_missing(fs::remove_dir(dir))?;
            stack.pop();
        }
        stack.append(&mut subdirectories);
    }
    Ok(())
}

/// Makes a directory writable and lists it. A missing directory is empty.
fn entries(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match make_writable(dir).and_then(|()| fs::read_dir(dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
    .map(|entries| entries.into_iter().flatten())
}

fn make_writable(dir: &Path) -> io::Result<()> {
    match fs::symlink_metadata(dir)?.mode() & 0o700 {
        0o700 => Ok(()),
        _ => fs::set_permissions(dir, fs::Permissions::from_mode(0o700)),
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames a directory and then removes it, so that other processes never find half a program or half a toolchain. A missing path
/// is no error.
pub(super) fn remove_atomically(path: &Path) -> io::Result<()> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    match is_dir {
        true => remove(&move_aside(path)?),
        false => remove(path),
    }
}

/// Renames a path to its [`aside_path`] in the same directory, and returns the new path. Returns `path` itself if it is missing or
/// cannot be renamed.
pub(super) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let renamed = fs::symlink_metadata(path).and_then(|metadata| {
        let aside = aside_path(path.parent().unwrap_or(path), &metadata);
        fs::rename(path, &aside).map(|()| aside)
    });
    renamed.or_else(|error| {
        // CrossesDevices: the directory is in a lower layer of a container image (overlayfs).
        let expected = [io::ErrorKind::CrossesDevices, io::ErrorKind::NotFound];
        if expected.contains(&error.kind()) {
            Ok(path.to_owned())
        } else {
            Err(error)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_tree_with_paths_longer_than_path_max_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        for _ in 0..5 {
            // The new piece goes above the tree, since no system call accepts the whole path.
            let piece = dir.path().join("piece");
            let deepest = (0..700).fold(piece.clone(), |dir, _| dir.join("d"));
            fs::create_dir_all(&deepest).unwrap();
            fs::write(deepest.join("file"), "x").unwrap();
            if top.exists() {
                fs::rename(&top, deepest.join("top")).unwrap();
            }
            fs::rename(&piece, &top).unwrap();
        }
        fs::set_permissions(top.join("d"), fs::Permissions::from_mode(0o555)).unwrap();
        remove(&top).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        remove(&top).unwrap();
    }

    #[test]
    fn a_tree_may_contain_the_names_of_a_removal() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        let deepest = (0..1200).fold(top.clone(), |dir, _| dir.join("d"));
        let of_removal = (0..3).map(|number| top.join(format!("{ASIDE_PREFIX}{number}/x")));
        of_removal
            .chain([deepest])
            .for_each(|dir| fs::create_dir_all(dir).unwrap());
        remove(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn a_symbolic_link_is_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        fs::create_dir_all(kept.join("below")).unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("link")).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists() && kept.join("below").exists());
    }
}
