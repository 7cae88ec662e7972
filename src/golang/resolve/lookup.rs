//! The runs of `go` of one lookup. Here: `go list -m`, for many modules at once. `fetch.rs` and `notices.rs` have the others.

use std::path::Path;
use std::time::Instant;

use serde::Deserialize;

use crate::error::Error;
use crate::golang::resolve::downloaded;
use crate::golang::run::command::Go;
use crate::golang::run::diagnosis;

/// Runs `go` in a working directory, until a deadline.
#[derive(Clone, Copy)]
pub(in crate::golang) struct Lookup<'a> {
    pub(in crate::golang) go: Go<'a>,
    pub(in crate::golang) work: &'a Path,
    pub(in crate::golang) deadline: Instant,
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
    pub(super) error: Option<ListError>,
}

/// Which versions are listed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum Listed {
    #[default]
    All,
    /// Those that their author has not retracted. For each module that has a version, `go` then fetches the newest go.mod and verifies it:
    /// several requests, one after the other.
    NotRetracted,
}

/// The error of `go list -m -e` for one module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListError {
    pub(super) err: String,
}

impl Lookup<'_> {
    /// Queries the times of these versions, MODULE@VERSION.
    pub(super) fn query_times<'m>(
        &self,
        versions: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let args = ["list", "-m", "-e", "-json=Path,Version,Time,Error", "--"];
        self.run(&args, versions)
    }

    /// Lists versions of these modules.
    pub(super) fn query_versions<'m>(
        &self,
        listed: Listed,
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let mut args = vec!["list", "-m", "-e", "-versions", "-json=Path,Versions,Error"];
        match listed {
            Listed::All => args.push("-retracted"),
            Listed::NotRetracted => {}
        }
        args.push("--");
        self.run(&args, modules)
    }

    /// Runs `go list` and parses its output. Fails if the proxy fails for any module: an incomplete list would hide a newer major.
    fn run<'m>(
        &self,
        flags: &[&'m str],
        modules: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<ModuleVersions>, Error> {
        let args: Vec<&str> = flags.iter().copied().chain(modules).collect();
        let outcome = self.go.look_up(self.work, &args, self.deadline)?;
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
