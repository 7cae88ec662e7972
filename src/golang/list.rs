//! What the module proxy lists: the versions of many modules, by one `go list`.

use std::path::Path;
use std::time::Instant;

use serde::Deserialize;

use super::command::Go;
use super::{diagnosis, downloaded};
use crate::answer::Refusal;

/// Who asks, where, and how long.
pub(super) struct List<'a> {
    pub(super) go: Go<'a>,
    pub(super) work: &'a Path,
    pub(super) deadline: Instant,
}

/// What `go list -m -versions -json` says of a module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) path: String,
    #[serde(default)]
    pub(super) versions: Vec<String>,
    error: Option<ListError>,
}

/// Why `go list -m -e` knows nothing of a module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListError {
    pub(super) err: String,
}

impl List<'_> {
    /// Those of these modules that have versions.
    pub(super) fn of<'m>(&self, modules: impl Iterator<Item = &'m str>) -> Result<Vec<Listed>, Refusal> {
        let said = self.versions(modules)?.into_iter();
        Ok(said.filter(|listed| !listed.versions.is_empty()).collect())
    }

    /// Those of these modules of which there is anything. A proxy lists no version of a module without tags, nor of a directory
    /// that is no module: of these the newest is asked for, which Go does for one after the other.
    pub(super) fn there<'m>(&self, modules: impl Iterator<Item = &'m str>) -> Result<Vec<String>, Refusal> {
        let said = self.versions(modules)?.into_iter();
        let known = said.filter(|listed| listed.error.is_none());
        let (tagged, untagged): (Vec<_>, Vec<_>) = known.partition(|listed| !listed.versions.is_empty());
        let queries = untagged.iter().map(|listed| format!("{}@latest", listed.path));
        let queries: Vec<String> = queries.collect();
        let mut there = tagged;
        if !queries.is_empty() {
            let args = ["list", "-m", "-e", "-json=Path,Error", "--"];
            let said = self.ask(&args, queries.iter().map(String::as_str))?.into_iter();
            there.extend(said.filter(|listed| listed.error.is_none()));
        }
        Ok(there.into_iter().map(|listed| listed.path).collect())
    }

    fn versions<'m>(&self, modules: impl Iterator<Item = &'m str>) -> Result<Vec<Listed>, Refusal> {
        let args = ["list", "-m", "-e", "-versions", "-json=Path,Versions,Error", "--"];
        self.ask(&args, modules)
    }

    /// What `go` says of each, unless the proxy is in trouble: else a newer major would not be there for as long as that lasts.
    fn ask<'m>(
        &self,
        flags: &[&'m str],
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<Listed>, Refusal> {
        let args: Vec<&str> = flags.iter().copied().chain(modules).collect();
        let outcome = self.go.run(self.work, &args, self.deadline)?;
        downloaded::ended(self.go, self.work, "versions", &outcome)?;
        let said = serde_json::Deserializer::from_slice(&outcome.stdout).into_iter::<Listed>();
        let said: Vec<Listed> = said.map_while(Result::ok).collect();
        if said.len() < args.len() - flags.len() {
            let words = String::from_utf8_lossy(&outcome.stderr);
            return Err(diagnosis::module(&words, false, &self.go.hidden()));
        }
        let mut errors = said.iter().filter_map(|listed| listed.error.as_ref());
        match errors.find(|error| diagnosis::is_trouble(&error.err)) {
            Some(trouble) => Err(diagnosis::module(&trouble.err, false, &self.go.hidden())),
            None => Ok(said),
        }
    }
}
