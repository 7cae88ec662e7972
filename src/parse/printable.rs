//! Untrusted bytes as short printable text.
//!
//! Errors contain the client's input, and appear in terminals, logs, headers and pages. A `Printable` is always short, printable
//! ASCII, so those need not escape control characters. It is not escaped for HTML or shells.

use std::fmt;

/// Maximum length before escaping: enough for real names, short enough for one line of a terminal.
const MAX_BYTES: usize = 64;

/// Printable ASCII text. Other characters, quotes and backslashes are escaped; long input is truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printable(String);

impl Printable {
    /// Escapes and truncates `typed`.
    pub fn new(typed: impl AsRef<[u8]>) -> Printable {
        let typed = typed.as_ref();
        match typed.get(..MAX_BYTES) {
            Some(start) if start.len() < typed.len() => Printable(format!("{}...", start.escape_ascii())),
            Some(_) | None => Printable(typed.escape_ascii().to_string()),
        }
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Printable::new("v1.2").to_string(), "v1.2");
        assert_eq!(Printable::new("\x1b[31m\r\n\"").to_string(), r#"\x1b[31m\r\n\""#);
        assert_eq!(Printable::new("ö").to_string(), r"\xc3\xb6");
    }

    #[test]
    fn long_input_is_truncated_with_dots() {
        assert_eq!(Printable::new("a".repeat(64)).to_string(), "a".repeat(64));
        assert_eq!(Printable::new("a".repeat(65)).to_string(), "a".repeat(64) + "...");
    }

    proptest! {
        #[test]
        fn output_is_printable_ascii(bytes: Vec<u8>) {
            prop_assert!(Printable::new(bytes).to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
