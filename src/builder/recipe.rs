//! The recipe of a program: everything that determines its bytes. The hash of that is the program's key.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::compilation::CompileCache;
use crate::config::Config;
use crate::error::Error;
use crate::golang::Resolved;
use crate::golang::release::release_flags::ReleaseFlags;
use crate::golang::resolve::go_mod::without_comment;
use crate::golang::resolve::replacements::FetchedReplacement;
use crate::golang::run::command::Go;
use crate::golang::run::flags::{format_flags, format_variables, recipe_flags};
use crate::golang::toolchain::managed;
use crate::golang::toolchain::system_limit::SystemLimit;
use crate::golang::toolchain::versions::{self, VersionRequest};
use crate::parse::{BuildOptions, Cacheability, FileName, GoVersion, NamedFile, Platform, RecipeName};
use crate::store::{BuildKey, Description, KeyHasher};
use crate::text::{quote, sanitize};

/// How `go` builds the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeKind {
    /// `go install PACKAGE@VERSION`.
    GoInstall,
    /// `go build` in a copy of the module's tree, only for modules that `go install` refuses.
    MainModule,
    /// Like `MainModule`, for a module without go.mod: it gets one that requires the newest version of each dependency.
    BeforeModules,
}

/// A program to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// How it is built.
    pub kind: RecipeKind,
    /// The package and its exact version.
    pub resolved: Resolved,
    /// The target platform.
    pub platform: Platform,
    /// The Go version: `go1.26.8`.
    pub go: String,
    /// Build tags of the request, sorted.
    pub tags: Vec<String>,
    /// Whether symbols and debugging information are omitted.
    pub strip: bool,
    /// Whether the URL has `cgo=0`: the client accepts stubs in place of code that needs cgo.
    pub accepts_stubs: bool,
    /// Flags and tags of the author's release build; `None` for a plain build.
    pub release: Option<ReleaseFlags>,
    /// The file name that the client requested.
    pub name: Option<FileName>,
    /// Whether the URL has `recipe=install`. The exact URL then needs it too, because the operator may have another default.
    pub requests_install: bool,
}

impl Recipe {
    /// Chooses the recipe of a request, with the newest Go version that suits it.
    pub fn choose(
        go: Go<'_>,
        resolved: Resolved,
        platform: Platform,
        options: BuildOptions,
        limit: Option<SystemLimit>,
    ) -> Result<Recipe, Error> {
        let request = VersionRequest {
            requested: options.go,
            required: resolved.min_go,
            limit,
        };
        let version = versions::choose(go, request)?;
        Recipe::with_go(go.config, version, resolved, platform, options)
    }

    /// Chooses a newer patch release of Go, unless the client `requested` a version: downloads it while the response may wait.
    pub fn choose_newest_patch(&mut self, go: Go<'_>, requested: Option<GoVersion>) {
        let mut is_wanted = managed::wait_until(go.deadlines.wait_deadline());
        self.go = versions::choose_for_build(go, self.go.clone(), requested, &mut is_wanted);
    }

    /// The recipe for a Go version that is chosen already. Without `recipe=` in the URL the operator's default applies. If that is
    /// `release`, a program without a release configuration gets a plain build.
    pub fn with_go(
        config: &Config,
        version: String,
        resolved: Resolved,
        platform: Platform,
        options: BuildOptions,
    ) -> Result<Recipe, Error> {
        let release_flags = || ReleaseFlags::from_config(&resolved, &platform);
        let release = match (options.recipe, config.recipe) {
            (Some(RecipeName::Release), _) => Some(release_flags().map_err(|error| {
                let plain = BuildOptions {
                    recipe: Some(RecipeName::Install),
                    ..options.clone()
                };
                error.suggest([format!("{}?{plain}", resolved.path())])
            })?),
            (None, RecipeName::Release) => release_flags().ok(),
            (Some(RecipeName::Install), _) | (None, RecipeName::Install) => None,
        };
        Ok(Recipe {
            kind: if resolved.has_unpinned_dependencies {
                RecipeKind::BeforeModules
            } else {
                RecipeKind::GoInstall
            },
            resolved,
            platform,
            go: version,
            tags: options.tags,
            strip: options.strip,
            accepts_stubs: options.accepts_stubs,
            release,
            name: options.name,
            requests_install: options.recipe == Some(RecipeName::Install),
        })
    }

