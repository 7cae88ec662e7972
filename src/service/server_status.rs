//! The state of the server, which `/-/status` shows as JSON or, for a browser, as a page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell_layers::CellLayers;
use super::{open, read_error};
use crate::config::Config;
use crate::error::Error;
use crate::golang::Toolchain;
use crate::golang::run::command::Go;
use crate::golang::toolchain::managed;
use crate::golang::toolchain::versions::{self, VersionRequest};
use crate::object_store::ProbeResult;
use crate::object_store::record::{Conflict, Record};
use crate::store::{Counter, Store, Total};

/// The state of the server. Its JSON is public.
#[derive(Debug, Serialize)]
pub(super) struct ServerStatus {
    /// The version of gox-server.
    pub version: &'static str,
    /// The Go that compiles, unless the request or the program needs another.
    pub go: Option<String>,
    /// Its known vulnerabilities.
    #[serde(rename = "go_hole")]
    pub known_vulnerability: Option<String>,
    /// The Go versions that gox-server has downloaded.
    #[serde(rename = "brought")]
    pub downloaded: Vec<String>,
    /// Running builds.
    pub builds: BuildSlots,
    /// Waiting builds.
    pub queue: QueueUsage,
    /// The layers of a tool's cell; `None` if they cannot be probed.
    pub cells: Option<CellLayers>,
    /// The object store; `None` if the operator has none.
    pub store: Option<ObjectStoreStatus>,
    /// The event counters, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// Bytes of stored programs.
    pub cache_bytes: CacheUsage,
}

/// Running builds, of the build slots.
#[derive(Debug, Serialize)]
pub(super) struct BuildSlots {
    pub running: usize,
    pub slots: usize,
}

/// Waiting builds, of the places in the queue.
#[derive(Debug, Serialize)]
pub(super) struct QueueUsage {
    pub waiting: usize,
    pub most: usize,
}

/// Bytes of programs and their compressed copies, of the size limit of the state directory.
#[derive(Debug, Serialize)]
pub(super) struct CacheUsage {
    pub artifacts: u64,
    pub most: u64,
}

/// The object store, as the last builders found it.
#[derive(Debug, Serialize)]
pub(super) struct ObjectStoreStatus {
    /// Its URL without the endpoint.
    pub url: String,
    /// Why the last request failed; `None` if it succeeded.
    pub error: Option<String>,
    /// What it was found to do; `None` before the first probe.
    pub probed: Option<ProbeResult>,
    /// The last program with other bytes than those in the store.
    pub conflict: Option<Conflict>,
}

impl ObjectStoreStatus {
    fn read(config: &Config, store: &Store) -> Option<ObjectStoreStatus> {
        let record = Record::of(store);
        Some(ObjectStoreStatus {
            url: config.object_store.as_ref()?.to_string(),
            error: record.outage().map(|outage| outage.error),
            probed: record.probe().map(|(probed, _)| probed),
            conflict: record.conflict(),
        })
    }
}

/// Returns the downloaded patch release that compiles in place of the default Go, or else that Go.
fn newest_downloaded(default: Toolchain, config: &Config, store: &Store) -> Toolchain {
    let go = Go::for_operator(config, store, &default);
    let version = versions::choose(go, VersionRequest::default()).ok();
    let downloaded = version.and_then(|version| managed::find(config, store, version.parse().ok()?)?.ok());
    downloaded.unwrap_or(default)
}

impl ServerStatus {
    /// Reads the current state.
    pub(super) fn read(config: &Config) -> Result<ServerStatus, Error> {
        let store = open(config)?;
        let toolchain = Toolchain::find(config, &store).ok();
        let toolchain = toolchain.map(|default| newest_downloaded(default, config, &store));
        let downloaded = managed::list(&store).map_err(read_error)?;
        let queue = store.build_queue(config.builds());
        let mut counts = BTreeMap::new();
        let object_store = ObjectStoreStatus::read(config, &store);
        for counter in Counter::ALL {
            let events = store.read_counter(counter).map_err(read_error)?;
            counts.insert(counter.name(), events.count());
        }
        for total in Total::ALL.into_iter().filter(|_| object_store.is_some()) {
            counts.insert(total.name(), store.read_total(total).map_err(read_error)?);
        }
        Ok(ServerStatus {
            version: env!("CARGO_PKG_VERSION"),
            go: toolchain.as_ref().map(|toolchain| toolchain.version.clone()),
            known_vulnerability: toolchain
                .as_ref()
                .and_then(|toolchain| toolchain.known_vulnerability(&store)),
            downloaded: downloaded.iter().map(|version| format!("go{version}")).collect(),
            builds: BuildSlots {
                running: queue.count_running().map_err(read_error)?,
                slots: config.builds(),
            },
            queue: QueueUsage {
                waiting: queue.count_waiting().map_err(read_error)?,
                most: config.queue,
            },
            cells: CellLayers::probe(&store),
            store: object_store,
            counts,
            cache_bytes: CacheUsage {
                artifacts: store.artifact_bytes().map_err(read_error)?,
                most: config.cache_bytes,
            },
        })
    }
}
