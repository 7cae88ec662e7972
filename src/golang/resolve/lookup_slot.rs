//! Limits how many resolutions query the module proxy at the same time.

use std::time::Instant;

use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::store::budget::Client;
use crate::store::lock::Lock;
use crate::store::slot_queue::{AcquireError, QueueCapacity};

/// Lookups that may wait for a slot: as many as the front server has connections in total, an eighth of them per client.
const QUEUE_CAPACITY: QueueCapacity = QueueCapacity { all: 256, one: 32 };

/// Waits for a lookup slot, until `deadline` at most. Dropping the lock releases the slot.
pub fn acquire_lookup_slot(go: Go<'_>, deadline: Instant) -> Result<Lock, Error> {
    let operator = Client::operator();
    let client = go.client.unwrap_or(&operator);
    let acquired = go
        .store
        .lookup_queue()
        .acquire(client, QUEUE_CAPACITY, deadline, &mut |_| true);
    acquired
        .map_err(|e| internal_error("wait for a lookup slot", &e))?
        .map_err(|none| match none {
            AcquireError::QueueFull | AcquireError::GaveUp => {
                Error::new(Reason::QueueFull).log("too many lookups wait for the module proxy")
            }
            AcquireError::ShareFull => Error::new(Reason::TooManyBuilds),
        })
}
