//! Everything that decides the bytes of a program, and nothing else: hashed, it is the program's key.

use serde::{Deserialize, Serialize};

use crate::asked::{Platform, Wish};
use crate::golang::Resolved;
use crate::golang::command::{recipe_flags, verify_line};
use crate::store::{BuildKey, Description, KeyMaker};

/// What `go install` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// One package of one exact version.
    pub resolved: Resolved,
    /// For which platform.
    pub platform: Platform,
    /// With which Go: `go1.26.8`.
    pub go: String,
    /// Build tags, sorted.
    pub tags: Vec<String>,
    /// Without symbols and debugging information.
    pub strip: bool,
}

impl Recipe {
    /// What this request asks for.
    pub fn new(resolved: Resolved, platform: Platform, go: &str, wish: Wish) -> Recipe {
        Recipe {
            resolved,
            platform,
            go: go.to_owned(),
            tags: wish.tags,
            strip: wish.strip,
        }
    }

    /// The key of what it makes.
    pub fn key(&self) -> BuildKey {
        KeyMaker::default()
            .field("go install 1")
            .field(&self.resolved.module)
            .field(&self.resolved.version)
            .field(&self.resolved.package)
            .field(self.platform.to_string())
            .field(&self.go)
            .field(self.tags.join(","))
            .field(if self.strip { "strip" } else { "" })
            .finish()
    }

    /// PACKAGE@VERSION.
    pub fn package_at_version(&self) -> String {
        format!("{}@{}", self.resolved.package, self.resolved.version)
    }

    /// The flags of `go install`.
    pub fn flags(&self) -> Vec<String> {
        recipe_flags(&self.tags, self.strip)
    }

    /// The line that makes the same bytes anywhere.
    fn verify(&self) -> String {
        verify_line(
            &self.go,
            &self.platform,
            &self.flags(),
            &self.package_at_version(),
        )
    }

    /// The last element of the package, past a major version: what `go install` calls the program.
    fn name(&self) -> &str {
        let mut elements = self.resolved.package.rsplit('/');
        let last = elements.next().unwrap_or_default();
        let major = last
            .strip_prefix('v')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if major {
            elements.next().unwrap_or(last)
        } else {
            last
        }
    }

    /// What it makes, as far as that is known before it is made.
    pub fn description(&self) -> Description {
        Description {
            module: self.resolved.module.clone(),
            version: self.resolved.version.clone(),
            package: self.resolved.package.clone(),
            go: self.go.clone(),
            platform: self.platform.to_string(),
            recipe: "go-install".to_owned(),
            verify: self.verify(),
            exact: self.exact_url(),
            file_name: self.platform.executable(self.name()),
            module_time: self.resolved.time,
        }
    }

    /// The path and query that always mean these bytes.
    fn exact_url(&self) -> String {
        let package = self
            .resolved
            .package
            .strip_prefix("github.com/")
            .unwrap_or(&self.resolved.package);
        let mut url = format!(
            "/{package}@{}?{}&go={}",
            self.resolved.version,
            self.platform.query(),
            self.go.trim_start_matches("go")
        );
        if !self.tags.is_empty() {
            url += &format!("&tags={}", self.tags.join(","));
        }
        if self.strip { url + "&strip=1" } else { url }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            resolved: Resolved {
                module: "a.b/c/v2".into(),
                version: "v2.0.0".into(),
                package: "a.b/c/v2".into(),
                time: 0,
            },
            platform: Platform::new("linux", "arm64").unwrap(),
            go: "go1.26.8".into(),
            tags: vec![],
            strip: false,
        }
    }

    #[test]
    fn whatever_changes_the_bytes_changes_the_key() {
        let plain = recipe().key();
        assert_eq!(
            plain,
            Recipe {
                resolved: Resolved {
                    time: 1,
                    ..recipe().resolved
                },
                ..recipe()
            }
            .key()
        );
        for other in [
            Recipe {
                strip: true,
                ..recipe()
            },
            Recipe {
                tags: vec!["x".into()],
                ..recipe()
            },
            Recipe {
                go: "go1.26.7".into(),
                ..recipe()
            },
            Recipe {
                platform: Platform::new("linux", "amd64v3").unwrap(),
                ..recipe()
            },
            Recipe {
                resolved: Resolved {
                    version: "v2.0.1".into(),
                    ..recipe().resolved
                },
                ..recipe()
            },
        ] {
            assert_ne!(plain, other.key());
        }
    }

    #[test]
    fn a_program_is_called_what_go_calls_it() {
        assert_eq!(recipe().name(), "c");
    }
}
