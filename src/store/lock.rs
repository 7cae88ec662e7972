//! flock(2): a lock belongs to an open file, passes to a process that inherits it, and is free when the last one that
//! holds it is gone. Not for network file systems that pretend.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

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

/// A wait for a lock that somebody holds.
#[derive(Debug)]
pub struct Waiting(mpsc::Receiver<io::Result<()>>);

impl Waiting {
    /// Begins to wait until nobody holds the lock exclusively.
    pub fn begin(path: &Path) -> io::Result<Waiting> {
        wait_for_any(std::slice::from_ref(&path.to_owned()))
    }

    /// Waits so long at most; says whether the lock came free.
    pub fn within(&self, patience: Duration) -> io::Result<bool> {
        match self.0.recv_timeout(patience) {
            Ok(locked) => locked.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

/// Begins to wait until nobody holds one of these.
pub fn wait_for_any(paths: &[PathBuf]) -> io::Result<Waiting> {
    let (sender, receiver) = mpsc::channel();
    for path in paths {
        let (file, sender) = (open(path)?, sender.clone());
        // A thread of its own, since flock(2) knows no timeout. It ends with the process if the lock never comes free.
        thread::Builder::new().spawn(move || {
            let locked = file.lock_shared();
            // Given back before it is told, so that who is told can take it.
            drop(file);
            // The receiver is gone when whoever waited lost patience.
            sender.send(locked).ok();
        })?;
    }
    Ok(Waiting(receiver))
}

/// Takes the lock, however many want it, within `patience`.
pub fn wait_to_take(path: &Path, patience: Duration) -> io::Result<Option<Lock>> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = Lock::try_take(path)? {
            return Ok(Some(lock));
        }
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() || !Waiting::begin(path)?.within(left)? {
            return Ok(None);
        }
    }
}

/// Takes the lock from those who share it, if all give it back within `patience`.
pub fn wait_to_be_alone(path: &Path, patience: Duration) -> io::Result<Option<Lock>> {
    if let Some(lock) = Lock::try_take(path)? {
        return Ok(Some(lock));
    }
    let (file, (sender, receiver)) = (open(path)?, mpsc::channel());
    thread::Builder::new().spawn(move || {
        let alone = file.lock().map(|()| Lock(file));
        // Without a receiver the lock is given back at once.
        sender.send(alone).ok();
    })?;
    receiver.recv_timeout(patience).ok().transpose()
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
