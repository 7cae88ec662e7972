//! Takes things away so that nobody who looks meanwhile takes half of one for a whole.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How the name begins of what is being removed.
pub(super) const HALF_REMOVED: &str = "dead-";

/// Removes a file or a tree, of which Go makes the directories read-only. Gone already is gone.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).or_else(|_| {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn make_writable(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
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
