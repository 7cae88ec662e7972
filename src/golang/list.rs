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
        let mut args = vec!["list", "-m", "-e", "-versions", "-json=Path,Versions,Error", "--"];
        args.extend(modules);
        let outcome = self.go.run(self.work, &args, self.deadline)?;
        downloaded::ended(self.go, self.work, "versions", &outcome)?;
        let mut there = Vec::new();
        for listed in serde_json::Deserializer::from_slice(&outcome.stdout).into_iter::<Listed>() {
            let Ok(listed) = listed else { break };
            match &listed.error {
                // Else a newer major would not be there for as long as the proxy is in trouble.
                Some(error) if diagnosis::is_trouble(&error.err) => {
                    return Err(diagnosis::module(&error.err, false, &self.go.hidden()));
                }
                _ if listed.versions.is_empty() => {}
                _ => there.push(listed),
            }
        }
        Ok(there)
    }
}
