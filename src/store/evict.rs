//! Evicts until the state directory is below its size limit. Work directories of running builds do not count. Runs in a builder
//! after its build, or in the background of a request that downloaded a module or created a copy, never before a cache hit. A
//! response that sends a removed file keeps it open.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::disk_space::DiskSpace;
use super::file::{
    allocated_bytes, disk_usage, entries_below, files_below, list_entries, read_json, replace,
};
use super::layout::{self, CLIENT, PROGRAM};
use super::lock::Lock;
use super::modules::ModuleCacheLayout;
use super::remove::remove_atomically;
use super::table::age;
use super::{Artifact, Store};

/// A cache hit renews the access time of a program that is older than this.
const ACCESS_TIME_RESOLUTION: Duration = Duration::from_secs(5);

/// Newer programs and failures are not removed: within this time waiters open them, and a web server opens a program by its path.
const MIN_AGE: Duration = Duration::from_secs(10);

/// Modules may take this fraction of the size limit, so that resolved programs do not displace compiled ones.
const MODULES_DIVISOR: u64 = 2;

/// How long an eviction waits for the previous one.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(30);

/// How often requests without a build start an eviction. Reading the state directory takes tenths of a second.
const EVICTION_INTERVAL: Duration = Duration::from_secs(10);

/// Items are weighed by age times size. Smaller items weigh the same as this size: half of all programs are smaller, and so are
/// nearly all files of the compile cache.
const MIN_WEIGHED_SIZE: u64 = 8 << 20;

/// Added to every age. Among items that were used just now the size decides, and a large program is evicted before a small one
/// that is some hours older.
const AGE_OFFSET: Duration = Duration::from_secs(60 * 60);

/// What evictions have to know about the files of Go. `golang` supplies it.
#[derive(Debug, Clone, Copy)]
pub struct CacheLayout {
    /// A program in each toolchain's directory. Its access time is when the toolchain was last used.
    pub toolchain_program: &'static str,
    /// The layout of the module cache.
    pub modules: ModuleCacheLayout,
}

/// A file or directory that can be evicted.
struct Item {
    used: SystemTime,
    bytes: u64,
    kind: ItemKind,
    path: PathBuf,
}

impl Item {
    fn is_program(&self) -> bool {
        matches!(self.kind, ItemKind::Program { .. })
    }
}

#[derive(Clone)]
enum ItemKind {
    /// A program with its copies, and the client that caused the build, if known.
    Program { client: Option<String> },
    /// A toolchain or a file of a cache, which `go` needs and can create again.
    Cache,
    /// A failure or a resolution: small and easy to create again.
    Record,
}

/// The result of one pass of an eviction.
#[derive(Default)]
struct Removed {
    /// Bytes of the removed items and of the deferred ones: no other item is removed for these.
    bytes: u64,
    /// Bytes of items that waiters may be about to open. A later eviction removes them.
    deferred_bytes: u64,
    /// Bytes of the removed programs.
    program_bytes: u64,
}

impl Store {
    /// Bytes of all programs and their copies when the last eviction ended. One runs after each build.
    pub fn artifact_bytes(&self) -> io::Result<u64> {
        match read_json(&self.path(layout::ARTIFACT_BYTES)) {
            Some(bytes) => Ok(bytes),
            None => {
                let bytes = total_bytes(&self.artifact_items()?);
                self.record_artifact_bytes(bytes);
                Ok(bytes)
            }
        }
    }

    fn record_artifact_bytes(&self, bytes: u64) {
        let path = self.path(layout::ARTIFACT_BYTES);
        if let Err(error) = replace(&path, bytes.to_string().as_bytes()) {
            log::warn!("cannot write {}: {error}", path.display());
        }
    }

    /// Marks a program as used now, unless that was done seconds ago. Returns whether it was due.
    pub fn mark_used(&self, artifact: &Artifact) -> bool {
        let now = SystemTime::now();
        let is_due = |metadata: &Metadata| {
            let age = metadata.accessed().map(|at| now.duration_since(at));
            age.is_ok_and(|age| age.is_ok_and(|age| age > ACCESS_TIME_RESOLUTION))
        };
        let marked = match artifact.file.metadata() {
            Ok(metadata) if is_due(&metadata) => {
                let times = fs::FileTimes::new().set_accessed(now);
                artifact.file.set_times(times).map(|()| true)
            }
            read => read.map(|_| false),
        };
        marked.unwrap_or_else(|error| {
            log::warn!("cannot mark {} as used: {error}", artifact.path.display());
            false
        })
    }

