//! File locks (flock(2)). A lock belongs to an open file description: child processes inherit it, and the kernel releases it when
//! the last descriptor is closed. Network file systems may not support it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::file::list_entries;
use super::table::age;
use super::{Store, layout};

/// Polling interval: starts at the minimum, backs off to the maximum. 500 waiters cost a few percent of one CPU.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(2);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Lock files older than this are swept. [`Lock::try_acquire_if_due`] may need the date of a younger one.
const SWEEP_AGE: Duration = Duration::from_secs(60 * 60);

/// An exclusive lock. It is held until this value is dropped and every process that inherited the file has ended.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Acquires the lock if it is free.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Lock>> {
        loop {
            let file = open(path)?;
            match file.try_lock() {
                // The previous owner may have removed the file after it was opened. Then another process could lock a new file.
                Ok(()) if is_at(&file, path)? => return Ok(Some(Lock(file))),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Acquires the lock if it is free and was not acquired by this function within the last `interval`.
    pub fn try_acquire_if_due(path: &Path, interval: Duration) -> io::Result<Option<Lock>> {
        let last = fs::metadata(path).and_then(|metadata| metadata.modified());
        if last.is_ok_and(|at| age(at) < interval) {
            return Ok(None);
        }
        let lock = Lock::try_acquire(path)?;
        if let Some(Lock(file)) = &lock {
            file.set_modified(SystemTime::now())?;
        }
        Ok(lock)
    }

    /// Acquires the lock, exclusive even if other processes share it. Returns `None` after `timeout`.
    pub fn acquire_within(path: &Path, timeout: Duration) -> io::Result<Option<Lock>> {
        let mut lock = None;
        poll_until(Instant::now(), timeout, || {
            lock = Lock::try_acquire(path)?;
            Ok(lock.is_some())
        })?;
        Ok(lock)
    }

    /// Whether no process holds the lock. A missing file is a free lock.
    pub fn is_free(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            opened => opened?,
        };
        // A shared lock, released at once: concurrent checks do not see each other.
        match file.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// For a child process that inherits the lock.
impl From<Lock> for Stdio {
    fn from(lock: Lock) -> Stdio {
        lock.0.into()
    }
}

/// A lock that removes its file before it is released. For lock files that would otherwise grow without bound in number.
#[derive(Debug)]
pub struct TemporaryLock {
    lock: Lock,
    /// `None` if another process has to remove the file.
    path: Option<PathBuf>,
}

impl TemporaryLock {
    /// Wraps a lock that was acquired at this path.
    pub fn new(lock: Lock, path: PathBuf) -> TemporaryLock {
        let path = Some(path);
        TemporaryLock { lock, path }
    }

    /// Returns the lock, for a child process that inherits it and removes the file before it ends.
    pub fn into_lock(mut self) -> io::Result<Lock> {
        let Lock(file) = &self.lock;
        let lock = Lock(file.try_clone()?);
        self.path = None;
        Ok(lock)
    }
}

impl Drop for TemporaryLock {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // A file that cannot be removed now is swept later.
            fs::remove_file(path).ok();
        }
    }
}

impl Store {
    /// Removes lock files of builds and refreshes that were killed.
    pub fn sweep_locks(&self) -> io::Result<()> {
        sweep(&self.path(layout::BUILD_LOCKS))?;
        sweep(&self.path(layout::REFRESH_LOCKS))
    }
}

/// Removes free lock files that are older than [`SWEEP_AGE`].
fn sweep(dir: &Path) -> io::Result<()> {
    for path in list_entries(dir, "")? {
        let is_old = fs::symlink_metadata(&path).is_ok_and(|metadata| {
            metadata.is_file() && metadata.modified().is_ok_and(|at| age(at) > SWEEP_AGE)
        });
        if is_old && let Some(lock) = Lock::try_acquire(&path)? {
            drop(TemporaryLock::new(lock, path));
        }
    }
    Ok(())
}

/// A wait until one of several locks is free.
#[derive(Debug)]
pub struct LockWait<'a> {
    paths: &'a [PathBuf],
    since: Instant,
}

impl LockWait<'_> {
    /// Starts a wait.
    pub fn new(paths: &[PathBuf]) -> LockWait<'_> {
        LockWait::since(paths, Instant::now())
    }

    /// Continues a wait that started at `since`, perhaps for other locks. The polling interval depends on `since`.
    pub fn since(paths: &[PathBuf], since: Instant) -> LockWait<'_> {
        LockWait { paths, since }
    }

    /// Waits for at most `timeout`. Returns whether a lock is free.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        poll_until(self.since, timeout, || {
            for path in self.paths {
                if Lock::is_free(path)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Waits until `keep_waiting` returns false. Returns whether a lock is free.
    pub fn wait_while(&self, mut keep_waiting: impl FnMut() -> bool) -> io::Result<bool> {
        while keep_waiting() {
            if self.wait(CALLBACK_INTERVAL)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// How often a waiter calls back to report progress and to detect a disconnected client.
pub(super) const CALLBACK_INTERVAL: Duration = Duration::from_millis(100);

/// Polls `condition` until it is true or `timeout` has passed. flock(2) has no timeout, and a thread that blocks in it cannot be
/// stopped: hundreds of clients that disconnect would leave hundreds of threads and descriptors.
fn poll_until(
    since: Instant,
    timeout: Duration,
    mut condition: impl FnMut() -> io::Result<bool>,
) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        if condition()? {
            return Ok(true);
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        // Adds 5 % to the wait at most, between the two limits.
        let interval = (since.elapsed() / 20).clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL);
        thread::sleep(interval.min(left));
    }
}

/// Whether `path` still leads to this open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match fs::metadata(path) {
        Ok(metadata) => Ok(id(metadata) == id(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_temporary_lock_has_one_owner_while_its_file_is_removed_and_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (owners, acquired) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while acquired.load(Ordering::Relaxed) < 20_000 {
                        let Some(lock) = Lock::try_acquire(&path).unwrap() else {
                            continue;
                        };
                        let lock = TemporaryLock::new(lock, path.clone());
                        assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0);
                        acquired.fetch_add(1, Ordering::Relaxed);
                        owners.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!path.exists());
    }

    #[test]
    fn only_old_locks_without_an_owner_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let [abandoned, held, new] = ["abandoned", "held", "new"].map(|name| dir.path().join(name));
        let _lock = Lock::try_acquire(&held).unwrap().unwrap();
        for path in [&abandoned, &held] {
            let file = open(path).unwrap();
            file.set_modified(SystemTime::now() - SWEEP_AGE * 2).unwrap();
        }
        open(&new).unwrap();
        sweep(dir.path()).unwrap();
        assert_eq!(
            [abandoned, held, new].map(|path| path.exists()),
            [false, true, true]
        );
    }
}
