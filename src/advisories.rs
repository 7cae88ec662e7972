//! Known vulnerabilities of a program, from the index of the Go vulnerability database. The result is cached beside the program until
//! the index changes. No request waits for the database to be downloaded.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{Config, VulnerabilityPolicy};
use crate::error::{Error, Reason};
use crate::golang::build_info::BuildInfo;
use crate::golang::vulnerabilities::{
    self, Advisories, DatabaseVersion, Finding, STANDARD_LIBRARY, VulnerabilityQuery,
};
use crate::golang::vulnerability_database::refresh_if_old;
use crate::store::file::{read_json, replace};
use crate::store::file_stamp::FileStamp;
use crate::store::{Artifact, Store};

/// Origin and licence of the entries.
const SOURCE: &str = "Go vulnerability database, https://go.dev/security/vuln, licence CC BY 4.0";

/// The result that is cached beside a program.
#[derive(Serialize, Deserialize)]
struct CachedAdvisories {
    /// The index that was used.
    index: FileStamp,
    /// `None` for a program that has no build information.
    advisories: Option<Advisories>,
}

/// Whether a program has known vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VulnerabilityStatus {
    /// The operator turned the lookup off.
    NotChecked,
    /// The database is missing or unreadable.
    Unknown,
    /// The program was looked up in the database.
    Checked(Advisories),
}

/// Looks up a program in the current index. If the index is old, another process is started to fetch a newer one.
pub fn check_vulnerabilities(artifact: &Artifact, config: &Config, store: &Store) -> VulnerabilityStatus {
    if config.vulnerable == VulnerabilityPolicy::Off {
        return VulnerabilityStatus::NotChecked;
    }
    let index = vulnerabilities::index_path(store);
    let metadata = fs::metadata(&index);
    refresh_if_old(&metadata, store);
    let Ok(stamp) = metadata.and_then(|metadata| FileStamp::from_metadata(&metadata)) else {
        return VulnerabilityStatus::Unknown;
    };
    let advisories = look_up_cached(artifact, &index, stamp);
    advisories
        .inspect_err(|error| log::warn!("cannot look up known vulnerabilities: {error}"))
        .ok()
        .flatten()
        .map_or(VulnerabilityStatus::Unknown, VulnerabilityStatus::Checked)
}

/// `None` if the program has no build information.
fn look_up_cached(artifact: &Artifact, index: &Path, stamp: FileStamp) -> io::Result<Option<Advisories>> {
    let path = artifact.path.with_file_name("vulnerabilities.json");
    let cached: Option<CachedAdvisories> = read_json(&path);
    if let Some(cached) = cached.filter(|cached| cached.index == stamp) {
        return Ok(cached.advisories);
    }
    let info = BuildInfo::read(&artifact.file)?;
    let advisories = info
        .map(|info| {
            vulnerabilities::find_vulnerabilities(
                index,
                &VulnerabilityQuery::for_program(&artifact.meta, &info),
            )
        })
        .transpose()?;
    let cached = CachedAdvisories {
        index: stamp,
        advisories,
    };
    // A result that cannot be cached is looked up again for the next request.
    replace(&path, &serde_json::to_vec(&cached)?)
        .unwrap_or_else(|error| log::warn!("cannot write {}: {error}", path.display()));
    Ok(cached.advisories)
}

impl VulnerabilityStatus {
    /// The value of `Gox-Vulnerabilities`: the number, and the date of the database.
    pub fn header(&self) -> Option<String> {
        match self {
            VulnerabilityStatus::NotChecked => None,
            VulnerabilityStatus::Unknown => Some("unknown".to_owned()),
            VulnerabilityStatus::Checked(advisories) => Some(format!(
                "{}; db={}",
                advisories.known.len(),
                advisories.database.date
            )),
        }
    }

    /// All findings, for the `.json` sidecar.
    pub fn json(&self) -> Value {
        match self {
            VulnerabilityStatus::NotChecked | VulnerabilityStatus::Unknown => Value::Null,
            VulnerabilityStatus::Checked(advisories) => json!({
                "source": SOURCE,
                "database": advisories.database,
                "known": advisories.known,
                "repaired_by": advisories.repaired_by,
            }),
        }
    }

    /// A summary for a person at a terminal.
    pub fn sentence(&self) -> Option<String> {
        let VulnerabilityStatus::Checked(advisories) = self else {
            return None;
        };
        let DatabaseVersion { date, .. } = &advisories.database;
        Some(match advisories.known.len() {
            0 => {
                format!("No known vulnerabilities in the linked code (Go vulnerability database of {date}).")
            }
            number => format!(
                "Known vulnerabilities in the linked code: {number} (Go vulnerability database of {date}).\n  {}",
                lines(advisories).join("\n  ")
            ),
        })
    }

    /// Fails for a program with known vulnerabilities if the operator refuses those. An unknown status is accepted.
    pub fn check_policy(&self, config: &Config) -> Result<(), Error> {
        match self {
            VulnerabilityStatus::Checked(advisories)
                if config.vulnerable == VulnerabilityPolicy::Refuse && !advisories.known.is_empty() =>
            {
                Err(Error::new(Reason::KnownVulnerabilities).detail(lines(advisories).join("\n")))
            }
            VulnerabilityStatus::NotChecked
            | VulnerabilityStatus::Unknown
            | VulnerabilityStatus::Checked(_) => Ok(()),
        }
    }
}

/// One line for each finding.
fn lines(advisories: &Advisories) -> Vec<String> {
    let line = |finding: &Finding| {
        let module = match finding.module.as_str() {
            STANDARD_LIBRARY => finding.version.clone(),
            module => format!("{module} {}", finding.version),
        };
        let fixed = finding.fixed.as_ref().map(|fixed| format!(", fixed in {fixed}"));
        let unreviewed = if finding.reviewed { "" } else { ", unreviewed" };
        let fixed = fixed.unwrap_or_default();
        format!("{} {module}{fixed}{unreviewed}: {}", finding.id, finding.summary)
    };
    advisories.known.iter().map(line).collect()
}