    /// Removes items until everything takes at most `max_bytes` and the disk has its reserve of free space. Starts with items that
    /// were not used for long, large items, and programs of the client that takes the most space. Keeps `default_toolchain`.
    /// Returns the bytes of items that should be removed but are too young: waiters may be about to open them. `own_slot` is the inode
    /// of the slot that this process holds after its build, which needs no caches any more.
    pub fn evict(
        &self,
        max_bytes: u64,
        default_toolchain: &Path,
        caches: &CacheLayout,
        own_slot: Option<u64>,
    ) -> io::Result<u64> {
        // Concurrent evictions would each free the missing bytes.
        let path = self.path(layout::EVICTION_LOCK);
        let Some(_lock) = Lock::acquire_within(&path, EVICTION_TIMEOUT)? else {
            return Ok(0);
        };
        self.sweep();
        let builds_since = self.oldest_build_start(own_slot)?;
        let may_be_in_use = |item: &&Item| {
            matches!(item.kind, ItemKind::Cache) && builds_since.is_some_and(|since| item.used >= since)
        };
        let mut modules = self.module_items()?;
        if total_bytes(&modules) > max_bytes / MODULES_DIVISOR {
            let is_urgent = total_bytes(&modules) > max_bytes;
            self.evict_excess_modules(&caches.modules, is_urgent, builds_since)?;
            modules = self.module_items()?;
        }
        let (items, fixed_bytes) = self.items(default_toolchain, caches)?;
        let excess = (total_bytes(&items) + fixed_bytes + total_bytes(&modules)).saturating_sub(max_bytes);
        // Running builds may have added this many bytes. To make up for them, caches are evicted but no programs.
        let of_builds = total_bytes(items.iter().chain(&modules).filter(may_be_in_use)).min(excess);
        let mut program_bytes = total_bytes(items.iter().filter(|item| item.is_program()));
        let mut items = sort_evictable(items, builds_since).into_iter();
        let removed = self.remove_items(&mut items, excess - of_builds)?;
        program_bytes -= removed.program_bytes;
        let (programs, others): (Vec<_>, Vec<_>) = items.partition(Item::is_program);
        let (mut others, missing) = (others.into_iter(), excess.saturating_sub(removed.bytes));
        if self.remove_items(&mut others, missing)?.bytes < missing {
            self.evict_modules(&caches.modules, Duration::ZERO, None, builds_since)?;
        }
        // A running build stops when the disk is full: nothing is evicted for it.
        if builds_since.is_none() && self.missing_space()? > 0 {
            self.evict_modules(&caches.modules, Duration::ZERO, None, None)?;
            let removed = self.remove_items(&mut others.chain(programs), self.missing_space()?)?;
            program_bytes -= removed.program_bytes;
        }
        self.record_artifact_bytes(program_bytes);
        Ok(removed.deferred_bytes)
    }

    /// Removes items in order until this many bytes are free.
    fn remove_items(&self, items: &mut dyn Iterator<Item = Item>, bytes: u64) -> io::Result<Removed> {
        let mut removed = Removed::default();
        while removed.bytes < bytes
            && let Some(item) = items.next()
        {
            if age(item.used) < MIN_AGE && !matches!(item.kind, ItemKind::Cache) {
                removed.deferred_bytes += item.bytes;
            } else {
                if matches!(item.kind, ItemKind::Cache) {
                    self.mark_eviction()?;
                }
                if let Err(error) = remove_atomically(&item.path) {
                    log::warn!("cannot remove {}: {error}", item.path.display());
                    continue;
                }
                if item.is_program() {
                    removed.program_bytes += item.bytes;
                }
            }
            removed.bytes += item.bytes;
        }
        Ok(removed)
    }

