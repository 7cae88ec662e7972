//! A cached failure of `go`. It holds for the operator's limits only: with other limits `go` may succeed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::BuildLimits;
use crate::error::Error;

/// An error, and the limits under which it happened.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    error: Error,
    limits: Value,
}

impl Failure {
    /// Creates a failure that happened under these limits.
    pub fn new(error: &Error, limits: &BuildLimits) -> Failure {
        Failure {
            error: error.clone(),
            limits: json!(limits),
        }
    }

    /// The error, if it happened under the same limits.
    pub fn error_under(self, limits: &BuildLimits) -> Option<Error> {
        (self.limits == json!(limits)).then_some(self.error)
    }
}
