//! Limits the disk space and the files that one run of `go` adds, measured from outside of it.
//!
//! All runs share the caches, so a run cannot be charged for their growth. It is charged for what the kernel reports of the `go`
//! process: the bytes that it wrote, and the locks of the modules that it unpacks. Tools write only below the run's own
//! directory, which is measured; files that they wrote and removed again do not count.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::Pid;

use crate::config::BuildLimits;
use crate::store::disk_space::DiskSpace;
use crate::store::remove::remove;

/// The quota of one run.
pub struct DiskQuota<'a> {
    limits: &'a BuildLimits,
    /// The run's own directory.
    work: &'a Path,
    /// GOMODCACHE.
    modules: &'a Path,
    /// When the run started, by the clock of file timestamps.
    started: SystemTime,
    /// The modules that this run unpacks, and the number of files of each.
    unpacked: BTreeMap<UnpackedModule, u64>,
    /// The run's own directory, and of that the bytes in its private cache.
    work_scan: Scan<(Usage, u64)>,
    /// The number of new files in the module index.
    index_scan: Scan<u64>,
    /// How often `go` has written, as far as was seen.
    writes: u64,
    /// Whether the run was stopped because the disk is nearly full.
    disk_is_full: bool,
}

/// Pause between two scans, as a multiple of the duration of a scan: unless the maximum is shorter, scans take 1 % of a run.
const SCAN_PAUSE: u32 = 100;

/// Maximum pause between two scans of the run's own directory. A program that writes 2 GB/s exceeds its quota by 2 GB.
const MAX_WORK_PAUSE: Duration = Duration::from_secs(1);

/// Maximum pause between two scans of the module index, which only downloads fill.
const MAX_INDEX_PAUSE: Duration = Duration::from_secs(10);

/// The compile cache of a run that does not share one: a directory in the run's own.
pub const PRIVATE_CACHE: &str = "cache";

/// Maximum depth of nested directories in a module. Real modules have about thirty at most.
const MAX_DEPTH: usize = 256;

/// A measurement that reads many files.
struct Scan<T> {
    latest: T,
    due: Instant,
    max_pause: Duration,
}

impl<T: Copy + Default> Scan<T> {
    fn new(max_pause: Duration) -> Scan<T> {
        Scan {
            latest: T::default(),
            due: Instant::now(),
            max_pause,
        }
    }

    /// Returns the latest result. Measures again if the pause after it is over.
    fn result(&mut self, measure: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        if started >= self.due {
            self.latest = measure();
            let duration = started.elapsed();
            self.due = started + duration + (duration * SCAN_PAUSE).min(self.max_pause);
        }
        self.latest
    }
}

/// The disk usage of a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    /// Allocated bytes.
    bytes: u64,
    files: u64,
    /// Maximum depth of nested directories.
    depth: usize,
}

impl Usage {
    fn is_within(self, limits: &BuildLimits) -> bool {
        self.bytes <= limits.work_bytes && self.files <= limits.work_files && self.depth <= MAX_DEPTH
    }
}

/// Whether the directories of an unpacked module are nested no deeper than allowed.
pub fn has_allowed_depth(module: &Path) -> bool {
    usage(module).depth <= MAX_DEPTH
}

