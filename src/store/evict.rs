//! Keeps everything under the state directory below its cap, by removing what was used longest ago. Runs in a builder that
//! is done, or beside who looked into modules, never on the way to a hit. A reader keeps the file that it has open.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::file::named;
use super::lock::Lock;
use super::remove::{discard, put_aside, remove};
use super::{Artifact, Store};

/// `go` renews the time of a cache entry that it uses when that is an hour old (cmd/go/internal/cache): an entry older than
/// this, and than a build may last, is used by nobody who runs.
const USED_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// How old a mark of use may get before a hit renews it: once in so long, a hit writes.
const MARK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Whoever waited for a program opens it within this time: it is not taken from under them.
const WAITED_FOR: Duration = Duration::from_secs(60);

/// Modules may take one part in so many of the cap: what was only looked at pushes out nothing that was compiled.
const MODULES_PART: u64 = 2;

/// A build with less room has little chance; and of a small disk it shall not be much.
const ROOM: u64 = 256 << 20;
const ROOM_PART: u64 = 20;

/// How long an eviction waits for those who read modules: most builds are over by then, and the next eviction tries again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long all who want modules wait for it, once these take more than everything may: most builds are over by then.
const GATE_PATIENCE: Duration = Duration::from_secs(10);

/// Looking through everything takes tenths of a second: once in so long is enough for those who build nothing.
const EVICT_EVERY: Duration = Duration::from_secs(10);

/// Something that can be removed as a whole.
struct Item {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

impl Store {
    /// Bytes of all artifacts.
    pub fn artifact_bytes(&self) -> io::Result<u64> {
        Ok(self.artifact_items()?.iter().map(|item| item.bytes).sum())
    }

    /// Marks an artifact as used now.
    pub fn mark_used(&self, artifact: &Artifact) {
        let now = SystemTime::now();
        let stale = |m: &Metadata| {
            m.accessed()
                .is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > MARK_EVERY))
        };
        let marked = match artifact.file.metadata() {
            Ok(metadata) if stale(&metadata) => {
                artifact.file.set_times(fs::FileTimes::new().set_accessed(now))
            }
            looked => looked.map(drop),
        };
        if let Err(error) = marked {
            log::warn!("cannot mark {} as used: {error}", artifact.path.display());
        }
    }

    /// Removes what was used longest ago until everything is below `cap`, and the disk has some room. `spare` is the longest that a
    /// build may last.
    pub fn evict(&self, cap: u64, spare: Duration) -> io::Result<()> {
        // Two would remove what the other counts.
        let Some(_alone) = Lock::take_within(&self.evicting(), PATIENCE)? else {
            return Ok(());
        };
        self.sweep()?;
        let mut modules = bytes_below(&self.module_cache())?;
        if modules > cap / MODULES_PART {
            let gate = match modules > cap {
                true => Lock::take_within(&self.modules_gate(), GATE_PATIENCE)?,
                false => None,
            };
            let patience = if gate.is_some() { GATE_PATIENCE } else { PATIENCE };
            if self.evict_modules(patience, gate)? {
                modules = 0;
            }
        }
        let artifacts = self.artifact_items()?;
        let compiled = files_below(&self.compile_cache())?;
        let toolchains = self.toolchain_items()?;
        let total = |items: &[Item]| items.iter().map(|item| item.bytes).sum::<u64>();
        let modules = modules.min(cap / MODULES_PART);
        let all = total(&artifacts) + total(&compiled) + total(&toolchains) + modules;
        let mut over = all.saturating_sub(cap).max(self.lacks_room()?);
        let unused_for = |least: Duration| {
            let before = SystemTime::now().checked_sub(least);
            move |item: &Item| before.is_some_and(|before| item.used < before)
        };
        let of_builds = compiled.into_iter().chain(toolchains);
        let mut removable: Vec<Item> = of_builds
            .filter(unused_for(USED_WITHIN.max(spare)))
            .chain(artifacts.into_iter().filter(unused_for(WAITED_FOR)))
            .collect();
        removable.sort_by_key(|item| item.used);
        for item in removable {
            if over == 0 {
                return Ok(());
            }
            discard(&item.path)?;
            over = over.saturating_sub(item.bytes);
        }
        if over > 0 {
            self.evict_modules(Duration::ZERO, None)?;
        }
        Ok(())
    }

    /// Bytes that the disk lacks for a build to have a chance, whoever fills it.
    fn lacks_room(&self) -> io::Result<u64> {
        let disk = nix::sys::statvfs::statvfs(self.dir())?;
        let bytes = |blocks: u64| blocks * disk.fragment_size();
        let wanted = ROOM.min(bytes(disk.blocks()) / ROOM_PART);
        Ok(wanted.saturating_sub(bytes(disk.blocks_available())))
    }

    /// The lock of who evicts beside a request, if it is time again.
    pub fn time_to_evict(&self) -> io::Result<Option<Lock>> {
        Lock::take_if_due(&self.dir().join("locks/evict"), EVICT_EVERY)
    }

    /// Modules are downloaded again; but not while somebody reads them. Opens the gate as soon as they are out of the way. Says
    /// whether they are gone.
    fn evict_modules(&self, patience: Duration, gate: Option<Lock>) -> io::Result<bool> {
        let Some(alone) = Lock::take_within(&self.modules_in_use(), patience)? else {
            return Ok(false);
        };
        // A module whose hash is known is taken for whole, whatever lies in its directory (cmd/go/internal/modfetch, DownloadDir):
        // what is known goes first, and all at once.
        let known = self.module_cache().join("cache");
        let mut paths = named(&self.module_cache(), "")?;
        paths.sort_by_key(|path| *path != known);
        let mut all_aside = Vec::new();
        for path in &paths {
            let aside = put_aside(path)?;
            if aside == *path {
                remove(path)?;
            }
            all_aside.push(aside);
        }
        // Nobody waits for what takes long.
        drop((alone, gate));
        all_aside.iter().try_for_each(|path| remove(path))?;
        Ok(true)
    }

    /// Held by whoever uses unpacked modules.
    pub fn use_modules(&self) -> io::Result<File> {
        // Whoever waits to have them alone closes it: each would be followed by another otherwise.
        let gate = File::create(self.modules_gate())?;
        gate.lock_shared()?;
        let shared = File::create(self.modules_in_use())?;
        shared.lock_shared()?;
        Ok(shared)
    }

    /// Marks a version of Go as used now, by its command. A builder does: where it evicts, that is the last to go.
    pub fn mark_toolchain_used(&self, go: &Path) -> io::Result<()> {
        if !go.starts_with(self.toolchains()) {
            return Ok(());
        }
        File::open(go)?.set_times(fs::FileTimes::new().set_accessed(SystemTime::now()))
    }

    fn toolchain_items(&self) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for entry in fs::read_dir(self.toolchains())? {
            let path = entry?.path();
            let Ok(go) = fs::metadata(path.join("bin/go")) else {
                continue;
            };
            items.push(Item {
                used: last_use(&go),
                bytes: bytes_below(&path)?,
                path,
            });
        }
        Ok(items)
    }

    fn artifact_items(&self) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for shelf in fs::read_dir(self.artifacts())? {
            let shelf = shelf?;
            // What is being published lies there, and whatever a file system or an operator hides.
            if shelf.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            for place in fs::read_dir(shelf.path())? {
                let path = place?.path();
                // Without a program it is half of one that was evicted before.
                let program = fs::metadata(path.join("bin"));
                items.push(Item {
                    used: program.map_or(SystemTime::UNIX_EPOCH, |program| last_use(&program)),
                    // With its copies: they go together.
                    bytes: bytes_below(&path)?,
                    path,
                });
            }
        }
        Ok(items)
    }
}

