//! Which Go: a release, a release candidate, or a series of releases. In Go's own order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Shown;

/// A version of Go: `1.26.8`, `1.27rc1`, or the series `1.26`. Prints without the `go` that may stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GoVersion {
    major: u16,
    minor: u16,
    place: Place,
}

/// Where in its series, the earliest first: as a demand in a go.mod, a series means all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    All,
    Candidate(u16),
    Release(u16),
}

impl GoVersion {
    /// A release `major.minor.patch`.
    pub const fn release(major: u16, minor: u16, patch: u16) -> GoVersion {
        GoVersion {
            major,
            minor,
            place: Place::Release(patch),
        }
    }

    /// The series that it is of: `1.26` of `1.26.8`.
    pub fn series(self) -> GoVersion {
        GoVersion {
            place: Place::All,
            ..self
        }
    }

    /// Whether it is a series and no version of its own.
    pub fn is_series(self) -> bool {
        self.place == Place::All
    }

    /// Whether it is a release, and neither a candidate nor a series.
    pub fn is_release(self) -> bool {
        matches!(self.place, Place::Release(_))
    }

    /// Whether `other` is it, or of the series that it is.
    pub fn includes(self, other: GoVersion) -> bool {
        self == other || self == other.series()
    }
}

impl FromStr for GoVersion {
    type Err = BadGoVersion;

    fn from_str(typed: &str) -> Result<GoVersion, BadGoVersion> {
        // No leading zeros, and no number longer than Go's will be.
        let number = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|number| number.to_string() == text)
        };
        let read = || {
            let (major, rest) = typed.strip_prefix("go").unwrap_or(typed).split_once('.')?;
            // A release candidate is one of a minor version: there is no 1.26.1rc1.
            let (minor, place) = match (rest.split_once('.'), rest.split_once("rc")) {
                (Some((minor, patch)), _) => (minor, Place::Release(number(patch)?)),
                (None, Some((minor, candidate))) => (minor, Place::Candidate(number(candidate)?)),
                (None, None) => (rest, Place::All),
            };
            Some(GoVersion {
                major: number(major)?,
                minor: number(minor)?,
                place,
            })
        };
        read().ok_or_else(|| BadGoVersion(Shown::new(typed)))
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
        match self.place {
            Place::All => Ok(()),
            Place::Candidate(number) => write!(f, "rc{number}"),
            Place::Release(number) => write!(f, ".{number}"),
        }
    }
}

/// Not a version of Go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a version of Go")]
pub struct BadGoVersion(pub(super) Shown);

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(typed: &str) -> GoVersion {
        typed.parse().unwrap_or_else(|bad| panic!("{bad}"))
    }

    #[test]
    fn go_has_numbers_and_release_candidates() {
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
    fn versions_are_in_the_order_of_go() {
        let ordered = [
            "1.9.7", "1.26", "1.26rc1", "1.26rc2", "1.26.0", "1.26.9", "1.26.10", "1.27", "1.27rc1", "1.27.0",
        ];
        for pair in ordered.windows(2) {
            assert!(parsed(pair[0]) < parsed(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_series_includes_its_versions() {
        assert!(parsed("1.26").includes(parsed("1.26.8")) && parsed("1.26.8").includes(parsed("1.26.8")));
        assert!(!parsed("1.2").includes(parsed("1.26.8")) && !parsed("1.26.7").includes(parsed("1.26.8")));
    }
}
