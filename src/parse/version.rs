//! Parses the requested version: the text after the `@`.
//!
//! Go parses the same text as a version query, which can do more than name a version: compare, upgrade, or, before CVE-2025-68119
//! was fixed, run a version control system with an option in place of a revision. Only four kinds of queries are allowed. Whether
//! the version exists is determined later, by the module proxy.

use super::{Printable, windows};
use std::fmt;

/// Maximum length. A pseudo-version of a pre-release with `+incompatible` has 54 bytes.
pub(super) const MAX_BYTES: usize = 64;

/// Go's version queries that depend on the current module or repository.
const RELATIVE_WORDS: [&str; 5] = ["upgrade", "patch", "all", "none", "head"];

/// The requested version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// The newest version, the default.
    Latest,
    /// An exact version in Go's canonical form: `v1.2.3`, `v1.2.3-rc.1`, `v2.0.0+incompatible`, or a pseudo-version.
    Exact(String),
    /// The newest release with this prefix: `v1`, `v1.2`.
    Prefix(String),
    /// A branch, a commit, or a tag that is not a semantic version.
    Revision(String),
}

impl Version {
    /// Parses the text after the `@`. The leading `v` of numbers is optional.
    pub fn parse(typed: &str) -> Result<Version, BadVersion> {
        if typed.eq_ignore_ascii_case("latest") {
            return Ok(Version::Latest);
        }
        let version = match parse_exact(typed)? {
            Some(exact) => Version::Exact(exact),
            None => match parse_prefix(typed) {
                Some(prefix) => Version::Prefix(prefix),
                None => Version::Revision(parse_revision(typed)?.to_owned()),
            },
        };
        match version.query().len() > MAX_BYTES {
            true => Err(BadVersion::TooLong(Printable::new(typed))),
            false => Ok(version),
        }
    }

    /// Returns the text after the `@`, in a URL and as a version query of Go.
    pub fn query(&self) -> &str {
        match self {
            Version::Latest => "latest",
            Version::Exact(text) | Version::Prefix(text) | Version::Revision(text) => text,
        }
    }

    /// Returns the major version of a numeric version.
    pub fn major(&self) -> Option<u64> {
        match self {
            Version::Exact(text) | Version::Prefix(text) => {
                text.strip_prefix('v')?.split('.').next()?.parse().ok()
            }
            Version::Latest | Version::Revision(_) => None,
        }
    }

    /// Whether it is an exact version.
    pub fn is_exact(&self) -> bool {
        matches!(self, Version::Exact(_))
    }

    /// Whether it always means this version. If `self` is exact and the versions differ, it is the name of a tag that Go does not
    /// recognize as a version.
    pub fn is_pinned_to(&self, version: &str) -> bool {
        // Go adds this to a major version above 1 without go.mod.
        const INCOMPATIBLE: &str = "+incompatible";
        self.is_exact()
            && self.query().trim_end_matches(INCOMPATIBLE) == version.trim_end_matches(INCOMPATIBLE)
    }

    /// Returns an exact version without the `v`. A tag of that name is not a version for Go, but may be what the client means.
    pub fn tag_without_v(&self) -> Option<&str> {
        match self {
            Version::Exact(text) => text.strip_prefix('v'),
            Version::Latest | Version::Prefix(_) | Version::Revision(_) => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.query())
    }
}

/// Parses a semantic version, and adds the `v`. `None` if it is not one.
fn parse_exact(typed: &str) -> Result<Option<String>, BadVersion> {
    let Ok(mut version) = semver::Version::parse(without_v(typed)) else {
        return Ok(None);
    };
    // Go does not allow build metadata, except its own `+incompatible`.
    if !matches!(version.build.as_str(), "" | "incompatible") {
        version.build = semver::BuildMetadata::EMPTY;
        return Err(BadVersion::BuildMetadata {
            version: Printable::new(typed),
            without: format!("v{version}"),
        });
    }
    Ok(Some(format!("v{version}")))
}

