//! File names of programs that the client or the module author chooses.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::windows::is_device;

/// Maximum length, valid on every file system.
const MAX_BYTES: usize = 64;

/// Names that do not identify a program, or that would hide another program in PATH.
const GENERIC: &[&str] = &["cmd", "cli", "main", "app", "server", "go", "test"];

/// A file name that is valid on every system: letters, digits, `.`, `_` and `-`, with a letter or digit first and last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct FileName(String);

impl FileName {
    /// Parses a name; `None` if it is invalid.
    pub fn parse(typed: &str) -> Option<FileName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = typed.as_bytes();
        let is_name = bytes.len() <= MAX_BYTES
            && bytes.iter().copied().all(is_plain)
            && is_alphanumeric(bytes.first())
            && is_alphanumeric(bytes.last())
            && !typed.contains("..")
            && !is_device(typed);
        is_name.then(|| FileName(typed.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FileName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<FileName, &'static str> {
        FileName::parse(&text).ok_or("an invalid file name")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a name is too generic for a program, or a Windows device.
pub fn is_generic_name(name: &str) -> bool {
    GENERIC.iter().any(|generic| generic.eq_ignore_ascii_case(name)) || is_device(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_portable_file_names_are_valid() {
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
    fn generic_names_are_detected() {
        assert!(
            ["cmd", "CLI", "main", "app", "server", "go", "test", "aux", "com1"]
                .into_iter()
                .all(is_generic_name)
        );
        assert!(!["gopher", "tester", "server2"].into_iter().any(is_generic_name));
    }
}
