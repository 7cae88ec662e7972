//! Ranges of versions in the notation of npm and Cargo.

use crate::parse::Version;

/// Returns the prefix `v1` or `v1.2` of a range of npm or Cargo: `^1.2.3`, `~1.2.3`, `1.2.x`.
pub(super) fn range_prefix(range: &str) -> Option<String> {
    let numbers = range.trim_start_matches(['^', '~']).trim_start_matches('v');
    let parts: Vec<&str> = numbers.split('.').collect();
    let len = match range.chars().next()? {
        // Below 1.0, a minor version may be incompatible.
        '^' if parts[0] != "0" => 1,
        '^' | '~' => 2,
        _ => parts.iter().position(|part| matches!(*part, "x" | "X" | "*"))?,
    };
    let prefix = format!("v{}", parts[..len.min(parts.len())].join("."));
    matches!(Version::parse(&prefix), Ok(Version::Prefix(_))).then_some(prefix)
}
