//! Versions of Go: a release, a release candidate, or a series of releases, in Go's order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Printable;

/// A version of Go: `1.26.8`, `1.27rc1`, or the series `1.26`. Parses with or without the prefix `go`, and prints without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GoVersion {
    major: u16,
    minor: u16,
    patch: Patch,
}

/// The part of a version after `major.minor`, in Go's order. A series sorts first: `go 1.26` in a go.mod allows all of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Patch {
    Any,
    Candidate(u16),
    Release(u16),
}

impl GoVersion {
    /// Makes the release `major.minor.patch`.
    pub const fn release(major: u16, minor: u16, patch: u16) -> GoVersion {
        GoVersion {
            major,
            minor,
            patch: Patch::Release(patch),
        }
    }

    /// Returns the series of this version: `1.26` for `1.26.8`.
    pub const fn series(self) -> GoVersion {
        GoVersion {
            patch: Patch::Any,
            ..self
        }
    }

    /// Whether it is a series.
    pub fn is_series(self) -> bool {
        self.patch == Patch::Any
    }

    /// Whether it is a release, not a candidate or a series.
    pub fn is_release(self) -> bool {
        matches!(self.patch, Patch::Release(_))
    }

    /// Whether `other` is this version, or belongs to this series.
    pub fn includes(self, other: GoVersion) -> bool {
        self == other || self == other.series()
    }
}

impl FromStr for GoVersion {
    type Err = BadGoVersion;

    fn from_str(typed: &str) -> Result<GoVersion, BadGoVersion> {
        // No leading zeros and no large numbers.
        let number = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|number| number.to_string() == text)
        };
        let parse = || {
            let (major, rest) = typed.strip_prefix("go").unwrap_or(typed).split_once('.')?;
            // Release candidates precede the first release of a series: there is no 1.26.1rc1.
            let (minor, patch) = match (rest.split_once('.'), rest.split_once("rc")) {
                (Some((minor, patch)), _) => (minor, Patch::Release(number(patch)?)),
                (None, Some((minor, candidate))) => (minor, Patch::Candidate(number(candidate)?)),
                (None, None) => (rest, Patch::Any),
            };
            Some(GoVersion {
                major: number(major)?,
                minor: number(minor)?,
                patch,
            })
        };
        parse().ok_or_else(|| BadGoVersion(Printable::new(typed)))
    }
}

impl TryFrom<String> for GoVersion {
    type Error = BadGoVersion;

    fn try_from(text: String) -> Result<GoVersion, BadGoVersion> {
        text.parse()
    }
}

impl From<GoVersion> for String {
    fn from(version: GoVersion) -> String {
        version.to_string()
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        match self.patch {
            Patch::Any => Ok(()),
            Patch::Candidate(number) => write!(f, "rc{number}"),
            Patch::Release(number) => write!(f, ".{number}"),
        }
    }
}

/// The text is not a version of Go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a version of Go")]
pub struct BadGoVersion(pub(super) Printable);

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(typed: &str) -> GoVersion {
        typed.parse().unwrap_or_else(|bad| panic!("{bad}"))
    }

    #[test]
    fn releases_candidates_and_series_are_parsed() {
        for (typed, printed) in [
            ("1.26.8", "1.26.8"),
            ("go1.26", "1.26"),
            ("1.21.0", "1.21.0"),
            ("go1.27rc1", "1.27rc1"),
        ] {
            assert_eq!(parsed(typed).to_string(), printed);
        }
        for typed in [
            "",
            "go",
            "1",
            "1.",
            ".1",
            "1.26.",
            "1.26.8.1",
            "v1.26",
            "1.26-rc1",
            "1.26.1rc1",
            "1.26rc",
            "rc1",
            "01.26",
            "1.026",
            "1.26 ",
            "+1.26",
            "1.26rc1rc2",
            "gogo1.26",
            "1.26beta1",
            "1.99999",
            "../1.26",
            // CVE-2023-39320: a version that is a path.
            "1.999-/run.sh",
            "1.25.3-/run.sh",
            "1.25.3/../x",
            "1.25.3\0",
        ] {
            assert!(typed.parse::<GoVersion>().is_err(), "{typed}");
        }
    }

    #[test]
    fn versions_are_ordered_as_in_go() {
        let ordered = [
            "1.9.7", "1.26", "1.26rc1", "1.26rc2", "1.26.0", "1.26.9", "1.26.10", "1.27", "1.27rc1", "1.27.0",
        ];
        for pair in ordered.windows(2) {
            assert!(parsed(pair[0]) < parsed(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn series_includes_its_versions() {
        assert!(parsed("1.26").includes(parsed("1.26.8")) && parsed("1.26.8").includes(parsed("1.26.8")));
        assert!(!parsed("1.2").includes(parsed("1.26.8")) && !parsed("1.26.7").includes(parsed("1.26.8")));
    }
}
