//! A failure that is remembered. `go` ran within the operator's limits; within others it may not fail.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::config::BuildLimits;

/// Why there is nothing, and within which limits.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    refusal: Refusal,
    limits: Value,
}

impl Failure {
    /// A failure within these limits.
    pub fn new(refusal: &Refusal, limits: &BuildLimits) -> Failure {
        Failure {
            refusal: refusal.clone(),
            limits: json!(limits),
        }
    }

    /// Why there is nothing within these limits, if that is what is remembered.
    pub fn within(self, limits: &BuildLimits) -> Option<Refusal> {
        (self.limits == json!(limits)).then_some(self.refusal)
    }
}