impl<'a> DiskQuota<'a> {
    /// Creates the quota of a run that starts now. `work` was created for this run.
    pub fn new(limits: &'a BuildLimits, work: &'a Path, modules: &'a Path) -> DiskQuota<'a> {
        let created = fs::metadata(work).and_then(|meta| meta.modified());
        DiskQuota {
            limits,
            work,
            modules,
            started: created.unwrap_or_else(|_| SystemTime::now()),
            unpacked: BTreeMap::new(),
            work_scan: Scan::new(MAX_WORK_PAUSE),
            index_scan: Scan::new(MAX_INDEX_PAUSE),
            writes: 0,
            disk_is_full: false,
        }
    }

    /// Whether the run was stopped because the disk is nearly full, whatever filled it. Programs are not evicted for a run.
    pub fn is_disk_full(&self) -> bool {
        self.disk_is_full
    }

    /// Whether the run may continue. Called every quarter of a second, so it reads little: the descriptors and the I/O counters
    /// of `go` in /proc, the modules that `go` is unpacking and, less often, the run's own directory.
    pub fn is_within_limits(&mut self, go: Pid) -> bool {
        // `go` itself writes to the caches, apart from some small files. A private cache is part of `used`.
        let (used, private_cache) = self
            .work_scan
            .result(|| (usage(self.work), usage(&self.work.join(PRIVATE_CACHE)).bytes));
        self.record_unpacked(go);
        let unpacked: u64 = self.unpacked.values().sum();
        // If the free space is unknown, a write fails when the disk is full.
        self.disk_is_full = DiskSpace::read(self.work).is_ok_and(DiskSpace::is_low);
        let added = io_counter(go, "wchar").saturating_sub(private_cache);
        !self.disk_is_full
            && used.is_within(self.limits)
            && used.files + unpacked <= self.limits.work_files
            && used.bytes + added <= self.limits.work_bytes
            && !self.floods_index(go)
    }

    /// Records the modules that `go` is unpacking. While it downloads and unpacks a module it holds a lock,
    /// cache/download/MODULE/@v/VERSION.lock.
    fn record_unpacked(&mut self, go: Pid) {
        let descriptors = fs::read_dir(format!("/proc/{go}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        let open = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        for module in open.filter_map(|path| UnpackedModule::from_lock(self.modules, &path)) {
            let files = usage(&module.directory).files;
            self.unpacked.insert(module, files);
        }
    }

    /// Whether the run adds too many files to the module index, which has some small files for each module of which `go` reads
    /// the go.mod. Each file takes a write: the index is scanned only if the run made more writes than it may create files.
    fn floods_index(&mut self, go: Pid) -> bool {
        // The counters of threads that have ended are lost.
        self.writes = self.writes.max(io_counter(go, "syscw"));
        let (index, started) = (self.index(), self.started);
        self.writes > self.limits.work_files
            && self.index_scan.result(|| count_new_files(&index, started)) > self.limits.work_files
    }

    /// Whether the run has added too many files to the module index. Call it when the run has ended: a short run may end before the
    /// second scan.
    pub fn has_flooded_index(&self) -> bool {
        self.writes > self.limits.work_files
            && count_new_files(&self.index(), self.started) > self.limits.work_files
    }

    fn index(&self) -> PathBuf {
        self.modules.join("cache/download")
    }

    /// Removes the modules that the run left partially unpacked, and those that exceed the limits on their own. Returns whether a
    /// module exceeded them. Call it when the run has ended.
    ///
    /// No other run needs these modules: Go ignores partial ones, and any run that needs an oversized one fails the same way.
    pub fn remove_rejected_modules(&self) -> bool {
        let mut any_oversized = false;
        for module in self.unpacked.keys() {
            let is_oversized = !usage(&module.directory).is_within(self.limits);
            any_oversized |= is_oversized;
            if (is_oversized || module.is_partial())
                && let Err(error) = module.remove()
            {
                log::warn!("cannot remove {}: {error}", module.directory.display());
            }
        }
        any_oversized
    }
}

/// A version of a module in the module cache (Go modules reference, "Module cache").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct UnpackedModule {
    /// The directory into which it is unpacked.
    directory: PathBuf,
    /// cache/download/MODULE/@v
    index: PathBuf,
    version: String,
}

impl UnpackedModule {
    /// The module of a lock's path, if it is one in this module cache.
    fn from_lock(modules: &Path, lock: &Path) -> Option<UnpackedModule> {
        let version = lock.file_name()?.to_str()?.strip_suffix(".lock")?.to_owned();
        let index = lock.parent()?.to_owned();
        let path = index.strip_prefix(modules.join("cache/download")).ok()?;
        let path = path.to_str()?.strip_suffix("/@v")?;
        Some(UnpackedModule {
            directory: modules.join(format!("{path}@{version}")),
            index,
            version,
        })
    }

    /// Whether `go` has not finished to unpack it. Until then it has a marker file.
    fn is_partial(&self) -> bool {
        self.file("partial").exists()
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.index.join(format!("{}.{extension}", self.version))
    }

