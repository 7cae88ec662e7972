//! What a module's author says of a version in the module's newest go.mod, as `go` itself reads it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::command::Go;
use super::downloaded;
use super::list::ListError;
use crate::answer::{Notices, Reason, Refusal};

/// Who waits for a program waits so long at most for what is said of it: a proxy that is well answers in tenths of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the module is deprecated, or this version taken back; `None` where nobody can say now.
pub(super) fn notices(
    go: Go<'_>,
    work: &Path,
    module: &str,
    version: &str,
    deadline: Instant,
) -> Option<Notices> {
    let version = format!("{module}@{version}");
    let deadline = deadline.min(Instant::now() + PATIENCE);
    asked(go, work, &version, deadline)
        // The program is what it is.
        .inspect_err(|refusal| log::warn!("nobody says whether {version} is retracted: {}", refusal.log))
        .ok()
}

fn asked(go: Go<'_>, work: &Path, version: &str, deadline: Instant) -> Result<Notices, Refusal> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Said {
        deprecated: Option<String>,
        retracted: Vec<String>,
        error: Option<ListError>,
    }
    // -u: only beside what is newer is told what is deprecated (cmd/go/internal/list).
    let args = [
        "list",
        "-m",
        "-e",
        "-u",
        "-json=Deprecated,Retracted,Error",
        "--",
        version,
    ];
    let outcome = go.run(work, &args, deadline)?;
    downloaded::ended(go, work, version, &outcome)?;
    let said: Said = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
    if let Some(error) = said.error {
        return Err(Refusal::new(Reason::ProxyFailed).log(error.err));
    }
    Ok(Notices::new(said.deprecated.as_deref(), &said.retracted))
}
