//! Compiles packages of the standard library that nearly every program needs, while the name of a program is looked up and its modules
//! are downloaded: no compiler runs in these seconds.
//!
//! The process has a build slot of its own, so the limits of builds hold. A build with the same Go for the same platform downloads its
//! modules at the same time, but waits with its first compiler until the process has ended: no package is compiled twice.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::charge::charge;
use super::warm::warm;
use crate::config::Config;
use crate::detached;
use crate::error::{Error, Reason, internal_error};
use crate::golang::Toolchain;
use crate::golang::run::command::Go;
use crate::golang::toolchain::managed;
use crate::golang::toolchain::versions::{self, VersionRequest};
use crate::hidden_command::HiddenCommand;
use crate::parse::{GoVersion, Platform};
use crate::store::budget::{Client, Cost};
use crate::store::layout;
use crate::store::lock::{Lock, TemporaryLock};
use crate::store::{KeyHasher, Store};

/// The packages, and with them all that they import. Nearly every program contains them. `runtime` takes the longest, and most packages
/// import it. The others here do not, so they are compiled beside it.
const CORE_PACKAGES: [&str; 4] = ["runtime", "math", "sync/atomic", "unicode"];

/// How long the packages are expected to stay in the compile cache. If they are evicted before, builds compile them.
const CACHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The lock of the process that compiles the packages. It is in the compile cache: if that is removed, the packages are compiled again.
pub fn lock_file(store: &Store, version: &str, platform: &Platform) -> PathBuf {
    let key = KeyHasher::default().field(version).field(platform.to_string());
    store
        .path(layout::COMPILE_CACHE)
        .join(format!("core-{}", key.finish()))
}

/// Starts a process that compiles the packages, unless one did so within [`CACHED_FOR`], or no build slot is free. Called before the
/// lookup of a name that may be built. A request for a certain version of Go starts none: that Go may not be downloaded yet. Without a
/// queue, a build could not wait for the slot. With an object store, a build fetches the packages, which is faster.
pub fn start_if_due(go: Go<'_>, platform: &Platform, requested: Option<GoVersion>) {
    if requested.is_none()
        && go.config.queue > 0
        && go.config.object_store.is_none()
        && let Err(error) = start(go, platform)
    {
        log::warn!("cannot precompile packages for {platform}: {}", error.log);
    }
}

fn start(go: Go<'_>, platform: &Platform) -> Result<(), Error> {
    let version = versions::choose(go, VersionRequest::default())?;
    let operator = Client::operator();
    let client = go.client.unwrap_or(&operator);
    let lock = lock_file(go.store, &version, platform);
    let start = || -> io::Result<()> {
        let Some(held) = Lock::try_acquire_if_due(&lock, CACHED_FOR)? else {
            return Ok(());
        };
        // Unless a process inherits the lock, its file is removed, so that the next lookup tries again.
        let held = TemporaryLock::new(held, lock);
        let has_budget = go.client.is_none()
            || go
                .store
                .has_budget(client, Cost::SlotSecond, go.config.slot_seconds_per_hour)?;
        let slots = go.store.build_queue(go.config.builds());
        let Some(slot) = slots.try_acquire(client)?.filter(|_| has_budget) else {
            return Ok(());
        };
        let command = HiddenCommand::Precompile {
            platform: platform.to_string(),
            version,
            client: go.client.map(|client| client.name().to_owned()),
        };
        let log = go.store.path(layout::LOG);
        detached::start(&command, held.into_lock()?.into(), slot.into(), &log)
    };
    start().map_err(|e| internal_error("start to precompile packages", &e))
}

/// Compiles the packages with this version of Go, which must be installed, and charges the client for the time.
pub fn precompile(
    platform: &Platform,
    version: &str,
    client: Option<&Client>,
    config: &Config,
    store: &Store,
) -> Result<(), Error> {
    let started = Instant::now();
    let default = Toolchain::find(config, store)?;
    let toolchain = managed::ensure_version(&default, config, store, version, &mut |_| false)?;
    let go = Go::for_operator(config, store, &toolchain);
    let compiled = warm(go, platform, &CORE_PACKAGES, &mut |_| ());
    if let Some(client) = client {
        charge(client, Cost::SlotSecond, started.elapsed().as_secs(), store);
    }
    match compiled {
        // Where tools are not confined, builds share no cache. Each build warns of that.
        Err(error) if error.reason == Reason::NoSandbox => Ok(()),
        compiled => compiled.inspect(|()| {
            let seconds = started.elapsed().as_secs_f64();
            log::info!("precompiled packages for {platform} in {seconds:.1} s");
        }),
    }
}
