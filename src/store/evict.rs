//! Keeps everything under the state directory below its cap, but for the directories of the builds that run. Runs in a builder that
//! is done, or beside a request that looked into modules or made a copy, never on the way to a hit. A reader keeps the file that it
//! has open.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::disk::CLIENT;
use super::file::named;
use super::lock::Lock;
use super::remove::discard;
use super::room::Room;
use super::table::age;
use super::{Artifact, Store};

/// How old a mark of use may get before a hit renews it: once in so long, a hit writes.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// Waiters open a program, and read a failure, within this time, and so do web servers that send a program by its path: it stays so long.
const WAITED_FOR: Duration = Duration::from_secs(10);

/// Modules may take one part in so many of the cap: what was only looked at pushes out nothing that was compiled.
const MODULES_PART: u64 = 2;

/// How long an eviction waits for the one before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looking through everything takes tenths of a second: once in so long is enough for those who build nothing.
const EVICT_EVERY: Duration = Duration::from_secs(10);

/// Eviction weighs age by size. Up to this size only age counts: half of all programs are smaller, and so is nearly all that is
/// compiled.
const ORDINARY: u64 = 8 << 20;

/// Added to every age: among things that were just used, size decides, and a large program goes before a small one that is some hours
/// older.
const AGE_AT_FIRST: Duration = Duration::from_secs(60 * 60);

/// Something that can be removed as a whole.
pub(super) struct Item {
    pub(super) used: SystemTime,
    bytes: u64,
    kind: Kind,
    pub(super) path: PathBuf,
}

pub(super) enum Kind {
    /// A program, and the client whose build made it, if that is known.
    Program { client: Option<String> },
    /// What `go` needs and can make again.
    Cached,
    /// An answer: small, and asked again.
    Remembered,
}

