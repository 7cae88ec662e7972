//! Searches an index of the Go vulnerability database (go.dev/security/vuln/database, licence CC BY 4.0) for the modules of a program.
//! `vulnerability_database` fetches the database and writes the index.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{cmp, fs, io, slice};

use serde::{Deserialize, Serialize};

use super::build_info::BuildInfo;
use crate::parse::GoVersion;
use crate::store::layout;
use crate::store::{Meta, Store};

/// The database's module name for the standard library.
pub const STANDARD_LIBRARY: &str = "stdlib";

/// The database's module name for the go command, the compiler and the linker.
const GO_COMMAND: &str = "toolchain";

/// The version of the database that an index was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseVersion {
    /// The version of golang.org/x/vulndb.
    pub version: String,
    /// The date of that version: `2026-11-05`.
    pub date: String,
}

/// A known vulnerability of one module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vulnerability {
    /// Its identifier: `GO-2026-1234`.
    pub id: String,
    /// Other identifiers, such as CVE numbers.
    pub aliases: Vec<String>,
    /// A description in one line.
    pub summary: String,
    /// Whether the Go security team has reviewed it.
    pub reviewed: bool,
    /// The affected versions and platforms.
    pub affected: Vec<Affected>,
}

/// Affected versions of a module, on some platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Ranges of versions; empty for all versions.
    pub ranges: Vec<Vec<RangeEvent>>,
    /// The affected platforms; empty for all.
    pub platforms: Vec<AffectedPlatforms>,
}

/// A boundary of a range (OSV schema, "affected[].ranges[].events").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeEvent {
    /// The first affected version; `0` for all from the first on.
    Introduced(String),
    /// The first version that is not affected any more.
    Fixed(String),
}

/// Operating systems and architectures of a vulnerable package. An empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffectedPlatforms {
    /// Values of GOOS.
    #[serde(default, rename = "goos", skip_serializing_if = "Vec::is_empty")]
    pub os: Vec<String>,
    /// Values of GOARCH.
    #[serde(default, rename = "goarch", skip_serializing_if = "Vec::is_empty")]
    pub arch: Vec<String>,
}

/// A known vulnerability of a module in a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its identifier: `GO-2026-1234`.
    pub id: String,
    /// Other identifiers, such as CVE numbers.
    pub aliases: Vec<String>,
    /// A description in one line.
    pub summary: String,
    /// Whether the Go security team has reviewed it.
    pub reviewed: bool,
    /// The module's path, or `stdlib`.
    pub module: String,
    /// The linked version of the module, or the version of Go.
    pub version: String,
    /// The oldest newer version that is not affected, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

/// The known vulnerabilities of the modules of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisories {
    /// The version of the database.
    pub database: DatabaseVersion,
    /// The findings, sorted by module path.
    pub known: Vec<Finding>,
    /// For each module, the oldest newer version that no vulnerability with a fix affects. That of `stdlib` is a version of Go.
    pub repaired_by: BTreeMap<String, String>,
}

/// Module versions to look up in the index, by path, and their platform.
pub struct VulnerabilityQuery {
    versions: BTreeMap<String, String>,
    os: String,
    arch: String,
}

impl VulnerabilityQuery {
    /// A query for the modules of a program and its standard library.
    pub fn for_program(meta: &Meta, info: &BuildInfo) -> VulnerabilityQuery {
        let description = &meta.description;
        let modules = info.dependencies.iter().map(|module| module.effective());
        let modules = modules.map(|module| (module.path.clone(), module.version.clone()));
        let mut versions: BTreeMap<_, _> = modules.collect();
        // In a program built from a copy of the module, the build information has the version `(devel)`.
        versions.insert(description.module.clone(), description.version.clone());
        versions.insert(STANDARD_LIBRARY.to_owned(), description.go.clone());
        let setting = |name| info.setting(name).unwrap_or_default().to_owned();
        VulnerabilityQuery {
            versions,
            os: setting("GOOS"),
            arch: setting("GOARCH"),
        }
    }

    /// A query for the modules of a Go toolchain itself.
    fn for_go(version: GoVersion) -> VulnerabilityQuery {
        let versions =
            [STANDARD_LIBRARY, GO_COMMAND].map(|module| (module.to_owned(), format!("go{version}")));
        VulnerabilityQuery {
            versions: versions.into(),
            // A toolchain compiles for all platforms.
            os: String::new(),
            arch: String::new(),
        }
    }
}

/// The path of the index, beside the list of Go versions. Incomplete files in that directory are swept.
pub fn index_path(store: &Store) -> PathBuf {
    store.path(layout::TOOLCHAINS).join("vulnerabilities.index")
}

