//! Chooses the version of Go that compiles a program, among those that the operator allows.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::managed::{self, MODULE, OnWait, arch};
use super::system_limit::SystemLimit;
use crate::config::GoChoice;
use crate::detached;
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::resolve::lookup_slot::acquire_lookup_slot;
use crate::golang::run::command::Go;
use crate::hidden_command::HiddenCommand;
use crate::parse::GoVersion;
use crate::store::file::{read_json, replace};
use crate::store::layout;
use crate::store::lock::Lock;
use crate::store::table::age;
use crate::store::work_dir::WorkDir;

/// How long the module proxy's list of versions is cached.
const LIST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an empty list is cached.
const EMPTY_LIST_TTL: Duration = Duration::from_secs(5 * 60);

/// Minimum interval between refreshes in the background.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Number of series that are supported at a time (go.dev/doc/devel/release, "Release Policy").
const SUPPORTED_SERIES: usize = 2;

/// Chooses the version, such as `go1.26.8`, for a program.
///
/// If the request names no version, this is the default Go, or the newest downloaded patch release of its series. If the program
/// requires a newer Go, or the client's system an older one, it is the newest allowed version.
pub fn choose(go: Go<'_>, request: VersionRequest) -> Result<String, Error> {
    let default = go.toolchain.go_version();
    // A development version has no number. It is used for requests that name none.
    if default.map_or(request.requested.is_none(), |version| {
        request.matches(version) && request.suffices(version)
    }) {
        if !follows_patches(go, request.requested) {
            return Ok(go.toolchain.version.clone());
        }
        let list = VersionList::read(go);
        if !list.is_fresh() {
            start_refresh(go);
        }
        let downloaded =
            newer_patches(go, &list).filter(|version| managed::is_downloaded(go.store, *version));
        return Ok(downloaded
            .max()
            .map_or(go.toolchain.version.clone(), |version| format!("go{version}")));
    }
    let list = VersionList::read(go);
    let chosen = request.choose_from(&AllowedVersions::new(go, &list));
    if list.is_fresh() {
        return chosen;
    }
    if chosen.is_ok() {
        start_refresh(go);
        return chosen;
    }
    request.choose_from(&AllowedVersions::new(go, &VersionList::update(go)?))
}

/// Replaces the `chosen` version of a program that is not built yet by the newest patch release, and downloads that. If it is not
/// available, the program is compiled with the chosen version.
pub fn choose_for_build(
    go: Go<'_>,
    chosen: String,
    requested: Option<GoVersion>,
    on_wait: OnWait<'_>,
) -> String {
    let has_default_series = |version: &GoVersion| {
        go.toolchain
            .go_version()
            .is_some_and(|default| default.series() == version.series())
    };
    if !follows_patches(go, requested) || !chosen.parse().is_ok_and(|chosen| has_default_series(&chosen)) {
        return chosen;
    }
    match download_newest_patch(go, on_wait) {
        Ok(Some(newest)) => format!("go{newest}"),
        Ok(None) => chosen,
        Err(error) => {
            log::warn!(
                "using {chosen}: the newest patch release is not available: {}",
                error.log
            );
            chosen
        }
    }
}

/// Whether newer patch releases replace the default Go: unless the operator or the client names an exact version.
fn follows_patches(go: Go<'_>, requested: Option<GoVersion>) -> bool {
    !matches!(go.config.go, GoChoice::Named(_)) && requested.is_none_or(GoVersion::is_series)
}

/// The allowed releases of the default Go's series that are newer than it.
fn newer_patches(go: Go<'_>, list: &VersionList) -> impl Iterator<Item = GoVersion> {
    let default = go.toolchain.go_version().filter(|default| default.is_release());
    let allowed = AllowedVersions::new(go, list).versions.into_iter();
    allowed.filter(move |version| {
        default.is_some_and(|default| {
            version.is_release() && version.series() == default.series() && *version > default
        })
    })
}

/// Downloads the newest patch release, if there is one that is newer than the default Go.
fn download_newest_patch(go: Go<'_>, on_wait: OnWait<'_>) -> Result<Option<GoVersion>, Error> {
    let cached = VersionList::read(go);
    let list = if cached.is_fresh() {
        cached
    } else {
        VersionList::update(go)?
    };
    let Some(newest) = newer_patches(go, &list).max() else {
        return Ok(None);
    };
    managed::ensure_version(go.toolchain, go.config, go.store, &format!("go{newest}"), on_wait)?;
    Ok(Some(newest))
}

/// Starts a process that updates the list of versions, so that no response waits for it.
fn start_refresh(go: Go<'_>) {
    let lock = Lock::try_acquire_if_due(&go.store.path(layout::VERSIONS_LOCK), REFRESH_INTERVAL);
    detached::start_if_locked(&HiddenCommand::Versions, lock, &go.store.path(layout::LOG));
}

/// The constraints on the version for one program.
#[derive(Clone, Copy, Default)]
pub struct VersionRequest {
    /// The version or series in the request.
    pub requested: Option<GoVersion>,
    /// The minimum version in go.mod.
    pub required: Option<GoVersion>,
    /// The maximum for the client's system.
    pub limit: Option<SystemLimit>,
}

impl VersionRequest {
    fn matches(self, version: GoVersion) -> bool {
        self.requested.is_none_or(|requested| requested.includes(version))
            && self.limit.is_none_or(|limit| limit.allows(version))
    }

    fn suffices(self, version: GoVersion) -> bool {
        self.required.is_none_or(|required| version >= required)
    }

