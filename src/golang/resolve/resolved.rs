//! The result of a resolution.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::golang::release::release_config::{ReleaseBuild, ReleaseConfig};
use crate::golang::resolve::candidate::{is_major, join, last_name};
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::resolve::go_mod::read_directive;
use crate::golang::resolve::ranking::Evidence;
use crate::golang::source::commands;
use crate::notices::Notices;
use crate::parse::{FileName, GoVersion, MinAge, is_generic_name};

/// One package at one exact version: the argument of `go install`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The module path that go.mod declares.
    pub module: String,
    /// The exact version, in canonical form.
    pub version: String,
    /// The import path of the command.
    pub package: String,
    /// The time of the version's commit, in seconds since 1970.
    pub time: u64,
    /// The `go` directive of its go.mod: the minimum Go version.
    pub min_go: Option<GoVersion>,
    /// Whether it has no go.mod and imports other modules, so the versions of its dependencies are unspecified.
    #[serde(default)]
    pub has_unpinned_dependencies: bool,
    /// Deprecation and retraction, which may change; `None` if the module proxy could not answer.
    #[serde(default)]
    pub notices: Option<Notices>,
    /// The evidence that selected this command.
    #[serde(default)]
    pub evidence: Evidence,
    /// The author's release builds of it, or why they are unknown.
    pub release: Result<Vec<ReleaseBuild>, String>,
    /// The commit of the version, if the module proxy reports it.
    #[serde(default)]
    pub commit: Option<String>,
    /// The name of the licence file at the module's root.
    #[serde(default)]
    pub licence_file: Option<String>,
    /// Whether a request for its exact version has the same result, notices included.
    #[serde(skip)]
    pub is_same_at_version: bool,
}

impl Resolved {
    /// Reads everything that the downloaded module says about the command in `dir`. `project` is the name in a release configuration
    /// that has none.
    pub fn from_downloaded(
        module: &str,
        dir: &str,
        downloaded: &DownloadedModule,
        project: &str,
    ) -> Resolved {
        Resolved {
            module: module.to_owned(),
            version: downloaded.version.clone(),
            package: join(module, dir),
            time: downloaded.read_time(),
            min_go: read_directive(&downloaded.go_mod, "go").and_then(|version| version.parse().ok()),
            has_unpinned_dependencies: commands::has_unpinned_dependencies(&downloaded.dir, module),
            notices: None,
            evidence: Evidence::default(),
            release: ReleaseConfig::read(&downloaded.dir).find_builds(module, dir, project),
            commit: downloaded.read_commit(),
            licence_file: downloaded.find_licence_file(),
            is_same_at_version: false,
        }
    }

    /// The canonical path on this service: `/OWNER/REPO/SUB@VERSION`.
    pub fn path(&self) -> String {
        let package = self.package.strip_prefix("github.com/");
        format!("/{}@{}", package.unwrap_or(&self.package), self.version)
    }

    /// The initial go.mod of a module that has none. Its `go` directive is the default of a go.mod without one (Go modules reference,
    /// "go directive"), so that old code compiles under the language version it was written for.
    pub fn initial_go_mod(&self) -> String {
        format!("module {}\n\ngo 1.16\n", self.module)
    }

    /// The file name of the program: the author's name for it, or else the last element of the package path that is specific
    /// (`cmd/main` of OWNER/REPO gives REPO).
    pub fn name(&self) -> &str {
        // A name that differs between builds contains more than the program's name, such as the platform.
        let builds = self.release.as_deref().unwrap_or_default();
        let released_name = builds.first().and_then(|build| build.binary.as_ref());
        let is_same = builds.iter().all(|build| build.binary.as_ref() == released_name);
        let released_name = released_name
            .map(FileName::as_str)
            .filter(|name| is_same && !is_generic_name(name));
        let mut elements = self
            .package
            .split('/')
            .skip(1)
            .collect::<Vec<_>>()
            .into_iter()
            .rev();
        released_name
            .or_else(|| elements.find(|element| !is_major(element) && !is_generic_name(element)))
            .unwrap_or_else(|| last_name(&self.package))
    }

    /// Whether the version is at least this old. An unknown time is not.
    pub fn is_aged(&self, min_age: MinAge) -> bool {
        let time = (self.time > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(self.time));
        let age = time.and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_some_and(|age| age >= min_age.duration())
    }

    /// The command's directory relative to the module's root; `.` for the root itself.
    pub fn directory(&self) -> &str {
        let relative = self.package.strip_prefix(&self.module).unwrap_or_default();
        match relative.trim_start_matches('/') {
            "" => ".",
            relative => relative,
        }
    }

    /// The value of the `Gox-Command` header: the directory and the evidence.
    pub fn command(&self) -> String {
        format!("{}; by={}", self.directory(), self.evidence.name())
    }
}
