//! Claims: only one machine builds a program. A claim is an object `claim/BUILDKEY/N` that is created once. Its machine writes it again
//! while it builds; a claim that is older than [`LIFETIME`] has expired, and another machine takes over by creating the next N. A
//! machine that builds in spite of an expired claim wastes time only: results are never replaced.

use std::time::Duration;

use super::client::{Client, Creation, Overwrite};
use super::store_error::StoreError;
use crate::store::BuildKey;

/// How long a claim is valid without a renewal, by the clock of the store.
pub const LIFETIME: Duration = Duration::from_secs(120);

/// How often a claim is renewed: three renewals may fail.
pub(super) const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);

/// How often the claim for one program can expire before machines build it without one.
const MAX_CLAIMS: usize = 20;

/// The state of the claim for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// This machine may build the program. N is the number of the claim.
    Own(usize),
    /// Another machine builds the program.
    Foreign,
    /// The claims expired too often: build without one.
    Exhausted,
}

/// Acquires the claim of a program if no other machine has a valid one. The caller holds the build's lock on this machine, so a claim
/// of this machine belongs to a builder that was killed, or that has released the lock and publishes: then it is built twice.
pub(super) fn acquire(client: &Client, key: &BuildKey, machine: &str) -> Result<ClaimState, StoreError> {
    for number in 1..=MAX_CLAIMS {
        let name = object(key, number);
        if client.put(&name, machine.as_bytes(), Overwrite::Refused)? == Creation::Created {
            return Ok(ClaimState::Own(number));
        }
        let Some(existing) = client.get(&name)? else {
            // Its owner has just removed it, and has published a result or a failure.
            return Ok(ClaimState::Foreign);
        };
        if existing.body == machine.as_bytes() {
            renew(client, key, number, machine)?;
            return Ok(ClaimState::Own(number));
        }
        if existing.age < LIFETIME {
            return Ok(ClaimState::Foreign);
        }
    }
    Ok(ClaimState::Exhausted)
}

/// Renews a claim of this machine. If it had expired, another machine may have created the next one: then both build.
pub(super) fn renew(client: &Client, key: &BuildKey, number: usize, machine: &str) -> Result<(), StoreError> {
    let renewed = client.put(&object(key, number), machine.as_bytes(), Overwrite::Allowed);
    renewed.map(drop)
}

/// Removes a claim, and the expired claims before it. The machines that held those were killed.
pub(super) fn release(client: &Client, key: &BuildKey, number: usize) -> Result<(), StoreError> {
    (1..=number).try_for_each(|number| client.delete(&object(key, number)))
}

fn object(key: &BuildKey, number: usize) -> String {
    format!("claim/{key}/{number}")
}
