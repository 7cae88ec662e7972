//! Finds out what an object store does with a second creation and with an interrupted upload. Stores differ in both.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::client::{Client, Creation, Overwrite};
use super::random::random_name;
use super::store_error::StoreError;

/// What a store was found to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The URL of the probed prefix.
    pub url: String,
    /// Whether it refuses to create an object that exists (`If-None-Match: *`).
    pub is_create_only: bool,
    /// Whether an interrupted upload leaves no object.
    pub drops_cut_uploads: bool,
    /// Duration of one write, milliseconds.
    pub latency_ms: u64,
}

/// Size of the interrupted upload: more than a store reads before it creates the object.
const CUT_BYTES: usize = 1 << 20;

/// Probes a store with two objects below `probe/`, which are removed.
pub(super) fn probe(client: &Client) -> Result<ProbeResult, StoreError> {
    let name = random_name();
    let (object, cut) = (format!("probe/{name}"), format!("probe/{name}-cut"));
    // Before any write: without s3:ListBucket, AWS answers 403 for an object that does not exist.
    client.get(&object)?;
    let started = Instant::now();
    client.put(&object, b"first", Overwrite::Allowed)?;
    let latency_ms = started.elapsed().as_millis() as u64;
    // Its result is read last: the store may notice late that the upload ended. It starts after the first write: rclone removes the
    // directory if the upload leaves it empty, and then loses a file that is being written there.
    let was_cut = client.upload_half(&cut, &[b'x'; CUT_BYTES]);
    let is_refused = match client.put(&object, b"second", Overwrite::Refused) {
        Ok(created) => created == Creation::Exists,
        // Some stores answer 501 to the condition.
        Err(error) if error.is_answer && !error.is_transient => false,
        Err(error) => return Err(error),
    };
    let is_create_only = is_refused && client.get(&object)?.is_some_and(|object| object.body == b"first");
    let drops_cut_uploads = was_cut && client.size(&cut)?.is_none();
    client.delete(&object)?;
    client.delete(&cut)?;
    Ok(ProbeResult {
        url: client.url(),
        is_create_only,
        drops_cut_uploads,
        latency_ms,
    })
}

impl ProbeResult {
    /// What follows for this service, in one line.
    pub fn describe(&self) -> String {
        let create_only = match self.is_create_only {
            true => "create-only is kept",
            false => "create-only is ignored: machines may build the same program at the same time",
        };
        let cut = match self.drops_cut_uploads {
            true => "interrupted uploads leave nothing",
            false => "interrupted uploads leave objects, which are rejected when they are read",
        };
        format!(
            "{}: {create_only}; {cut}; {} ms per write",
            self.url, self.latency_ms
        )
    }
}
