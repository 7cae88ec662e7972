//! A place in a queue: a file that is locked as long as its owner lives. Its name tells all that decides about its turn.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Lock;

/// What the name of a ticket's file tells: `START-NUMBER-CLIENT`.
#[derive(Debug)]
pub(super) struct Ticket {
    /// When its turn starts, in the time of the queue.
    pub(super) start: u64,
    /// The order of arrival.
    pub(super) number: u64,
    /// The client that waits.
    pub(super) client: String,
}

impl Ticket {
    /// Reads the name of a file.
    pub(super) fn parse(name: &str) -> Option<Ticket> {
        let mut parts = name.splitn(3, '-');
        Some(Ticket {
            start: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
            client: parts.next()?.to_owned(),
        })
    }

    /// The file in the directory of its queue.
    pub(super) fn path(&self, queue: &Path) -> PathBuf {
        queue.join(format!("{:020}-{:020}-{}", self.start, self.number, self.client))
    }

    /// Removes a ticket that nobody holds; says whether it did.
    pub(super) fn remove_dead(ticket: &Path) -> io::Result<bool> {
        let is_dead = Lock::is_free(ticket)?;
        if is_dead {
            // Gone already if its owner, or another process that looked, was faster.
            fs::remove_file(ticket).ok();
        }
        Ok(is_dead)
    }
}
