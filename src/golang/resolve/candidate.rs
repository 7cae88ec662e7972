//! Lists the modules that a target may mean, from its path alone. The path shows where the repository ends, but not the module.

use crate::golang::resolve::known_paths;
use crate::parse::Target;

/// A module that the target may mean, and the package in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The module's path.
    pub module: String,
    /// The package's directory, relative to the module's root; empty for the root itself.
    pub subdirectory: String,
}

impl Candidate {
    /// The root package of a module.
    pub fn root_package(module: String) -> Candidate {
        Candidate {
            module,
            subdirectory: String::new(),
        }
    }

    /// All candidates without major suffixes, those under a known vanity path first.
    pub fn all_from_target(target: &Target) -> Vec<Candidate> {
        [
            Candidate::known_from_target(target),
            Candidate::typed_from_target(target),
        ]
        .concat()
    }

    /// The candidates under the path that was typed. The longest module comes first, as in Go (cmd/go/internal/modload,
    /// queryPrefixModules).
    pub fn typed_from_target(target: &Target) -> Vec<Candidate> {
        let elements = target.elements();
        let root = target.repository_len().unwrap_or(1).min(elements.len());
        let split = |at: usize| Candidate {
            module: elements[..at].join("/"),
            subdirectory: elements[at..].join("/"),
        };
        let candidates = (root..=elements.len()).rev().map(split);
        candidates.filter(Candidate::is_valid).collect()
    }

    /// The candidates under a known vanity path, in the same order.
    pub fn known_from_target(target: &Target) -> Vec<Candidate> {
        let [host, owner, repo, below @ ..] = target.elements() else {
            return Vec::new();
        };
        let module = known_paths::find_module_path(owner, repo).filter(|_| host == "github.com");
        let package = module.map(|module| Candidate {
            module,
            subdirectory: below.join("/"),
        });
        let candidates = package.iter().flat_map(Candidate::split_at_each_element);
        candidates.filter(Candidate::is_valid).collect()
    }

    /// The candidate and the nested modules that may contain its package, the longest path first.
    fn split_at_each_element(&self) -> Vec<Candidate> {
        let elements: Vec<&str> = self.subdirectory.split('/').filter(|e| !e.is_empty()).collect();
        let at = |n: usize| Candidate {
            module: join(&self.module, &elements[..n].join("/")),
            subdirectory: elements[n..].join("/"),
        };
        (0..=elements.len()).rev().map(at).collect()
    }

    fn is_valid(&self) -> bool {
        has_valid_version_suffix(&self.module)
    }

    /// The candidate at a major version: from 2 on its path ends in `/vN` (Go modules reference, "Major version suffixes").
    pub fn at_major(&self, major: u64) -> Option<Candidate> {
        let has_suffix = self.root() != self.module || self.module.starts_with("gopkg.in/");
        match major {
            0 | 1 => Some(self.clone()),
            _ if has_suffix => None,
            _ => Some(Candidate {
                module: format!("{}/v{major}", self.module),
                subdirectory: self.subdirectory.clone(),
            }),
        }
    }

    /// The major in the module's path; 1 if it has none.
    pub fn major(&self) -> u64 {
        let suffix = self.module.strip_prefix(self.root()).unwrap_or_default();
        suffix.trim_start_matches("/v").parse().unwrap_or(1)
    }

    /// The candidate with the path `module`, if that is the same module at another major.
    pub fn in_major_of(&self, module: &str) -> Option<Candidate> {
        let is_other = module != self.module && without_major(module) == self.root();
        is_other.then(|| Candidate {
            module: module.to_owned(),
            subdirectory: self.subdirectory.clone(),
        })
    }

    /// The module's path without a major version suffix. Paths of nested modules begin with it.
    pub fn root(&self) -> &str {
        without_major(&self.module)
    }
}

/// Joins two paths with a slash. Either may be empty.
pub fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() || child.is_empty() {
        format!("{parent}{child}")
    } else {
        format!("{parent}/{child}")
    }
}

