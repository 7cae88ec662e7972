//! Unpacked modules: shared by those that read them, and evicted as a whole where no build runs, one by one where one does.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Store;
use super::evict::{Item, Kind, files_below};
use super::file::named;
use super::lock::Lock;
use super::remove::{HALF_REMOVED, put_aside, remove, try_remove};

/// How long an eviction waits for look-ups, which read modules for seconds: the next eviction tries again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long new look-ups wait for it, once modules take more than everything may.
const GATE_PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Evicts modules that take more than their part, and before new look-ups begin where they take more than everything may.
    pub(super) fn evict_crowded_modules(
        &self,
        before_look_ups: bool,
        builds_since: Option<SystemTime>,
    ) -> io::Result<()> {
        let gate = match before_look_ups {
            true => Lock::take_within(&self.modules_gate(), GATE_PATIENCE)?,
            false => None,
        };
        let patience = if gate.is_some() { GATE_PATIENCE } else { PATIENCE };
        self.evict_modules(patience, gate, builds_since)
    }

    /// Modules are downloaded again; but not while a look-up reads them. Opens the gate as soon as they are out of the way. Of a
    /// build they may be taken, but for those that are newer than the oldest.
    pub(super) fn evict_modules(
        &self,
        patience: Duration,
        gate: Option<Lock>,
        builds_since: Option<SystemTime>,
    ) -> io::Result<()> {
        let Some(alone) = Lock::take_within(&self.modules_in_use(), patience)? else {
            return Ok(());
        };
        let no_build = Lock::try_take(&self.modules_of_builds())?;
        let mut all_aside = Vec::new();
        if no_build.is_some() {
            // A module whose hash is known is taken for whole, whatever lies in its directory (cmd/go/internal/modfetch,
            // DownloadDir): what is known goes first, and all at once.
            let known = self.module_cache().join("cache");
            let mut paths = named(&self.module_cache(), "")?;
            paths.sort_by_key(|path| *path != known);
            for path in &paths {
                let aside = put_aside(path)?;
                if aside == *path {
                    remove(path)?;
                }
                all_aside.push(aside);
            }
        } else if let Some(since) = builds_since {
            self.note_eviction()?;
            for zip in old_zips(&self.module_cache().join("cache/download"), since)? {
                all_aside.extend(self.put_module_aside(&zip)?);
            }
        }
        // Nobody waits for what takes long.
        drop((alone, no_build, gate));
        all_aside.iter().for_each(|path| try_remove(path));
        Ok(())
    }

    /// Moves a module out of the way in one step, whose zip is `cache/download/MODULE/@v/VERSION.zip`, unless it is being unpacked.
    fn put_module_aside(&self, zip: &Path) -> io::Result<Option<PathBuf>> {
        let modules = self.module_cache();
        let (Some(version), Some(index)) = (zip.file_stem(), zip.parent()) else {
            return Ok(None);
        };
        let path = index
            .parent()
            .and_then(|dir| dir.strip_prefix(modules.join("cache/download")).ok());
        let Some(path) = path else { return Ok(None) };
        let Some(_alone) = Lock::try_take(&zip.with_extension("lock"))? else {
            return Ok(None);
        };
        let mut directory = modules.join(path).into_os_string();
        directory.push("@");
        directory.push(version);
        let directory = PathBuf::from(directory);
        let moved = fs::symlink_metadata(&directory).and_then(|metadata| {
            let aside = modules.join(format!("{HALF_REMOVED}{}", metadata.ino()));
            // What changes its parent has to be writable.
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
            fs::rename(&directory, &aside).map(|()| aside)
        });
        let aside = match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            moved => moved.ok(),
        };
        for file in [zip.with_extension("ziphash"), zip.to_owned()] {
            remove(&file)?;
        }
        Ok(aside)
    }

    /// Held by a build, which uses unpacked modules for minutes: eviction does not wait for it.
    pub fn use_modules_in_build(&self) -> io::Result<File> {
        let shared = File::create(self.modules_of_builds())?;
        shared.lock_shared()?;
        Ok(shared)
    }

    /// Held by a look-up, which reads unpacked modules.
    pub fn use_modules(&self) -> io::Result<File> {
        // Whoever waits to have them alone closes it: each would be followed by another otherwise.
        let gate = File::create(self.modules_gate())?;
        gate.lock_shared()?;
        let shared = File::create(self.modules_in_use())?;
        shared.lock_shared()?;
        Ok(shared)
    }
}

/// The zips of modules that were downloaded before.
fn old_zips(index: &Path, before: SystemTime) -> io::Result<Vec<PathBuf>> {
    let zips = files_below(index, || Kind::Cached)?.into_iter();
    let is_old = |item: &Item| item.used < before && item.path.extension().is_some_and(|kind| kind == "zip");
    Ok(zips.filter(is_old).map(|item| item.path).collect())
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use super::*;

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

    /// Modules go with all that is known of them, and not while a look-up uses them.
    #[test]
    fn modules_go_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let [hash, module] = ["cache/download/a.b/c/@v/v1.0.0.ziphash", "a.b/c@v1.0.0/x.go"]
            .map(|name| put(store.module_cache().join(name), 1));
        let evict = || store.evict_modules(Duration::ZERO, None, None).unwrap();
        let used = store.use_modules().unwrap();
        evict();
        assert!(hash.exists() && module.exists());
        drop(used);
        evict();
        assert_eq!(fs::read_dir(store.module_cache()).unwrap().count(), 0);
    }

    /// One by one, each as a whole, and it is noted.
    #[test]
    fn builds_that_overlap_keep_no_module_but_those_that_are_new() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let module = |version: &str, hours| {
            let known = store.module_cache().join("cache/download/a.b/!c/@v");
            let zip = put(known.join(format!("{version}.zip")), hours);
            put(zip.with_extension("ziphash"), hours);
            let go_mod = put(zip.with_extension("mod"), hours);
            let file = put(store.module_cache().join(format!("a.b/!c@{version}/x.go")), hours);
            fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o555)).unwrap();
            [file, zip, go_mod]
        };
        let (old, new) = (module("v1.0.0", 3), module("v1.1.0", 1));
        let _build = store.use_modules_in_build().unwrap();
        store
            .evict_modules(Duration::ZERO, None, Some(hours_ago(2)))
            .unwrap();
        assert_eq!(old.each_ref().map(|path| path.exists()), [false, false, true]);
        assert_eq!(new.each_ref().map(|path| path.exists()), [true; 3]);
        assert_eq!(
            named(&store.module_cache(), HALF_REMOVED).unwrap(),
            [] as [PathBuf; 0]
        );
        assert!(store.last_eviction().is_some());
    }
}
