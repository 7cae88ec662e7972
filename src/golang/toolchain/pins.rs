//! The Go that is brought where there is none to ask the checksum database: its version, and what its tree must hash to.
//!
//! A hash is the `Sum` that a Go with `GOSUMDB` on prints for `go mod download -json golang.org/toolchain@v0.0.1-goV.linux-A`:
//! what the checksum database has, signed and for ever. To renew the pins, put those of another version here, and nothing
//! else.

use crate::asked::GoVersion;

/// The version that is pinned.
pub const DEFAULT: GoVersion = GoVersion::release(1, 26, 11);

/// Its hash for each architecture of Linux that gox-server is released for.
const SUMS: &[(&str, &str)] = &[
    ("amd64", "h1:KyINmJ/FQdKRmDYGuTAAXkumyeR2DyUlSNHZj7XaLFg="),
    ("arm64", "h1:GFS9FmglLJxMwOSuun3qb8tBjpr8ibzOkt8tBrRLrnk="),
];

/// What this version's tree for this architecture hashes to, where that is pinned.
pub fn sum(version: GoVersion, arch: &str) -> Option<&'static str> {
    let sum = |(pinned, sum): &(&str, &'static str)| (*pinned == arch).then_some(*sum);
    (version == DEFAULT).then(|| SUMS.iter().find_map(sum)).flatten()
}
