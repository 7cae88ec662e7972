//! What a target turned out to mean.

use serde::{Deserialize, Serialize};

use super::candidate::last_name;
use crate::answer::Notices;
use crate::asked::GoVersion;

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

    /// What `go install` calls the program.
    pub fn name(&self) -> &str {
        last_name(&self.package)
    }
}
