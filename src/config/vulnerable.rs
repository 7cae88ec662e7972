//! What becomes of programs with known vulnerabilities.

use super::GOX_VULNERABLE;
use super::read::{BadSetting, word};

/// What becomes of a program with known vulnerabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vulnerable {
    /// It is served, and the answer says what is known.
    Tell,
    /// It is refused.
    Refuse,
    /// Nothing is looked up.
    Off,
}

impl Vulnerable {
    pub(super) fn from_environment() -> Result<Vulnerable, BadSetting> {
        word(
            GOX_VULNERABLE,
            &[
                ("tell", Vulnerable::Tell),
                ("refuse", Vulnerable::Refuse),
                ("off", Vulnerable::Off),
            ],
        )
    }
}
