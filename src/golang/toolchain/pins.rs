//! The Go that is brought where there is none to ask the checksum database: its version, and what its tree must hash to.
//!
//! A hash is the `Sum` that a Go with `GOSUMDB` on prints for `go mod download -json golang.org/toolchain@v0.0.1-goV.linux-A`:
//! what the checksum database has, signed and for ever. To renew the pins, put those of another version here, and nothing
//! else.

use crate::asked::GoVersion;

/// The version that is pinned.
pub const DEFAULT: GoVersion = GoVersion::release(1, 26, 8);

/// Its hash for each architecture of Linux that gox-server is released for.
const SUMS: &[(&str, &str)] = &[
    ("amd64", "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM="),
    ("arm64", "h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc="),
];

/// What this version's tree for this architecture hashes to, where that is pinned.
pub fn sum(version: GoVersion, arch: &str) -> Option<&'static str> {
    let sum = |(pinned, sum): &(&str, &'static str)| (*pinned == arch).then_some(*sum);
    (version == DEFAULT).then(|| SUMS.iter().find_map(sum)).flatten()
}
