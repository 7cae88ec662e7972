//! A stranger's bytes, made safe to show.
//!
//! Errors carry what was typed, and errors end up in terminals, logs, headers and pages. A `Shown` is short and printable
//! ASCII whatever went in, so nobody has to remember to escape control characters. It knows no HTML and no sh: a page and a
//! script still quote it in their own way.

use std::fmt;

/// Long enough for any honest name, short enough for one line of a terminal.
const MAX_BYTES: usize = 64;

/// Bytes as they may be shown: printable ASCII, everything else (and quotes) escaped, and cut when long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Escapes and cuts `typed`.
    pub fn new(typed: impl AsRef<[u8]>) -> Shown {
        let typed = typed.as_ref();
        match typed.get(..MAX_BYTES) {
            Some(start) if start.len() < typed.len() => Shown(format!("{}...", start.escape_ascii())),
            Some(_) | None => Shown(typed.escape_ascii().to_string()),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(Shown::new("v1.2").to_string(), "v1.2");
        assert_eq!(Shown::new("\x1b[31m\r\n\"").to_string(), r#"\x1b[31m\r\n\""#);
        assert_eq!(Shown::new("ö").to_string(), r"\xc3\xb6");
    }

    #[test]
    fn cuts_what_is_long_and_says_so() {
        assert_eq!(Shown::new("a".repeat(64)).to_string(), "a".repeat(64));
        assert_eq!(Shown::new("a".repeat(65)).to_string(), "a".repeat(64) + "...");
    }

    proptest! {
        #[test]
        fn is_printable_ascii_whatever_goes_in(bytes: Vec<u8>) {
            prop_assert!(Shown::new(bytes).to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