impl Store {
    /// Bytes of all artifacts.
    pub fn artifact_bytes(&self) -> io::Result<u64> {
        Ok(sum(&self.artifact_items()?))
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

    /// Removes what was used longest ago, large things and programs of the client that has the most before others, until all is below
    /// `cap` and the disk has some room. `default_go`, the directory of a version, stays.
    pub fn evict(&self, cap: u64, default_go: &Path) -> io::Result<()> {
        // Two would remove what the other counts.
        let Some(_alone) = Lock::take_within(&self.evicting(), PATIENCE)? else {
            return Ok(());
        };
        self.sweep();
        let builds_since = self.oldest_build()?;
        let is_of_build = |item: &&Item| {
            matches!(item.kind, Kind::Cached) && builds_since.is_some_and(|since| item.used >= since)
        };
        let mut modules = files_below(&self.module_cache(), || Kind::Cached)?;
        if sum(&modules) > cap / MODULES_PART {
            self.evict_crowded_modules(sum(&modules) > cap, builds_since)?;
            modules = files_below(&self.module_cache(), || Kind::Cached)?;
        }
        let (items, kept) = self.items(default_go)?;
        let over = (sum(&items) + kept + sum(&modules)).saturating_sub(cap);
        // For what running builds have added, other things in the caches go, and no programs.
        let of_builds = sum(items.iter().chain(&modules).filter(is_of_build)).min(over);
        let mut items = in_order(items, builds_since).into_iter();
        let freed = self.free(&mut items, over - of_builds)?;
        let (programs, others): (Vec<_>, Vec<_>) =
            items.partition(|item| matches!(item.kind, Kind::Program { .. }));
        let (mut others, missing) = (others.into_iter(), over.saturating_sub(freed));
        if self.free(&mut others, missing)? < missing {
            self.evict_modules(Duration::ZERO, None, builds_since)?;
        }
        // A build under way ends where the disk is full: nothing goes for it.
        if builds_since.is_none() && self.lacks_room()? > 0 {
            self.evict_modules(Duration::ZERO, None, None)?;
            self.free(&mut others.chain(programs), self.lacks_room()?)?;
        }
        Ok(())
    }

    /// Removes items in order until so many bytes are free. Returns how many are.
    fn free(&self, items: &mut dyn Iterator<Item = Item>, bytes: u64) -> io::Result<u64> {
        let mut freed = 0;
        while freed < bytes
            && let Some(item) = items.next()
        {
            // What waiters are about to open counts as removed, and is next time: nothing else goes in its place.
            if age(item.used) >= WAITED_FOR || matches!(item.kind, Kind::Cached) {
                if matches!(item.kind, Kind::Cached) {
                    self.note_eviction()?;
                }
                if let Err(error) = discard(&item.path) {
                    log::warn!("cannot remove {}: {error}", item.path.display());
                    continue;
                }
            }
            freed += item.bytes;
        }
        Ok(freed)
    }

    /// All that may be removed, and the bytes of what may not.
    fn items(&self, default_go: &Path) -> io::Result<(Vec<Item>, u64)> {
        let toolchains = self.toolchain_items()?.into_iter();
        let (default, toolchains): (Vec<_>, Vec<_>) = toolchains.partition(|item| item.path == default_go);
        let mut items = self.artifact_items()?;
        items.extend(toolchains);
        items.extend(files_below(&self.compile_cache(), || Kind::Cached)?);
        for answers in ["failures", "resolutions"] {
            items.extend(files_below(&self.dir().join(answers), || Kind::Remembered)?);
        }
        let mut kept = sum(&default);
        for dir in [self.clients(), self.counters()] {
            kept += bytes_below(&dir)?;
        }
        for log in [self.log(), self.log().with_extension("log.old")] {
            kept += fs::metadata(log).map_or(0, |log| log.blocks() * 512);
        }
        Ok((items, kept))
    }

    /// When the oldest running build began. What was made or used since may be needed by it, and stays. What is older may go too: a
    /// build that fails for it runs again (`build/builder.rs`).
    fn oldest_build(&self) -> io::Result<Option<SystemTime>> {
        let mut oldest = None;
        for slot in named(&self.slots(), "")? {
            if !Lock::is_free(&slot)? {
                let begun = fs::metadata(&slot)?.modified()?;
                oldest = Some(oldest.map_or(begun, |oldest: SystemTime| oldest.min(begun)));
            }
        }
        Ok(oldest)
    }

    /// When an eviction last removed something that a build may have been using. To be compared with another call's result only: the
    /// clock may be wrong.
    pub fn last_eviction(&self) -> Option<SystemTime> {
        fs::metadata(self.eviction_mark())
            .and_then(|mark| mark.modified())
            .ok()
    }

    pub(super) fn note_eviction(&self) -> io::Result<()> {
        File::create(self.eviction_mark())?.set_modified(SystemTime::now())
    }

    fn eviction_mark(&self) -> PathBuf {
        self.dir().join("locks/evicted")
    }

    /// Bytes that the disk lacks for a build to have a chance, by whatever fills it.
    fn lacks_room(&self) -> io::Result<u64> {
        let disk = Room::of(self.dir())?;
        Ok(disk.wanted.saturating_sub(disk.free))
    }

    /// The lock of a process that evicts beside a request, if it is time again.
    pub fn time_to_evict(&self) -> io::Result<Option<Lock>> {
        Lock::take_if_due(&self.dir().join("locks/evict"), EVICT_EVERY)
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
                kind: Kind::Cached,
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
                    kind: Kind::Program {
                        client: fs::read_to_string(path.join(CLIENT)).ok(),
                    },
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

fn sum<'a>(items: impl IntoIterator<Item = &'a Item>) -> u64 {
    items.into_iter().map(|item| item.bytes).sum()
}

/// What may go, the first to go first. A client that has more than others on average is weighed by how much more.
fn in_order(mut items: Vec<Item>, builds_since: Option<SystemTime>) -> Vec<Item> {
    let mut of_clients = HashMap::new();
    for item in &items {
        if let Kind::Program { client: Some(client) } = &item.kind {
            *of_clients.entry(client.clone()).or_insert(0) += item.bytes;
        }
    }
    let mean = of_clients.values().sum::<u64>() / (of_clients.len().max(1) as u64);
    let now = SystemTime::now();
    let goes_first = |item: &Item| {
        let (size, part) = match &item.kind {
            Kind::Program { client } => {
                let part = client.as_ref().and_then(|client| of_clients.get(client));
                (item.bytes.max(ORDINARY), part.copied().unwrap_or(0).max(mean))
            }
            Kind::Cached => (item.bytes.max(ORDINARY), mean),
            Kind::Remembered => (item.bytes, mean),
        };
        let unused = now.duration_since(item.used).unwrap_or_default() + AGE_AT_FIRST;
        Reverse(u128::from(unused.as_secs()) * u128::from(size) * u128::from(part.max(1)))
    };
    let programs = items
        .iter()
        .filter(|item| matches!(item.kind, Kind::Program { .. }));
    // However small the cap, there is a program.
    let newest = programs
        .max_by_key(|item| item.used)
        .map(|item| item.path.clone());
    items.retain(|item| match item.kind {
        Kind::Program { .. } => age(item.used) < WAITED_FOR || Some(&item.path) != newest.as_ref(),
        Kind::Cached => builds_since.is_none_or(|since| item.used < since),
        Kind::Remembered => age(item.used) > WAITED_FOR,
    });
    items.sort_by_cached_key(goes_first);
    items
}

/// All files below a directory. What vanishes meanwhile is left out, and links, which take no room.
pub(super) fn files_below(dir: &Path, kind: impl Fn() -> Kind) -> io::Result<Vec<Item>> {
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
                    kind: kind(),
                    path: entry.path(),
                });
            }
        }
    }
    Ok(items)
}