    /// Returns the key of the program in the store.
    pub fn key(&self) -> BuildKey {
        let key = KeyHasher::default()
            .field(match self.kind {
                RecipeKind::GoInstall => "go install 2",
                RecipeKind::MainModule => "main module 2",
                RecipeKind::BeforeModules => "before modules 3",
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

    /// Returns the recipe of the same program as main module, for modules that `go install` refuses.
    pub fn as_main_module(&self) -> Recipe {
        Recipe {
            kind: RecipeKind::MainModule,
            ..self.clone()
        }
    }

    /// Returns `PACKAGE@VERSION`.
    pub fn package_at_version(&self) -> String {
        format!("{}@{}", self.resolved.package, self.resolved.version)
    }

    /// Returns the flags of `go install` or `go build` that determine the bytes.
    pub fn flags(&self) -> Vec<String> {
        recipe_flags(&self.all_tags(), &self.ldflags())
    }

    /// Returns the client's tags and the author's, sorted.
    pub fn all_tags(&self) -> Vec<String> {
        let authors = self.release.iter().flat_map(|flags| &flags.tags);
        let tags: BTreeSet<&String> = self.tags.iter().chain(authors).collect();
        tags.into_iter().cloned().collect()
    }

    /// Returns the author's linker flags, and those that strip.
    fn ldflags(&self) -> Vec<String> {
        let release = self.release.clone().unwrap_or_default();
        if self.strip {
            release.stripped_ldflags()
        } else {
            release.ldflags
        }
    }

    /// Returns the file name of the program.
    pub fn file_name(&self) -> String {
        match &self.name {
            Some(name) => self.platform.executable_name(&name.to_string()),
            None => self.platform.executable_name(self.resolved.name()),
        }
    }

    /// Returns the directory of the package, relative to the root of the module: `.` or `./cmd/x`.
    pub fn package_dir(&self) -> String {
        format!(
            ".{}",
            self.resolved
                .package
                .strip_prefix(&self.resolved.module)
                .unwrap_or_default()
        )
    }

    /// Whether the program is built in a copy of the module's tree.
    pub fn is_built_from_copy(&self) -> bool {
        self.kind != RecipeKind::GoInstall
    }

    /// Returns which compile cache the build may use.
    pub fn compile_cache(&self) -> CompileCache {
        if self.is_built_from_copy() {
            CompileCache::Private
        } else {
            CompileCache::Shared
        }
    }

    /// Returns how cacheable the program is: the dependencies of a module without go.mod change with time.
    pub fn cacheability(&self) -> Cacheability {
        match self.kind {
            RecipeKind::BeforeModules => Cacheability::ByVersion,
            RecipeKind::GoInstall | RecipeKind::MainModule => Cacheability::Immutable,
        }
    }

    /// Returns the shell command that reproduces the bytes. For a module without go.mod this is the command before the build, valid
    /// on the same day.
    fn verify(&self) -> String {
        match self.kind {
            RecipeKind::GoInstall => format!(
                "{} go install {} {}",
                format_variables(&self.go, &self.platform),
                format_flags(&self.flags()),
                self.package_at_version()
            ),
            RecipeKind::MainModule => self.verify_with(None, &[]),
            RecipeKind::BeforeModules => self.verify_with(Some(&self.resolved.initial_go_mod()), &[]),
        }
    }

    /// Returns the shell command for a copy of the module with this go.mod, and with these modules in place of directories.
    pub fn verify_with(&self, go_mod: Option<&str>, replaced: &[FetchedReplacement]) -> String {
        let first = go_mod.map(|go_mod| {
            // Comments do not affect the build and may contain any bytes, so they are removed. Go has accepted the rest as directives.
            let lines = go_mod.lines().map(|line| without_comment(line).trim());
            let lines: Vec<_> = lines
                .filter(|line| !line.is_empty())
                .map(|line| quote(&sanitize(line)))
                .collect();
            format!("printf '%s\\n' {} > go.mod && ", lines.join(" "))
        });
        let first = first.unwrap_or_default();
        let replaced: String = replaced.iter().map(FetchedReplacement::copy_command).collect();
        let (variables, flags) = (
            format_variables(&self.go, &self.platform),
            format_flags(&self.flags()),
        );
        let module = format!("{}@{}", self.resolved.module, self.resolved.version);
        let file = self.file_name();
        format!(
            "d=$(mktemp -d) && cp -R \"$(go mod download -json {module} | sed -n 's/.*\"Dir\": \"\\(.*\\)\",*/\\1/p')/.\" $d && \
             {replaced}chmod -R u+w $d && cd $d && {first}{variables} GOFLAGS=-mod=mod go build {flags} -buildvcs=false -o {file} {}",
            self.package_dir()
        )
    }

    /// Returns the description of the program, as far as it is known before the build.
    pub fn description(&self) -> Description {
        Description {
            module: self.resolved.module.clone(),
            version: self.resolved.version.clone(),
            package: self.resolved.package.clone(),
            go: self.go.clone(),
            platform: self.platform.to_string(),
            recipe: match (&self.release, self.kind) {
                (Some(_), _) => "release".to_owned(),
                (None, RecipeKind::GoInstall) => "go-install".to_owned(),
                (None, RecipeKind::MainModule | RecipeKind::BeforeModules) => "main-module".to_owned(),
            },
            verify: self.verify(),
            exact: self.exact_url(),
            file_name: self.file_name(),
            module_time: self.resolved.time,
        }
    }

    /// Returns the path and query of the URL that always means these bytes.
    pub fn exact_url(&self) -> String {
        let mut url = format!(
            "{}?go={}",
            NamedFile::path(&self.platform, &self.resolved.path(), &self.file_name()),
            self.go.trim_start_matches("go")
        );
        if !self.tags.is_empty() {
            url += &format!("&tags={}", self.tags.join(","));
        }
        if self.strip {
            url += "&strip=1";
        }
        if self.accepts_stubs {
            url += "&cgo=0";
        }
        if let Some(name) = &self.name {
            url += &format!("&name={name}");
        }
        match (&self.release, self.requests_install) {
            (Some(_), _) => url + "&recipe=release",
            (None, true) => url + "&recipe=install",
            (None, false) => url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golang::resolve::ranking::Evidence;

    fn recipe() -> Recipe {
        Recipe {
            kind: RecipeKind::GoInstall,
            resolved: Resolved {
                module: "a.b/c/v2".into(),
                version: "v2.0.0".into(),
                package: "a.b/c/v2".into(),
                time: 0,
                min_go: None,
                has_unpinned_dependencies: false,
                notices: None,
                evidence: Evidence::Root,
                release: Ok(vec![]),
                commit: None,
                licence_file: None,
                is_same_at_version: false,
            },
            platform: Platform::new("linux", "arm64").unwrap(),
            go: "go1.26.8".into(),
            tags: vec![],
            strip: false,
            accepts_stubs: false,
            release: None,
            name: None,
            requests_install: false,
        }
    }

    #[test]
    fn everything_that_changes_the_bytes_changes_the_key() {
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
                release: Some(ReleaseFlags::default()),
                ..recipe()
            },
            Recipe {
                release: Some(ReleaseFlags {
                    ldflags: vec!["-s".into()],
                    ..ReleaseFlags::default()
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
    fn readme_and_first_page_name_the_flags() {
        let command = format!("go install {}", format_flags(&recipe().flags()));
        let readme = include_str!("../../README.md");
        assert!(
            readme.contains(&format!("`CGO_ENABLED=0 {command} PACKAGE@VERSION`")),
            "{command}"
        );
        assert!(
            include_str!("../service/first_page.rs").contains(&format!("\"{command}\"")),
            "{command}"
        );
    }

    #[test]
    fn program_is_named_as_go_names_it() {
        assert_eq!(recipe().resolved.name(), "c");
    }
}
