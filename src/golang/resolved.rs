//! What a target turned out to mean.

use serde::{Deserialize, Serialize};

use super::candidate::{is_major, last_name};
use super::ranking::Evidence;
use super::release_config::Build;
use crate::answer::Notices;
use crate::asked::{GoVersion, is_generic};

/// One package of one exact version: what `go install` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The module's path, as it declares it.
    pub module: String,
    /// The exact version, canonical.
    pub version: String,
    /// The import path of the command.
    pub package: String,
    /// When the version was made, seconds since 1970.
    pub time: u64,
    /// The oldest Go that its go.mod allows, where it says so.
    pub needs: Option<GoVersion>,
    /// Whether it is from before go.mod, and needs modules that it names no versions of.
    #[serde(default)]
    pub states_no_needs: bool,
    /// What its author says of it, which may change; `None` where nobody could say.
    #[serde(default)]
    pub notices: Option<Notices>,
    /// What decided that this command is meant.
    #[serde(default)]
    pub evidence: Evidence,
    /// How its author releases it, or why that is not known.
    pub release: Result<Vec<Build>, String>,
    /// The commit of the version, where the module proxy tells it.
    #[serde(default)]
    pub commit: Option<String>,
}

impl Resolved {
    /// The path that always means it: `/OWNER/REPO/SUB@VERSION`.
    pub fn path(&self) -> String {
        let package = self.package.strip_prefix("github.com/");
        format!("/{}@{}", package.unwrap_or(&self.package), self.version)
    }

    /// The go.mod that a module from before go.mod begins with. Its version of Go is the one that Go takes where none is said (Go
    /// modules reference, "go directive"), so that old code is read as it was written.
    pub fn first_go_mod(&self) -> String {
        format!("module {}\n\ngo 1.16\n", self.module)
    }

    /// The name of the program's file: the author's, or else the last element of the package's path that is not too general
    /// (`cmd/main` of OWNER/REPO is REPO).
    pub fn name(&self) -> &str {
        // One that differs by build says more than what the program is called.
        let builds = self.release.as_deref().unwrap_or_default();
        let authors = builds.first().and_then(|build| build.binary.as_deref());
        let is_the_same = builds.iter().all(|build| build.binary.as_deref() == authors);
        let authors = authors.filter(|name| is_the_same && !is_generic(name));
        let mut elements = self
            .package
            .split('/')
            .skip(1)
            .collect::<Vec<_>>()
            .into_iter()
            .rev();
        authors
            .or_else(|| elements.find(|element| !is_major(element) && !is_generic(element)))
            .unwrap_or_else(|| last_name(&self.package))
    }

    /// The command's directory, relative to the module's root: `.` for the root itself.
    pub fn directory(&self) -> &str {
        let below = self.package.strip_prefix(&self.module).unwrap_or_default();
        match below.trim_start_matches('/') {
            "" => ".",
            below => below,
        }
    }

    /// The command and the evidence for it, for a header.
    pub fn command(&self) -> String {
        format!("{}; by={}", self.directory(), self.evidence.name())
    }
}