    /// Lists the items outside the module cache, and sums up the bytes that cannot be evicted.
    fn items(&self, default_toolchain: &Path, caches: &CacheLayout) -> io::Result<(Vec<Item>, u64)> {
        let toolchains = self.toolchain_items(caches.toolchain_program)?.into_iter();
        let (default, toolchains): (Vec<_>, Vec<_>) =
            toolchains.partition(|item| item.path == default_toolchain);
        let mut items = self.artifact_items()?;
        items.extend(toolchains);
        items.extend(file_items(&self.path(layout::COMPILE_CACHE), &ItemKind::Cache)?);
        for records in [
            layout::FAILURES,
            layout::RESOLUTIONS,
            layout::DURATIONS,
            layout::REQUESTS,
        ] {
            items.extend(file_items(&self.path(records), &ItemKind::Record)?);
        }
        let mut fixed_bytes = total_bytes(&default);
        for dir in [layout::CLIENTS, layout::COUNTERS] {
            fixed_bytes += disk_usage(&self.path(dir))?;
        }
        for log in [layout::LOG, layout::OLD_LOG] {
            fixed_bytes += fs::metadata(self.path(log)).map_or(0, |log| allocated_bytes(&log));
        }
        Ok((items, fixed_bytes))
    }

    /// When the oldest running build started. Builds may need what was created or used since, so it stays. Older items may be
    /// evicted: a build that fails for this reason runs again (`builder/make.rs`).
    fn oldest_build_start(&self, own_slot: Option<u64>) -> io::Result<Option<SystemTime>> {
        let mut oldest = None;
        for slot in list_entries(&self.path(layout::BUILD_SLOTS), "")? {
            let metadata = fs::metadata(&slot)?;
            if Some(metadata.ino()) != own_slot && !Lock::is_free(&slot)? {
                let start = metadata.modified()?;
                oldest = Some(oldest.map_or(start, |oldest: SystemTime| oldest.min(start)));
            }
        }
        Ok(oldest)
    }

    /// When an eviction last removed an item that a build may have been using. Compare it only with the result of another call: the
    /// clock may be wrong.
    pub fn last_eviction(&self) -> Option<SystemTime> {
        fs::metadata(self.path(layout::EVICTION_MARK))
            .and_then(|mark| mark.modified())
            .ok()
    }

    pub(super) fn mark_eviction(&self) -> io::Result<()> {
        File::create(self.path(layout::EVICTION_MARK))?.set_modified(SystemTime::now())
    }

    /// Bytes that are missing from the disk's reserve.
    fn missing_space(&self) -> io::Result<u64> {
        Ok(DiskSpace::read(self.root())?.missing())
    }

    /// Acquires the lock of an eviction that a request starts. Returns `None` if the last one was seconds ago.
    pub fn try_acquire_eviction(&self) -> io::Result<Option<Lock>> {
        Lock::try_acquire_if_due(&self.path(layout::EVICTION_INTERVAL_LOCK), EVICTION_INTERVAL)
    }

    /// Marks the toolchain of this program as used now. A builder calls this, so that its own eviction removes other toolchains
    /// first.
    pub fn mark_toolchain_used(&self, program: &Path) -> io::Result<()> {
        if !program.starts_with(self.path(layout::TOOLCHAINS)) {
            return Ok(());
        }
        File::open(program)?.set_times(fs::FileTimes::new().set_accessed(SystemTime::now()))
    }

    /// The files and directories of the module cache. They are only counted: modules are evicted as a whole.
    fn module_items(&self) -> io::Result<Vec<Item>> {
        let entries = entries_below(&self.path(layout::MODULE_CACHE))?;
        Ok(to_items(entries, &ItemKind::Cache))
    }

    fn toolchain_items(&self, program: &str) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for path in list_entries(&self.path(layout::TOOLCHAINS), "")? {
            // The directory also contains records and locks.
            let Ok(program) = fs::metadata(path.join(program)) else {
                continue;
            };
            items.push(Item {
                used: last_use(&program),
                bytes: disk_usage(&path)?,
                kind: ItemKind::Cache,
                path,
            });
        }
        Ok(items)
    }

    fn artifact_items(&self) -> io::Result<Vec<Item>> {
        let item = |path: PathBuf| {
            // Without a program, the directory is the rest of an interrupted eviction.
            let program = fs::metadata(path.join(PROGRAM));
            Ok(Item {
                used: program.map_or(SystemTime::UNIX_EPOCH, |program| last_use(&program)),
                bytes: disk_usage(&path)?,
                kind: ItemKind::Program {
                    client: fs::read_to_string(path.join(CLIENT)).ok(),
                },
                path,
            })
        };
        self.artifact_dirs()?.into_iter().map(item).collect()
    }
}

/// All files below a directory, as items.
fn file_items(dir: &Path, kind: &ItemKind) -> io::Result<Vec<Item>> {
    Ok(to_items(files_below(dir)?, kind))
}

