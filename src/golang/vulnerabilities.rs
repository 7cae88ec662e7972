//! The Go vulnerability database (go.dev/security/vuln/database, licence CC BY 4.0), as an index of what is needed of it: which
//! versions of which modules are affected by what. Fetched elsewhere (`vulnerability_database`); here it is only read.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{cmp, fs, io};

use serde::{Deserialize, Serialize};

use super::build_info::BuildInfo;
use crate::asked::GoVersion;
use crate::store::{Meta, Store};

/// What the database calls the standard library.
pub const STANDARD_LIBRARY: &str = "stdlib";

/// What it calls the go command, the compiler and the linker.
const GO_COMMAND: &str = "toolchain";

/// Which database it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The version of golang.org/x/vulndb.
    pub version: String,
    /// Its date: `2026-11-05`.
    pub date: String,
}

/// A known vulnerability of one module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `GO-2026-1234`.
    pub id: String,
    /// Other names of it, as of CVE.
    pub aliases: Vec<String>,
    /// What it is, in a line.
    pub summary: String,
    /// Whether the Go security team has reviewed it.
    pub reviewed: bool,
    /// The versions and platforms that are affected.
    pub affected: Vec<Affected>,
}

/// Some versions of a module, on some platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Ranges of versions; none: all.
    pub ranges: Vec<Vec<Event>>,
    /// Where it matters; none: everywhere.
    pub platforms: Vec<Systems>,
}

/// A boundary of a range (OSV schema, "affected[].ranges[].events").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// From this version on; `0`: from the first.
    Introduced(String),
    /// Up to the version before.
    Fixed(String),
}

/// Systems and architectures of a vulnerable package; an empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Systems {
    /// GOOS.
    #[serde(default, rename = "goos", skip_serializing_if = "Vec::is_empty")]
    pub os: Vec<String>,
    /// GOARCH.
    #[serde(default, rename = "goarch", skip_serializing_if = "Vec::is_empty")]
    pub arch: Vec<String>,
}

/// A vulnerability that is known of a module in a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `GO-2026-1234`.
    pub id: String,
    /// Other names of it, as of CVE.
    pub aliases: Vec<String>,
    /// What it is, in a line.
    pub summary: String,
    /// Whether the Go security team has reviewed it.
    pub reviewed: bool,
    /// The module, or `stdlib`.
    pub module: String,
    /// The version of the module that is linked, or of Go.
    pub version: String,
    /// The oldest newer version without it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

/// What is looked for: versions by the paths of their modules, on a platform.
pub struct Linked {
    versions: BTreeMap<String, String>,
    os: String,
    arch: String,
}

impl Linked {
    /// All modules of a program, and its standard library.
    pub fn of(meta: &Meta, info: &BuildInfo) -> Linked {
        let description = &meta.description;
        let modules = info.dependencies.iter().map(|module| module.linked());
        let modules = modules.map(|module| (module.path.clone(), module.version.clone()));
        let mut versions: BTreeMap<_, _> = modules.collect();
        // The build information of a copy calls it `(devel)`.
        versions.insert(description.module.clone(), description.version.clone());
        versions.insert(STANDARD_LIBRARY.to_owned(), description.go.clone());
        let setting = |name| info.setting(name).unwrap_or_default().to_owned();
        Linked {
            versions,
            os: setting("GOOS"),
            arch: setting("GOARCH"),
        }
    }

    /// What a Go itself consists of.
    fn of_go(version: GoVersion) -> Linked {
        let versions =
            [STANDARD_LIBRARY, GO_COMMAND].map(|module| (module.to_owned(), format!("go{version}")));
        Linked {
            versions: versions.into(),
            // It compiles for all.
            os: String::new(),
            arch: String::new(),
        }
    }
}

/// Where the index is: beside the list of versions of Go, and as that swept where it was half written.
pub fn index(store: &Store) -> PathBuf {
    store.toolchains().join("vulnerabilities.index")
}

/// The text of an index: a line for the database, then one for each module.
pub fn text_of(database: &Database, entries: &BTreeMap<String, Vec<Entry>>) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(database)? + "\n";
    for (module, entries) in entries {
        // Writing to a String cannot fail.
        writeln!(text, "{module}\t{}", serde_json::to_string(entries)?).unwrap_or_default();
    }
    Ok(text)
}

