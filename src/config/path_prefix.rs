//! Path prefixes of GOX_ALLOW and GOX_DENY: `github.com/OWNER`, `example.org`.

use std::str::FromStr;

use crate::parse::Target;

/// A prefix of whole path elements. Letter case is ignored: no forge distinguishes owners by case, and most serve a repository in
/// any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Whether the path is the prefix or below it.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        let rest = path.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// No valid target is below the prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidPrefix;

impl FromStr for PathPrefix {
    type Err = InvalidPrefix;

    /// Parses a prefix as in a URL of the service: OWNER/REPO is on GitHub.
    fn from_str(text: &str) -> Result<PathPrefix, InvalidPrefix> {
        let path = text.trim_end_matches('/').to_ascii_lowercase();
        // A single word is ambiguous: it may be an owner, part of a host, or `none`. A prefix covers all versions, so it has none.
        if !path.contains(['/', '.']) || path.contains('@') {
            return Err(InvalidPrefix);
        }
        let above = |below: &str| {
            let target = Target::parse(format!("/{path}{below}").as_bytes()).ok()?;
            target.import_path().strip_suffix(below).map(str::to_owned)
        };
        let prefix = ["", "/x", "/x/x"].into_iter().find_map(above);
        prefix.map(PathPrefix).ok_or(InvalidPrefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_matches_paths_below_it() {
        for (prefix, path, matches) in [
            ("github.com/o/r", "github.com/o/r", true),
            ("github.com/o/r", "github.com/o/r/v2/cmd/x", true),
            ("github.com/o/r", "github.com/o/rest", false),
            ("github.com/o/r/", "github.com/o/r", true),
            ("o/r", "github.com/o/r", true),
            ("GitHub.com/Owner", "github.com/oWNER/r", true),
            ("github.com", "github.com/o/r", true),
            ("example.org", "example.org/x", true),
            ("example.org", "an.example.org/x", false),
            ("gopkg.in/yaml.v3", "gopkg.in/yaml.v3", true),
            ("git.sr.ht/~o", "git.sr.ht/~o/r", true),
        ] {
            let parsed: PathPrefix = prefix.parse().unwrap();
            assert_eq!(parsed.matches(path), matches, "{prefix} {path}");
        }
    }

    #[test]
    fn prefix_that_matches_no_target_is_invalid() {
        for invalid in [
            "",
            "/",
            "o",
            "none",
            "all",
            "*",
            "/o/r",
            "https://github.com/o/r",
            "www.github.com/o/r",
            "github.com/o/*",
            "github.com/o/...",
            "github.com/!o/r",
            "github.com/o//r",
            "github.com/o/r.git",
            "github.com/o_o",
            "github.com/o/r@v1",
            "o/r@latest",
            "example.org:8080/o",
            "127.0.0.1",
            "o/r o/s",
            "o/r;o/s",
            "../o",
        ] {
            assert_eq!(invalid.parse::<PathPrefix>(), Err(InvalidPrefix), "{invalid}");
        }
    }
}
