//! Takes things away so that nobody who looks meanwhile takes half of one for a whole.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How the name begins of what is being removed.
pub(super) const HALF_REMOVED: &str = "dead-";

/// A directory whose path is longer is moved up before it is read. Below it, no name is too long for the kernel (PATH_MAX, 4096).
const LONGEST_PATH: usize = 2048;

/// Removes a file or a tree, of which Go makes the directories read-only. Gone already is gone.
///
/// Neither descriptors nor the stack bound how deep a tree may be: a zip of one file makes a thousand directories in each other.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove_tree(path),
        Ok(_) => unless_gone(fs::remove_file(path)),
        Err(error) => unless_gone(Err(error)),
    }
}

/// The same, where what stays is for the log alone: the next sweep tries again.
pub fn try_remove(path: &Path) {
    if let Err(error) = remove(path) {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}

fn remove_tree(top: &Path) -> io::Result<()> {
    // Each directory comes twice: the second time it is empty.
    let mut left = vec![top.to_owned()];
    let mut moved = 0;
    while let Some(dir) = left.last() {
        let mut below = Vec::new();
        for entry in entries(dir)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                unless_gone(fs::remove_file(entry.path()))?;
            } else if entry.path().as_os_str().len() <= LONGEST_PATH {
                below.push(entry.path());
            } else {
                let up = top.join(format!("{HALF_REMOVED}{moved}"));
                moved += 1;
                // What changes its parent has to be writable.
                make_writable(&entry.path())?;
                fs::rename(entry.path(), &up)?;
                below.push(up);
            }
        }
        if below.is_empty() {
            unless_gone(fs::remove_dir(dir))?;
            left.pop();
        }
        left.append(&mut below);
    }
    Ok(())
}

/// What is in a directory, which may be written from now on. Of one that is gone, nothing.
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

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Half a program, or half a version of Go, must never lie where a whole one is looked for: a directory leaves its place in one
/// step. Gone already is gone.
pub(super) fn discard(path: &Path) -> io::Result<()> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    match is_dir {
        true => remove(&put_aside(path)?),
        false => remove(path),
    }
}

/// Renames it, in its own directory, which may be a disk of its own, and says what it is called now: as before where it cannot be
/// renamed, or is gone. No two that are there have one inode.
pub(super) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let renamed = fs::symlink_metadata(path).and_then(|metadata| {
        let aside = path.with_file_name(format!("{HALF_REMOVED}{}", metadata.ino()));
        fs::rename(path, &aside).map(|()| aside)
    });
    renamed.or_else(|error| {
        // CrossesDevices: a directory that an image brought (overlayfs).
        let stays = [io::ErrorKind::CrossesDevices, io::ErrorKind::NotFound];
        if stays.contains(&error.kind()) {
            Ok(path.to_owned())
        } else {
            Err(error)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go leaves a module, with a name that the kernel takes only in pieces.
    #[test]
    fn a_tree_of_any_depth_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        let mut made = Vec::new();
        for _ in 0..5 {
            // Moved in above what is there, since no path so long can be made.
            let piece = dir.path().join("piece");
            let deepest = (0..700).fold(piece.clone(), |dir, _| dir.join("d"));
            fs::create_dir_all(&deepest).unwrap();
            fs::write(deepest.join("file"), "x").unwrap();
            if top.exists() {
                fs::rename(&top, deepest.join("top")).unwrap();
            }
            fs::rename(&piece, &top).unwrap();
            made.push(deepest);
        }
        fs::set_permissions(top.join("d"), fs::Permissions::from_mode(0o555)).unwrap();
        remove(&top).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        remove(&top).unwrap();
    }

    #[test]
    fn a_link_is_removed_and_not_followed() {
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
