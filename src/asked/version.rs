//! Which version was asked for: what stands behind the `@`.
//!
//! Go reads the same text as a query, and its queries can do more than name a version: compare, upgrade, or, before
//! CVE-2025-68119 was fixed, run a version control system with an option in place of a revision. So only four kinds get
//! through. Which of them exist is not known here: that is found out from the module proxy.

use super::{Shown, windows};
use std::fmt;

/// A pseudo-version of a pre-release that is `+incompatible` has 54 bytes.
pub(super) const MAX_BYTES: usize = 64;

/// Words to which Go's queries give a meaning that changes with what is already chosen, or with the clone it looks at.
const RELATIVE_WORDS: [&str; 5] = ["upgrade", "patch", "all", "none", "head"];

/// A version, as far as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// The newest one; what no `@` means.
    Latest,
    /// One release and no other, in Go's canonical spelling: `v1.2.3`, `v1.2.3-rc.1`, `v2.0.0+incompatible`, or a
    /// pseudo-version.
    Exact(String),
    /// The newest release that begins so: `v1`, `v1.2`.
    Prefix(String),
    /// A branch, a commit, or a tag that is no release.
    Revision(String),
}

impl Version {
    /// Reads what was typed behind the `@`. A leading `v` may be left out of numbers.
    pub fn parse(typed: &str) -> Result<Version, BadVersion> {
        if typed.eq_ignore_ascii_case("latest") {
            return Ok(Version::Latest);
        }
        let version = match exact(typed)? {
            Some(exact) => Version::Exact(exact),
            None => match prefix(typed) {
                Some(prefix) => Version::Prefix(prefix),
                None => Version::Revision(revision(typed)?.to_owned()),
            },
        };
        match version.query().len() > MAX_BYTES {
            true => Err(BadVersion::TooLong(Shown::new(typed))),
            false => Ok(version),
        }
    }

    /// What to put behind an `@`, for people and for `go` alike.
    pub fn query(&self) -> &str {
        match self {
            Version::Latest => "latest",
            Version::Exact(text) | Version::Prefix(text) | Version::Revision(text) => text,
        }
    }

    /// The major version, where numbers were given.
    pub fn major(&self) -> Option<u64> {
        match self {
            Version::Exact(text) | Version::Prefix(text) => {
                text.strip_prefix('v')?.split('.').next()?.parse().ok()
            }
            Version::Latest | Version::Revision(_) => None,
        }
    }

    /// Whether it names a release.
    pub fn is_exact(&self) -> bool {
        matches!(self, Version::Exact(_))
    }

    /// Whether it can only ever mean this version. A release that is not there may be a tag that Go takes for none.
    pub fn is_only(&self, version: &str) -> bool {
        // Go's own mark of a major without a go.mod.
        const MARK: &str = "+incompatible";
        self.is_exact() && self.query().trim_end_matches(MARK) == version.trim_end_matches(MARK)
    }

