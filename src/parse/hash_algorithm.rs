//! Hash algorithms of Repr-Digest, and the client's preference in Want-Repr-Digest (RFC 9530 section 4).

use sfv::{Dictionary, ListEntry, Parser};

/// A hash algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// Sent by default.
    Sha256,
    /// Sent only if the client requests it.
    Sha512,
}

/// Valid weights (RFC 9530 section 4). 0 means not acceptable.
const WEIGHTS: std::ops::RangeInclusive<i64> = 0..=10;

impl HashAlgorithm {
    /// All algorithms. With equal weights the first is preferred.
    pub const ALL: [HashAlgorithm; 2] = [HashAlgorithm::Sha256, HashAlgorithm::Sha512];

    /// Returns the name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            HashAlgorithm::Sha256 => "sha-256",
            HashAlgorithm::Sha512 => "sha-512",
        }
    }

    /// Returns the algorithms to send for a Want-Repr-Digest header, the preferred first. A malformed header is ignored.
    pub fn negotiate(want_repr_digest: &str) -> Vec<HashAlgorithm> {
        let weights = parse_dictionary(want_repr_digest).unwrap_or_default();
        let weight = |algorithm: HashAlgorithm| {
            let named = weights.iter().find(|(name, _)| name == algorithm.name());
            match (named, algorithm) {
                (Some((_, weight)), _) => Some(*weight).filter(|weight| *weight > 0),
                (None, HashAlgorithm::Sha256) => Some(0),
                (None, HashAlgorithm::Sha512) => None,
            }
        };
        let mut acceptable: Vec<_> = HashAlgorithm::ALL
            .into_iter()
            .filter_map(|algorithm| Some((weight(algorithm)?, algorithm)))
            .collect();
        acceptable.sort_by_key(|(weight, _)| -weight);
        acceptable.into_iter().map(|(_, algorithm)| algorithm).collect()
    }
}

/// Parses a dictionary of integers (RFC 9651); `None` if it is malformed.
fn parse_dictionary(field: &str) -> Option<Vec<(String, i64)>> {
    let dictionary: Dictionary = Parser::new(field).parse().ok()?;
    let weight = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => item.bare_item.as_integer().map(i64::from),
        ListEntry::InnerList(_) => None,
    };
    dictionary
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
    fn algorithms_are_sorted_by_weight() {
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
            // Malformed headers are ignored.
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
            let names: Vec<_> = HashAlgorithm::negotiate(want)
                .into_iter()
                .map(HashAlgorithm::name)
                .collect();
            assert_eq!(names.join(" "), expected, "{want:?}");
        }
    }
}
