//! A turn to ask the module proxy, which a few may do at the same time.

use std::time::Instant;

use super::command::Go;
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::store::lock::{Lock, Waiting};

/// A turn, for as long as the lock is held; none comes after `deadline`.
pub(super) fn turn(go: Go<'_>, deadline: Instant) -> Result<Lock, Refusal> {
    let places = go.store.lookups();
    loop {
        for place in &places {
            if let Some(lock) = Lock::try_take(place).map_err(|e| trouble("get to ask the proxy", &e))? {
                return Ok(lock);
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if !Waiting::on(&places)
            .within(left)
            .map_err(|e| trouble("wait to ask the proxy", &e))?
        {
            return Err(Refusal::new(Reason::QueueFull).log("too many ask the module proxy"));
        }
    }
}
