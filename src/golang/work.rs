//! A directory of its own for each run of `go`, gone with its owner, and swept if its owner was killed.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::store::Store;
use crate::store::remove::{remove, try_remove};

/// A directory that is locked as long as it is in use, and removed when this value goes.
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
    _lock: File,
}

impl Work {
    /// Makes a directory whose name begins so, and is no other's on the volume.
    pub fn begin(store: &Store, role: &str) -> io::Result<Work> {
        let mut named = tempfile::Builder::new();
        named.prefix(role).permissions(Permissions::from_mode(0o700));
        Work::own(store, || Ok(named.tempdir_in(store.work())?.keep()))
    }

    /// Makes the directory `name`, so that others find it, for who has the lock of what is so named: what is there is of an
    /// owner that was killed, and goes first.
    pub fn named(store: &Store, name: &str) -> io::Result<Work> {
        let path = store.work().join(name);
        Work::own(store, || {
            remove(&path)?;
            fs::DirBuilder::new().mode(0o700).create(&path)?;
            Ok(path)
        })
    }

    fn own(store: &Store, make: impl FnOnce() -> io::Result<PathBuf>) -> io::Result<Work> {
        // Until it is locked nobody may take its owner for dead: sweepers wait.
        let making = File::create(store.making_work())?;
        making.lock_shared()?;
        let path = make()?;
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
        try_remove(&self.path);
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
            // Under its old name somebody may make the next one. No two that are there have one inode.
            let aside = store.work().join(format!("dead-{}", dir.metadata()?.ino()));
            match fs::rename(&path, &aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                renamed => renamed?,
            }
            dead.push((aside, dir));
        }
    }
    drop(alone);
    dead.iter().for_each(|(path, _lock)| try_remove(path));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let left = || fs::read_dir(store.work()).unwrap().count();
        let owners = ["a", "a"].map(|role| Work::begin(&store, role).unwrap());
        assert_ne!(owners[0].path(), owners[1].path());
        let dead = store.work().join("b");
        fs::create_dir_all(dead.join("tmp")).unwrap();
        sweep(&store).unwrap();
        assert!(!dead.exists() && owners.iter().all(|owner| owner.path().join("tmp").exists()));
        fs::create_dir_all(dead.join("old")).unwrap();
        let next = Work::named(&store, "b").unwrap();
        assert!(!dead.join("old").exists() && next.path() == dead);
        drop((owners, next));
        assert_eq!(left(), 0);
    }

    /// Who sweeps removes what it found, and not what has its name since.
    #[test]
    fn sweepers_and_owners_get_along() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| (0..200).try_for_each(|_| sweep(&store)));
            for _ in 0..200 {
                // As an owner that was killed leaves it.
                fs::create_dir_all(store.work().join("b/tmp/x")).unwrap_or_default();
                let work = Work::named(&store, "b").unwrap();
                assert!(work.path().join("tmp").exists());
            }
            sweeper.join().unwrap().unwrap();
        });
    }
}