    /// Chooses the newest allowed version.
    fn choose_from(self, allowed: &AllowedVersions) -> Result<String, Error> {
        let exact = self
            .requested
            .filter(|requested| !requested.is_series() && allowed.includes(*requested));
        let newest = || {
            let releases = allowed.versions.iter().copied().filter(|v| v.is_release());
            releases.filter(|v| self.matches(*v)).max()
        };
        let Some(newest) = exact.or_else(newest) else {
            if let Some(limit) = self.limit {
                return Err(Error::new(Reason::SystemTooOld).detail(limit.explain()));
            }
            return Err(Error::new(Reason::NoSuchGo).detail(format!(
                "go{} is not available. Available versions: {allowed}.",
                self.requested
                    .map_or_else(String::new, |requested| requested.to_string())
            )));
        };
        if self.suffices(newest) {
            return Ok(format!("go{newest}"));
        }
        Err(Error::new(Reason::NeedsNewerGo).detail(format!(
            "It needs go{} or newer; the newest allowed version is go{newest}.",
            self.required
                .map_or_else(String::new, |required| required.to_string())
        )))
    }
}

/// The versions that the operator allows.
struct AllowedVersions {
    /// Allowed versions and series.
    rules: BTreeSet<GoVersion>,
    /// The allowed versions that exist.
    versions: BTreeSet<GoVersion>,
}

impl AllowedVersions {
    fn new(go: Go<'_>, list: &VersionList) -> AllowedVersions {
        let releases = list.versions.iter().filter(|version| version.is_release());
        let series: BTreeSet<_> = releases.map(|version| version.series()).collect();
        let mut rules: BTreeSet<_> = match &go.config.go_versions {
            Some(versions) => versions.iter().copied().collect(),
            None => series.into_iter().rev().take(SUPPORTED_SERIES).collect(),
        };
        rules.extend(go.toolchain.go_version());
        let named = rules.iter().copied().filter(|rule| !rule.is_series());
        let included = list.versions.iter().copied();
        let included = included.filter(|version| rules.iter().any(|rule| rule.includes(*version)));
        let versions = included.chain(named).collect();
        AllowedVersions { rules, versions }
    }

    fn includes(&self, version: GoVersion) -> bool {
        self.rules.iter().any(|rule| rule.includes(version))
    }
}

impl std::fmt::Display for AllowedVersions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules: Vec<_> = self.rules.iter().map(|rule| format!("go{rule}")).collect();
        f.write_str(&rules.join(", "))
    }
}

/// The versions that the module proxy has for this machine. If the proxy lists none, only the versions that the operator names
/// can be used.
struct VersionList {
    versions: Vec<GoVersion>,
    age: Duration,
}

impl VersionList {
    /// Reads the cached list.
    fn read(go: Go<'_>) -> VersionList {
        let file = cache_file(go);
        let modified = fs::metadata(&file).and_then(|meta| meta.modified());
        VersionList {
            versions: read_json(&file).unwrap_or_default(),
            age: modified.map_or(Duration::MAX, age),
        }
    }

    fn is_fresh(&self) -> bool {
        let ttl = match self.versions.is_empty() {
            true => EMPTY_LIST_TTL,
            false => LIST_TTL,
        };
        self.age < ttl
    }

    /// Queries the module proxy and caches the list, unless another process has done so meanwhile.
    fn update(go: Go<'_>) -> Result<VersionList, Error> {
        let deadline = go.deadlines.lookup_deadline();
        let _slot = acquire_lookup_slot(go, deadline)?;
        let cached = VersionList::read(go);
        if cached.is_fresh() {
            return Ok(cached);
        }
        let queried = query_proxy(go, deadline)?;
        // When the proxy fails, the last list remains valid for another day.
        let versions = if queried.is_empty() {
            cached.versions
        } else {
            queried
        };
        let bytes = serde_json::to_vec(&versions)
            .map_err(|e| internal_error("serialize versions of Go", &e.into()))?;
        replace(&cache_file(go), &bytes).map_err(|e| internal_error("cache versions of Go", &e))?;
        Ok(VersionList {
            versions,
            age: Duration::ZERO,
        })
    }
}

/// Updates the list of versions and downloads the newest patch release, for a process in the background.
pub fn refresh(go: Go<'_>) -> Result<(), Error> {
    go.store
        .create_directories()
        .map_err(|e| internal_error("create the state directory", &e))?;
    if !follows_patches(go, None) {
        return VersionList::update(go).map(drop);
    }
    download_newest_patch(go, &mut |_| true).map(drop)
}

fn cache_file(go: Go<'_>) -> PathBuf {
    go.store.path(layout::TOOLCHAINS).join("listed.json")
}

/// Queries the versions for this machine. Returns an empty list if the proxy fails.
fn query_proxy(go: Go<'_>, deadline: Instant) -> Result<Vec<GoVersion>, Error> {
    /// Output of `go list -m -json=Versions`.
    #[derive(Default, Deserialize)]
    struct GoListVersions {
        #[serde(rename = "Versions", default)]
        versions: Vec<String>,
    }
    let work = WorkDir::create(go.store, "versions-")
        .map_err(|e| internal_error("create a directory for go list", &e))?;
    let arguments = ["list", "-m", "-e", "-versions", "-json=Versions", "--", MODULE];
    let outcome = go.run(work.path(), &arguments, deadline)?;
    let listed: GoListVersions = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
    let suffix = format!(".linux-{}", arch());
    let versions = listed.versions.iter().filter_map(|version| {
        let go = version.strip_prefix("v0.0.1-")?.strip_suffix(&suffix)?;
        go.parse::<GoVersion>()
            .ok()
            .filter(|version| !version.is_series())
    });
    let versions: Vec<_> = versions.collect();
    if versions.is_empty() {
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        log::warn!("the module proxy lists no versions of Go: {}", stderr.trim());
    }
    Ok(versions)
}
