//! How long is waited for what is no build: for the module proxy, and for a Go that is brought.

use std::time::{Duration, Instant};

use super::Config;

/// In it a module of 100 MB comes at 1 MB/s.
const LONGEST_LOOKUP: Duration = Duration::from_secs(120);

/// Where an answer has to begin in time, all that its request waits for has one end.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    answer_by: Option<Instant>,
    longest: Duration,
}

impl Patience {
    /// Of a request that begins now.
    pub fn of_request(config: &Config) -> Patience {
        Patience {
            answer_by: config.first_byte.map(|within| Instant::now() + within),
            longest: config.limits.wall,
        }
    }

    /// Of a builder, or a person at a terminal: no router cuts them off.
    pub fn of_operator(config: &Config) -> Patience {
        Patience {
            answer_by: None,
            longest: config.limits.wall,
        }
    }

    /// When the answer has to begin, where it has to come in time.
    pub fn answer_by(self) -> Option<Instant> {
        self.answer_by
    }

    /// When a wait that begins now ends.
    pub fn end(self) -> Instant {
        self.answer_by.unwrap_or_else(|| Instant::now() + self.longest)
    }

    /// When asking the module proxy, begun now, ends; the wait for a turn is part of it.
    pub fn lookup_end(self) -> Instant {
        self.end().min(Instant::now() + LONGEST_LOOKUP.min(self.longest))
    }
}
