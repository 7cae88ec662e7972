//! What a client's target means: asked within the client's budget, and told only of modules that the operator serves.

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Target;
use crate::golang::command::Go;
use crate::golang::{Resolved, memory};
use crate::store::budget::{Client, Cost};

/// One package of one exact version.
pub fn meaning(go: Go<'_>, target: &Target, client: &Client) -> Result<Resolved, Refusal> {
    let resolved = memory::meaning(go, target, &|| may_look_up(go, client))?;
    go.config.serves(&resolved.module)?;
    Ok(resolved)
}

/// Whether this client may have the module proxy asked once more.
fn may_look_up(go: Go<'_>, client: &Client) -> Result<(), Refusal> {
    let within = go.store.spend(client, Cost::Lookup, go.config.lookups_per_hour);
    match within.map_err(|e| trouble("count a client's questions", &e))? {
        true => Ok(()),
        false => Err(Refusal::new(Reason::TooManyBuilds)),
    }
}
