//! Names for what is kept: SHA-256 over length-prefixed fields, so that no two lists of fields run into each other.

use std::fmt;

use sha2::{Digest, Sha256};

/// Identifies the inputs of a build: whatever changes the bytes, and nothing else. In hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildKey(String);

impl BuildKey {
    /// The key that was printed so.
    pub fn parse(text: &str) -> Option<BuildKey> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_digit)).then(|| BuildKey(text.to_owned()))
    }

    /// The key in hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collects the fields of a key, each behind its length.
#[derive(Default)]
pub struct KeyMaker(Sha256);

impl KeyMaker {
    /// Adds a field.
    pub fn field(mut self, bytes: impl AsRef<[u8]>) -> KeyMaker {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// The key of all fields so far.
    pub fn finish(self) -> BuildKey {
        BuildKey(hex(&self.0.finalize()))
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
        let key = |fields: &[&str]| {
            fields
                .iter()
                .fold(KeyMaker::default(), |k, f| k.field(f))
                .finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(BuildKey::parse(key(&["a"]).as_str()), Some(key(&["a"])));
        for other in ["", "../../../etc", &"A".repeat(64), &"é".repeat(32)] {
            assert_eq!(BuildKey::parse(other), None, "{other}");
        }
    }
}