fn last_use(metadata: &Metadata) -> SystemTime {
    let times = [metadata.accessed(), metadata.modified()];
    times
        .into_iter()
        .filter_map(Result::ok)
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// All files below a directory. What vanishes meanwhile is left out, and links, which take no room.
fn files_below(dir: &Path) -> io::Result<Vec<Item>> {
    let (mut items, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                open.push(entry.path());
            } else if metadata.is_file() {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                items.push(Item {
                    used,
                    bytes: metadata.blocks() * 512,
                    path: entry.path(),
                });
            }
        }
    }
    Ok(items)
}

/// Bytes of all files below a directory, as far as they are not gone meanwhile.
pub fn bytes_below(dir: &Path) -> io::Result<u64> {
    Ok(files_below(dir)?.iter().map(|item| item.bytes).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_no_more_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let hours_ago = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3600);
        let put = |path: PathBuf, hours| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![0; 1 << 20]).unwrap();
            let times = fs::FileTimes::new()
                .set_accessed(hours_ago(hours))
                .set_modified(hours_ago(hours));
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(times)
                .unwrap();
            path
        };
        let old = put(store.artifacts().join("aa/old/bin"), 50);
        let new = put(store.artifacts().join("aa/new/bin"), 1);
        let compiled = put(store.compile_cache().join("00/old"), 40);
        let in_use = put(store.compile_cache().join("00/new"), 1);
        let copy = put(store.artifacts().join("aa/old/zstd"), 50);
        assert_eq!(store.artifact_bytes().unwrap(), 3 << 20);
        store.evict(3 << 20, Duration::ZERO).unwrap();
        assert!(!copy.exists());
        assert_eq!(
            [&old, &new, &compiled, &in_use].map(|path| path.exists()),
            [false, true, true, true]
        );
        store.evict(1 << 20, Duration::ZERO).unwrap();
        assert_eq!(
            [&new, &compiled, &in_use].map(|path| path.exists()),
            [false, false, true]
        );
    }

    /// Modules go with all that is known of them, and not while somebody uses them.
    #[test]
    fn modules_go_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let hash = store
            .module_cache()
            .join("cache/download/a.b/c/@v/v1.0.0.ziphash");
        let module = store.module_cache().join("a.b/c@v1.0.0/x.go");
        for file in [&hash, &module] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "x").unwrap();
        }
        let used = store.use_modules().unwrap();
        assert!(!store.evict_modules(Duration::ZERO, None).unwrap());
        assert!(hash.exists() && module.exists());
        drop(used);
        assert!(store.evict_modules(Duration::ZERO, None).unwrap());
        assert_eq!(fs::read_dir(store.module_cache()).unwrap().count(), 0);
    }
}
