//! Finds a module's deprecation and retractions, which its author writes into the module's newest go.mod.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::resolve::Resolver;
use crate::golang::resolve::downloaded;
use crate::golang::resolve::lookup::{ListError, Lookup};
use crate::notices::Notices;
use crate::parse::Version;

/// How long a request waits for notices, at most. A healthy proxy answers in tenths of a second.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Resolver<'_> {
    /// Finds out whether the module is deprecated or this version retracted; `None` if the proxy cannot answer now.
    pub(super) fn find_notices(&self, resolved: &Resolved) -> Option<Notices> {
        if self.is_certainly_without_notices(resolved) {
            return Some(Notices::default());
        }
        let version = format!("{}@{}", resolved.module, resolved.version);
        self.lookup
            .query_notices(&version)
            // Notices do not change the program: it is served without them.
            .inspect_err(|error| log::warn!("cannot find out whether {version} is retracted: {}", error.log))
            .ok()
    }

    /// Whether `latest` means the newest listed version, and no go.mod of the module in the module cache deprecates the module. `go` does not
    /// take a retracted version as the latest. To know that, it fetches the newest go.mod (cmd/go/internal/modload, CheckRetractions).
    fn is_certainly_without_notices(&self, resolved: &Resolved) -> bool {
        let downloads = self.downloads.borrow();
        let downloaded = downloads.get(&resolved.module).and_then(|d| d.as_ref().ok());
        let index = downloaded.and_then(|downloaded| downloaded.go_mod.parent());
        *self.target.version() == Version::Latest
            && self.majors.borrow().newest_version(&resolved.module) == Some(&resolved.version)
            && index.is_some_and(|index| may_deprecate(index).is_ok_and(|may| !may))
    }
}

/// Whether a go.mod in this directory may deprecate the module.
fn may_deprecate(index: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(index)? {
        let path = entry?.path();
        let is_go_mod = path.extension().is_some_and(|extension| extension == "mod");
        if is_go_mod && String::from_utf8_lossy(&fs::read(&path)?).contains("Deprecated:") {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Lookup<'_> {
    /// Queries the notices of `version`, MODULE@VERSION.
    fn query_notices(&self, version: &str) -> Result<Notices, Error> {
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
        let deadline = self.deadline.min(Instant::now() + TIMEOUT);
        let outcome = self.go.look_up(self.work, &args, deadline)?;
        downloaded::check_completed(self.go, self.work, version, &outcome)?;
        let module: ModuleNotices = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
        if let Some(error) = module.error {
            return Err(Error::new(Reason::ProxyFailed).log(error.err));
        }
        Ok(Notices::new(module.deprecated.as_deref(), &module.retracted))
    }
}
