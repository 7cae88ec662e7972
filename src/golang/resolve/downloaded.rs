//! A module version in the module cache, from the output of `go mod download -json MODULE@VERSION`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::golang::run::diagnosis;
use crate::golang::run::disk_quota::has_allowed_depth;
use crate::golang::run::tool_runs::ToolRuns;
use crate::sandbox::process::{Outcome, Termination};

/// A module version in a module cache.
#[derive(Default, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DownloadedModule {
    /// The module's path.
    pub path: String,
    /// The exact version.
    pub version: String,
    /// Go's error; empty if the download succeeded.
    pub(super) error: String,
    /// The path of the version's `.info` file.
    pub(super) info: PathBuf,
    /// The path of its go.mod. The `go` command synthesizes one for a module that has none.
    pub go_mod: PathBuf,
    /// Its zip.
    pub(in crate::golang) zip: PathBuf,
    /// The directory in which it is unpacked, or its outline (`source/outline.rs`).
    pub dir: PathBuf,
    /// The hash of its content, as in go.sum: `h1:…`.
    pub sum: String,
    /// All directories of a module of which only the outline is unpacked.
    #[serde(skip)]
    pub(super) directories: BTreeSet<String>,
}

/// The used fields of a version's `.info` file.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VersionInfo {
    time: String,
    origin: Option<Origin>,
}

/// The repository that a version comes from.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Origin {
    hash: Option<String>,
}

impl DownloadedModule {
    /// Parses the outcome of a run in `work` for `query`. `exact` says that the client named the version.
    pub fn parse(
        go: Go<'_>,
        work: &Path,
        query: &str,
        exact: bool,
        outcome: &Outcome,
    ) -> Result<DownloadedModule, Error> {
        let hidden = go.hidden_paths();
        check_completed(go, work, query, outcome)?;
        let downloaded: DownloadedModule = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
        if downloaded.error.is_empty() && downloaded.dir.is_dir() {
            return match has_allowed_depth(&downloaded.dir) {
                true => Ok(downloaded),
                false => {
                    Err(Error::new(Reason::TooMuchDisk)
                        .log(format!("{query} has too deeply nested directories")))
                }
            };
        }
        let messages = match downloaded.error.is_empty() {
            true => String::from_utf8_lossy(&outcome.stderr).into_owned(),
            false => downloaded.error,
        };
        Err(diagnosis::diagnose_module(&messages, exact, &hidden))
    }

    /// Whether the module has this directory.
    pub fn has_directory(&self, path: &str) -> bool {
        self.directories.contains(path) || self.dir.join(path).is_dir()
    }

    /// Whether the module has this directory or file. Of an outline, only some files are known.
    pub fn contains(&self, path: &str) -> bool {
        self.directories.contains(path) || self.dir.join(path).exists()
    }

    /// Reads the commit of the version: from its `.info`, if the module proxy reports an origin, or else from a pseudo-version (Go
    /// modules reference, "Pseudo-versions").
    pub fn read_commit(&self) -> Option<String> {
        let is_hash = |text: &String| text.len() >= 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let origin = self.read_info().origin;
        let hash = origin.and_then(|origin| origin.hash);
        hash.filter(is_hash)
            .or_else(|| pseudo_version_commit(&self.version).filter(is_hash))
    }

    /// Reads the time of the version's commit from its `.info`, in seconds since 1970; 0 if it has none.
    pub fn read_time(&self) -> u64 {
        let time = humantime::parse_rfc3339_weak(&self.read_info().time).ok();
        time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_secs())
    }

    /// Finds the licence file at the module's root, by the names that pkg.go.dev looks for (pkg.go.dev/license-policy).
    pub fn find_licence_file(&self) -> Option<String> {
        const STARTS: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"];
        let is_licence = |name: &String| {
            let name = name.to_ascii_uppercase();
            STARTS.iter().any(|start| name.starts_with(start))
        };
        let entries = std::fs::read_dir(&self.dir).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(is_licence).min()
    }

    /// Reads the `.info` file. A missing or malformed file gives an empty result.
    fn read_info(&self) -> VersionInfo {
        let bytes = std::fs::read(&self.info).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

/// The commit prefix in a pseudo-version: `abcdefabcdef` of `v1.2.4-0.20250102030405-abcdefabcdef`.
pub fn pseudo_version_commit(version: &str) -> Option<String> {
    let version = version.split('+').next()?;
    let (before, commit) = version.rsplit_once('-')?;
    let time = before.rsplit(['-', '.']).next()?;
    let is_time = time.len() == 14 && time.bytes().all(|b| b.is_ascii_digit());
    (is_time && commit.len() == 12).then(|| commit.to_owned())
}

/// Fails if a run in `work` for `query` did not exit by itself: it timed out, was killed, or exceeded a limit. Any exit status is fine.
pub fn check_completed(go: Go<'_>, work: &Path, query: &str, outcome: &Outcome) -> Result<(), Error> {
    match outcome.termination {
        Termination::Exited(_) => Ok(()),
        Termination::TimedOut => {
            let log = format!("{query}: the module proxy did not answer in time");
            Err(Error::new(Reason::ProxyFailed).log(log))
        }
        Termination::Signalled(_) | Termination::TooMuchOutput | Termination::Stopped => {
            let no_tools = ToolRuns::default();
            Err(diagnosis::diagnose_build(
                outcome,
                &no_tools,
                go.cpu_limit(),
                work,
                &go.hidden_paths(),
            ))
        }
    }
}
