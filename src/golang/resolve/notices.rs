//! Fetches a module's deprecation and retractions, which its author writes into the module's newest go.mod.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::{Error, Reason};
use crate::golang::resolve::downloaded::{self, DownloadedModule};
use crate::golang::resolve::list::ListError;
use crate::golang::run::command::Go;
use crate::notices::Notices;

/// How long a request waits for notices, at most. A healthy proxy answers in tenths of a second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches whether the module is deprecated or this version retracted; `None` if the proxy cannot answer now.
pub(super) fn fetch_notices(
    go: Go<'_>,
    work: &Path,
    module: &DownloadedModule,
    deadline: Instant,
) -> Option<Notices> {
    let version = format!("{}@{}", module.path, module.version);
    let deadline = deadline.min(Instant::now() + TIMEOUT);
    query_notices(go, work, &version, deadline)
        // Notices do not change the program: it is served without them.
        .inspect_err(|error| log::warn!("cannot find out whether {version} is retracted: {}", error.log))
        .ok()
}

fn query_notices(go: Go<'_>, work: &Path, version: &str, deadline: Instant) -> Result<Notices, Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct ModuleNotices {
        deprecated: Option<String>,
        retracted: Vec<String>,
        error: Option<ListError>,
    }
    // `go list` reports a deprecation only with -u (cmd/go/internal/list).
    let args = [
        "list",
        "-m",
        "-e",
        "-u",
        "-json=Deprecated,Retracted,Error",
        "--",
        version,
    ];
    let outcome = go.look_up(work, &args, deadline)?;
    downloaded::check_completed(go, work, version, &outcome)?;
    let module: ModuleNotices = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
    if let Some(error) = module.error {
        return Err(Error::new(Reason::ProxyFailed).log(error.err));
    }
    Ok(Notices::new(module.deprecated.as_deref(), &module.retracted))
}
