//! What one run of `go` adds to the disk: watched from outside, held within the limits of a build, and taken back where
//! the run was refused.
//!
//! The caches belong to all runs, so growth that is merely seen there may be another's. What is charged to a run is what the
//! kernel says of `go` itself: the bytes that it wrote, and the lock of each module that it unpacks. Tools write below the run's
//! own directory alone, which is measured: what they wrote and removed again lies nowhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use nix::unistd::Pid;

use crate::config::BuildLimits;
use crate::store::remove::remove;
use crate::store::room::Room;

/// One run under watch.
pub struct Growth<'a> {
    limits: &'a BuildLimits,
    /// The run's own directory.
    work: &'a Path,
    /// GOMODCACHE.
    modules: &'a Path,
    /// By the clock that dates files, whatever disk they are on.
    begun: SystemTime,
    /// The modules that this run has been seen to unpack, and how many files each had then.
    unpacked: BTreeMap<Module, u64>,
    /// When the module index may be looked through again.
    next_look: Instant,
    /// Whether the run had to end because the disk is full.
    starved: bool,
}

/// A look through the module index may be long: the next comes when this many times its length has passed, 5 % of the run.
const LOOKS_PER_RUN: u32 = 20;

/// The compile cache of a run that has one of its own, below its directory.
pub const OWN_CACHE: &str = "cache";

/// Directories of a module in each other. The deepest of real modules have some thirty.
const MAX_DEPTH: usize = 256;

/// What lies below a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    /// Bytes that it takes on the disk.
    bytes: u64,
    files: u64,
    /// Directories in each other.
    depth: usize,
}

impl Usage {
    fn is_within(self, limits: &BuildLimits) -> bool {
        self.bytes <= limits.work_bytes && self.files <= limits.work_files && self.depth <= MAX_DEPTH
    }
}

/// Whether a module that is unpacked here is no deeper than one may be.
pub fn is_of_sane_depth(module: &Path) -> bool {
    usage(module).depth <= MAX_DEPTH
}

impl<'a> Growth<'a> {
    /// Begins with an empty account. `work` was made for this run.
    pub fn new(limits: &'a BuildLimits, work: &'a Path, modules: &'a Path) -> Growth<'a> {
        let made = fs::metadata(work).and_then(|meta| meta.modified());
        Growth {
            limits,
            work,
            modules,
            begun: made.unwrap_or_else(|_| SystemTime::now()),
            unpacked: BTreeMap::new(),
            next_look: Instant::now(),
            starved: false,
        }
    }

    /// Whether the run had to end because the disk is full, whoever filled it: other programs do not go for it.
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Whether the run may go on. Asked every quarter of a second, so it costs little: what /proc has of `go`, its
    /// descriptors and its threads' I/O, the run's own directory, and the modules that are being unpacked just now.
    pub fn is_within_limits(&mut self, go: Pid) -> bool {
        let used = usage(self.work);
        self.see_unpacked(go);
        let unpacked: u64 = self.unpacked.values().sum();
        // What cannot be looked at is noticed when it cannot be written.
        self.starved = Room::of(self.work).is_ok_and(Room::is_short);
        // What `go` itself writes lies in the caches, but for some small files. A cache of the run's own is measured already.
        let own_cache = usage(&self.work.join(OWN_CACHE)).bytes;
        let added = own_account(go, "wchar").saturating_sub(own_cache);
        !self.starved
            && used.is_within(self.limits)
            && used.files + unpacked <= self.limits.work_files
            && used.bytes + added <= self.limits.work_bytes
            && !self.floods_index(go)
    }

    /// While Go downloads and unpacks a module it holds a lock for it, cache/download/MODULE/@v/VERSION.lock.
    fn see_unpacked(&mut self, go: Pid) {
        let descriptors = fs::read_dir(format!("/proc/{go}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        let open = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        for module in open.filter_map(|path| Module::of_lock(self.modules, &path)) {
            let files = usage(&module.directory).files;
            self.unpacked.insert(module, files);
        }
    }

    /// Whether the run fills the module index: some small files for each module of which only the go.mod is read. None is
    /// without a write, so a run that wrote less often than it may make files needs no second look; and one that wrote more
    /// often is guilty only of files that are there.
    fn floods_index(&mut self, go: Pid) -> bool {
        if own_account(go, "syscw") <= self.limits.work_files || Instant::now() < self.next_look {
            return false;
        }
        let begun = Instant::now();
        let new = new_files(&self.modules.join("cache/download"), self.begun);
        self.next_look = Instant::now() + begun.elapsed() * LOOKS_PER_RUN;
        new > self.limits.work_files
    }

    /// When the run has ended: removes what it left half unpacked, and what alone is more than a run may add; says whether
    /// there was such a module. Nobody misses either: Go takes half a module for none, and who needs the other is refused
    /// as this run is.
    pub fn take_back(&self) -> bool {
        let mut refused = false;
        for module in self.unpacked.keys() {
            let too_much = !usage(&module.directory).is_within(self.limits);
            refused |= too_much;
            if (too_much || module.is_partial())
                && let Err(error) = module.remove()
            {
                log::warn!("cannot remove {}: {error}", module.directory.display());
            }
        }
        refused
    }
}

/// A version of a module in the module cache (Go modules reference, "Module cache").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Module {
    /// Where it is unpacked.
    directory: PathBuf,
    /// cache/download/MODULE/@v
    index: PathBuf,
    version: String,
}

impl Module {
    fn of_lock(modules: &Path, lock: &Path) -> Option<Module> {
        let version = lock.file_name()?.to_str()?.strip_suffix(".lock")?.to_owned();
        let index = lock.parent()?.to_owned();
        let path = index.strip_prefix(modules.join("cache/download")).ok()?;
        let path = path.to_str()?.strip_suffix("/@v")?;
        Some(Module {
            directory: modules.join(format!("{path}@{version}")),
            index,
            version,
        })
    }

