//! Remembers what a target meant. An exact version means the same for ever; `latest` and the like hold for a while.

use std::time::{Duration, SystemTime};

use super::Resolved;
use super::command::Go;
use super::resolve::{key, resolve};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Target;

/// How long the last good answer is used while the module proxy fails.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the target means: remembered, or asked if `may_ask`.
pub fn resolve_remembered(go: Go<'_>, target: &Target, may_ask: bool) -> Result<Resolved, Refusal> {
    let key = key(target, &go.toolchain.version);
    let remembered: Option<(Resolved, SystemTime)> = go.store.resolution(&key);
    // A clock that went back makes the memory young, which costs a stale minute.
    let age = |at: SystemTime| at.elapsed().unwrap_or_default();
    match &remembered {
        Some((resolved, at)) if target.version().is_exact() || age(*at) < go.config.resolve => {
            return Ok(resolved.clone());
        }
        Some((resolved, _)) if !may_ask => return Ok(resolved.clone()),
        Some(_) | None => {}
    }
    match (resolve(go, target), remembered) {
        (Ok(resolved), _) => {
            go.store
                .remember(&key, &resolved)
                .map_err(|e| trouble("remember a resolution", &e))?;
            Ok(resolved)
        }
        (Err(refusal), Some((resolved, at))) if refusal.reason == Reason::ProxyFailed && age(at) < STALE => {
            log::warn!(
                "the module proxy failed, the last answer is used: {}",
                refusal.log.escape_debug()
            );
            Ok(resolved)
        }
        (Err(refusal), _) => Err(refusal),
    }
}
