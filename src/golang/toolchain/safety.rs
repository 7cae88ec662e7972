//! Which releases of Go have holes that matter here.

use crate::asked::GoVersion;

/// The oldest release of each series without the bypasses of the checksum database CVE-2026-42501, 56864 and 56865. Series
/// before the first get no repairs any more; those after the last are younger than the holes.
const OLDEST_SAFE: &[GoVersion] = &[
    GoVersion::release(1, 25, 13),
    GoVersion::release(1, 26, 6),
    GoVersion::release(1, 27, 0),
];

/// The release to use at least, where this one has known holes.
pub fn safer_than(version: GoVersion) -> Option<GoVersion> {
    let newest = OLDEST_SAFE.iter().copied().max()?;
    let oldest = OLDEST_SAFE
        .iter()
        .copied()
        .find(|safe| safe.series() == version.series())
        .unwrap_or(newest);
    (version < oldest).then_some(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_patches_and_old_series_have_holes() {
        for (version, safer) in [
            ("1.24.13", Some("1.27.0")),
            ("1.25.12", Some("1.25.13")),
            ("1.25.13", None),
            ("1.26.5", Some("1.26.6")),
            ("1.26.8", None),
            ("1.27rc1", Some("1.27.0")),
            ("1.27.0", None),
            ("1.28.0", None),
        ] {
            let found = safer_than(version.parse().unwrap()).map(|v| v.to_string());
            assert_eq!(found.as_deref(), safer, "{version}");
        }
    }
}