/// Parses one or two numbers. A number of seven or more digits without `v` is an abbreviated commit hash instead.
fn parse_prefix(typed: &str) -> Option<String> {
    let numbers = without_v(typed);
    let has_v = numbers.len() < typed.len();
    let is_prefix = match numbers.split_once('.') {
        Some((major, minor)) => is_number(major) && is_number(minor),
        None => is_number(numbers) && (has_v || numbers.len() < 7),
    };
    is_prefix.then(|| format!("v{numbers}"))
}

/// Validates the name of a branch, tag or commit. No program on the way to the module proxy interprets its characters.
fn parse_revision(typed: &str) -> Result<&str, BadVersion> {
    let printable = || Printable::new(typed);
    let first = typed.chars().next().ok_or(BadVersion::Empty)?;
    if RELATIVE_WORDS.iter().any(|word| typed.eq_ignore_ascii_case(word)) {
        Err(BadVersion::Relative(printable()))
    } else if matches!(first, '<' | '>' | '=' | '~' | '^') {
        Err(BadVersion::Comparison(printable()))
    } else if !first.is_ascii_alphanumeric()
        || !typed.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        || typed.contains("..")
        || typed.ends_with('.')
        // A version is part of a file name in Go's module cache, with the same rules as a path element.
        || windows::is_device(typed)
    {
        Err(BadVersion::NotAVersion(printable()))
    } else {
        Ok(typed)
    }
}

fn without_v(typed: &str) -> &str {
    typed.strip_prefix('v').unwrap_or(typed)
}

/// Whether this is a number of Semantic Versioning: digits without leading zero, at most 2^64 - 1.
fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
}

/// Why a version is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVersion {
    /// Nothing after the `@`.
    #[error("the version after the @ is missing")]
    Empty,
    /// Too many bytes.
    #[error("the version \"{0}\" is too long")]
    TooLong(Printable),
    /// `upgrade`, `HEAD` and the like.
    #[error("the version \"{0}\" is not supported")]
    Relative(Printable),
    /// `>v1` and the like.
    #[error("the version \"{0}\" is a comparison, which is not supported")]
    Comparison(Printable),
    /// `v1.2.3+linux`.
    #[error("the version \"{version}\" has build metadata, which Go does not support")]
    BuildMetadata {
        /// The version as typed.
        version: Printable,
        /// The same version without build metadata.
        without: String,
    },
    /// Anything else.
    #[error("\"{0}\" is not a valid version")]
    NotAVersion(Printable),
}

