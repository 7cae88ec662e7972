//! Everything that decides the bytes of a program, and nothing else: hashed, it is the program's key.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::compilation::Cache;
use crate::answer::Refusal;
use crate::answer::refusal::clean;
use crate::answer::script::quote;
use crate::asked::{FileName, Guess, Platform, RecipeName, Wish};
use crate::golang::Resolved;
use crate::golang::command::{recipe_flags, verify_flags, verify_variables};
use crate::golang::module_files::without_comment;
use crate::golang::replaced::Replaced;
use crate::golang::stamp::Stamp;
use crate::store::{BuildKey, Description, KeyMaker};

/// How the bytes come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `go install PACKAGE@VERSION`.
    GoInstall,
    /// `go build` in a copy of the module's tree: for what `go install` refuses, and only then.
    MainModule,
    /// The same for a module from before go.mod, which gets one: what it needs, at the newest of the day.
    BeforeModules,
}

/// What `go` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// How.
    pub kind: Kind,
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
    /// What a release build adds; none for a plain one.
    pub release: Option<Stamp>,
    /// What the client wants the file to be called.
    pub name: Option<FileName>,
    /// Whether the client asked for the plain build by its name, which another default would not give.
    pub names_install: bool,
}

impl Recipe {
    /// What this request asks for, by the operator's recipe where it names none: there a program without a release build is built
    /// plainly.
    pub fn new(
        resolved: Resolved,
        platform: Platform,
        go: String,
        wish: Wish,
        operators: RecipeName,
    ) -> Result<Recipe, Refusal> {
        let stamp = || Stamp::of(&resolved, &platform);
        let release = match (wish.recipe, operators) {
            (Some(RecipeName::Release), _) => Some(stamp().map_err(|refusal| {
                let plain = Wish {
                    recipe: Some(RecipeName::Install),
                    ..wish.clone()
                };
                refusal.instead([format!("{}?{plain}", resolved.path())])
            })?),
            (None, RecipeName::Release) => stamp().ok(),
            (Some(RecipeName::Install), _) | (None, RecipeName::Install) => None,
        };
        Ok(Recipe {
            kind: if resolved.states_no_needs {
                Kind::BeforeModules
            } else {
                Kind::GoInstall
            },
            resolved,
            platform,
            go,
            tags: wish.tags,
            strip: wish.strip,
            release,
            name: wish.name,
            names_install: wish.recipe == Some(RecipeName::Install),
        })
    }

    /// The key of what it makes.
    pub fn key(&self) -> BuildKey {
        let key = KeyMaker::default()
            .field(match self.kind {
                Kind::GoInstall => "go install 1",
                Kind::MainModule => "main module 1",
                Kind::BeforeModules => "before modules 2",
            })
            .field(&self.resolved.module)
            .field(&self.resolved.version)
            .field(&self.resolved.package)
            .field(self.platform.to_string())
            .field(&self.go)
            .field(self.tags.join(","))
            .field(if self.strip { "strip" } else { "" });
        let key = match &self.release {
            Some(_) => key
                .field("release 1")
                .field(self.all_tags().join(","))
                .field(self.ldflags().join(" ")),
            None => key,
        };
        key.finish()
    }

    /// The same program, built as main module.
    pub fn as_main_module(&self) -> Recipe {
        Recipe {
            kind: Kind::MainModule,
            ..self.clone()
        }
    }

    /// PACKAGE@VERSION.
    pub fn package_at_version(&self) -> String {
        format!("{}@{}", self.resolved.package, self.resolved.version)
    }

    /// The flags of `go install`.
    pub fn flags(&self) -> Vec<String> {
        recipe_flags(&self.all_tags(), &self.ldflags())
    }

    /// The client's tags and the author's, sorted.
    fn all_tags(&self) -> Vec<String> {
        let authors = self.release.iter().flat_map(|stamp| &stamp.tags);
        let tags: BTreeSet<&String> = self.tags.iter().chain(authors).collect();
        tags.into_iter().cloned().collect()
    }

    /// The author's flags for the linker, and those that strip.
    fn ldflags(&self) -> Vec<String> {
        let mut flags = self.release.clone().unwrap_or_default().ldflags;
        let stripping = ["-s", "-w"].into_iter().filter(|_| self.strip);
        let missing: Vec<&str> = stripping
            .filter(|flag| !flags.iter().any(|other| other == flag))
            .collect();
        flags.extend(missing.into_iter().map(str::to_owned));
        flags
    }

    /// What the file is called.
    pub fn file_name(&self) -> String {
        match &self.name {
            Some(name) => self.platform.executable(&name.to_string()),
            None => self.platform.executable(self.resolved.name()),
        }
    }

    /// The package's directory, from the module's root: `.` or `./cmd/x`.
    pub fn directory(&self) -> String {
        format!(
            ".{}",
            self.resolved
                .package
                .strip_prefix(&self.resolved.module)
                .unwrap_or_default()
        )
    }

