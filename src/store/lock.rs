//! flock(2): a lock belongs to an open file, passes to a process that inherits it, and is free when the last one that
//! holds it is gone. Not for network file systems that pretend.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::table::age;

/// Who waits looks so often at first, and so often at last: 500 who wait are some percent of a processor.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A lock that is held as long as this value, or a process that inherited the file, lives.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock if nobody has it.
    pub fn try_take(path: &Path) -> io::Result<Option<Lock>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes the lock if nobody has it, nor has taken it so within `pause`.
    pub fn take_if_due(path: &Path, pause: Duration) -> io::Result<Option<Lock>> {
        let last = fs::metadata(path).and_then(|metadata| metadata.modified());
        if last.is_ok_and(|at| age(at) < pause) {
            return Ok(None);
        }
        let lock = Lock::try_take(path)?;
        if let Some(Lock(file)) = &lock {
            file.set_modified(SystemTime::now())?;
        }
        Ok(lock)
    }

    /// Whether nobody has it. A file that is gone is nobody's.
    pub fn is_free(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            opened => opened?,
        };
        // Shared, and given back at once: two who look do not take each other for an owner.
        match file.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The open file, for a process that shall inherit the lock.
    pub fn into_file(self) -> File {
        self.0
    }
}

impl Lock {
    /// Takes the lock, however many want or share it, if they all give it back within `patience`.
    pub fn take_within(path: &Path, patience: Duration) -> io::Result<Option<Lock>> {
        let mut lock = None;
        looking(Instant::now(), patience, || {
            lock = Lock::try_take(path)?;
            Ok(lock.is_some())
        })?;
        Ok(lock)
    }
}

/// A wait until nobody holds one of these locks.
#[derive(Debug)]
pub struct Waiting<'a> {
    paths: &'a [PathBuf],
    since: Instant,
}

impl Waiting<'_> {
    /// Begins to wait.
    pub fn on(paths: &[PathBuf]) -> Waiting<'_> {
        Waiting {
            paths,
            since: Instant::now(),
        }
    }

    /// Waits so long at most; says whether a lock came free.
    pub fn within(&self, patience: Duration) -> io::Result<bool> {
        looking(self.since, patience, || {
            for path in self.paths {
                if Lock::is_free(path)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Waits as long as that is wanted, which is asked again and again; says whether a lock came free.
    pub fn while_wanted(&self, mut wanted: impl FnMut() -> bool) -> io::Result<bool> {
        while wanted() {
            if self.within(ASK_EVERY)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// How often who waits is asked whether it wants to: a bar moves smoothly, and who has left is soon noticed.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Looks again and again, within `patience`, whether it is so. flock(2) knows no timeout, and a thread that waits in it outlives whoever
/// lost patience: hundreds of clients that leave would be hundreds of threads and descriptors.
fn looking(
    since: Instant,
    patience: Duration,
    mut is_so: impl FnMut() -> io::Result<bool>,
) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        if is_so()? {
            return Ok(true);
        }
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        // Late by a twentieth of the wait.
        let pause = (since.elapsed() / 20).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        thread::sleep(pause.min(left));
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
