//! Resolves targets under the operator's policy: GOX_ALLOW and GOX_DENY, and each client's budget of lookups.

use crate::config::Config;
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::resolve::resolution_cache;
use crate::golang::resolve::resolution_cache::LookupPermit;
use crate::golang::run::command::Go;
use crate::parse::Target;
use crate::store::budget::Cost;

/// Resolves a target. A query to the module proxy is charged to the client.
pub fn resolve(go: Go<'_>, target: &Target) -> Result<Resolved, Error> {
    resolve_with_permit(go, target, &|| charge_lookup(go))
}

/// The same from the cache alone.
pub fn resolve_cached(go: Go<'_>, target: &Target) -> Result<Resolved, Error> {
    resolve_with_permit(go, target, &|| Err(Error::new(Reason::NoGo)))
}

fn resolve_with_permit(go: Go<'_>, target: &Target, permit: LookupPermit<'_>) -> Result<Resolved, Error> {
    // A path that is denied as typed needs no query.
    check_denied(go.config, &target.import_path())?;
    let resolved = resolution_cache::resolve_through_cache(go, target, permit)?;
    // Other paths may lead to a denied module.
    check_denied(go.config, &resolved.package)?;
    check_allowed(go.config, &resolved.module)?;
    Ok(resolved)
}

/// Fails for a path with a prefix in GOX_DENY.
fn check_denied(config: &Config, path: &str) -> Result<(), Error> {
    match config.deny.iter().any(|prefix| prefix.matches(path)) {
        true => Err(Error::new(Reason::Denied).detail(path)),
        false => Ok(()),
    }
}

/// Fails for a module without a prefix in GOX_ALLOW, unless that is empty. `module` is the path in go.mod, which is what is compiled.
fn check_allowed(config: &Config, module: &str) -> Result<(), Error> {
    match config.allow.is_empty() || config.allow.iter().any(|prefix| prefix.matches(module)) {
        true => Ok(()),
        false => Err(Error::new(Reason::Denied).detail(module)),
    }
}

/// Charges the client for one query to the module proxy. Fails if the budget is exhausted. The operator has no budget.
fn charge_lookup(go: Go<'_>) -> Result<(), Error> {
    let Some(client) = go.client else { return Ok(()) };
    let within = go.store.spend(client, Cost::Lookup, go.config.lookups_per_hour);
    match within.map_err(|e| internal_error("charge a client for a lookup", &e))? {
        true => Ok(()),
        false => Err(Error::new(Reason::TooManyBuilds)),
    }
}