/// Formats an index: one line for the database version, then one for each module.
pub fn format_index(
    database: &DatabaseVersion,
    entries: &BTreeMap<String, Vec<Vulnerability>>,
) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(database)? + "\n";
    for (module, entries) in entries {
        // Writing to a String cannot fail.
        writeln!(text, "{module}\t{}", serde_json::to_string(entries)?).unwrap_or_default();
    }
    Ok(text)
}

/// Finds the known vulnerabilities for a query in the index.
pub fn find_vulnerabilities(index: &Path, query: &VulnerabilityQuery) -> io::Result<Advisories> {
    let text = fs::read_to_string(index)?;
    let (database, lines) = text.split_once('\n').unwrap_or((&text, ""));
    let database = serde_json::from_str(database)?;
    let lines: HashMap<&str, &str> = lines
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(module, _)| query.versions.contains_key(*module))
        .collect();
    let mut known = Vec::new();
    let mut fixable: BTreeMap<&str, Vec<Vulnerability>> = BTreeMap::new();
    for (module, version) in &query.versions {
        let Some(line) = lines.get(module.as_str()) else {
            continue;
        };
        let entries: Vec<Vulnerability> = serde_json::from_str(line)?;
        for entry in entries {
            let fixed = first_fixed_version(slice::from_ref(&entry), version, query);
            if entry.affects(version, query) {
                known.push(Finding {
                    fixed: fixed.clone(),
                    id: entry.id.clone(),
                    aliases: entry.aliases.clone(),
                    summary: entry.summary.clone(),
                    reviewed: entry.reviewed,
                    module: module.clone(),
                    version: version.clone(),
                });
            }
            if fixed.is_some() {
                fixable.entry(versioned_as(module)).or_default().push(entry);
            }
        }
    }
    let fix = |finding: &Finding| {
        let module = versioned_as(&finding.module);
        let fixed = first_fixed_version(fixable.get(module)?, &finding.version, query)?;
        Some((module.to_owned(), fixed))
    };
    let repaired_by = known
        .iter()
        .filter(|f| f.fixed.is_some())
        .filter_map(fix)
        .collect();
    Ok(Advisories {
        database,
        known,
        repaired_by,
    })
}

/// The module that has the same versions: the go command has those of the standard library.
fn versioned_as(module: &str) -> &str {
    match module {
        GO_COMMAND => STANDARD_LIBRARY,
        module => module,
    }
}

/// Reads the database version of the index; `None` if there is no index.
pub fn read_database_version(store: &Store) -> Option<DatabaseVersion> {
    let text = fs::read_to_string(index_path(store)).ok()?;
    serde_json::from_str(text.lines().next()?).ok()
}

/// Describes the known vulnerabilities of a Go toolchain in one sentence; `None` if there are none, or no index.
pub fn describe_go_vulnerabilities(store: &Store, version: GoVersion) -> Option<String> {
    let Advisories {
        database,
        known,
        repaired_by,
    } = find_vulnerabilities(&index_path(store), &VulnerabilityQuery::for_go(version)).ok()?;
    let count = |module: &str| known.iter().filter(|finding| finding.module == module).count();
    let fixed = repaired_by.get(STANDARD_LIBRARY);
    let advice = fixed.map_or_else(String::new, |fixed| format!("; upgrade to {fixed} or newer"));
    (!known.is_empty()).then(|| {
        format!(
            "Known vulnerabilities of go{version}: {} in its standard library, {} in its go command (database of {}){advice}",
            count(STANDARD_LIBRARY),
            count(GO_COMMAND),
            database.date
        )
    })
}

impl Vulnerability {
    /// Whether this version is affected on the platform of `query`.
    fn affects(&self, version: &str, query: &VulnerabilityQuery) -> bool {
        let is_affected = |platforms: &AffectedPlatforms| {
            let has = |list: &[String], name: &str| {
                name.is_empty() || list.is_empty() || list.iter().any(|one| one == name)
            };
            has(&platforms.os, &query.os) && has(&platforms.arch, &query.arch)
        };
        // Without a version there is no comparison (golang.org/x/vuln reports nothing either).
        version != "(devel)"
            && !version.is_empty()
            && self.affected.iter().any(|affected| {
                affected.contains(version)
                    && (affected.platforms.is_empty() || affected.platforms.iter().any(is_affected))
            })
    }
}

/// The oldest version after this one that fixes an entry and that no entry affects.
fn first_fixed_version(
    entries: &[Vulnerability],
    version: &str,
    query: &VulnerabilityQuery,
) -> Option<String> {
    let affected = entries.iter().flat_map(|entry| &entry.affected);
    let events = affected.flat_map(|affected| affected.ranges.iter().flatten());
    let fixes = events.filter_map(|event| match event {
        RangeEvent::Fixed(fixed) => Some(fixed.as_str()),
        RangeEvent::Introduced(_) => None,
    });
    let mut fixes: Vec<_> = fixes
        .filter(|fixed| compare_versions(version, fixed).is_lt())
        .collect();
    fixes.sort_by(|a, b| compare_versions(a, b));
    let is_fix = |fix: &&&str| !entries.iter().any(|entry| entry.affects(fix, query));
    let prefix = if version.starts_with("go") { "go" } else { "v" };
    fixes.iter().find(is_fix).map(|fix| format!("{prefix}{fix}"))
}

