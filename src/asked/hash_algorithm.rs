//! Hashing algorithms for Repr-Digest, and which of them a client would rather have (RFC 9530 section 4).

use sfv::{Dictionary, ListEntry, Parser};

/// A hashing algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// Told to whoever says nothing.
    Sha256,
    /// Told to whoever prefers it.
    Sha512,
}

/// What section 4 has of weights. 0: not wanted.
const WEIGHTS: std::ops::RangeInclusive<i64> = 0..=10;

impl HashAlgorithm {
    /// All of them. Who likes both the same gets the first.
    pub const ALL: [HashAlgorithm; 2] = [HashAlgorithm::Sha256, HashAlgorithm::Sha512];

    /// The name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            HashAlgorithm::Sha256 => "sha-256",
            HashAlgorithm::Sha512 => "sha-512",
        }
    }

    /// Those that may be told to who sends this Want-Repr-Digest, the dearest first. What is malformed means nothing.
    pub fn by_preference(want_repr_digest: &str) -> Vec<HashAlgorithm> {
        let wanted = weights(want_repr_digest).unwrap_or_default();
        let weight = |algorithm: HashAlgorithm| {
            let named = wanted.iter().find(|(name, _)| name == algorithm.name());
            match (named, algorithm) {
                (Some((_, weight)), _) => Some(*weight).filter(|weight| *weight > 0),
                // Nobody has to ask for it.
                (None, HashAlgorithm::Sha256) => Some(0),
                (None, HashAlgorithm::Sha512) => None,
            }
        };
        let mut told: Vec<_> = HashAlgorithm::ALL
            .into_iter()
            .filter_map(|algorithm| Some((weight(algorithm)?, algorithm)))
            .collect();
        told.sort_by_key(|(weight, _)| -weight);
        told.into_iter().map(|(_, algorithm)| algorithm).collect()
    }
}

/// A dictionary of integers.
fn weights(field: &str) -> Option<Vec<(String, i64)>> {
    let wanted: Dictionary = Parser::new(field).parse().ok()?;
    let weight = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => item.bare_item.as_integer().map(i64::from),
        ListEntry::InnerList(_) => None,
    };
    wanted
        .iter()
        .map(|(name, entry)| {
            let weight = weight(entry).filter(|weight| WEIGHTS.contains(weight))?;
            Some((name.as_str().to_owned(), weight))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_comes_first() {
        for (want, expected) in [
            ("", "sha-256"),
            ("sha-256=1", "sha-256"),
            ("sha-256=10, sha-512=3", "sha-256 sha-512"),
            ("sha-512=3, sha-256=10, unixsum=0", "sha-256 sha-512"),
            ("sha-512=10,sha-256=1", "sha-512 sha-256"),
            ("sha-512=5, sha-256=5", "sha-256 sha-512"),
            ("sha-512=1", "sha-512 sha-256"),
            ("sha-512=0", "sha-256"),
            ("sha-256=0", ""),
            ("sha-256=0, sha-512=0", ""),
            ("sha-256=0, sha-512=1", "sha-512"),
            ("md5=10", "sha-256"),
            ("sha-256=0;x=1", ""),
            // None of these is what section 4 has.
            ("sha-512=11", "sha-256"),
            ("sha-512=-1", "sha-256"),
            ("sha-512=1.5", "sha-256"),
            ("sha-512", "sha-256"),
            ("sha-512=(1)", "sha-256"),
            ("sha-512=1,", "sha-256"),
            ("sha-512;q=1, sha-256;q=0", "sha-256"),
            ("SHA-512=1", "sha-256"),
            ("é", "sha-256"),
        ] {
            let told: Vec<_> = HashAlgorithm::by_preference(want)
                .into_iter()
                .map(HashAlgorithm::name)
                .collect();
            assert_eq!(told.join(" "), expected, "{want:?}");
        }
    }
}
