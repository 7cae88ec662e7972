//! Caches resolutions. The resolution of an exact version is permanent. Others, such as `latest`, are fresh for `GOX_RESOLVE_SECONDS`.
//! After that they are served stale for a while and one process refreshes them (RFC 5861): a hit does not wait for the network.

use std::io;
use std::time::{Duration, SystemTime};

use crate::detached;
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::resolve::cached_resolution::{Resolution, read_cached, write_cached};
use crate::golang::resolve::lookup_slot::acquire_lookup_slot;
use crate::golang::resolve::shared_resolution::{SharedResolution, start_sharing};
use crate::golang::resolve::{resolution_key, resolve};
use crate::golang::run::command::Go;
use crate::hidden_command::HiddenCommand;
use crate::parse::Target;
use crate::store::budget::Client;
use crate::store::layout;
use crate::store::lock::Lock;
use crate::store::table::age;
use crate::store::{BuildKey, Table};

/// How long an expired resolution is served while another process refreshes it. It bounds how long a new release stays invisible.
const STALE_WHILE_REVALIDATE: Duration = Duration::from_secs(10 * 60);

/// The interval between refreshes while the module proxy fails.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// The age up to which a successful resolution is served if the module proxy fails: an outage overnight, until an operator repairs it.
pub(super) const STALE_IF_ERROR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the notices of an exact version are fresh. They are refreshed in the background.
const NOTICES_FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Called before a query to the module proxy: fails if the client has exceeded its budget.
pub type LookupPermit<'a> = &'a dyn Fn() -> Result<(), Error>;

/// Resolves `target` from the cache, or else from the object store or the module proxy.
pub fn resolve_through_cache(go: Go<'_>, target: &Target, permit: LookupPermit<'_>) -> Resolution {
    let key = resolution_key(target, &go.toolchain.version);
    let table = go.store.resolutions();
    if let Some(resolution) = use_cached(go, target, &table, &key, permit) {
        return resolution;
    }
    resolve_and_cache(go, target, permit, &table, &key).or_else(|error| {
        let cached = read_cached(go, &table, &key).map(|(resolution, at)| (resolution, age(at)));
        let usable = cached.filter(|(resolution, age)| has_programs(resolution) && *age < STALE_IF_ERROR);
        let Some((resolution, age)) = usable.filter(|_| is_inconclusive(&error)) else {
            return Err(error);
        };
        log::warn!(
            "cannot query the module proxy, a resolution from {} s ago is used: {}",
            age.as_secs(),
            error.log
        );
        resolution
    })
}

/// Returns the cached resolution, unless it has expired for so long that it must be looked up again. Starts a refresh of an expired one.
fn use_cached(
    go: Go<'_>,
    target: &Target,
    table: &Table,
    key: &BuildKey,
    permit: LookupPermit<'_>,
) -> Option<Resolution> {
    let (resolution, at) = read_cached(go, table, key)?;
    let age = age(at);
    if is_fresh(go, target, &resolution, age) {
        return Some(resolution);
    }
    let is_usable = is_permanent(target, &resolution)
        || has_programs(&resolution) && age < go.config.resolve + STALE_WHILE_REVALIDATE;
    is_usable.then(|| {
        begin_refresh(go, target, key, permit);
        resolution
    })
}

/// Whether a resolution of this age needs no refresh. That of an exact version is permanent, but for its notices, which may be missing.
fn is_fresh(go: Go<'_>, target: &Target, resolution: &Resolution, age: Duration) -> bool {
    let has_fresh_notices = resolution.as_ref().map_or(true, |resolved| {
        resolved.notices.is_some() && age < NOTICES_FRESH_FOR
    });
    age < go.config.resolve || is_permanent(target, resolution) && has_fresh_notices
}

/// Resolves `target` again and caches the result, for later requests, unless another machine has done so. A permanent resolution is replaced
/// only by one with notices: the version may be missing on the proxy today.
pub fn refresh(go: Go<'_>, target: &Target) -> Result<(), Error> {
    let key = resolution_key(target, &go.toolchain.version);
    let table = go.store.resolutions();
    create_directories(go)?;
    let shared = SharedResolution::connect(go, target);
    if let Some(shared) = &shared {
        shared.fetch();
    }
    let cached = read_cached(go, &table, &key);
    if let Some((resolution, at)) = &cached
        && is_fresh(go, target, resolution, age(*at))
    {
        return Ok(());
    }
    let cached = cached.map(|(resolution, _)| resolution);
    let permanent = cached.filter(|resolution| resolution.is_ok() && is_permanent(target, resolution));
    let deadline = go.deadlines.lookup_deadline();
    let new = resolve(go, target, deadline, acquire_lookup_slot(go, deadline)?);
    let has_notices = new.as_ref().is_ok_and(|resolved| resolved.notices.is_some());
    let unchanged = permanent.as_ref().filter(|_| !has_notices);
    write_cached(go, &table, &key, unchanged.unwrap_or(&new), SystemTime::now())?;
    cache_exact_version(go, target, &table, &new)?;
    if let Some(shared) = shared.filter(|_| unchanged.is_none()) {
        shared.publish(&new);
    }
    match has_programs(&new) {
        true => Ok(()),
        false => new.map(drop),
    }
}