fn to_items(entries: Vec<(PathBuf, Metadata)>, kind: &ItemKind) -> Vec<Item> {
    let items = entries.into_iter().map(|(path, metadata)| Item {
        used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        bytes: allocated_bytes(&metadata),
        kind: kind.clone(),
        path,
    });
    items.collect()
}

fn last_use(metadata: &Metadata) -> SystemTime {
    let times = [metadata.accessed(), metadata.modified()];
    times
        .into_iter()
        .filter_map(Result::ok)
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn total_bytes<'a>(items: impl IntoIterator<Item = &'a Item>) -> u64 {
    items.into_iter().map(|item| item.bytes).sum()
}

/// Selects the items that may be evicted, in the order of eviction. Programs of a client that takes more space than the average
/// client are weighed by that space.
fn sort_evictable(mut items: Vec<Item>, builds_since: Option<SystemTime>) -> Vec<Item> {
    let mut client_bytes = HashMap::new();
    for item in &items {
        if let ItemKind::Program { client: Some(client) } = &item.kind {
            *client_bytes.entry(client.clone()).or_insert(0) += item.bytes;
        }
    }
    let mean = client_bytes.values().sum::<u64>() / (client_bytes.len().max(1) as u64);
    let now = SystemTime::now();
    let priority = |item: &Item| {
        let (size, share) = match &item.kind {
            ItemKind::Program { client } => {
                let share = client.as_ref().and_then(|client| client_bytes.get(client));
                (
                    item.bytes.max(MIN_WEIGHED_SIZE),
                    share.copied().unwrap_or(0).max(mean),
                )
            }
            ItemKind::Cache => (item.bytes.max(MIN_WEIGHED_SIZE), mean),
            ItemKind::Record => (item.bytes, mean),
        };
        let unused = now.duration_since(item.used).unwrap_or_default() + AGE_OFFSET;
        Reverse(u128::from(unused.as_secs()) * u128::from(size) * u128::from(share.max(1)))
    };
    let programs = items.iter().filter(|item| item.is_program());
    // The newest program stays, however low the size limit is.
    let newest = programs
        .max_by_key(|item| item.used)
        .map(|item| item.path.clone());
    items.retain(|item| match item.kind {
        ItemKind::Program { .. } => age(item.used) < MIN_AGE || Some(&item.path) != newest.as_ref(),
        ItemKind::Cache => builds_since.is_none_or(|since| item.used < since),
        ItemKind::Record => age(item.used) > MIN_AGE,
    });
    items.sort_by_cached_key(priority);
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::modules::tests::TEST_MODULES;

    const MIB: usize = 1 << 20;

    const TEST_LAYOUT: CacheLayout = CacheLayout {
        toolchain_program: "bin/tool",
        modules: TEST_MODULES,
    };

    fn hours_ago(hours: u64) -> SystemTime {
        SystemTime::now() - Duration::from_secs(hours * 3600)
    }

    fn set_date(path: &Path, at: SystemTime) {
        let times = fs::FileTimes::new().set_accessed(at).set_modified(at);
        File::open(path).unwrap().set_times(times).unwrap();
    }

    /// Creates a file that was last used this many hours ago.
    fn put(path: PathBuf, bytes: usize, hours: u64) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![0; bytes]).unwrap();
        set_date(&path, hours_ago(hours));
        path
    }

    fn put_program(store: &Store, name: &str, bytes: usize, hours: u64) -> PathBuf {
        put(store.path("artifacts/aa").join(name).join(PROGRAM), bytes, hours)
    }

    fn evict(store: &Store, max_bytes: usize) -> u64 {
        store
            .evict(max_bytes as u64, Path::new("/none"), &TEST_LAYOUT, None)
            .unwrap()
    }

    fn exist<const N: usize>(paths: [&PathBuf; N]) -> [bool; N] {
        paths.map(|path| path.exists())
    }

    /// Starts a build two hours ago.
    fn start_build(store: &Store) -> Lock {
        let slot = Lock::try_acquire(&store.build_slot(0)).unwrap().unwrap();
        set_date(&store.build_slot(0), hours_ago(2));
        slot
    }

    #[test]
    fn least_recently_used_items_are_evicted_first_and_no_more_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let old = put_program(&store, "old", MIB, 50);
        let copy = put(store.path("artifacts/aa/old/zstd"), MIB, 50);
        let new = put_program(&store, "new", MIB, 1);
        let compiled = put(store.path("cache/compile/00/old"), MIB, 40);
        let in_use = put(store.path("cache/compile/00/new"), MIB, 1);
        assert_eq!(store.artifact_bytes().unwrap(), 3 << 20);
        let slot = start_build(&store);
        evict(&store, 3 * MIB);
        assert!(!copy.exists());
        assert_eq!(exist([&old, &new, &compiled, &in_use]), [false, true, true, true]);
        assert_eq!(store.artifact_bytes().unwrap(), 1 << 20);
        evict(&store, MIB);
        assert_eq!(
            exist([&new, &compiled, &in_use]),
            [true, false, true],
            "no program is evicted for bytes that a running build added"
        );
        assert!(
            store.last_eviction().is_some(),
            "a build may have used the evicted file"
        );
        drop(slot);
        evict(&store, 0);
        assert_eq!(exist([&new, &in_use]), [true, false], "the newest program stays");
    }

    #[test]
    fn large_programs_are_evicted_before_small_ones_that_are_a_little_older() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let small = put_program(&store, "small", MIB, 2);
        let large = ["a", "b", "c"].map(|name| put_program(&store, name, 32 * MIB, 0));
        // Waiters may be about to open them: they stay until the next eviction, and no other item is evicted for them.
        assert!(evict(&store, 48 * MIB) >= 64 << 20);
        assert!(small.exists() && large.iter().all(|path| path.exists()));
        large
            .iter()
            .filter(|path| path.exists())
            .for_each(|path| set_date(path, SystemTime::now() - MIN_AGE * 2));
        assert_eq!(evict(&store, 48 * MIB), 0);
        assert!(small.exists());
        assert_eq!(large.iter().filter(|path| path.exists()).count(), 1);
    }

    #[test]
    fn programs_of_the_client_with_the_most_bytes_are_evicted_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let put_for = |client: &str, name: &str, hours| {
            let program = put_program(&store, name, MIB, hours);
            fs::write(program.with_file_name(CLIENT), client).unwrap();
            program
        };
        let other = put_for("198.51.100", "other", 2);
        let many: Vec<_> = (0..10).map(|n| put_for("192.0.2", &n.to_string(), 1)).collect();
        evict(&store, 8 * MIB);
        assert!(other.exists());
        assert_eq!(many.iter().filter(|path| path.exists()).count(), 6);
    }

    #[test]
    fn records_count_and_the_default_toolchain_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let toolchains = store.path(layout::TOOLCHAINS);
        let put_toolchain = |name: &str| put(toolchains.join(name).join("bin/tool"), MIB, 50);
        let [default, other] = ["1.26.8", "1.25.13"].map(put_toolchain);
        let records = ["failures/000", "resolutions/000"].map(|name| put(dir.path().join(name), MIB, 1));
        let keep = toolchains.join("1.26.8");
        let directory = 64 << 10;
        store
            .evict((3 << 20) + directory, &keep, &TEST_LAYOUT, None)
            .unwrap();
        assert_eq!(exist([&default, &other]), [true, false]);
        assert!(records.iter().all(|path| path.exists()));
        store.evict(0, &keep, &TEST_LAYOUT, None).unwrap();
        assert!(default.exists() && !records.iter().any(|path| path.exists()));
    }

    #[test]
    fn directories_of_modules_count() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let modules = (0..1000).map(|number| store.path("cache/modules/m").join(number.to_string()));
        let modules: Vec<_> = modules.map(|module| put(module.join("empty"), 0, 1)).collect();
        let bytes = disk_usage(&store.path("cache")).unwrap();
        let directory = fs::metadata(modules[0].parent().unwrap()).unwrap();
        assert!(bytes >= 1000 * allocated_bytes(&directory));
        evict(&store, bytes as usize * 2);
        assert!(modules.iter().all(|module| module.exists()));
        evict(&store, bytes as usize);
        // Directories take no space on some file systems.
        assert_eq!(modules.iter().any(|module| module.exists()), bytes == 0);
    }

    #[test]
    fn an_item_that_cannot_be_removed_does_not_stop_an_eviction() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // Of the file system, which only root can read.
        let foreign = put(store.path("artifacts/lost+found/x/bin"), MIB, 99);
        // Its entries come first, and cannot be removed.
        std::os::unix::fs::symlink("/proc/self/ns", store.path("artifacts/bb")).unwrap();
        let [next, newest] = [50, 1].map(|hours| put_program(&store, &hours.to_string(), MIB, hours));
        evict(&store, 0);
        assert_eq!(exist([&foreign, &next, &newest]), [true, false, true]);
    }
}
