//! What builders record about the object store in the state directory. Each value is one file that is replaced as a whole.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ProbeResult;
use super::random::random_name;
use crate::store::file::{read_json, replace};
use crate::store::table::age;
use crate::store::{Store, layout};

/// How long builders leave a store alone after a failed request. Then one builder tries it again.
pub const PAUSE: Duration = Duration::from_secs(30);

/// The last request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The request, and why it failed.
    pub error: String,
}

/// A program that was built here and has other bytes than the result in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The key of the build.
    pub key: String,
    /// `PACKAGE@VERSION`.
    pub program: String,
    /// The platform.
    pub platform: String,
    /// SHA-256 of the program that was built here.
    pub built_sha256: String,
    /// SHA-256 in the store.
    pub stored_sha256: String,
}

/// The files with the records.
#[derive(Debug)]
pub struct Record {
    dir: PathBuf,
}

const MACHINE: &str = "machine.json";
const OUTAGE: &str = "outage.json";
const PROBE: &str = "probe.json";
const CONFLICT: &str = "conflict.json";

impl Record {
    /// The records in the state directory.
    pub fn of(store: &Store) -> Record {
        Record {
            dir: store.path(layout::OBJECT_STORE),
        }
    }

    /// Why the last request failed, if it did.
    pub fn outage(&self) -> Option<Outage> {
        self.read(OUTAGE)
    }

    /// The result of the last probe, and when it was recorded.
    pub fn probe(&self) -> Option<(ProbeResult, SystemTime)> {
        let at = fs::metadata(self.dir.join(PROBE)).and_then(|metadata| metadata.modified());
        Some((self.read(PROBE)?, at.ok()?))
    }

    /// The last conflict. It stays until the operator removes `GOX_DIR/object-store/conflict.json`.
    pub fn conflict(&self) -> Option<Conflict> {
        self.read(CONFLICT)
    }

    /// A random name of this machine. If it cannot be stored, each builder has another.
    pub(super) fn machine(&self) -> String {
        self.read(MACHINE).unwrap_or_else(|| {
            let name = random_name();
            self.write(MACHINE, &name);
            name
        })
    }

    /// Whether builders may use the store: the last request succeeded, or failed some time ago. In the second case other builders
    /// wait for the outcome of this one.
    pub(super) fn allows_requests(&self) -> bool {
        let path = self.dir.join(OUTAGE);
        let Ok(at) = fs::metadata(&path).and_then(|outage| outage.modified()) else {
            return true;
        };
        if age(at) < PAUSE {
            return false;
        }
        // If it fails, more than one builder tries the store.
        fs::File::open(&path)
            .and_then(|outage| outage.set_modified(SystemTime::now()))
            .ok();
        true
    }

    pub(super) fn put_outage(&self, outage: &Outage) {
        self.write(OUTAGE, outage);
    }

    pub(super) fn clear_outage(&self) {
        match fs::remove_file(self.dir.join(OUTAGE)) {
            Ok(()) => log::info!("the object store works again"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("cannot record that the object store works again: {error}"),
        }
    }

    pub(super) fn put_probe(&self, result: &ProbeResult) {
        self.write(PROBE, result);
    }

    pub(super) fn put_conflict(&self, conflict: &Conflict) {
        self.write(CONFLICT, conflict);
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        read_json(&self.dir.join(name))
    }

    fn write(&self, name: &str, value: &impl Serialize) {
        let written = serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|bytes| replace(&self.dir.join(name), &bytes));
        if let Err(error) = written {
            log::warn!("cannot record the state of the object store: {error}");
        }
    }
}
