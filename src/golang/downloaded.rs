//! What `go mod download -json MODULE@VERSION` says of the one module that it was asked for.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command::Go;
use super::diagnosis;
use super::growth::is_of_sane_depth;
use super::tool_runs::ToolRuns;
use crate::answer::{Reason, Refusal};
use crate::sandbox::process::{Ended, Outcome};

/// A version of a module, in a module cache.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Downloaded {
    /// The exact version.
    pub version: String,
    error: String,
    /// The version's `.info`.
    pub info: PathBuf,
    /// The go.mod, made up for a module that has none.
    pub go_mod: PathBuf,
    /// Where it is unpacked.
    pub dir: PathBuf,
    /// The hash of its content, as go.sum has it.
    pub sum: String,
}

impl Downloaded {
    /// Reads what a run in `work` said of `query`; `exact` if that names a version, and not what it would be called today.
    pub fn read(
        go: Go<'_>,
        work: &Path,
        query: &str,
        exact: bool,
        outcome: &Outcome,
    ) -> Result<Downloaded, Refusal> {
        let hidden = go.hidden();
        ended(go, work, query, outcome)?;
        let said: Downloaded = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
        if said.error.is_empty() && said.dir.is_dir() {
            return match is_of_sane_depth(&said.dir) {
                true => Ok(said),
                false => {
                    Err(Refusal::new(Reason::TooMuchDisk).log(format!("{query} has directories too deep")))
                }
            };
        }
        let words = match said.error.is_empty() {
            true => String::from_utf8_lossy(&outcome.stderr).into_owned(),
            false => said.error,
        };
        Err(diagnosis::module(&words, exact, &hidden))
    }
}

/// Whether a run in `work` that asked for `query` came to its end, well or badly.
pub fn ended(go: Go<'_>, work: &Path, query: &str, outcome: &Outcome) -> Result<(), Refusal> {
    match outcome.ended {
        Ended::Exited(_) => Ok(()),
        Ended::TimedOut => {
            let log = format!("{query}: the module proxy did not come to an end in time");
            Err(Refusal::new(Reason::ProxyFailed).log(log))
        }
        Ended::Signalled(_) | Ended::TooMuchOutput | Ended::Stopped => {
            let no_tools = ToolRuns::default();
            Err(diagnosis::build(
                outcome,
                &no_tools,
                go.cpu_limit(),
                work,
                &go.hidden(),
            ))
        }
    }
}