    /// Whether the module is built from a copy of its tree.
    pub fn needs_a_copy(&self) -> bool {
        self.kind != Kind::GoInstall
    }

    /// Whose compile cache it may use.
    pub fn cache(&self) -> Cache {
        if self.needs_a_copy() {
            Cache::Own
        } else {
            Cache::OfAll
        }
    }

    /// What it leaves open by itself: which versions a module from before go.mod needs is told anew on another day.
    pub fn guess(&self) -> Guess {
        match self.kind {
            Kind::BeforeModules => Guess::Version,
            Kind::GoInstall | Kind::MainModule => Guess::Nothing,
        }
    }

    /// The line that makes the same bytes anywhere; for a module from before go.mod, before it is built, on the same day.
    fn verify(&self) -> String {
        match self.kind {
            Kind::GoInstall => format!(
                "{} go install {} {}",
                verify_variables(&self.go, &self.platform),
                verify_flags(&self.flags()),
                self.package_at_version()
            ),
            Kind::MainModule => self.verify_with(None, &[]),
            Kind::BeforeModules => self.verify_with(Some(&self.resolved.first_go_mod()), &[]),
        }
    }

    /// The line for a copy that got this go.mod, and these modules in place of directories.
    pub fn verify_with(&self, go_mod: Option<&str>, replaced: &[Replaced]) -> String {
        let first = go_mod.map(|go_mod| {
            // No comment decides a byte, and an author's may hold any. What is left Go has accepted as directives.
            let lines = go_mod.lines().map(|line| without_comment(line).trim());
            let lines: Vec<_> = lines
                .filter(|line| !line.is_empty())
                .map(|line| quote(&clean(line)))
                .collect();
            format!("printf '%s\\n' {} > go.mod && ", lines.join(" "))
        });
        let first = first.unwrap_or_default();
        let replaced: String = replaced.iter().map(Replaced::verify).collect();
        let (variables, flags) = (
            verify_variables(&self.go, &self.platform),
            verify_flags(&self.flags()),
        );
        let module = format!("{}@{}", self.resolved.module, self.resolved.version);
        let file = self.file_name();
        format!(
            "d=$(mktemp -d) && cp -R \"$(go mod download -json {module} | sed -n 's/.*\"Dir\": \"\\(.*\\)\",*/\\1/p')/.\" $d && \
             {replaced}chmod -R u+w $d && cd $d && {first}{variables} GOFLAGS=-mod=mod go build {flags} -buildvcs=false -o {file} {}",
            self.directory()
        )
    }

    /// What it makes, as far as that is known before it is made.
    pub fn description(&self) -> Description {
        Description {
            module: self.resolved.module.clone(),
            version: self.resolved.version.clone(),
            package: self.resolved.package.clone(),
            go: self.go.clone(),
            platform: self.platform.to_string(),
            recipe: match (&self.release, self.kind) {
                (Some(_), _) => "release".to_owned(),
                (None, Kind::GoInstall) => "go-install".to_owned(),
                (None, Kind::MainModule | Kind::BeforeModules) => "main-module".to_owned(),
            },
            verify: self.verify(),
            exact: self.exact_url(),
            file_name: self.file_name(),
            module_time: self.resolved.time,
        }
    }

    /// The path and query that always mean these bytes.
    pub fn exact_url(&self) -> String {
        let mut url = format!(
            "{}?{}&go={}",
            self.resolved.path(),
            self.platform.query(),
            self.go.trim_start_matches("go")
        );
        if !self.tags.is_empty() {
            url += &format!("&tags={}", self.tags.join(","));
        }
        if self.strip {
            url += "&strip=1";
        }
        if let Some(name) = &self.name {
            url += &format!("&name={name}");
        }
        match (&self.release, self.names_install) {
            (Some(_), _) => url + "&recipe=release",
            (None, true) => url + "&recipe=install",
            (None, false) => url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golang::ranking::Evidence;

    fn recipe() -> Recipe {
        Recipe {
            kind: Kind::GoInstall,
            resolved: Resolved {
                module: "a.b/c/v2".into(),
                version: "v2.0.0".into(),
                package: "a.b/c/v2".into(),
                time: 0,
                needs: None,
                states_no_needs: false,
                notices: None,
                evidence: Evidence::Root,
                release: Ok(vec![]),
                commit: None,
            },
            platform: Platform::new("linux", "arm64").unwrap(),
            go: "go1.26.8".into(),
            tags: vec![],
            strip: false,
            release: None,
            name: None,
            names_install: false,
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
            recipe().as_main_module(),
            Recipe {
                release: Some(Stamp::default()),
                ..recipe()
            },
            Recipe {
                release: Some(Stamp {
                    ldflags: vec!["-s".into()],
                    ..Stamp::default()
                }),
                ..recipe()
            },
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
        assert_eq!(recipe().resolved.name(), "c");
    }
}
