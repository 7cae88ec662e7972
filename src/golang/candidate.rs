//! Which modules a target may mean, from its words alone: a path says where the repository ends, but not where the module does.

use super::vanity;
use crate::asked::Target;

/// A module that may be the one that is meant, and the package in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its path.
    pub module: String,
    /// The package's directory, relative to the module's root; empty for the root itself.
    pub below: String,
}

impl Candidate {
    /// Without majors: first under another name that is known for the repository; of each name the longest path first, as Go has
    /// it (cmd/go/internal/modload, queryPrefixModules).
    pub fn of(target: &Target) -> Vec<Candidate> {
        let elements = target.elements();
        let root = target.root_len().unwrap_or(1).min(elements.len());
        let alias = match elements {
            [host, owner, repo, below @ ..] if host == "github.com" => {
                vanity::module_path(owner, repo).map(|module| Candidate {
                    module,
                    below: below.join("/"),
                })
            }
            _ => None,
        };
        let with_nested = alias.as_ref().map(Candidate::with_nested).unwrap_or_default();
        let split = |at: usize| Candidate {
            module: elements[..at].join("/"),
            below: elements[at..].join("/"),
        };
        let split_up = (root..=elements.len()).rev().map(split);
        with_nested.into_iter().chain(split_up).collect()
    }

    /// It, and before it the modules that may lie in its directories, on the way down to the package.
    fn with_nested(&self) -> Vec<Candidate> {
        let elements: Vec<&str> = self.below.split('/').filter(|e| !e.is_empty()).collect();
        let at = |n: usize| Candidate {
            module: join(&self.module, &elements[..n].join("/")),
            below: elements[n..].join("/"),
        };
        (0..=elements.len()).rev().map(at).collect()
    }

    /// The module at a major version: `/vN` behind its path from 2 on (Go modules reference, "Major version suffixes").
    pub fn at_major(&self, major: u64) -> Option<Candidate> {
        let has_suffix = self.root() != self.module || self.module.starts_with("gopkg.in/");
        match major {
            0 | 1 => Some(self.clone()),
            _ if has_suffix => None,
            _ => Some(Candidate {
                module: format!("{}/v{major}", self.module),
                below: self.below.clone(),
            }),
        }
    }

    /// The same in another major, if that is what `module` is.
    pub fn in_major_of(&self, module: &str) -> Option<Candidate> {
        let is_other = module != self.module && without_major(module) == self.root();
        is_other.then(|| Candidate {
            module: module.to_owned(),
            below: self.below.clone(),
        })
    }

    /// The module's path without a major version: where modules inside the repository begin.
    pub fn root(&self) -> &str {
        without_major(&self.module)
    }
}

/// `above/below`, of which either may be empty.
pub fn join(above: &str, below: &str) -> String {
    if above.is_empty() || below.is_empty() {
        format!("{above}{below}")
    } else {
        format!("{above}/{below}")
    }
}

/// The last element of a module's or package's path, past a major version: what `go install` calls a program.
pub fn last_name(path: &str) -> &str {
    let path = without_major(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// The path without a major version at its end.
pub(super) fn without_major(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((above, last)) if is_major(last) => above,
        _ => path,
    }
}

/// Whether it is v2, v3, v10, and not v0, v05 or v1 (cmd/go/internal/load, isVersionElement).
pub(super) fn is_major(element: &str) -> bool {
    let number = element.strip_prefix('v').unwrap_or_default();
    number.bytes().all(|b| b.is_ascii_digit()) && !matches!(number, "" | "1") && !number.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_modules_a_path_may_mean() {
        for (typed, expected) in [
            ("/o/r", vec!["github.com/o/r "]),
            ("/o/r/a", vec!["github.com/o/r/a ", "github.com/o/r a"]),
            (
                "/rsc/2fa/a/b",
                vec![
                    "rsc.io/2fa/a/b ",
                    "rsc.io/2fa/a b",
                    "rsc.io/2fa a/b",
                    "github.com/rsc/2fa/a/b ",
                    "github.com/rsc/2fa/a b",
                    "github.com/rsc/2fa a/b",
                ],
            ),
        ] {
            let target = Target::parse(typed.as_bytes()).unwrap();
            let words = |c: &Candidate| format!("{} {}", c.module, c.below);
            let candidates: Vec<String> = Candidate::of(&target).iter().map(words).collect();
            assert_eq!(candidates, expected, "{typed}");
        }
    }

    #[test]
    fn a_major_stands_behind_a_path_that_has_none() {
        for (module, major, expected, name) in [
            ("a.b/c", 1, Some("a.b/c"), "c"),
            ("a.b/c", 3, Some("a.b/c/v3"), "c"),
            ("a.b/c/v2", 3, None, "c"),
            ("a.b/c/v1", 3, Some("a.b/c/v1/v3"), "v1"),
            ("a.b/c/v02", 1, Some("a.b/c/v02"), "v02"),
            ("gopkg.in/x.v2", 3, None, "x.v2"),
        ] {
            let candidate = Candidate {
                module: module.to_owned(),
                below: String::new(),
            };
            let at_major = candidate.at_major(major).map(|candidate| candidate.module);
            assert_eq!(at_major.as_deref(), expected, "{module}");
            assert_eq!(last_name(module), name);
        }
    }
}
