//! Claims: only one machine builds a program. A claim is an object `claim/BUILDKEY/N` that is created once. An expired claim stays, and
//! another machine takes over by creating the next N. A machine that builds in spite of an expired claim wastes time only: results are
//! never replaced.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{Client, Creation, Overwrite};
use super::store_error::StoreError;
use crate::store::BuildKey;

/// How often the claim for one program can expire before machines build it without one.
const MAX_CLAIMS: usize = 20;

/// The content of a claim.
#[derive(Serialize, Deserialize)]
struct Content {
    /// Its lifetime: longer than the build may last.
    seconds: u64,
    /// The machine that has it.
    machine: String,
}

/// The state of the claim for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// This machine may build the program. N is the number of the claim.
    Own(usize),
    /// Another machine builds the program.
    Foreign,
    /// The claims expired too often: build without one.
    Exhausted,
}

/// Acquires the claim of a program if no other machine has a valid one. The caller holds the build's lock on this machine, so a claim
/// of this machine belongs to a builder that was killed.
pub(super) fn acquire(
    client: &Client,
    key: &BuildKey,
    lifetime: Duration,
    machine: &str,
) -> Result<Claim, StoreError> {
    let seconds = lifetime.as_secs();
    for number in 1..=MAX_CLAIMS {
        let name = object(key, number);
        let content = format!("{{\"seconds\":{seconds},\"machine\":\"{machine}\"}}");
        if client.put(&name, content.as_bytes(), Overwrite::Refused)? == Creation::Created {
            return Ok(Claim::Own(number));
        }
        let Some(existing) = client.get(&name)? else {
            // Its owner has just removed it, and has published a result or a failure.
            return Ok(Claim::Foreign);
        };
        let content: Option<Content> = serde_json::from_slice(&existing.body).ok();
        let lifetime = match content {
            Some(content) if content.machine == machine => return Ok(Claim::Own(number)),
            Some(content) => Duration::from_secs(content.seconds),
            None => lifetime,
        };
        if existing.age < lifetime {
            return Ok(Claim::Foreign);
        }
    }
    Ok(Claim::Exhausted)
}

/// Removes a claim, and the expired claims before it. The machines that held those were killed.
pub(super) fn release(client: &Client, key: &BuildKey, number: usize) -> Result<(), StoreError> {
    (1..=number).try_for_each(|number| client.delete(&object(key, number)))
}

fn object(key: &BuildKey, number: usize) -> String {
    format!("claim/{key}/{number}")
}
