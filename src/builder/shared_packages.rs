//! Compiled packages in the object store. A machine fetches what the last build of a program used, on any machine, into its own compile
//! cache: most of the next version of the program is compiled then.
//!
//! The fetch runs beside `go`, in the order in which `go` needs the packages. `go` compiles a package that is not there in time, so the
//! fetch delays no build, however slow the store is.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Recipe;
use super::check::contains_path;
use crate::config::BuildLimits;
use crate::golang::run::build_id::check_cached_archive;
use crate::golang::run::cache_entry::CacheEntry;
use crate::golang::run::compiled_package::CompiledPackage;
use crate::object_store::{MAX_THREADS, ObjectStore};
use crate::store::disk_space::DiskSpace;
use crate::store::{KeyHasher, Store, Total, layout};

/// Timeout of a download: this and a second per MiB. A slower store is no faster than a compiler.
const MIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The packages of one program in the store.
#[derive(Clone)]
pub(super) struct SharedPackages {
    objects: Arc<ObjectStore>,
    store: Store,
    limits: BuildLimits,
    /// The list of the packages of the program, whatever its version.
    program_list: String,
    /// The list of all packages of the standard library that were compiled for the platform.
    standard_list: String,
}

/// A running fetch. Dropping it ends the fetch.
pub struct PackageFetch(Arc<AtomicBool>);

impl Drop for PackageFetch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl SharedPackages {
    /// The packages of a recipe's program.
    pub(super) fn new(
        objects: &Arc<ObjectStore>,
        recipe: &Recipe,
        limits: &BuildLimits,
        store: &Store,
    ) -> SharedPackages {
        let list = |name: &str| {
            let key = KeyHasher::default()
                .field("packages 1")
                .field(&recipe.go)
                .field(recipe.platform.to_string())
                .field(name);
            format!("packages/{}", key.finish())
        };
        SharedPackages {
            objects: Arc::clone(objects),
            store: store.clone(),
            limits: *limits,
            program_list: list(&recipe.resolved.package),
            standard_list: list("std"),
        }
    }

    /// Starts to fetch the packages that the compile cache lacks.
    pub(super) fn start_fetch(&self, cache: &Path) -> PackageFetch {
        let is_over = Arc::new(AtomicBool::new(false));
        let fetch = PackageFetch(Arc::clone(&is_over));
        let (packages, cache) = (self.clone(), cache.to_owned());
        // Without a thread, everything is compiled.
        thread::Builder::new()
            .spawn(move || packages.fetch(&cache, &is_over))
            .ok();
        fetch
    }

    fn fetch(&self, cache: &Path, is_over: &AtomicBool) -> Option<()> {
        let started = Instant::now();
        let mut list = self.read_list(&self.program_list)?;
        if list.is_empty() {
            list = self.read_list(&self.standard_list)?;
        }
        list.retain(|entry| !entry.is_in(cache));
        // What one build may add to the caches.
        let mut bytes_left = self.limits.work_bytes;
        let fits = |entry: &CacheEntry| {
            let left = bytes_left.checked_sub(entry.size);
            bytes_left = left.unwrap_or(0);
            left.is_some()
        };
        let most = self.limits.work_files as usize / 2;
        let missing: Vec<_> = list.into_iter().take(most).take_while(fits).collect();
        let fetched = in_parallel(&missing, |entry| {
            let may_continue = !is_over.load(Ordering::Relaxed) && !is_disk_low(cache);
            may_continue.then(|| self.fetch_package(entry, cache)).flatten()
        });
        let (count, bytes) = sum(&fetched);
        self.store.add(Total::PackagesFetched, count);
        self.store.add(Total::BytesFetched, bytes);
        if !missing.is_empty() {
            let seconds = started.elapsed().as_secs_f64();
            log::info!(
                "fetched {count} of {} compiled packages, {bytes} bytes, in {seconds:.1} s",
                missing.len()
            );
        }
        Some(())
    }

    /// Fetches a package and verifies it. Returns its bytes, 0 if it is not used, or `None` if the fetch should end.
    fn fetch_package(&self, entry: &CacheEntry, cache: &Path) -> Option<u64> {
        let object = output_object(entry);
        let timeout = MIN_TIMEOUT + Duration::from_secs(entry.size >> 20);
        let cannot_write = |error: io::Error| log::warn!("cannot write to the compile cache: {error}");
        let file = tempfile::NamedTempFile::new_in(cache)
            .map_err(cannot_write)
            .ok()?;
        if !self.objects.download(&object, file.path(), entry.size, timeout)? {
            return Some(0);
        }
        match entry.is_output(file.path()) {
            Ok(true) => {
                entry.add(cache, file).map_err(cannot_write).ok()?;
                Some(entry.size)
            }
            Ok(false) => {
                log::error!("{object} in the object store is damaged or another package, and is removed");
                self.store.add(Total::Rejections, 1);
                // This build compiles the package and uploads it again.
                self.objects.remove(&object).map(|()| 0)
            }
            Err(error) => {
                cannot_write(error);
                None
            }
        }
    }