impl BadVersion {
    /// Returns what to type instead.
    pub fn hint(&self) -> String {
        match self {
            BadVersion::Empty | BadVersion::Relative(_) => {
                "leave out the @ for the newest release".to_owned()
            }
            BadVersion::Comparison(_) => {
                "type @v1 or @v1.2 for the newest release with that prefix".to_owned()
            }
            BadVersion::BuildMetadata { without, .. } => format!("type @{without}"),
            BadVersion::TooLong(_) | BadVersion::NotAVersion(_) => {
                "type a release (@v1.2.3), a prefix of one (@v1), a branch or a commit".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(typed: &str) -> Version {
        Version::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"))
    }

    #[test]
    fn exact_versions_are_canonical() {
        for (typed, canonical) in [
            ("v1.2.3", "v1.2.3"),
            ("1.2.3", "v1.2.3"),
            ("v0.0.0", "v0.0.0"),
            ("1.2.3-rc.1", "v1.2.3-rc.1"),
            ("v2.0.0+incompatible", "v2.0.0+incompatible"),
            (
                "v0.0.0-20191109021931-daa7c04131f5",
                "v0.0.0-20191109021931-daa7c04131f5",
            ),
            ("2024.1.5", "v2024.1.5"),
        ] {
            assert_eq!(parsed(typed), Version::Exact(canonical.to_owned()), "{typed}");
        }
    }

    #[test]
    fn one_or_two_numbers_are_a_prefix() {
        for (typed, canonical) in [
            ("v1", "v1"),
            ("1", "v1"),
            ("0", "v0"),
            ("v1.2", "v1.2"),
            ("1.20", "v1.20"),
            ("123456", "v123456"),
        ] {
            assert_eq!(parsed(typed), Version::Prefix(canonical.to_owned()), "{typed}");
        }
    }

    #[test]
    fn other_names_are_revisions() {
        for typed in [
            "master",
            "release-1.2",
            "daa7c04",
            "daa7c04131f568e31c51927b359a2d197a357058",
            "1234567",
            "v1.2.3.4",
            "1.02",
            "v01.2.3",
            "v1.2-rc1",
            "1.2.99999999999999999999",
            "nightly",
            "V1.2.3",
        ] {
            assert_eq!(parsed(typed), Version::Revision(typed.to_owned()), "{typed}");
        }
    }

    #[test]
    fn latest_is_case_insensitive() {
        assert_eq!(parsed("latest"), Version::Latest);
        assert_eq!(parsed("LATEST"), Version::Latest);
    }

    /// R3 to R7 of SECURITY.md, and versions that Go refuses.
    #[test]
    fn everything_else_is_refused() {
        for typed in [
            "",
            "upgrade",
            "patch",
            "all",
            "none",
            "HEAD",
            "head",
            "-x",
            "--upload-pack=touch",
            "->",
            ">v1",
            "<v2",
            ">=v1.2",
            "<=1",
            "=1",
            "~1.2",
            "^1",
            "v1;id",
            "$(id)",
            "`id`",
            "{latest}",
            "@",
            " ",
            "%40",
            "v1 ",
            " v1",
            "a/b",
            "../x",
            "a..b",
            "..",
            ".",
            ".a",
            "a.",
            "_a",
            "a\0",
            "a\n",
            "\x1b[31m",
            "a\u{202e}b",
            "ö",
            "v1.2.3+linux",
            "v1.2.3+",
            "v1.2.3-a..b",
            "+1",
            "con",
            "NUL.txt",
            "v1.2.3 ",
            "vv1.2.3+incompatible",
        ] {
            assert!(
                Version::parse(typed).is_err(),
                "{typed:?} is {:?}",
                Version::parse(typed)
            );
        }
    }

    #[test]
    fn version_has_at_most_64_bytes() {
        assert_eq!(parsed(&"b".repeat(64)), Version::Revision("b".repeat(64)));
        assert!(matches!(
            Version::parse(&"b".repeat(65)),
            Err(BadVersion::TooLong(_))
        ));
        let without_v = format!("1.2.3-{}", "a".repeat(58));
        assert_eq!(without_v.len(), 64);
        assert!(
            matches!(Version::parse(&without_v), Err(BadVersion::TooLong(_))),
            "the v counts"
        );
    }

    #[test]
    fn numeric_versions_have_a_major_version() {
        assert_eq!(parsed("v2.3.4-rc1").major(), Some(2));
        assert_eq!(parsed("3").major(), Some(3));
        assert_eq!(parsed("1234567").major(), None);
        assert_eq!(Version::Latest.major(), None);
        assert!(parsed("1.2.3").is_exact() && !parsed("1.2").is_exact());
        for (typed, version, is_pinned_to) in [
            ("1.2.3", "v1.2.3", true),
            ("v2.0.0", "v2.0.0+incompatible", true),
            ("1.2.3", "v0.0.0-20260102030405-0123456789ab", false),
            ("1.2", "v1.2.3", false),
            ("main", "main", false),
        ] {
            assert_eq!(
                parsed(typed).is_pinned_to(version),
                is_pinned_to,
                "{typed} {version}"
            );
        }
    }

    proptest! {
        #[test]
        fn printed_version_parses_to_the_same_version(typed in "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[a-z0-9.-]{1,9})?(\\+incompatible)?|[A-Za-z0-9._-]{1,64}") {
            if let Ok(version) = Version::parse(&typed) {
                prop_assert_eq!(Version::parse(&version.to_string()), Ok(version));
            }
        }

        #[test]
        fn parsed_versions_are_harmless(typed: String) {
            if let Ok(version) = Version::parse(&typed) {
                let text = version.to_string();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte)));
                prop_assert!(text.as_bytes()[0].is_ascii_alphanumeric());
            }
        }
    }
}