impl Affected {
    /// Whether the version is in any of the ranges.
    fn contains(&self, version: &str) -> bool {
        self.ranges.is_empty() || self.ranges.iter().any(|events| is_in_range(version, events))
    }
}

/// Whether a version is in a range: from an `introduced` event on, up to the next `fixed` (golang.org/x/vuln/internal/semver).
fn is_in_range(version: &str, events: &[RangeEvent]) -> bool {
    let mut events: Vec<_> = events.iter().collect();
    let version_of = |event: &RangeEvent| match event {
        RangeEvent::Introduced(version) | RangeEvent::Fixed(version) => version.clone(),
    };
    let is_start = |event: &RangeEvent| matches!(event, RangeEvent::Introduced(version) if version == "0");
    events.sort_by(|a, b| {
        is_start(b)
            .cmp(&is_start(a))
            .then_with(|| compare_versions(&version_of(a), &version_of(b)))
    });
    let affected = |affected: bool, event: &&RangeEvent| match event {
        RangeEvent::Introduced(from) if !affected => from == "0" || compare_versions(version, from).is_ge(),
        RangeEvent::Fixed(fixed) if affected => compare_versions(version, fixed).is_lt(),
        RangeEvent::Introduced(_) | RangeEvent::Fixed(_) => affected,
    };
    events.is_empty() || events.iter().fold(false, affected)
}

/// Compares versions as Go does: an invalid version is less than all others, and build metadata after `+` is ignored
/// (golang.org/x/mod/semver).
pub fn compare_versions(a: &str, b: &str) -> cmp::Ordering {
    match (parse_version(a), parse_version(b)) {
        (Some(a), Some(b)) => a.cmp_precedence(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Parses `v1.2.3`, `1.2.3`, `v1.2`, or a version of Go: `go1.26.8`, `go1.27rc1`.
fn parse_version(text: &str) -> Option<semver::Version> {
    if let Some(go) = text.strip_prefix("go") {
        // An experiment does not change the version: `go1.26.8 X:noswissmap`.
        let version = go.split(' ').next()?;
        let candidate = version
            .split_once("rc")
            .map(|(series, number)| format!("{series}.0-rc.{number}"));
        return parse_version(&candidate.unwrap_or_else(|| version.to_owned()));
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

    fn range(text: &str) -> Vec<RangeEvent> {
        let event = |word: &str| match word.strip_prefix('<') {
            Some(fixed) => RangeEvent::Fixed(fixed.to_owned()),
            None => RangeEvent::Introduced(word.to_owned()),
        };
        text.split_whitespace().map(event).collect()
    }

    /// The test cases of golang.org/x/vuln/internal/semver, and more.
    #[test]
    fn ranges_contain_the_same_versions_as_in_go() {
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
                is_in_range(version, &range(events)),
                is_in,
                "{version} in {events}"
            );
        }
    }

    #[test]
    fn fixed_version_is_newer_and_not_affected() {
        let entry = |ranges: &str| Vulnerability {
            id: "GO-2026-0001".into(),
            aliases: vec![],
            summary: String::new(),
            reviewed: true,
            affected: vec![Affected {
                ranges: vec![range(ranges)],
                platforms: vec![],
            }],
        };
        let query = VulnerabilityQuery::for_go("1.26.8".parse().unwrap());
        for (entries, version, fixed) in [
            (&["0.1.0 <0.1.9 1.0.0 <2.0.0"][..], "v1.0.0", Some("v2.0.0")),
            (
                &["1.0.0 <1.5.0 2.0.0 <2.1.0", "1.4.0 <2.0.5"],
                "v1.0.0",
                Some("v2.1.0"),
            ),
            // The newest fix is in the second range of another entry.
            (
                &["0 <1.81.4 1.83.0 <1.83.2", "0 <1.83.1"],
                "v1.79.3",
                Some("v1.83.2"),
            ),
            (&["0 <1.26.11 1.27.0-0 <1.27.4"], "go1.26.8", Some("go1.26.11")),
            (&["0"], "v1.0.0", None),
        ] {
            let vulnerabilities: Vec<_> = entries.iter().map(|ranges| entry(ranges)).collect();
            assert_eq!(
                first_fixed_version(&vulnerabilities, version, &query).as_deref(),
                fixed,
                "{version} in {entries:?}"
            );
        }
    }
}
