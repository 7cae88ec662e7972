//! What a target means: asked within the client's budget, and told only of what the operator serves.

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Target;
use crate::config::Config;
use crate::golang::command::Go;
use crate::golang::memory::Allowed;
use crate::golang::{Resolved, memory};
use crate::store::budget::Cost;

/// One package of one exact version.
pub fn meaning(go: Go<'_>, target: &Target) -> Result<Resolved, Refusal> {
    served(go, target, &|| may_look_up(go))
}

/// The same, where nothing may be asked.
pub fn known_meaning(go: Go<'_>, target: &Target) -> Result<Resolved, Refusal> {
    served(go, target, &|| Err(Refusal::new(Reason::NoGo)))
}

fn served(go: Go<'_>, target: &Target, may_ask: Allowed<'_>) -> Result<Resolved, Refusal> {
    // What is refused by its looks costs no question.
    not_denied(go.config, &target.import_path())?;
    let resolved = memory::meaning(go, target, may_ask)?;
    // A denied repository has other names that lead to it.
    not_denied(go.config, &resolved.package)?;
    allowed(go.config, &resolved.module)?;
    Ok(resolved)
}

/// Refuses what the operator denies, by any of its names.
fn not_denied(config: &Config, path: &str) -> Result<(), Refusal> {
    match config.deny.iter().any(|prefix| prefix.has(path)) {
        true => Err(Refusal::new(Reason::Denied).detail(path)),
        false => Ok(()),
    }
}

/// Refuses what the operator does not name, where they name any. The name is what go.mod says, for that is compiled.
fn allowed(config: &Config, module: &str) -> Result<(), Refusal> {
    match config.allow.is_empty() || config.allow.iter().any(|prefix| prefix.has(module)) {
        true => Ok(()),
        false => Err(Refusal::new(Reason::Denied).detail(module)),
    }
}

/// Whether the client may have the module proxy asked once more. The operator's questions are not counted.
fn may_look_up(go: Go<'_>) -> Result<(), Refusal> {
    let Some(client) = go.client else { return Ok(()) };
    let within = go.store.spend(client, Cost::Lookup, go.config.lookups_per_hour);
    match within.map_err(|e| trouble("count a client's questions", &e))? {
        true => Ok(()),
        false => Err(Refusal::new(Reason::TooManyBuilds)),
    }
}