/// Which database the index is of, and what it knows of these modules, in the order of their paths.
pub fn look(index: &Path, linked: &Linked) -> io::Result<(Database, Vec<Finding>)> {
    let text = fs::read_to_string(index)?;
    let (database, lines) = text.split_once('\n').unwrap_or((&text, ""));
    let database = serde_json::from_str(database)?;
    let lines: HashMap<&str, &str> = lines
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(module, _)| linked.versions.contains_key(*module))
        .collect();
    let mut findings = Vec::new();
    for (module, version) in &linked.versions {
        let Some(line) = lines.get(module.as_str()) else {
            continue;
        };
        let entries: Vec<Entry> = serde_json::from_str(line)?;
        for entry in entries.into_iter().filter(|entry| entry.is_of(version, linked)) {
            findings.push(Finding {
                fixed: entry.fix_after(version),
                id: entry.id,
                aliases: entry.aliases,
                summary: entry.summary,
                reviewed: entry.reviewed,
                module: module.clone(),
                version: version.clone(),
            });
        }
    }
    Ok((database, findings))
}

/// Which database is here.
pub fn database(store: &Store) -> Option<Database> {
    let text = fs::read_to_string(index(store)).ok()?;
    serde_json::from_str(text.lines().next()?).ok()
}

/// What is known of a Go itself, in a sentence; `None` where nothing is, or where there is no database.
pub fn known_of_go(store: &Store, version: GoVersion) -> Option<String> {
    let (database, findings) = look(&index(store), &Linked::of_go(version)).ok()?;
    let of = |module: &str| findings.iter().filter(|finding| finding.module == module).count();
    let fixed = newest(findings.iter().filter_map(|finding| finding.fixed.as_deref()));
    let advice = fixed.map_or_else(String::new, |fixed| format!(": {fixed} or newer is wanted"));
    (!findings.is_empty()).then(|| {
        format!(
            "go{version} has {} known vulnerabilities in its standard library and {} in its go command (database of \
             {}){advice}",
            of(STANDARD_LIBRARY),
            of(GO_COMMAND),
            database.date
        )
    })
}

/// The newest of some versions of one module.
pub fn newest<'a>(versions: impl Iterator<Item = &'a str>) -> Option<String> {
    versions.max_by(|a, b| order(a, b)).map(str::to_owned)
}

impl Entry {
    fn is_of(&self, version: &str, linked: &Linked) -> bool {
        let is_on = |systems: &Systems| {
            let has = |list: &[String], name: &str| {
                name.is_empty() || list.is_empty() || list.iter().any(|one| one == name)
            };
            has(&systems.os, &linked.os) && has(&systems.arch, &linked.arch)
        };
        // What has no version cannot be compared (golang.org/x/vuln says nothing of it either).
        version != "(devel)"
            && !version.is_empty()
            && self.affected.iter().any(|affected| {
                affected.has(version)
                    && (affected.platforms.is_empty() || affected.platforms.iter().any(is_on))
            })
    }

    /// The oldest version after this one that is not affected itself.
    fn fix_after(&self, version: &str) -> Option<String> {
        let ranges = self.affected.iter().flat_map(|affected| &affected.ranges);
        let fixes = ranges.flatten().filter_map(|event| match event {
            Event::Fixed(fixed) => Some(fixed.as_str()),
            Event::Introduced(_) => None,
        });
        let mut fixes: Vec<_> = fixes.filter(|fixed| order(version, fixed).is_lt()).collect();
        fixes.sort_by(|a, b| order(a, b));
        let is_fix = |fix: &&&str| !self.affected.iter().any(|affected| affected.has(fix));
        let prefix = if version.starts_with("go") { "go" } else { "v" };
        fixes.iter().find(is_fix).map(|fix| format!("{prefix}{fix}"))
    }
}

impl Affected {
    fn has(&self, version: &str) -> bool {
        self.ranges.is_empty() || self.ranges.iter().any(|events| is_between(version, events))
    }
}

/// Whether a version is in a range: from an `introduced` on, up to the next `fixed` (golang.org/x/vuln/internal/semver).
fn is_between(version: &str, events: &[Event]) -> bool {
    let mut events: Vec<_> = events.iter().collect();
    let of = |event: &Event| match event {
        Event::Introduced(version) | Event::Fixed(version) => version.clone(),
    };
    let is_start = |event: &Event| matches!(event, Event::Introduced(version) if version == "0");
    events.sort_by(|a, b| is_start(b).cmp(&is_start(a)).then_with(|| order(&of(a), &of(b))));
    let affected = |affected: bool, event: &&Event| match event {
        Event::Introduced(from) if !affected => from == "0" || order(version, from).is_ge(),
        Event::Fixed(fixed) if affected => order(version, fixed).is_lt(),
        Event::Introduced(_) | Event::Fixed(_) => affected,
    };
    events.is_empty() || events.iter().fold(false, affected)
}

