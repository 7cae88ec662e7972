//! What is known to be wrong with a program: looked up in the index of the vulnerability database, and cached beside the program until
//! there is a newer index. No request waits for the database.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{Reason, Refusal};
use crate::config::{Config, Vulnerable};
use crate::golang::build_info::BuildInfo;
use crate::golang::vulnerabilities::{self, Database, Finding, Linked, STANDARD_LIBRARY, newest};
use crate::golang::vulnerability_database::{FRESH_FOR, begin_refresh};
use crate::store::file::{read_json, replace};
use crate::store::table::age;
use crate::store::{Artifact, Store};

/// Under which licence the entries are, and where they come from.
const SOURCE: &str = "Go vulnerability database, https://go.dev/security/vuln, licence CC BY 4.0";

/// What is known of the modules that are linked into a program, and of its standard library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisories {
    database: Database,
    known: Vec<Finding>,
}

/// What is cached beside a program.
#[derive(Serialize, Deserialize)]
struct Cached {
    /// The index that it was looked up in.
    index: Stamp,
    /// `None` for a program that has no build information.
    advisories: Option<Advisories>,
}

/// Distinguishes an index from the one before.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

/// What is known of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The operator does not want it looked up.
    NotAsked,
    /// There is no database yet, or none that can be read.
    Nothing,
    /// This.
    Of(Advisories),
}

/// What is known of this program now. An old database is used, and a newer one fetched by another process.
pub fn known(artifact: &Artifact, config: &Config, store: &Store) -> Known {
    if config.vulnerable == Vulnerable::Off {
        return Known::NotAsked;
    }
    let index = vulnerabilities::index(store);
    let metadata = fs::metadata(&index);
    let changed = metadata
        .as_ref()
        .ok()
        .and_then(|metadata| metadata.modified().ok());
    if changed.is_none_or(|at| age(at) > FRESH_FOR) {
        begin_refresh(store);
    }
    let Ok(metadata) = metadata else {
        return Known::Nothing;
    };
    let stamp = Stamp {
        inode: metadata.ino(),
        size: metadata.size(),
        seconds: metadata.mtime(),
        nanoseconds: metadata.mtime_nsec(),
    };
    let advisories = cached(artifact, &index, stamp);
    advisories
        .inspect_err(|error| log::warn!("cannot look up known vulnerabilities: {error}"))
        .ok()
        .flatten()
        .map_or(Known::Nothing, Known::Of)
}

fn cached(artifact: &Artifact, index: &Path, stamp: Stamp) -> io::Result<Option<Advisories>> {
    let place = artifact.path.with_file_name("vulnerabilities.json");
    let cached: Option<Cached> = read_json(&place);
    if let Some(cached) = cached.filter(|cached| cached.index == stamp) {
        return Ok(cached.advisories);
    }
    let info = BuildInfo::read(&artifact.file)?;
    let advisories = info
        .map(|info| vulnerabilities::look(index, &Linked::of(&artifact.meta, &info)))
        .transpose()?
        .map(|(database, known)| Advisories { database, known });
    let cached = Cached {
        index: stamp,
        advisories,
    };
    // Where it cannot be kept it is looked up again.
    replace(&place, &serde_json::to_vec(&cached)?)
        .unwrap_or_else(|error| log::warn!("cannot write {}: {error}", place.display()));
    Ok(cached.advisories)
}

impl Known {
    /// `Gox-Vulnerabilities`: how many, and the date of the database.
    pub fn header(&self) -> Option<String> {
        match self {
            Known::NotAsked => None,
            Known::Nothing => Some("unknown".to_owned()),
            Known::Of(advisories) => Some(format!(
                "{}; db={}",
                advisories.known.len(),
                advisories.database.date
            )),
        }
    }

    /// All of it, for the `.json` beside a program.
    pub fn json(&self) -> Value {
        match self {
            Known::NotAsked | Known::Nothing => Value::Null,
            Known::Of(advisories) => json!({
                "source": SOURCE,
                "database": advisories.database,
                "known": advisories.known,
                "repaired_by": advisories.repairs().into_iter().collect::<serde_json::Map<_, _>>(),
            }),
        }
    }

    /// For a person; `None` where there is nothing to say.
    pub fn sentence(&self) -> Option<String> {
        let Known::Of(advisories) = self else { return None };
        let Database { date, .. } = &advisories.database;
        Some(match advisories.known.len() {
            0 => {
                format!("No vulnerability is known of what is linked (Go vulnerability database of {date}).")
            }
            number => format!(
                "{number} known vulnerabilities in what is linked (Go vulnerability database of {date}):\n  {}",
                advisories.lines().join("\n  ")
            ),
        })
    }

    /// Refuses a program of which any is known, where the operator wants that. An unknown state is no reason.
    pub fn permit(&self, config: &Config) -> Result<(), Refusal> {
        match self {
            Known::Of(advisories)
                if config.vulnerable == Vulnerable::Refuse && !advisories.known.is_empty() =>
            {
                Err(Refusal::new(Reason::KnownVulnerabilities).detail(advisories.lines().join("\n")))
            }
            Known::NotAsked | Known::Nothing | Known::Of(_) => Ok(()),
        }
    }
}

impl Advisories {
    /// The newest of the versions that repair something, by module. The version of Go is that of the `stdlib`.
    fn repairs(&self) -> Vec<(String, Value)> {
        let mut modules: Vec<&str> = self.known.iter().map(|finding| finding.module.as_str()).collect();
        modules.sort_unstable();
        modules.dedup();
        let repair = |module: &str| {
            let of = self.known.iter().filter(|finding| finding.module == module);
            newest(of.filter_map(|finding| finding.fixed.as_deref()))
        };
        let repairs = modules.into_iter().map(|module| (module, repair(module)));
        repairs
            .filter_map(|(module, version)| Some((module.to_owned(), json!(version?))))
            .collect()
    }

    /// A finding a line.
    fn lines(&self) -> Vec<String> {
        let line = |finding: &Finding| {
            let module = match finding.module.as_str() {
                STANDARD_LIBRARY => finding.version.clone(),
                module => format!("{module} {}", finding.version),
            };
            let fixed = finding
                .fixed
                .as_ref()
                .map(|fixed| format!(", repaired by {fixed}"));
            let unreviewed = if finding.reviewed { "" } else { ", unreviewed" };
            let fixed = fixed.unwrap_or_default();
            format!("{} {module}{fixed}{unreviewed}: {}", finding.id, finding.summary)
        };
        self.known.iter().map(line).collect()
    }
}
