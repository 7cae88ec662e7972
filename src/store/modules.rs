//! Locks for readers of unpacked modules, and eviction of modules: all at once if no build is running, one by one otherwise.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::file::{files_below, list_entries};
use super::lock::Lock;
use super::remove::{aside_path, move_aside, remove, remove_or_warn};
use super::{Store, layout};

/// How long an eviction waits for lookups, which read modules for seconds. After that, the next eviction tries again.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an urgent eviction waits for lookups. New lookups wait for it meanwhile.
const GATE_TIMEOUT: Duration = Duration::from_secs(10);

/// The layout of the module cache.
#[derive(Debug, Clone, Copy)]
pub struct ModuleCacheLayout {
    /// The entry of the cache that lists the modules. It is removed first.
    pub index: &'static str,
    /// Finds the module version that a file below the index belongs to. Arguments: the cache and the file. Returns `None` for all
    /// files but one of each version; the modification time of that file is when the version was downloaded.
    pub find_version: fn(&Path, &Path) -> Option<ModuleVersion>,
}

/// The files of one version of a module.
#[derive(Debug)]
pub struct ModuleVersion {
    /// A lock file (flock) that is held while the version is unpacked.
    pub lock: PathBuf,
    /// The unpacked files.
    pub directory: PathBuf,
    /// Files of the index that say that the version is complete, in the order of removal.
    pub index_files: Vec<PathBuf>,
}

impl Store {
    /// Evicts modules that take more than their share. If `is_urgent`, new lookups wait until it is done.
    pub(super) fn evict_excess_modules(
        &self,
        modules: &ModuleCacheLayout,
        is_urgent: bool,
        builds_since: Option<SystemTime>,
    ) -> io::Result<()> {
        let gate = match is_urgent {
            true => Lock::acquire_within(&self.path(layout::MODULES_GATE), GATE_TIMEOUT)?,
            false => None,
        };
        let timeout = if gate.is_some() {
            GATE_TIMEOUT
        } else {
            LOOKUP_TIMEOUT
        };
        self.evict_modules(modules, timeout, gate, builds_since)
    }

    /// Evicts modules unless a lookup reads them for longer than `timeout`. While a build is running, evicts only versions that
    /// were downloaded before `builds_since`: `go` downloads them again. Releases `gate` before the slow part.
    pub(super) fn evict_modules(
        &self,
        modules: &ModuleCacheLayout,
        timeout: Duration,
        gate: Option<Lock>,
        builds_since: Option<SystemTime>,
    ) -> io::Result<()> {
        let Some(lock) = Lock::acquire_within(&self.path(layout::MODULES_LOCK), timeout)? else {
            return Ok(());
        };
        let no_build = Lock::try_acquire(&self.path(layout::BUILD_MODULES_LOCK))?;
        let cache = self.path(layout::MODULE_CACHE);
        let index = cache.join(modules.index);
        let mut moved = Vec::new();
        if no_build.is_some() {
            // The index goes first: a module that it lists counts as complete.
            let mut paths = list_entries(&cache, "")?;
            paths.sort_by_key(|path| *path != index);
            for path in &paths {
                match move_aside(path) {
                    Ok(aside) if aside != *path => moved.push(aside),
                    // It cannot be renamed, or a removal failed after it was. The lock is still held.
                    Ok(_) | Err(_) => remove_or_warn(path),
                }
            }
        } else if let Some(since) = builds_since {
            self.mark_eviction()?;
            for (file, metadata) in files_below(&index)? {
                if metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH) < since
                    && let Some(version) = (modules.find_version)(&cache, &file)
                {
                    match move_version_aside(&cache, &version) {
                        Ok(aside) => moved.extend(aside),
                        Err(error) => log::warn!("cannot evict {}: {error}", version.directory.display()),
                    }
                }
            }
        }
        drop((lock, no_build, gate));
        moved.iter().for_each(|path| remove_or_warn(path));
        Ok(())
    }

    /// Protects unpacked modules from removal while a build uses them, for minutes. An eviction does not wait for this lock.
    pub fn use_modules_in_build(&self) -> io::Result<File> {
        let shared = File::create(self.path(layout::BUILD_MODULES_LOCK))?;
        shared.lock_shared()?;
        Ok(shared)
    }

    /// Protects unpacked modules from removal while a lookup reads them.
    pub fn use_modules(&self) -> io::Result<File> {
        // An urgent eviction holds the gate. Without it, overlapping lookups could hold the shared lock forever.
        let gate = File::create(self.path(layout::MODULES_GATE))?;
        gate.lock_shared()?;
        let shared = File::create(self.path(layout::MODULES_LOCK))?;
        shared.lock_shared()?;
        Ok(shared)
    }
}

