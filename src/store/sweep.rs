//! What processes that were killed left behind, and what grows by itself. Swept before anything is evicted.

use std::fs;
use std::io;
use std::time::Duration;

use super::disk::UNPUBLISHED;
use super::file::named;
use super::lock::Lock;
use super::remove::{HALF_REMOVED, try_remove};
use super::table::age;
use super::{BuildKey, Store};

/// How tempfile has the name of a file begin that is written aside.
const HALF_WRITTEN: &str = ".tmp";

/// Such a file is written within moments: one so old is nobody's, whatever a clock did.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// A builder's log longer than this is begun anew: some forty thousand builds, of a line or two each.
const LOG_BYTES: u64 = 8 << 20;

impl Store {
    /// Removes it. For the one process that evicts. What cannot be removed stops nothing else.
    pub(super) fn sweep(&self) {
        for swept in [
            self.begin_log_anew(),
            self.sweep_unpublished(),
            self.sweep_half_removed(),
            self.sweep_half_written(),
        ] {
            if let Err(error) = swept {
                log::warn!("cannot sweep {}: {error}", self.dir().display());
            }
        }
    }

    /// What the builders said is kept once more beside what they say.
    fn begin_log_anew(&self) -> io::Result<()> {
        let log = self.log();
        // Who has it open writes to its end.
        match fs::metadata(&log) {
            Ok(metadata) if metadata.len() > LOG_BYTES => fs::rename(&log, log.with_extension("log.old")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What builders that were killed were about to publish.
    fn sweep_unpublished(&self) -> io::Result<()> {
        for path in named(&self.artifacts(), UNPUBLISHED)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(key) = BuildKey::parse(name.strip_prefix(UNPUBLISHED).unwrap_or_default()) else {
                continue;
            };
            // Whoever publishes holds it.
            if let Some(_alone) = Lock::try_take(&self.lock(&key))? {
                try_remove(&path);
            }
        }
        Ok(())
    }

    /// What evictors that were killed were about to remove.
    fn sweep_half_removed(&self) -> io::Result<()> {
        for dir in [self.module_cache(), self.toolchains()] {
            for path in named(&dir, HALF_REMOVED)? {
                try_remove(&path);
            }
        }
        Ok(())
    }

    /// Small files that were never put in their places.
    fn sweep_half_written(&self) -> io::Result<()> {
        for dir in [
            self.dir().join("resolutions"),
            self.dir().join("failures"),
            self.toolchains(),
        ] {
            for path in named(&dir, HALF_WRITTEN)? {
                let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
                if written.is_ok_and(|at| age(at) > WRITTEN_WITHIN) {
                    try_remove(&path);
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

    use super::super::KeyMaker;
    use super::*;

    #[test]
    fn what_the_dead_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let put = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        };
        let keys = ["killed", "publishes"].map(|name| KeyMaker::default().field(name).finish());
        let unpublished = keys.map(|key| {
            (
                store.lock(&key),
                put(store.artifacts().join(format!("{UNPUBLISHED}{key}/bin"))),
            )
        });
        let publishes = Lock::try_take(&unpublished[1].0).unwrap();
        let [old, new] = ["old", "new"].map(|name| put(dir.path().join(format!("failures/.tmp{name}"))));
        let hours_ago = SystemTime::now() - WRITTEN_WITHIN * 2;
        File::open(&old).unwrap().set_modified(hours_ago).unwrap();
        let dead = [
            put(store.module_cache().join("dead-7/x")),
            put(store.toolchains().join("dead-8/bin/go")),
            unpublished[0].1.clone(),
            old,
        ];
        let alive = [
            put(store.module_cache().join("a.b/c@v1.0.0/x")),
            put(store.toolchains().join("go1.26.8/bin/go")),
            unpublished[1].1.clone(),
            new,
        ];
        store.sweep();
        assert_eq!(dead.each_ref().map(|path| path.exists()), [false; 4]);
        assert_eq!(alive.each_ref().map(|path| path.exists()), [true; 4]);
        drop(publishes);
    }

    #[test]
    fn a_long_log_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let old = dir.path().join("builders.log.old");
        store.sweep();
        for (bytes, is_old) in [(LOG_BYTES, false), (LOG_BYTES + 1, true)] {
            File::create(store.log()).unwrap().set_len(bytes).unwrap();
            store.sweep();
            assert_eq!([store.log().exists(), old.exists()], [!is_old, is_old]);
        }
    }
}
