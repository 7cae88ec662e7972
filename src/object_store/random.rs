//! Random names and pauses. They need not be unpredictable, so the random keys of the standard library's hash maps suffice.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A name that no other process generates.
pub(super) fn random_name() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// A random duration between half and all of `most`, so that machines do not act at the same time.
pub fn random_part_of(most: Duration) -> Duration {
    most / 2 + (most / 2).mul_f64(random() as f64 / u64::MAX as f64)
}
