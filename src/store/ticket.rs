//! A ticket is a file that is locked while its owner waits in the queue. The file's name holds all that determines the order.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Lock;

/// The parsed name of a ticket's file, `START-NUMBER-CLIENT`.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The start tag, in virtual time.
    pub(super) start_tag: u64,
    /// The order of arrival.
    pub(super) number: u64,
    /// The name of the client.
    pub(super) client: String,
}

impl Ticket {
    /// Parses the name of a file.
    pub(super) fn parse(name: &str) -> Option<Ticket> {
        let mut parts = name.splitn(3, '-');
        Some(Ticket {
            start_tag: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
            client: parts.next()?.to_owned(),
        })
    }

    /// The ticket's file in the directory of its queue.
    pub(super) fn path(&self, queue: &Path) -> PathBuf {
        queue.join(format!(
            "{:020}-{:020}-{}",
            self.start_tag, self.number, self.client
        ))
    }

    /// Removes the ticket's file if its owner has ended, and returns whether it did.
    pub(super) fn remove_if_abandoned(ticket: &Path) -> io::Result<bool> {
        let is_abandoned = Lock::is_free(ticket)?;
        if is_abandoned {
            // Fails if the owner or another process has already removed it.
            fs::remove_file(ticket).ok();
        }
        Ok(is_abandoned)
    }
}