/// The order of versions that Go uses: what is not a version comes first, and what follows a `+` does not count
/// (golang.org/x/mod/semver).
fn order(a: &str, b: &str) -> cmp::Ordering {
    match (semantic(a), semantic(b)) {
        (Some(a), Some(b)) => a.cmp_precedence(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// `v1.2.3`, `1.2.3`, `v1.2`, or a version of Go: `go1.26.8`, `go1.27rc1`.
fn semantic(text: &str) -> Option<semver::Version> {
    if let Some(go) = text.strip_prefix("go") {
        // `go1.26.8 X:noswissmap` is the same code.
        let version = go.split(' ').next()?;
        let candidate = version
            .split_once("rc")
            .map(|(series, number)| format!("{series}.0-rc.{number}"));
        return semantic(&candidate.unwrap_or_else(|| version.to_owned()));
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers_end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(numbers_end);
    let missing = 2_usize.saturating_sub(numbers.matches('.').count());
    format!("{numbers}{}{rest}", ".0".repeat(missing)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Vec<Event> {
        let event = |word: &str| match word.strip_prefix('<') {
            Some(fixed) => Event::Fixed(fixed.to_owned()),
            None => Event::Introduced(word.to_owned()),
        };
        text.split_whitespace().map(event).collect()
    }

    /// The rows of golang.org/x/vuln/internal/semver, and versions that its rows do not have.
    #[test]
    fn versions_are_in_ranges_as_go_reads_them() {
        for (events, version, is_in) in [
            ("", "v0.0.0", true),
            ("0", "v0.0.0", true),
            ("0 <2.0.0", "v1.0.0", true),
            ("0.0.1", "v1.0.0", true),
            ("1.0.0", "v1.0.0", true),
            ("1.0.0 <2.0.0", "v1.0.0", true),
            ("1.0.0 <2.0.0", "v3.0.0", false),
            ("1.0.0 <2.0.0 3.0.0", "v3.0.0", true),
            ("0 <1.18.6 1.19.0 <1.19.1", "v1.18.6", false),
            ("0 1.19.0 <1.19.1", "v1.18.6", true),
            ("1.19.0 <1.19.1 0 <1.18.6", "v1.18.1", true),
            ("3.0.0", "go3.0.1", true),
            ("0 <1.26.11 1.27.0-0 <1.27.4", "go1.26.8", true),
            ("0 <1.26.11 1.27.0-0 <1.27.4", "go1.26.11", false),
            ("0 <1.26.11 1.27.0-0 <1.27.4", "go1.27rc1", true),
            ("0 <1.26.11 1.27.0-0 <1.27.4", "go1.27.4", false),
            ("0 <1.21", "go1.21.0", false),
            ("0 <2.0.0", "v2.0.0+incompatible", false),
            ("0 <2.0.1", "v2.0.0+incompatible", true),
            (
                "0 <0.0.0-20250102030405-0123456789ab",
                "v0.0.0-20250102030404-fedcba987654",
                true,
            ),
            (
                "0 <0.0.0-20250102030405-0123456789ab",
                "v0.0.0-20250102030405-0123456789ab",
                false,
            ),
            ("0 <1.0.0", "v1.0.0-rc.1", true),
        ] {
            assert_eq!(
                is_between(version, &range(events)),
                is_in,
                "{version} in {events}"
            );
        }
    }

    #[test]
    fn a_fix_is_newer_and_not_affected_itself() {
        let entry = |ranges: &[&str]| Entry {
            id: "GO-2026-0001".into(),
            aliases: vec![],
            summary: String::new(),
            reviewed: true,
            affected: vec![Affected {
                ranges: ranges.iter().map(|text| range(text)).collect(),
                platforms: vec![],
            }],
        };
        for (ranges, version, fixed) in [
            (&["0.1.0 <0.1.9 1.0.0 <2.0.0"][..], "v1.0.0", Some("v2.0.0")),
            (
                &["1.0.0 <1.5.0 2.0.0 <2.1.0", "1.4.0 <2.0.5"],
                "v1.0.0",
                Some("v2.1.0"),
            ),
            (&["0 <1.26.11 1.27.0-0 <1.27.4"], "go1.26.8", Some("go1.26.11")),
            (&["0"], "v1.0.0", None),
        ] {
            assert_eq!(
                entry(ranges).fix_after(version).as_deref(),
                fixed,
                "{version} in {ranges:?}"
            );
        }
    }
}
