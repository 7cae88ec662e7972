//! flock(2): a lock belongs to an open file, passes to a process that inherits it, and is free when the last one that
//! holds it is gone. Not for network file systems that pretend.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
        let file = open(path)?;
        let (sender, receiver) = mpsc::channel();
        // A thread of its own, since flock(2) knows no timeout. It ends with the process if the lock never comes free.
        thread::spawn(move || {
            // The receiver is gone when whoever waited lost patience.
            sender.send(file.lock_shared()).ok();
        });
        Ok(Waiting(receiver))
    }

    /// Waits so long at most; says whether the lock came free.
    pub fn within(&self, patience: Duration) -> io::Result<bool> {
        match self.0.recv_timeout(patience) {
            Ok(locked) => locked.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
