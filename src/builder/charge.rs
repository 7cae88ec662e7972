//! Charges the budget of a client for work that was done.

use crate::store::Store;
use crate::store::budget::{Client, Cost};

/// Charges a client. A started unit counts as a whole one. A failure is logged.
pub(super) fn charge(client: &Client, cost: Cost, amount: u64, store: &Store) {
    let amount = u32::try_from(amount + 1).unwrap_or(u32::MAX);
    if let Err(error) = store.charge(client, cost, amount) {
        log::warn!("cannot count a client's builds: {error}");
    }
}
