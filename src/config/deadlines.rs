//! Deadlines of a request: for the response, for lookups at the module proxy, and for the download of Go.

use std::time::{Duration, Instant};

use super::Config;

/// Maximum duration of a lookup: enough for a module of 100 MB at 1 MB/s.
const MAX_LOOKUP: Duration = Duration::from_secs(120);

/// Deadlines of one request. If the response must start by a certain time, that time limits every wait.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    response_deadline: Option<Instant>,
    max_wait: Duration,
}

impl Deadlines {
    /// Deadlines of a request that starts now.
    pub fn for_request(config: &Config) -> Deadlines {
        Deadlines {
            response_deadline: config.first_byte.map(|within| Instant::now() + within),
            max_wait: config.limits.wall,
        }
    }

    /// Deadlines of a builder or a command of the operator, for which no response is due.
    pub fn for_operator(config: &Config) -> Deadlines {
        Deadlines {
            response_deadline: None,
            max_wait: config.limits.wall,
        }
    }

    /// Returns when the response must start, if GOX_FIRST_BYTE_SECONDS is set.
    pub fn response_deadline(self) -> Option<Instant> {
        self.response_deadline
    }

    /// Returns the deadline of a wait that starts now.
    pub fn wait_deadline(self) -> Instant {
        self.response_deadline
            .unwrap_or_else(|| Instant::now() + self.max_wait)
    }

    /// Returns the deadline of a module proxy lookup that starts now, including the wait for a slot.
    pub fn lookup_deadline(self) -> Instant {
        self.wait_deadline()
            .min(Instant::now() + MAX_LOOKUP.min(self.max_wait))
    }
}
