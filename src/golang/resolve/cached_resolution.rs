//! The entries of the resolution cache: a resolution, or a failure that the module proxy reported.

use std::time::SystemTime;

use crate::error::{Error, internal_error};
use crate::golang::Resolved;
use crate::golang::run::command::Go;
use crate::golang::run::failure::Failure;
use crate::store::{BuildKey, Table};

/// The outcome of a resolution.
pub(super) type Resolution = Result<Resolved, Error>;

/// Reads a cached resolution and the time at which it was cached. A failure that has expired is not returned.
pub(super) fn read_cached(go: Go<'_>, table: &Table, key: &BuildKey) -> Option<(Resolution, SystemTime)> {
    let (cached, at) = table.get(key)?;
    Some((from_entry(go, cached)?, at))
}

/// The resolution of an entry of the cache. `None` for a failure under other limits.
pub(super) fn from_entry(go: Go<'_>, entry: Result<Resolved, Failure>) -> Option<Resolution> {
    Some(match entry {
        Ok(resolved) => Ok(resolved),
        Err(failure) => Err(failure.error_under(&go.config.limits)?),
    })
}

/// Caches a resolution of this time, or a failure that the module proxy reported. Failures to query the proxy are not cached.
pub(super) fn write_cached(
    go: Go<'_>,
    table: &Table,
    key: &BuildKey,
    resolution: &Resolution,
    at: SystemTime,
) -> Result<(), Error> {
    to_entry(go, resolution).map_or(Ok(()), |entry| {
        let put = table.put_at(key, &entry, at);
        put.map_err(|e| internal_error("cache a resolution", &e))
    })
}

/// The entry of a resolution in the cache. `None` for a failure to query the module proxy.
pub(super) fn to_entry<'a>(go: Go<'_>, resolution: &'a Resolution) -> Option<Result<&'a Resolved, Failure>> {
    if resolution.as_ref().is_err_and(|error| !is_conclusive(error)) {
        return None;
    }
    let to_failure = |error| Failure::new(error, &go.config.limits);
    Some(resolution.as_ref().map_err(to_failure))
}

/// Whether the module proxy reported a failure.
pub(super) fn is_conclusive(error: &Error) -> bool {
    error.reason.is_permanent() || matches!(error.reason.status(), 300 | 404)
}
