//! flock(2): a lock belongs to an open file, passes to a process that inherits it, and is free when the last one that
//! holds it is gone. Not for network file systems that pretend.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Store;
use super::table::age;

/// Who waits looks so often at first, and so often at last: 500 who wait are some percent of a processor.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How old a lock's file has to be before it is swept: its date may matter for so long ([`Lock::take_if_due`]).
const SWEPT_AFTER: Duration = Duration::from_secs(60 * 60);

/// A lock that is held as long as this value, or a process that inherited the file, lives.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock if nobody has it.
    pub fn try_take(path: &Path) -> io::Result<Option<Lock>> {
        loop {
            let file = open(path)?;
            match file.try_lock() {
                // The last owner may have removed the file since it was opened: then another process locks another file.
                Ok(()) if is_at(&file, path)? => return Ok(Some(Lock(file))),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
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

/// A lock whose file is removed before it is released, for names without bound.
#[derive(Debug)]
pub struct TemporaryLock {
    lock: Lock,
    /// `None` once another process is to remove it.
    path: Option<PathBuf>,
}

impl TemporaryLock {
    /// A lock that was taken at this path.
    pub fn new(lock: Lock, path: PathBuf) -> TemporaryLock {
        let path = Some(path);
        TemporaryLock { lock, path }
    }

    /// The lock, for a process that shall inherit it, and remove the file before it ends.
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
            // What cannot be removed now is swept.
            fs::remove_file(path).ok();
        }
    }
}

impl Store {
    /// Removes the locks of builds and refreshes whose owners were killed.
    pub fn sweep_locks(&self) -> io::Result<()> {
        sweep(&self.build_locks(), SWEPT_AFTER)?;
        sweep(&self.refresh_locks(), SWEPT_AFTER)
    }
}

/// Removes the files of locks in `dir` that are older than `least` and that nobody holds: their owners were killed.
fn sweep(dir: &Path, least: Duration) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_file = entry.file_type().is_ok_and(|of| of.is_file());
        if is_file
            && written.is_ok_and(|at| age(at) > least)
            && let Some(lock) = Lock::try_take(&entry.path())?
        {
            drop(TemporaryLock::new(lock, entry.path()));
        }
    }
    Ok(())
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
        Waiting::since(paths, Instant::now())
    }

    /// Continues a wait that began then, perhaps on others.
    pub fn since(paths: &[PathBuf], since: Instant) -> Waiting<'_> {
        Waiting { paths, since }
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
pub(super) const ASK_EVERY: Duration = Duration::from_millis(100);

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

/// Whether this open file is the one that the path leads to.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match fs::metadata(path) {
        Ok(there) => Ok(id(there) == id(file.metadata()?)),
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

    /// The lock's file comes and goes, and no two hold it at once.
    #[test]
    fn a_temporary_lock_is_one_owners_while_its_file_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(Ordering::Relaxed) < 20_000 {
                        let Some(lock) = Lock::try_take(&path).unwrap() else {
                            continue;
                        };
                        let lock = TemporaryLock::new(lock, path.clone());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!path.exists());
    }

    #[test]
    fn locks_of_dead_owners_are_swept_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let [dead, held, new] = ["dead", "held", "new"].map(|name| dir.path().join(name));
        let _held = Lock::try_take(&held).unwrap().unwrap();
        for path in [&dead, &held] {
            let file = open(path).unwrap();
            file.set_modified(SystemTime::now() - SWEPT_AFTER * 2).unwrap();
        }
        open(&new).unwrap();
        sweep(dir.path(), SWEPT_AFTER).unwrap();
        assert_eq!([dead, held, new].map(|path| path.exists()), [false, true, true]);
    }
}
