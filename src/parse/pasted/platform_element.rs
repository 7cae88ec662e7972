//! The platform in the path of a named file.

use crate::parse::target::is_plain;
use crate::parse::{NamedFile, Platform};

/// The paths of named files begin with this.
pub(super) const BIN: &str = "/-/bin/";

/// Corrects the platform in the path of a named file: `/-/bin/linux_amd64/…`, `/-/bin/linux/amd64/…`.
pub(super) fn correct_platform(path: &str) -> Option<String> {
    let elements: Vec<&str> = path.strip_prefix(BIN)?.split('/').collect();
    // The longest first: `linux/arm/v6`.
    (1..=3).rev().find_map(|len| {
        let (platform, file) = elements.split_at_checked(len)?;
        let platform = platform.join("/").replacen(['_', '-'], "/", 1);
        let platform: Platform = platform.parse().ok()?;
        let corrected = format!("{BIN}{}/{}", platform.path_element(), file.join("/"));
        let is_valid = corrected.bytes().all(is_plain) && NamedFile::parse(corrected.as_bytes())?.is_ok();
        is_valid.then_some(corrected)
    })
}
