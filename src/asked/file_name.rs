//! What a program's file is called, where the client or the author chooses it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::windows::is_device;

/// Room for every real name, in every file system.
const MAX_BYTES: usize = 64;

/// Names that say nothing about a program, or that hide another one where they are installed.
const GENERIC: &[&str] = &["cmd", "cli", "main", "app", "server", "go", "test"];

/// A plain name of a file on any system: letters, digits, `.`, `_` and `-`, a letter or digit first and last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileName(String);

impl FileName {
    /// Reads what was typed.
    pub fn parse(typed: &str) -> Option<FileName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let ends_well = |edge: Option<&u8>| edge.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = typed.as_bytes();
        let is_name = bytes.len() <= MAX_BYTES
            && bytes.iter().copied().all(is_plain)
            && ends_well(bytes.first())
            && ends_well(bytes.last())
            && !typed.contains("..")
            && !is_device(typed);
        is_name.then(|| FileName(typed.to_owned()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a name is too general for a program, or a device of Windows.
pub fn is_generic(name: &str) -> bool {
    GENERIC.iter().any(|generic| generic.eq_ignore_ascii_case(name)) || is_device(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_plain_everywhere() {
        for name in ["a", "A-b_c.d1", "2fa", &"x".repeat(64)] {
            assert!(FileName::parse(name).is_some(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "a-",
            "a.",
            "a..b",
            "a/b",
            "a\\b",
            "a b",
            "a\"",
            "a\r\n",
            "a%41",
            "é",
            "con",
            "NUL.txt",
            "a:b",
            &"x".repeat(65),
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn generic_names_are_not_given() {
        assert!(
            ["cmd", "CLI", "main", "app", "server", "go", "test", "aux", "com1"]
                .into_iter()
                .all(is_generic)
        );
        assert!(!["gopher", "tester", "server2"].into_iter().any(is_generic));
    }
}
