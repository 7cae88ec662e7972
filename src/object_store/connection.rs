//! The object store as one process uses it. After a failed request the process works without it, and so do all builders for a while:
//! a store that is away costs one build a few seconds, and the others nothing.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::HeldClaim;
use super::claim::{self, ClaimState};
use super::client::{Client, Creation, Object, Overwrite};
use super::probe::{ProbeResult, probe};
use super::record::{Conflict, Outage, Record};
use super::store_error::StoreError;
use crate::config::{Config, aws_environment};
use crate::store::table::age;
use crate::store::{BuildKey, Store, Total};

/// How long the result of a probe is used.
const PROBE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer to a machine that wants to build a program.
pub enum Claim {
    /// This machine may build it.
    Own(HeldClaim),
    /// Another machine builds it.
    Foreign,
    /// There are no claims, or they expired too often: build without one.
    None,
}

/// A connection to the object store, for several threads. Its errors are logged, counted and recorded, so callers only learn that there
/// is no result.
pub struct ObjectStore {
    client: Client,
    store: Store,
    record: Record,
    is_available: AtomicBool,
    /// Whether a request has failed. Then only a later process may find that the store works again.
    has_failed: AtomicBool,
    probed: ProbeResult,
}

impl ObjectStore {
    /// Connects a builder to the store. `None` if the operator has none, or if it does not work at the moment.
    pub fn connect(config: &Config, store: &Store) -> Option<ObjectStore> {
        let record = Record::of(store);
        config
            .object_store
            .as_ref()
            .filter(|_| record.allows_requests())?;
        let client = match client(config)? {
            Ok(client) => client,
            Err(error) => {
                note_failure(&record, store, &error);
                return None;
            }
        };
        let recent = record
            .probe()
            .filter(|(probed, at)| probed.url == client.url() && age(*at) < PROBE_LIFETIME);
        let probed = match recent {
            Some((probed, _)) => probed,
            None => match probe(&client) {
                Ok(probed) => note_probe(&record, probed),
                Err(error) => {
                    note_failure(&record, store, &error.to_string());
                    return None;
                }
            },
        };
        Some(ObjectStore {
            client,
            store: store.clone(),
            record,
            is_available: AtomicBool::new(true),
            has_failed: AtomicBool::new(false),
            probed,
        })
    }

    /// Reads a small object: `Some(None)` if there is none, `None` if the store does not work.
    pub fn get(&self, key: &str) -> Option<Option<Object>> {
        self.attempt(|client| client.get(key))
    }

    /// Returns the size of an object.
    pub fn size(&self, key: &str) -> Option<Option<u64>> {
        self.attempt(|client| client.size(key))
    }

    /// Downloads an object to a new file, within `timeout`; false if there is none, or if the file cannot be written. A larger object
    /// than `max_bytes` is cut after the next byte.
    pub fn download(&self, key: &str, to: &Path, max_bytes: u64, timeout: Duration) -> Option<bool> {
        self.attempt(|client| client.download(key, to, max_bytes, timeout))
    }

    /// Uploads a file with this size and SHA-256, in place of an existing object.
    pub fn upload(&self, key: &str, file: &File, size: u64, sha256: &str) -> Option<()> {
        self.attempt(|client| client.upload(key, file, size, sha256))
    }

    /// Creates a small object; false if it exists. A store that ignores the condition replaces it.
    pub fn create(&self, key: &str, body: &[u8]) -> Option<bool> {
        // Some of those stores answer 501 to the condition.
        let overwrite = match self.probed.is_create_only {
            true => Overwrite::Refused,
            false => Overwrite::Allowed,
        };
        let created = self.attempt(|client| client.put(key, body, overwrite));
        created.map(|created| created == Creation::Created)
    }

    /// Writes a small object, in place of an existing one.
    pub fn replace(&self, key: &str, body: &[u8]) -> Option<()> {
        self.attempt(|client| client.put(key, body, Overwrite::Allowed).map(drop))
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) -> Option<()> {
        self.attempt(|client| client.delete(key))
    }

    /// Acquires the claim of a program. The claim is renewed until it is released.
    pub fn claim(self: &Arc<Self>, key: &BuildKey) -> Option<Claim> {
        if !self.probed.is_create_only {
            return Some(Claim::None);
        }
        let state = self.attempt(|client| claim::acquire(client, key, &self.record.machine()))?;
        Some(match state {
            ClaimState::Own(number) => Claim::Own(HeldClaim::hold(self, key, number)),
            ClaimState::Foreign => Claim::Foreign,
            ClaimState::Exhausted => Claim::None,
        })
    }

    /// Renews a claim of this machine, also after a failed request: no client waits for it.
    pub(super) fn renew(&self, key: &BuildKey, number: usize) {
        self.retry();
        self.attempt(|client| claim::renew(client, key, number, &self.record.machine()));
    }

    /// Removes a claim of this machine.
    pub(super) fn release(&self, key: &BuildKey, number: usize) {
        self.attempt(|client| claim::release(client, key, number));
    }

    /// Sends requests; `None` if one fails, or one has failed before.
    fn attempt<T>(&self, requests: impl FnOnce(&Client) -> Result<T, StoreError>) -> Option<T> {
        if !self.is_available.load(Ordering::Relaxed) {
            return None;
        }
        match requests(&self.client) {
            Ok(done) => {
                if !self.has_failed.load(Ordering::Relaxed) {
                    self.record.clear_outage();
                }
                Some(done)
            }
            Err(error) => {
                self.is_available.store(false, Ordering::Relaxed);
                self.has_failed.store(true, Ordering::Relaxed);
                note_failure(&self.record, &self.store, &error.to_string());
                None
            }
        }
    }

    /// Uses the store again after a failed request: it may work at the end of a build, when no client waits.
    pub fn retry(&self) {
        self.is_available.store(true, Ordering::Relaxed);
    }

    /// Records a program with other bytes than those in the store.
    pub fn note_conflict(&self, conflict: &Conflict) {
        log::error!(
            "{} for {} has SHA-256 {} here and {} in the object store, which was not changed; build {}: one of both machines is \
             compromised or defective, or the program is not reproducible",
            conflict.program,
            conflict.platform,
            conflict.built_sha256,
            conflict.stored_sha256,
            conflict.key
        );
        self.store.add(Total::Conflicts, 1);
        self.record.put_conflict(conflict);
    }
}

/// Probes the operator's store and records the result, whatever was recorded before; `None` without a store.
pub fn check(config: &Config, store: &Store) -> Option<Result<ProbeResult, String>> {
    let record = Record::of(store);
    let result = client(config)?.and_then(|client| probe(&client).map_err(|error| error.to_string()));
    Some(match result {
        Ok(probed) => {
            record.clear_outage();
            Ok(note_probe(&record, probed))
        }
        Err(error) => {
            note_failure(&record, store, &error);
            Err(error)
        }
    })
}

/// A client for the operator's store.
fn client(config: &Config) -> Option<Result<Client, String>> {
    let url = config.object_store.as_ref()?;
    let variables: HashMap<String, String> = aws_environment();
    Some(Client::new(url, variables))
}

fn note_failure(record: &Record, store: &Store, error: &str) {
    log::warn!("object store: {error}; programs are built without it for a while");
    store.add(Total::Errors, 1);
    record.put_outage(&Outage {
        error: error.to_owned(),
    });
}

fn note_probe(record: &Record, probed: ProbeResult) -> ProbeResult {
    log::info!("object store {}", probed.describe());
    record.put_probe(&probed);
    probed
}