    /// Uploads the packages of a build that the store lacks, then the lists. `None` if the store does not work.
    pub(super) fn publish(&self, built: &[CompiledPackage], cache: &Path) -> Option<()> {
        if built.is_empty() {
            return Some(());
        }
        let program = self.read_list(&self.program_list)?;
        let mut standard = self.read_list(&self.standard_list)?;
        let listed: HashSet<_> = program.iter().chain(&standard).cloned().collect();
        // If the store has lost a listed package, this build has compiled it.
        let is_unlisted = |package: &&CompiledPackage| package.is_new || !listed.contains(&package.entry);
        let unlisted: Vec<_> = built.iter().filter(is_unlisted).collect();
        let uploaded = in_parallel(&unlisted, |package| self.upload(&package.entry, cache));
        let (count, bytes) = sum(&uploaded);
        self.store.add(Total::PackagesSent, count);
        self.store.add(Total::BytesSent, bytes);
        if uploaded.len() < unlisted.len() {
            return None;
        }
        let own: Vec<_> = built.iter().map(|package| package.entry.clone()).collect();
        if own != program {
            self.write_list(&self.program_list, &own)?;
        }
        let known: HashSet<_> = standard.iter().cloned().collect();
        let new = built
            .iter()
            .filter(|package| package.is_standard && !known.contains(&package.entry));
        let new: Vec<_> = new.map(|package| package.entry.clone()).collect();
        if !new.is_empty() {
            standard.extend(new);
            self.write_list(&self.standard_list, &standard)?;
        }
        Some(())
    }

    /// Uploads a package unless the store has it. Returns the bytes that were sent.
    fn upload(&self, entry: &CacheEntry, cache: &Path) -> Option<u64> {
        let object = output_object(entry);
        if self.objects.size(&object)? == Some(entry.size) {
            return Some(0);
        }
        let path = entry.output_file(cache);
        match self.open_intact(entry, &path) {
            Ok(Some(file)) => {
                let sha256 = entry.output.as_str();
                self.objects.upload(&object, &file, entry.size, sha256)?;
                Some(entry.size)
            }
            // Damaged, or bound to this machine.
            Ok(None) => Some(0),
            Err(error) => {
                // Such as one that was evicted.
                log::warn!("cannot share {}: {error}", path.display());
                Some(0)
            }
        }
    }

    /// Opens an output that other machines may use: not one with a path of this machine.
    fn open_intact(&self, entry: &CacheEntry, path: &Path) -> io::Result<Option<File>> {
        let file = File::open(path)?;
        let is_intact = check_cached_archive(path).is_ok() && entry.is_output(path)?;
        let has_path = contains_path(path, &self.store.path(layout::MODULE_CACHE))?;
        Ok(Some(file).filter(|_| is_intact && !has_path))
    }

    /// Reads a list: empty if there is none, `None` if the store does not work.
    fn read_list(&self, object: &str) -> Option<Vec<CacheEntry>> {
        let list = self.objects.get(object)?;
        let text = list.map_or_else(Vec::new, |list| list.body);
        let text = String::from_utf8_lossy(&text);
        Some(text.lines().filter_map(CacheEntry::parse).collect())
    }

    fn write_list(&self, object: &str, entries: &[CacheEntry]) -> Option<()> {
        let text: String = entries.iter().map(CacheEntry::line).collect();
        self.objects.replace(object, text.as_bytes())
    }
}

fn output_object(entry: &CacheEntry) -> String {
    format!("out/{}", entry.output)
}

/// If the free space is unknown, a write fails when the disk is full.
fn is_disk_low(cache: &Path) -> bool {
    DiskSpace::read(cache).is_ok_and(DiskSpace::is_low)
}

/// The number of transfers that sent or fetched something, and the sum of their bytes.
fn sum(transfers: &[u64]) -> (u64, u64) {
    let count = transfers.iter().filter(|bytes| **bytes > 0).count();
    (count as u64, transfers.iter().sum())
}

/// Applies `work` to the items, in order, in several threads. Each thread ends when `work` returns `None`.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Option<u64> + Sync) -> Vec<u64> {
    let next = AtomicUsize::new(0);
    let run = || {
        let next_item = || items.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(|| work(next_item()?)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let threads = (0..items.len().min(MAX_THREADS))
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, run).ok());
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    })
}
