//! A directory of its own for each run of `go`, gone with its owner, and swept if its owner was killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::store::Store;
use crate::store::evict::remove;

/// A directory that is locked as long as it is in use, and removed when this value goes.
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
    _lock: File,
}

impl Work {
    /// Makes the directory `name`; what an owner that was killed left under that name goes first.
    pub fn begin(store: &Store, name: &str) -> io::Result<Work> {
        let path = store.work().join(name);
        remove(&path)?;
        // Between making a directory and locking it, nobody may take its owner for dead: sweepers wait.
        let making = File::create(store.making_work())?;
        making.lock_shared()?;
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        drop(making);
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

/// Removes what owners that were killed left: their locks went with them.
pub fn sweep(store: &Store) -> io::Result<()> {
    let alone = File::create(store.making_work())?;
    alone.lock()?;
    let mut dead = Vec::new();
    for entry in fs::read_dir(store.work())? {
        let path = entry?.path();
        // Gone meanwhile: its owner ended.
        let Ok(dir) = File::open(&path) else { continue };
        if dir.try_lock().is_ok() {
            dead.push((path, dir));
        }
    }
    drop(alone);
    dead.into_iter().try_for_each(|(path, _lock)| remove(&path))
}