    /// The tag that may be meant where there is no such release: to Go, one without the `v` is none.
    pub fn without_v(&self) -> Option<&str> {
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

/// Three numbers and what Semantic Versioning lets follow them, with the `v` that Go's tags have.
fn exact(typed: &str) -> Result<Option<String>, BadVersion> {
    let Ok(mut version) = semver::Version::parse(without_v(typed)) else {
        return Ok(None);
    };
    // Releases that differ in build metadata alone are equal to Semantic Versioning. Go's own mark is the exception.
    if !matches!(version.build.as_str(), "" | "incompatible") {
        version.build = semver::BuildMetadata::EMPTY;
        return Err(BadVersion::BuildMetadata {
            version: Shown::new(typed),
            without: format!("v{version}"),
        });
    }
    Ok(Some(format!("v{version}")))
}

/// One number or two. A number of seven digits and more is the abbreviation of a commit that has no letter in it.
fn prefix(typed: &str) -> Option<String> {
    let numbers = without_v(typed);
    let says_v = numbers.len() < typed.len();
    let is_prefix = match numbers.split_once('.') {
        Some((major, minor)) => is_number(major) && is_number(minor),
        None => is_number(numbers) && (says_v || numbers.len() < 7),
    };
    is_prefix.then(|| format!("v{numbers}"))
}

/// A name that git takes and that nothing on the way to the module proxy reads as anything but a name.
fn revision(typed: &str) -> Result<&str, BadVersion> {
    let shown = || Shown::new(typed);
    let first = typed.chars().next().ok_or(BadVersion::Empty)?;
    if RELATIVE_WORDS.iter().any(|word| typed.eq_ignore_ascii_case(word)) {
        Err(BadVersion::Relative(shown()))
    } else if matches!(first, '<' | '>' | '=' | '~' | '^') {
        Err(BadVersion::Comparison(shown()))
    } else if !first.is_ascii_alphanumeric()
        || !typed.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        || typed.contains("..")
        || typed.ends_with('.')
        // Go escapes a version into a file name of its module cache, by the same rules as an element of a path.
        || windows::is_device(typed)
    {
        Err(BadVersion::NotAVersion(shown()))
    } else {
        Ok(typed)
    }
}

fn without_v(typed: &str) -> &str {
    typed.strip_prefix('v').unwrap_or(typed)
}

/// Digits as Semantic Versioning has them: no sign, no leading zero, and of a size that can be counted with.
fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
}

/// Why something is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVersion {
    /// An `@` with nothing behind it.
    #[error("no version follows the @")]
    Empty,
    /// Longer than any version.
    #[error("the version \"{0}\" is too long")]
    TooLong(Shown),
    /// `upgrade`, `HEAD` and the like.
    #[error("the version \"{0}\" means something else each time")]
    Relative(Shown),
    /// `>v1` and the like.
    #[error("the version \"{0}\" is a comparison")]
    Comparison(Shown),
    /// `v1.2.3+linux`.
    #[error("the version \"{version}\" has build metadata, which no Go release has")]
    BuildMetadata {
        /// What was typed.
        version: Shown,
        /// The same release as Go names it.
        without: String,
    },
    /// Anything else.
    #[error("\"{0}\" is not a version")]
    NotAVersion(Shown),
}

impl BadVersion {
    /// What to type instead.
    pub fn hint(&self) -> String {
        match self {
            BadVersion::Empty | BadVersion::Relative(_) => {
                "leave the @ out for the newest release".to_owned()
            }
            BadVersion::Comparison(_) => "type @v1 or @v1.2 for the newest release that begins so".to_owned(),
            BadVersion::BuildMetadata { without, .. } => format!("type @{without}"),
            BadVersion::TooLong(_) | BadVersion::NotAVersion(_) => {
                "type a release (@v1.2.3), the beginning of one (@v1), a branch or a commit".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(typed: &str) -> Version {
        Version::parse(typed).unwrap_or_else(|bad| panic!("{typed}: {bad}"))
    }

    #[test]
    fn releases_are_spelled_as_go_spells_them() {
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
    fn one_number_or_two_begin_a_release() {
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
    fn latest_is_latest_in_any_case() {
        assert_eq!(parsed("latest"), Version::Latest);
        assert_eq!(parsed("LATEST"), Version::Latest);
    }

    /// R3 to R7 of SECURITY.md, and what Go itself refuses.
    #[test]
    fn nothing_else_gets_through() {
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
    fn a_version_has_at_most_64_bytes() {
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
    fn numbers_have_a_major_version() {
        assert_eq!(parsed("v2.3.4-rc1").major(), Some(2));
        assert_eq!(parsed("3").major(), Some(3));
        assert_eq!(parsed("1234567").major(), None);
        assert_eq!(Version::Latest.major(), None);
        assert!(parsed("1.2.3").is_exact() && !parsed("1.2").is_exact());
        for (typed, version, is_only) in [
            ("1.2.3", "v1.2.3", true),
            ("v2.0.0", "v2.0.0+incompatible", true),
            ("1.2.3", "v0.0.0-20260102030405-0123456789ab", false),
            ("1.2", "v1.2.3", false),
            ("main", "main", false),
        ] {
            assert_eq!(parsed(typed).is_only(version), is_only, "{typed} {version}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_means_the_same(typed in "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[a-z0-9.-]{1,9})?(\\+incompatible)?|[A-Za-z0-9._-]{1,64}") {
            if let Ok(version) = Version::parse(&typed) {
                prop_assert_eq!(Version::parse(&version.to_string()), Ok(version));
            }
        }

        #[test]
        fn only_harmless_bytes_get_through(typed: String) {
            if let Ok(version) = Version::parse(&typed) {
                let text = version.to_string();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte)));
                prop_assert!(text.as_bytes()[0].is_ascii_alphanumeric());
            }
        }
    }
}
