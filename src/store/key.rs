//! Keys of stored values: SHA-256 over length-prefixed fields, so that different lists of fields have different keys.

use std::fmt;

use sha2::{Digest, Sha256};

/// A SHA-256 in hexadecimal. The key of a build covers every input that can change the program, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildKey(String);

impl BuildKey {
    /// Parses 64 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<BuildKey> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_digit)).then(|| BuildKey(text.to_owned()))
    }

    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes fields, each preceded by its length.
#[derive(Default)]
pub struct KeyHasher(Sha256);

impl KeyHasher {
    /// Adds a field.
    pub fn field(mut self, bytes: impl AsRef<[u8]>) -> KeyHasher {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Returns the key of all fields so far.
    pub fn finish(self) -> BuildKey {
        BuildKey(hex(&self.0.finalize()))
    }
}

/// Formats bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_lists_of_fields_have_different_keys() {
        let key = |fields: &[&str]| {
            fields
                .iter()
                .fold(KeyHasher::default(), |k, f| k.field(f))
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
