//! Paths that an operator names by how they begin: `github.com/OWNER`, `example.org`.

use std::str::FromStr;

use crate::asked::Target;

/// Whole elements of a path, and all that lies below them. Letter case does not count: no forge tells owners apart by it, and
/// most serve a repository in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// Whether the path begins so.
    pub fn has(&self, path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        let rest = path.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Nobody could ask for what lies below it.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPrefix;

impl FromStr for Prefix {
    type Err = NoPrefix;

    /// As people type it: OWNER/REPO is on GitHub.
    fn from_str(text: &str) -> Result<Prefix, NoPrefix> {
        let path = text.trim_end_matches('/').to_ascii_lowercase();
        // A word alone may be an owner, half a host, or `none`; and all versions are meant.
        if !path.contains(['/', '.']) || path.contains('@') {
            return Err(NoPrefix);
        }
        let above = |below: &str| {
            let target = Target::parse(format!("/{path}{below}").as_bytes()).ok()?;
            target.import_path().strip_suffix(below).map(str::to_owned)
        };
        let prefix = ["", "/x", "/x/x"].into_iter().find_map(above);
        prefix.map(Prefix).ok_or(NoPrefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_what_lies_below_it() {
        for (prefix, path, has) in [
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
            let parsed: Prefix = prefix.parse().unwrap();
            assert_eq!(parsed.has(path), has, "{prefix} {path}");
        }
    }

    #[test]
    fn what_could_never_be_asked_for_is_none() {
        for odd in [
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
            assert_eq!(odd.parse::<Prefix>(), Err(NoPrefix), "{odd}");
        }
    }
}
