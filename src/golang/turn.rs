//! A turn to ask the module proxy, which a few may do at the same time.

use std::time::Instant;

use super::command::Go;
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::store::budget::Client;
use crate::store::lock::Lock;
use crate::store::turns::{NoTurn, Room};

/// Look-ups that may wait: as many as the front has connections. Of one client, an eighth of them.
const ROOM: Room = Room { all: 256, one: 32 };

/// A turn, for as long as the lock is held; none comes after `deadline`.
pub(super) fn turn(go: Go<'_>, deadline: Instant) -> Result<Lock, Refusal> {
    let operator = Client::operator();
    let client = go.client.unwrap_or(&operator);
    let acquired = go
        .store
        .lookup_turns()
        .acquire(client, ROOM, deadline, &mut |_| true);
    acquired
        .map_err(|e| trouble("wait to ask the proxy", &e))?
        .map_err(|none| match none {
            NoTurn::QueueFull | NoTurn::TooLate => {
                Refusal::new(Reason::QueueFull).log("too many ask the module proxy")
            }
            NoTurn::ShareFull => Refusal::new(Reason::TooManyBuilds),
        })
}