/// Whether a resolution found one program, or several.
fn has_programs(resolution: &Resolution) -> bool {
    resolution
        .as_ref()
        .map_or_else(|error| error.reason == Reason::SeveralCommands, |_| true)
}

/// Caches the resolution of the exact version that `target` means now, so that a request for it needs no lookup.
fn cache_exact_version(
    go: Go<'_>,
    target: &Target,
    table: &Table,
    resolution: &Resolution,
) -> Result<(), Error> {
    match resolution {
        Ok(resolved) if resolved.is_same_at_version && resolved.notices.is_some() => {
            let exact = target.at_version(&resolved.version);
            let key = exact.map(|exact| resolution_key(&exact, &go.toolchain.version));
            key.map_or(Ok(()), |key| {
                write_cached(go, table, &key, resolution, SystemTime::now())
            })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether a resolution never changes: that of an exact version, or a permanent failure of one. What is missing may appear later: a nested
/// module has a tag of its own, and a 404 can be that of the outer module.
fn is_permanent(target: &Target, resolution: &Resolution) -> bool {
    match resolution {
        Ok(resolved) => target.version().is_pinned_to(&resolved.version),
        Err(error) => {
            target.version().is_exact() && error.reason.is_permanent() && error.reason.status() != 404
        }
    }
}

/// Resolves `target` within a lookup slot, and caches the result. Asks the object store first.
fn resolve_and_cache(
    go: Go<'_>,
    target: &Target,
    permit: LookupPermit<'_>,
    table: &Table,
    key: &BuildKey,
) -> Resolution {
    create_directories(go)?;
    let arrived = SystemTime::now();
    let deadline = go.deadlines.lookup_deadline();
    let slot = acquire_lookup_slot(go, deadline)?;
    // Another process may have resolved the target while this one waited for its slot.
    if let Some((resolution, _)) = read_cached(go, table, key).filter(|(_, at)| *at >= arrived) {
        return resolution;
    }
    permit()?;
    let sharing = start_sharing(go, target);
    if sharing.is_some()
        && let Some(resolution) = use_cached(go, target, table, key, permit)
    {
        return resolution;
    }
    let resolution = resolve(go, target, deadline, slot);
    // Modules unpacked by a resolution use disk too, even if no build follows.
    detached::start_eviction(go.store);
    let cached = write_cached(go, table, key, &resolution, SystemTime::now())
        .and_then(|()| cache_exact_version(go, target, table, &resolution));
    if let Err(error) = cached {
        log::warn!("cannot cache the resolution of {target}: {}", error.log);
    }
    resolution
}

pub(super) fn create_directories(go: Go<'_>) -> Result<(), Error> {
    go.store
        .create_directories()
        .map_err(|e| internal_error("make the state directory", &e))
}

/// Whether an error says nothing about the target: no query was sent, or the module proxy did not answer it.
pub(super) fn is_inconclusive(error: &Error) -> bool {
    error.reason != Reason::ChecksumMismatch && matches!(error.reason.status(), 429 | 500..)
}

/// Starts a process that refreshes `target`, if the client's budget allows one more lookup and a refresh slot is free. Does nothing if
/// another process refreshes it or tried to within `REFRESH_INTERVAL`: the next request for the stale resolution tries again.
fn begin_refresh(go: Go<'_>, target: &Target, key: &BuildKey, permit: LookupPermit<'_>) {
    let operator = Client::operator();
    let client = go.client.unwrap_or(&operator);
    let lock = || -> io::Result<_> {
        let Some(alone) = Lock::try_acquire_if_due(&go.store.refresh_lock(key), REFRESH_INTERVAL)? else {
            return Ok(None);
        };
        go.store.create_directories()?;
        let slot = go.store.refresh_queue().try_acquire(client)?;
        Ok(slot.filter(|_| permit().is_ok()).map(|slot| (alone, slot)))
    };
    let begun = lock().and_then(|locks| match locks {
        Some((alone, slot)) => detached::start(
            &HiddenCommand::Refresh {
                target: target.to_string(),
            },
            alone.into(),
            slot.into(),
            &go.store.path(layout::LOG),
        ),
        None => Ok(()),
    });
    if let Err(error) = begun {
        log::warn!("cannot refresh the resolution of {target}: {error}");
    }
}
