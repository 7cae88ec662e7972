//! Lists the versions of many modules with one `go list -m`.

use std::path::Path;
use std::time::Instant;

use serde::Deserialize;

use crate::error::Error;
use crate::golang::resolve::downloaded;
use crate::golang::run::command::Go;
use crate::golang::run::diagnosis;

/// Runs `go list -m` in a working directory, until a deadline.
pub(super) struct GoList<'a> {
    pub(super) go: Go<'a>,
    pub(super) work: &'a Path,
    pub(super) deadline: Instant,
}

/// The output of `go list -m -json` for one module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ModuleVersions {
    pub(super) path: String,
    #[serde(default)]
    pub(super) versions: Vec<String>,
    /// The version, if one was queried.
    #[serde(default)]
    pub(super) version: String,
    /// Its time (RFC 3339); empty if it is unknown.
    #[serde(default)]
    pub(super) time: String,
    error: Option<ListError>,
}

/// The error of `go list -m -e` for one module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListError {
    pub(super) err: String,
}

impl GoList<'_> {
    /// Lists the modules that have tagged versions.
    pub(super) fn list_tagged<'m>(
        &self,
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let mut listed = self.query_versions(modules)?;
        listed.retain(|module| !module.versions.is_empty());
        Ok(listed)
    }

    /// Lists the paths of the modules that exist. A proxy lists no version for a module without tags, nor for a directory that is not
    /// a module. A query of `@latest` separates the two; Go sends these queries one after the other.
    pub(super) fn list_existing<'m>(
        &self,
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<String>, Error> {
        let listed = self.query_versions(modules)?.into_iter();
        let known = listed.filter(|module| module.error.is_none());
        let (tagged, untagged): (Vec<_>, Vec<_>) = known.partition(|module| !module.versions.is_empty());
        let queries = untagged.iter().map(|module| format!("{}@latest", module.path));
        let queries: Vec<String> = queries.collect();
        let mut existing = tagged;
        if !queries.is_empty() {
            let args = ["list", "-m", "-e", "-json=Path,Error", "--"];
            let latest = self.run(&args, queries.iter().map(String::as_str))?.into_iter();
            existing.extend(latest.filter(|module| module.error.is_none()));
        }
        Ok(existing.into_iter().map(|module| module.path).collect())
    }

    /// Queries the times of these versions, MODULE@VERSION.
    pub(super) fn query_times<'m>(
        &self,
        versions: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let args = ["list", "-m", "-e", "-json=Path,Version,Time,Error", "--"];
        self.run(&args, versions)
    }

    fn query_versions<'m>(
        &self,
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let args = ["list", "-m", "-e", "-versions", "-json=Path,Versions,Error", "--"];
        self.run(&args, modules)
    }

    /// Runs `go list` and parses its output. Fails if the proxy fails for any module: an incomplete list would hide a newer major.
    fn run<'m>(
        &self,
        flags: &[&'m str],
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let args: Vec<&str> = flags.iter().copied().chain(modules).collect();
        let outcome = self.go.run(self.work, &args, self.deadline)?;
        downloaded::check_completed(self.go, self.work, "versions", &outcome)?;
        let listed = serde_json::Deserializer::from_slice(&outcome.stdout).into_iter::<ModuleVersions>();
        let listed: Vec<ModuleVersions> = listed.map_while(Result::ok).collect();
        if listed.len() < args.len() - flags.len() {
            let messages = String::from_utf8_lossy(&outcome.stderr);
            return Err(diagnosis::diagnose_module(
                &messages,
                false,
                &self.go.hidden_paths(),
            ));
        }
        let mut errors = listed.iter().filter_map(|module| module.error.as_ref());
        match errors.find(|error| diagnosis::is_proxy_failure(&error.err)) {
            Some(error) => Err(diagnosis::diagnose_module(
                &error.err,
                false,
                &self.go.hidden_paths(),
            )),
            None => Ok(listed),
        }
    }
}