    /// Go marks a module until it is unpacked as a whole.
    fn is_partial(&self) -> bool {
        self.file("partial").exists()
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.index.join(format!("{}.{extension}", self.version))
    }

    /// Removes what was unpacked, and the zip. Who holds the lock unpacks it anew: then nothing is removed.
    fn remove(&self) -> io::Result<()> {
        let lock = File::open(self.file("lock"))?;
        if lock.try_lock().is_err() {
            return Ok(());
        }
        // Before anything is gone: what is left if this is killed is half a module.
        File::create(self.file("partial"))?;
        remove(&self.directory)?;
        // The zip, its hash, and a zip that was not there as a whole.
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

/// Bytes and files below a directory, without what comes and goes just now.
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

/// Files in the index that are not older than `begun`. Only a directory that has changed can have new ones.
fn new_files(index: &Path, begun: SystemTime) -> u64 {
    let (mut new, mut open) = (0, vec![index.to_owned()]);
    while let Some(dir) = open.pop() {
        let is_new = |meta: &fs::Metadata| meta.modified().is_ok_and(|time| time >= begun);
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let holds_files = entry.file_name() == "@v";
            if meta.is_dir() && (!holds_files || is_new(&meta)) {
                open.push(entry.path());
            } else if meta.is_file() && is_new(&meta) {
                new += 1;
            }
        }
    }
    new
}

/// What this process itself has done, by one of the kernel's accounts. That of a thread is without those of other processes. Zero
/// where the kernel keeps none (CONFIG_TASK_IO_ACCOUNTING): then the run's own directory alone is measured.
fn own_account(process: Pid, name: &str) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    threads
        .map(|thread| account(&thread.path().join("io"), name))
        .sum()
}

/// One number of proc_pid_io(5).
fn account(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lock_tells_its_module() {
        let modules = Path::new("/m");
        let of = |lock: &str| Module::of_lock(modules, Path::new(lock)).map(|module| module.directory);
        let at = "/m/cache/download/github.com/!burnt!sushi/toml";
        assert_eq!(
            of(&format!("{at}/@v/v1.2.3.lock")),
            Some("/m/github.com/!burnt!sushi/toml@v1.2.3".into())
        );
        for other in [
            "/m/cache/lock",
            "/x/@v/v1.0.0.lock",
            &format!("{at}/@v/v1.2.3.zip"),
            &format!("{at}/v1.lock"),
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn the_kernel_keeps_an_account() {
        // Another process: threads of this one end meanwhile, and take their accounts with them.
        let mut shell = Command::new("sh")
            .args(["-c", "read _; printf %100000s; read _"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let it = Pid::from_raw(i32::try_from(shell.id()).unwrap());
        let accounts = || (own_account(it, "wchar"), own_account(it, "syscw"));
        let (bytes, calls) = accounts();
        let mut stdin = shell.stdin.take().unwrap();
        stdin.write_all(b"\n").unwrap();
        shell
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut [0; 100_000])
            .unwrap();
        let (more_bytes, more_calls) = accounts();
        assert!(more_bytes >= bytes + 100_000 && more_calls > calls);
        drop(stdin);
        shell.wait().unwrap();
    }

    /// A tool writes, and removes again what it wrote, time after time.
    #[test]
    fn what_lies_nowhere_is_not_counted() {
        let work = tempfile::tempdir().unwrap();
        let limits: BuildLimits = serde_json::from_value(serde_json::json!({
            "wall": {"secs": 1, "nanos": 0}, "cpu_seconds": 1, "memory_bytes": null, "file_bytes": 1, "open_files": 1, "tasks": 1,
            "work_bytes": 3 << 20, "work_files": 100, "log_bytes": 1, "artifact_bytes": 1,
        }))
        .unwrap();
        let is_within = |script: &str| {
            let mut shell = Command::new("sh")
                .args(["-c", &format!("{script}; echo; read _")])
                .current_dir(work.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let mut growth = Growth::new(&limits, work.path(), work.path());
            let is_within = growth.is_within_limits(Pid::from_raw(i32::try_from(shell.id()).unwrap()));
            drop(shell.stdin.take());
            shell.wait().unwrap();
            is_within
        };
        assert!(is_within(
            "for n in 1 2 3 4 5; do head -c 1000000 /dev/zero >f; rm f; done"
        ));
        assert!(!is_within("head -c 4000000 /dev/zero >f"));
        fs::remove_file(work.path().join("f")).unwrap();
        // By the shell itself, as `go` writes to the caches.
        assert!(!is_within("printf %4000000s x >/dev/null"));
        fs::create_dir_all(work.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(!is_within("true"));
    }

    #[test]
    fn only_what_is_new_is_counted() {
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
        assert_eq!(new_files(index.path(), hour_ago + Duration::from_secs(60)), 1);
    }
}