/// Bytes of all files below a directory, as far as they are not gone meanwhile.
pub fn bytes_below(dir: &Path) -> io::Result<u64> {
    Ok(sum(&files_below(dir, || Kind::Cached)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn hours_ago(hours: u64) -> SystemTime {
        SystemTime::now() - Duration::from_secs(hours * 3600)
    }

    fn date(path: &Path, at: SystemTime) {
        let times = fs::FileTimes::new().set_accessed(at).set_modified(at);
        File::open(path).unwrap().set_times(times).unwrap();
    }

    /// A file, last used so many hours ago.
    fn put(path: PathBuf, bytes: usize, hours: u64) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![0; bytes]).unwrap();
        date(&path, hours_ago(hours));
        path
    }

    fn program(store: &Store, name: &str, bytes: usize, hours: u64) -> PathBuf {
        put(store.artifacts().join("aa").join(name).join("bin"), bytes, hours)
    }

    fn evict(store: &Store, cap: usize) {
        store.evict(cap as u64, Path::new("/none")).unwrap();
    }

    fn exist<const N: usize>(paths: [&PathBuf; N]) -> [bool; N] {
        paths.map(|path| path.exists())
    }

    /// A build that began two hours ago.
    fn build(store: &Store) -> Lock {
        let slot = Lock::try_take(&store.slot(0)).unwrap().unwrap();
        date(&store.slot(0), hours_ago(2));
        slot
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_no_more_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let old = program(&store, "old", MIB, 50);
        let copy = put(store.artifacts().join("aa/old/zstd"), MIB, 50);
        let new = program(&store, "new", MIB, 1);
        let compiled = put(store.compile_cache().join("00/old"), MIB, 40);
        let in_use = put(store.compile_cache().join("00/new"), MIB, 1);
        assert_eq!(store.artifact_bytes().unwrap(), 3 << 20);
        let slot = build(&store);
        evict(&store, 3 * MIB);
        assert!(!copy.exists());
        assert_eq!(exist([&old, &new, &compiled, &in_use]), [false, true, true, true]);
        evict(&store, MIB);
        assert_eq!(
            exist([&new, &compiled, &in_use]),
            [true, false, true],
            "for what a running build adds, no program goes"
        );
        assert!(store.last_eviction().is_some(), "a build may have missed it");
        drop(slot);
        evict(&store, 0);
        assert_eq!(exist([&new, &in_use]), [true, false], "the newest program stays");
    }

    #[test]
    fn large_programs_go_before_small_ones_that_are_a_little_older() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let small = program(&store, "small", MIB, 2);
        let large = ["a", "b", "c"].map(|name| program(&store, name, 32 * MIB, 0));
        // Waiters are about to open them: they stay until the next time, and nothing else goes for them.
        evict(&store, 48 * MIB);
        assert!(small.exists() && large.iter().all(|path| path.exists()));
        large
            .iter()
            .filter(|path| path.exists())
            .for_each(|path| date(path, SystemTime::now() - WAITED_FOR * 2));
        evict(&store, 48 * MIB);
        assert!(small.exists());
        assert_eq!(large.iter().filter(|path| path.exists()).count(), 1);
    }

    #[test]
    fn programs_of_a_client_that_has_the_most_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let of = |client: &str, name: &str, hours| {
            let program = program(&store, name, MIB, hours);
            fs::write(program.with_file_name(CLIENT), client).unwrap();
            program
        };
        let other = of("198.51.100", "other", 2);
        let many: Vec<_> = (0..10).map(|n| of("192.0.2", &n.to_string(), 1)).collect();
        evict(&store, 8 * MIB);
        assert!(other.exists());
        assert_eq!(many.iter().filter(|path| path.exists()).count(), 6);
    }

    #[test]
    fn answers_count_and_the_default_go_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let go = |name: &str| put(store.toolchains().join(name).join("bin/go"), MIB, 50);
        let [default, other] = ["go1.26.8", "go1.25.13"].map(go);
        let answers = ["failures/000", "resolutions/000"].map(|name| put(dir.path().join(name), MIB, 1));
        let keep = store.toolchains().join("go1.26.8");
        store.evict(3 << 20, &keep).unwrap();
        assert_eq!(exist([&default, &other]), [true, false]);
        assert!(answers.iter().all(|path| path.exists()));
        store.evict(0, &keep).unwrap();
        assert!(default.exists() && !answers.iter().any(|path| path.exists()));
    }

    #[test]
    fn what_cannot_be_removed_stops_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // Nothing can be removed there, and nothing is older.
        std::os::unix::fs::symlink("/proc/self/ns", store.artifacts().join("bb")).unwrap();
        let [next, newest] = [50, 1].map(|hours| program(&store, &hours.to_string(), MIB, hours));
        evict(&store, 0);
        assert_eq!(exist([&next, &newest]), [false, true]);
    }
}