    /// Removes the unpacked files and the zip, unless another process holds the lock: that one unpacks the module again.
    fn remove(&self) -> io::Result<()> {
        let lock = File::open(self.file("lock"))?;
        if lock.try_lock().is_err() {
            return Ok(());
        }
        // First the marker: if this process is killed, the module is partial.
        File::create(self.file("partial"))?;
        remove(&self.directory)?;
        // The zip, its hash, and temporary files of an incomplete zip.
        let zip = format!("{}.zip", self.version);
        for entry in fs::read_dir(&self.index)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(zip.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
        match fs::remove_file(self.file("partial")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Measures a directory. Files that other processes create or remove meanwhile may be missing.
fn usage(dir: &Path) -> Usage {
    let (mut usage, mut open) = (Usage::default(), vec![(dir.to_owned(), 0)]);
    while let Some((dir, depth)) = open.pop() {
        usage.depth = usage.depth.max(depth);
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            usage.files += 1;
            usage.bytes += meta.blocks() * 512;
            if meta.is_dir() {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    usage
}

/// Counts the files in the module index that were modified since `start`. Reads only the `@v` directories that have changed.
fn count_new_files(index: &Path, start: SystemTime) -> u64 {
    let (mut new, mut open) = (0, vec![index.to_owned()]);
    while let Some(dir) = open.pop() {
        let is_new = |meta: &fs::Metadata| meta.modified().is_ok_and(|time| time >= start);
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let has_files = entry.file_name() == "@v";
            if meta.is_dir() && (!has_files || is_new(&meta)) {
                open.push(entry.path());
            } else if meta.is_file() && is_new(&meta) {
                new += 1;
            }
        }
    }
    new
}

/// One I/O counter of a process, without its children: the sum over its threads, because the counter of a process includes
/// children. Zero on kernels without CONFIG_TASK_IO_ACCOUNTING, where only the run's own directory is measured.
fn io_counter(process: Pid, name: &str) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    threads
        .map(|thread| read_io_counter(&thread.path().join("io"), name))
        .sum()
}

/// Bytes that this process has written, and all its children that have ended. Zero on kernels without CONFIG_TASK_IO_ACCOUNTING.
pub fn written_bytes() -> u64 {
    read_io_counter(Path::new("/proc/self/io"), "wchar")
}

/// Reads one counter of proc_pid_io(5).
fn read_io_counter(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn module_is_derived_from_its_lock() {
        let modules = Path::new("/m");
        let directory =
            |lock: &str| UnpackedModule::from_lock(modules, Path::new(lock)).map(|module| module.directory);
        let at = "/m/cache/download/github.com/!burnt!sushi/toml";
        assert_eq!(
            directory(&format!("{at}/@v/v1.2.3.lock")),
            Some("/m/github.com/!burnt!sushi/toml@v1.2.3".into())
        );
        for other in [
            "/m/cache/lock",
            "/x/@v/v1.0.0.lock",
            &format!("{at}/@v/v1.2.3.zip"),
            &format!("{at}/v1.lock"),
        ] {
            assert_eq!(directory(other), None, "{other}");
        }
    }

    #[test]
    fn io_counter_counts_writes() {
        // Of another process: threads of this one end meanwhile, and their counters disappear.
        let mut shell = Command::new("sh")
            .args(["-c", "read _; printf %100000s; read _"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Pid::from_raw(i32::try_from(shell.id()).unwrap());
        let counters = || (io_counter(process, "wchar"), io_counter(process, "syscw"));
        let (bytes, calls) = counters();
        let mut stdin = shell.stdin.take().unwrap();
        stdin.write_all(b"\n").unwrap();
        shell
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut [0; 100_000])
            .unwrap();
        let (more_bytes, more_calls) = counters();
        assert!(more_bytes >= bytes + 100_000 && more_calls > calls);
        drop(stdin);
        shell.wait().unwrap();
    }

    /// 3 MiB and 100 files.
    fn small_limits() -> BuildLimits {
        serde_json::from_value(serde_json::json!({
            "wall": {"secs": 1, "nanos": 0}, "cpu_seconds": 1, "memory_bytes": null, "file_bytes": 1, "open_files": 1, "tasks": 1,
            "work_bytes": 3 << 20, "work_files": 100, "log_bytes": 1, "artifact_bytes": 1,
        }))
        .unwrap()
    }

    #[test]
    fn index_is_counted_again_at_the_end() {
        let [work, modules] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let versions = modules.path().join("cache/download/example.org/m/@v");
        fs::create_dir_all(&versions).unwrap();
        let mut shell = Command::new("sh")
            .args([
                "-c",
                "for n in $(seq 101); do printf x >/dev/null; done; echo; read _",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let limits = small_limits();
        let mut quota = DiskQuota::new(&limits, work.path(), modules.path());
        let go = Pid::from_raw(i32::try_from(shell.id()).unwrap());
        assert!(quota.is_within_limits(go) && !quota.has_flooded_index());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        for number in 0..=100 {
            fs::write(versions.join(format!("v1.0.{number}.mod")), "").unwrap();
        }
        assert!(quota.has_flooded_index());
    }

    #[test]
    fn files_that_tools_removed_are_not_counted() {
        let work = tempfile::tempdir().unwrap();
        let limits = small_limits();
        let is_within = |script: &str| {
            let mut shell = Command::new("sh")
                .args(["-c", &format!("{script}; echo; read _")])
                .current_dir(work.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let mut quota = DiskQuota::new(&limits, work.path(), work.path());
            let is_within = quota.is_within_limits(Pid::from_raw(i32::try_from(shell.id()).unwrap()));
            drop(shell.stdin.take());
            shell.wait().unwrap();
            is_within
        };
        assert!(is_within(
            "for n in 1 2 3 4 5; do head -c 1000000 /dev/zero >f; rm f; done"
        ));
        assert!(!is_within("head -c 4000000 /dev/zero >f"));
        fs::remove_file(work.path().join("f")).unwrap();
        // Written by the shell itself, as `go` writes to the caches.
        assert!(!is_within("printf %4000000s x >/dev/null"));
        fs::create_dir_all(work.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(!is_within("true"));
    }

    #[test]
    fn only_new_files_of_the_index_are_counted() {
        let index = tempfile::tempdir().unwrap();
        let [old, new] = ["old/@v", "new/@v"].map(|name| index.path().join(name));
        for dir in [&old, &new] {
            fs::create_dir_all(dir).unwrap();
            fs::write(dir.join("v1.0.0.mod"), "").unwrap();
        }
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        for path in [old.join("v1.0.0.mod"), old] {
            File::open(path).unwrap().set_modified(hour_ago).unwrap();
        }
        assert_eq!(
            count_new_files(index.path(), hour_ago + Duration::from_secs(60)),
            1
        );
    }
}