/// The last element of a module or package path, without a major version suffix: the name that `go install` gives a program.
pub fn last_name(path: &str) -> &str {
    let path = without_major(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// The path without a major version suffix.
pub(in crate::golang) fn without_major(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((parent, last)) if is_major(last) => parent,
        _ => path,
    }
}

/// Whether a path element is a major version suffix: v2, v3, v10, but not v0, v05 or v1 (cmd/go/internal/load, isVersionElement).
pub(super) fn is_major(element: &str) -> bool {
    let number = element.strip_prefix('v').unwrap_or_default();
    number.bytes().all(|b| b.is_ascii_digit()) && !matches!(number, "" | "1") && !number.starts_with('0')
}

/// Whether the end of a module path is a valid major version, if it looks like one. A module proxy serves no path that ends in `/v1`
/// or `/v1.2.3`, and none of gopkg.in without a version (golang.org/x/mod/module, SplitPathVersion).
fn has_valid_version_suffix(module: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if module.starts_with("gopkg.in/") {
        let version = module.trim_end_matches("-unstable").rsplit_once(".v");
        return version
            .is_some_and(|(_, major)| is_number(major) && (major == "0" || !major.starts_with('0')));
    }
    let last = module.rsplit('/').next().unwrap_or(module);
    let number = last.strip_prefix('v').unwrap_or_default();
    number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') || is_major(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_ordered_by_longest_module_path() {
        for (typed, expected) in [
            ("/o/r", vec!["github.com/o/r "]),
            ("/o/r/a", vec!["github.com/o/r/a ", "github.com/o/r a"]),
            ("/o/r/v2", vec!["github.com/o/r/v2 ", "github.com/o/r v2"]),
            ("/o/r/v1", vec!["github.com/o/r v1"]),
            (
                "/o/r/v1.2/x",
                vec!["github.com/o/r/v1.2/x ", "github.com/o/r v1.2/x"],
            ),
            (
                "/gopkg.in/yaml.v3/x",
                vec!["gopkg.in/yaml.v3 x", "gopkg.in yaml.v3/x"],
            ),
            ("/gopkg.in/yaml", vec!["gopkg.in yaml"]),
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
            let shown = |c: &Candidate| format!("{} {}", c.module, c.subdirectory);
            let candidates: Vec<String> = Candidate::all_from_target(&target).iter().map(shown).collect();
            assert_eq!(candidates, expected, "{typed}");
        }
    }

    /// The values are those of module.CheckPath (golang.org/x/mod v0.43).
    #[test]
    fn path_with_invalid_major_is_no_candidate() {
        for (path, is_valid) in [
            ("a.b/c", true),
            ("a.b/c/v2", true),
            ("a.b/c/v10", true),
            ("a.b/c/v", true),
            ("a.b/c/vx", true),
            ("a.b/v1/c", true),
            ("a.b/c/v1x", true),
            ("a.b/c.v1", true),
            ("a.b/c/v0", false),
            ("a.b/c/v1", false),
            ("a.b/c/v02", false),
            ("a.b/c/v2.1", false),
            ("a.b/c/v1.", false),
            ("a.b/v1", false),
            ("gopkg.in/c", false),
            ("gopkg.in/c.v", false),
            ("gopkg.in/c.v0", true),
            ("gopkg.in/c.v1", true),
            ("gopkg.in/c.v01", false),
            ("gopkg.in/o/c.v3", true),
            ("gopkg.in/o/c.v3-unstable", true),
            ("gopkg.in/c.v3/d", false),
            ("gopkg.in/c/v3", false),
        ] {
            assert_eq!(has_valid_version_suffix(path), is_valid, "{path}");
        }
        let target = Target::parse(b"/gonum.org/v1/plot/cmd/nosuch").unwrap();
        let modules: Vec<String> = Candidate::all_from_target(&target)
            .into_iter()
            .map(|c| c.module)
            .collect();
        assert!(modules.contains(&"gonum.org/v1/plot".to_owned()), "{modules:?}");
        assert!(!modules.contains(&"gonum.org/v1".to_owned()), "{modules:?}");
    }

    #[test]
    fn major_suffix_is_added_to_a_path_without_one() {
        for (module, major, expected, name) in [
            ("a.b/c", 1, Some("a.b/c"), "c"),
            ("a.b/c", 3, Some("a.b/c/v3"), "c"),
            ("a.b/c/v2", 3, None, "c"),
            ("a.b/c/v1", 3, Some("a.b/c/v1/v3"), "v1"),
            ("a.b/c/v02", 1, Some("a.b/c/v02"), "v02"),
            ("gopkg.in/x.v2", 3, None, "x.v2"),
        ] {
            let candidate = Candidate::root_package(module.to_owned());
            let at_major = candidate.at_major(major).map(|candidate| candidate.module);
            assert_eq!(at_major.as_deref(), expected, "{module}");
            assert_eq!(last_name(module), name);
        }
    }
}
