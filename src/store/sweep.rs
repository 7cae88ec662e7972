//! Removes what killed processes left, and rotates the log. Runs before each eviction.

use std::fs;
use std::io;
use std::time::Duration;

use super::file::list_entries;
use super::layout::{self, UNPUBLISHED_PREFIX};
use super::lock::Lock;
use super::remove::{ASIDE_PREFIX, remove_or_warn};
use super::table::age;
use super::{BuildKey, Store};

/// The prefix of temporary files (the default of the crate tempfile).
const TEMPORARY_PREFIX: &str = ".tmp";

/// The age after which a temporary file is abandoned. Writing one takes less than a second; the rest allows for clock changes.
const TEMPORARY_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// The log is rotated when it is larger than this: some forty thousand builds, with a line or two each.
const MAX_LOG_BYTES: u64 = 8 << 20;

impl Store {
    /// Sweeps everything. The caller holds the eviction lock. Errors are logged.
    pub(super) fn sweep(&self) {
        for result in [
            self.rotate_log(),
            self.sweep_unpublished(),
            self.sweep_aside(),
            self.sweep_temporary(),
        ] {
            if let Err(error) = result {
                log::warn!("cannot sweep {}: {error}", self.root().display());
            }
        }
    }

    /// Renames a large log. Keeps one old log.
    fn rotate_log(&self) -> io::Result<()> {
        let log = self.path(layout::LOG);
        // Processes that have it open append to the renamed file.
        match fs::metadata(&log) {
            Ok(metadata) if metadata.len() > MAX_LOG_BYTES => fs::rename(&log, self.path(layout::OLD_LOG)),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes directories that killed builders did not publish.
    fn sweep_unpublished(&self) -> io::Result<()> {
        for path in list_entries(&self.path(layout::ARTIFACTS), UNPUBLISHED_PREFIX)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(key) = BuildKey::parse(name.strip_prefix(UNPUBLISHED_PREFIX).unwrap_or_default()) else {
                continue;
            };
            // A builder that is still running holds this lock.
            if let Some(_lock) = Lock::try_acquire(&self.build_lock(&key))? {
                remove_or_warn(&path);
            }
        }
        Ok(())
    }

    /// Removes what killed evictions moved aside.
    fn sweep_aside(&self) -> io::Result<()> {
        for dir in [layout::MODULE_CACHE, layout::TOOLCHAINS] {
            for path in list_entries(&self.path(dir), ASIDE_PREFIX)? {
                remove_or_warn(&path);
            }
        }
        Ok(())
    }

    /// Removes temporary files of killed processes.
    fn sweep_temporary(&self) -> io::Result<()> {
        for dir in [
            "",
            layout::RESOLUTIONS,
            layout::FAILURES,
            layout::DURATIONS,
            layout::REQUESTS,
            layout::OBJECT_STORE,
            layout::TOOLCHAINS,
        ] {
            for path in list_entries(&self.path(dir), TEMPORARY_PREFIX)? {
                let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
                if written.is_ok_and(|at| age(at) > TEMPORARY_AGE) {
                    remove_or_warn(&path);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::super::KeyHasher;
    use super::*;

    #[test]
    fn only_what_killed_processes_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let put = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        };
        let keys = ["killed", "running"].map(|name| KeyHasher::default().field(name).finish());
        let unpublished = keys.map(|key| {
            (
                store.build_lock(&key),
                put(store
                    .path(layout::ARTIFACTS)
                    .join(format!("{UNPUBLISHED_PREFIX}{key}/bin"))),
            )
        });
        let running = Lock::try_acquire(&unpublished[1].0).unwrap();
        let names = [
            "failures/.tmp-old",
            "object-store/.tmp-old",
            ".tmp-old",
            "failures/.tmp-new",
        ];
        let [old, old_record, old_observation, new] = names.map(|name| put(dir.path().join(name)));
        let hours_ago = SystemTime::now() - TEMPORARY_AGE * 2;
        for old in [&old, &old_record, &old_observation] {
            File::open(old).unwrap().set_modified(hours_ago).unwrap();
        }
        let abandoned = [
            put(store.path(layout::MODULE_CACHE).join("dead:7/x")),
            put(store.path(layout::TOOLCHAINS).join("dead:8/bin/go")),
            unpublished[0].1.clone(),
            old,
            old_record,
            old_observation,
        ];
        let in_use = [
            put(store
                .path(layout::MODULE_CACHE)
                .join("dead-letter.example.org/c@v1.0.0/x")),
            put(store.path(layout::TOOLCHAINS).join("go1.26.8/bin/go")),
            unpublished[1].1.clone(),
            new,
        ];
        store.sweep();
        assert_eq!(abandoned.each_ref().map(|path| path.exists()), [false; 6]);
        assert_eq!(in_use.each_ref().map(|path| path.exists()), [true; 4]);
        drop(running);
    }

    #[test]
    fn a_large_log_is_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let old = dir.path().join("builders.log.old");
        store.sweep();
        for (bytes, is_old) in [(MAX_LOG_BYTES, false), (MAX_LOG_BYTES + 1, true)] {
            File::create(store.path(layout::LOG))
                .unwrap()
                .set_len(bytes)
                .unwrap();
            store.sweep();
            assert_eq!(
                [store.path(layout::LOG).exists(), old.exists()],
                [!is_old, is_old]
            );
        }
    }
}
