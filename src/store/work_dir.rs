//! Work directories, one for each run of `go`. The owner removes its directory; directories of killed owners are swept.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::file::list_entries;
use super::remove::{aside_path, move_aside, remove, remove_or_warn};
use super::{Store, layout};

/// The subdirectory for temporary files of `go`.
pub const TEMPORARY: &str = "tmp";

/// A directory that is locked while it is in use. Dropping it removes the directory.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    _lock: File,
}

impl WorkDir {
    /// Creates a directory with a unique name that starts with `prefix`.
    pub fn create(store: &Store, prefix: &str) -> io::Result<WorkDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).permissions(Permissions::from_mode(0o700));
        WorkDir::create_locked(store, || Ok(builder.tempdir_in(store.path(layout::WORK))?.keep()))
    }

    /// Creates the directory `name`, which waiters can find. The caller holds the lock that belongs to this name, so an existing
    /// directory was left by a killed process, and is removed.
    pub fn recreate(store: &Store, name: &str) -> io::Result<WorkDir> {
        let path = store.path(layout::WORK).join(name);
        WorkDir::create_locked(store, || {
            remove(&path)?;
            fs::DirBuilder::new().mode(0o700).create(&path)?;
            Ok(path)
        })
    }

    fn create_locked(store: &Store, create: impl FnOnce() -> io::Result<PathBuf>) -> io::Result<WorkDir> {
        // Keeps `sweep` away until the new directory is locked.
        let work_lock = File::create(store.path(layout::WORK_LOCK))?;
        work_lock.lock_shared()?;
        let path = create()?;
        let lock = File::open(&path)?;
        lock.lock()?;
        drop(work_lock);
        for subdirectory in [TEMPORARY, "gopath"] {
            fs::create_dir(path.join(subdirectory))?;
        }
        Ok(WorkDir { path, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory to the next [`sweep`], since removing it takes long.
    pub fn leave(self) -> io::Result<()> {
        move_aside(&self.path).map(drop)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        remove_or_warn(&self.path);
    }
}

/// Removes the directories of killed owners. The kernel has released their locks.
pub fn sweep(store: &Store) -> io::Result<()> {
    let work_lock = File::create(store.path(layout::WORK_LOCK))?;
    work_lock.lock()?;
    let mut abandoned = Vec::new();
    for path in list_entries(&store.path(layout::WORK), "")? {
        // The owner may have removed it meanwhile.
        let Ok(dir) = File::open(&path) else { continue };
        if dir.try_lock().is_ok() {
            // Another process may create a directory with the old name before this one is removed.
            let aside = aside_path(&store.path(layout::WORK), &dir.metadata()?);
            match fs::rename(&path, &aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                renamed => renamed?,
            }
            abandoned.push((aside, dir));
        }
    }
    drop(work_lock);
    abandoned.iter().for_each(|(path, _lock)| remove_or_warn(path));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_directories_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let count = || list_entries(&store.path(layout::WORK), "").unwrap().len();
        let owned = ["a", "a"].map(|prefix| WorkDir::create(&store, prefix).unwrap());
        assert_ne!(owned[0].path(), owned[1].path());
        let abandoned = store.path(layout::WORK).join("b");
        fs::create_dir_all(abandoned.join("tmp")).unwrap();
        sweep(&store).unwrap();
        assert!(!abandoned.exists() && owned.iter().all(|owned| owned.path().join("tmp").exists()));
        fs::create_dir_all(abandoned.join("old")).unwrap();
        let next = WorkDir::recreate(&store, "b").unwrap();
        assert!(!abandoned.join("old").exists() && next.path() == abandoned);
        next.leave().unwrap();
        assert!(!abandoned.exists() && count() == 3);
        sweep(&store).unwrap();
        assert_eq!(count(), 2);
        drop(owned);
        assert_eq!(count(), 0);
    }

    #[test]
    fn sweeping_does_not_remove_a_new_directory_of_the_same_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| (0..200).try_for_each(|_| sweep(&store)));
            for _ in 0..200 {
                // The state that a killed owner leaves.
                fs::create_dir_all(store.path(layout::WORK).join("b/tmp/x")).unwrap_or_default();
                let work = WorkDir::recreate(&store, "b").unwrap();
                assert!(work.path().join("tmp").exists());
            }
            sweeper.join().unwrap().unwrap();
        });
    }
}