/// Moves an unpacked version aside and removes it from the index, unless another process is unpacking it. Returns the new path.
fn move_version_aside(cache: &Path, version: &ModuleVersion) -> io::Result<Option<PathBuf>> {
    let Some(_lock) = Lock::try_acquire(&version.lock)? else {
        return Ok(None);
    };
    let moved = fs::symlink_metadata(&version.directory).and_then(|metadata| {
        let aside = aside_path(cache, &metadata);
        // rename(2) of a directory needs write permission for it, to change its `..` entry.
        fs::set_permissions(&version.directory, fs::Permissions::from_mode(0o700))?;
        fs::rename(&version.directory, &aside).map(|()| aside)
    });
    let aside = match moved {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        moved => moved.ok(),
    };
    for file in &version.index_files {
        remove(file)?;
    }
    Ok(aside)
}

#[cfg(test)]
pub(in crate::store) mod tests {
    use std::fs::FileTimes;

    use super::super::remove::ASIDE_PREFIX;
    use super::*;

    /// `index/NAME.zip` and `index/NAME.sum` belong to the directory `NAME`.
    pub(in crate::store) const TEST_MODULES: ModuleCacheLayout = ModuleCacheLayout {
        index: "index",
        find_version: |cache, file| {
            (file.extension()? == "zip").then(|| ModuleVersion {
                lock: file.with_extension("lock"),
                directory: cache.join(file.file_stem().unwrap_or_default()),
                index_files: vec![file.with_extension("sum"), file.to_owned()],
            })
        },
    };

    fn hours_ago(hours: u64) -> SystemTime {
        SystemTime::now() - Duration::from_secs(hours * 3600)
    }

    fn put(path: PathBuf, hours: u64) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let at = hours_ago(hours);
        let times = FileTimes::new().set_accessed(at).set_modified(at);
        File::open(&path).unwrap().set_times(times).unwrap();
        path
    }

    #[test]
    fn all_modules_are_evicted_unless_a_lookup_uses_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let cache = store.path(layout::MODULE_CACHE);
        let [sum, module] = ["index/a.sum", "a/x.go"].map(|name| put(cache.join(name), 1));
        let evict = || {
            store
                .evict_modules(&TEST_MODULES, Duration::ZERO, None, None)
                .unwrap();
        };
        let lookup = store.use_modules().unwrap();
        evict();
        assert!(sum.exists() && module.exists());
        drop(lookup);
        evict();
        assert_eq!(fs::read_dir(cache).unwrap().count(), 0);
    }

    #[test]
    fn an_entry_that_cannot_be_removed_does_not_stop_an_eviction() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let cache = store.path(layout::MODULE_CACHE);
        fs::remove_dir(&cache).unwrap();
        std::os::unix::fs::symlink("/proc/self/ns", &cache).unwrap();
        store
            .evict_modules(&TEST_MODULES, Duration::ZERO, None, None)
            .unwrap();
    }

    #[test]
    fn only_old_modules_are_evicted_while_a_build_is_running() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let cache = store.path(layout::MODULE_CACHE);
        let module = |name: &str, hours| {
            let zip = put(cache.join(format!("index/{name}.zip")), hours);
            put(zip.with_extension("sum"), hours);
            let go_mod = put(zip.with_extension("mod"), hours);
            let file = put(cache.join(format!("{name}/x.go")), hours);
            fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o555)).unwrap();
            [file, zip, go_mod]
        };
        let (old, new) = (module("old", 3), module("new", 1));
        let _build = store.use_modules_in_build().unwrap();
        store
            .evict_modules(&TEST_MODULES, Duration::ZERO, None, Some(hours_ago(2)))
            .unwrap();
        assert_eq!(old.each_ref().map(|path| path.exists()), [false, false, true]);
        assert_eq!(new.each_ref().map(|path| path.exists()), [true; 3]);
        assert_eq!(list_entries(&cache, ASIDE_PREFIX).unwrap(), [] as [PathBuf; 0]);
        assert!(store.last_eviction().is_some());
    }
}
