//! Chance that can be repeated, and the numbers by which a person asks for more of it.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*: small, seeded, and good enough to choose with.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        // It never leaves zero.
        Dice(seed | 1)
    }

    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

/// A number in the environment of the suite.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed that this variable holds, or a new one.
pub(crate) fn seed(name: &str) -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    number(name).unwrap_or_else(clock) | 1
}
