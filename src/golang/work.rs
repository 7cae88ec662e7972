//! A directory of its own for each run of `go`, gone with its owner, and swept if its owner was killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory that is locked as long as it is in use, and removed when this value goes.
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
    _lock: File,
}

/// Between making a directory and locking it, nobody may think that its owner is dead.
const YOUNG: Duration = Duration::from_secs(20);

impl Work {
    /// Makes `name` below `room`; what an owner that was killed left there under that name goes first.
    pub fn begin(room: &Path, name: &str) -> io::Result<Work> {
        let path = room.join(name);
        remove(&path)?;
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        for below in ["tmp", "gopath"] {
            fs::create_dir(path.join(below))?;
        }
        Ok(Work { path, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Removes what owners that were killed left below `room`: their locks went with them.
pub fn sweep(room: &Path) -> io::Result<()> {
    for entry in fs::read_dir(room)? {
        let path = entry?.path();
        let young = |m: fs::Metadata| {
            m.modified()
                .ok()
                .and_then(|t| t.elapsed().ok())
                .is_none_or(|age| age < YOUNG)
        };
        let Ok(dir) = File::open(&path) else { continue };
        if dir.try_lock().is_ok() && !dir.metadata().is_ok_and(young) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a tree, if it is there, even where Go has made directories read-only, as it does with a module's.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
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
