//! The lock files of requests that wait for a build slot. The content is the position in the queue, for other processes to show.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::budget::Client;
use super::file::list_entries;
use super::lock::Lock;
use super::{BuildKey, Store, layout};

impl Store {
    /// The lock file of the request that waits for a slot for this build. Clients share it if their keys start with the same
    /// digit, so a build has 16 tickets at most.
    pub fn waiter_lock(&self, key: &BuildKey, client: &Client) -> PathBuf {
        let lock = self.build_lock(key);
        lock.with_added_extension(&client.key().as_str()[..1])
    }

    /// The number of tickets ahead of the first request that waits for this build; `None` if no request waits.
    pub fn queue_position(&self, key: &BuildKey) -> io::Result<Option<usize>> {
        let mut positions = Vec::new();
        for lock in list_entries(&self.path(layout::BUILD_LOCKS), &format!("{key}."))? {
            if !Lock::is_free(&lock)? {
                // A request that has just arrived has written nothing yet.
                let text = fs::read_to_string(&lock).unwrap_or_default();
                positions.push(text.trim().parse().unwrap_or(0));
            }
        }
        Ok(positions.into_iter().min())
    }
}

/// Records the number of tickets ahead in the lock file of a waiting request.
pub fn record_queue_position(lock: &Path, ahead: usize) -> io::Result<()> {
    fs::write(lock, ahead.to_string())
}
