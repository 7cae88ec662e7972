//! Lists the versions of a module in all its majors, and finds their times and the newest one of a minimum age. Lists are cached like
//! resolutions, times permanently.

use std::collections::BTreeMap;
use std::thread;
use std::time::SystemTime;

use crate::error::{Error, internal_error};
use crate::golang::resolve::candidate::{Candidate, without_major};
use crate::golang::resolve::lookup::{Lookup, ModuleVersions};
use crate::golang::resolve::lookup_slot::acquire_lookup_slot;
use crate::golang::resolve::majors::{MAJORS, Majors};
use crate::golang::resolve::resolution_cache::{
    LookupPermit, STALE_IF_ERROR, create_directories, is_inconclusive,
};
use crate::golang::run::command::Go;
use crate::parse::MinAge;
use crate::store::table::age;
use crate::store::work_dir::WorkDir;
use crate::store::{BuildKey, KeyHasher};

/// A search for a version of a minimum age queries the times of this many versions at once. The newest few usually suffice.
const BATCH: usize = 8;

/// How many `go list` query times at once. With 8, the times of 15 versions take a fifth of the time of one `go list`.
const MAX_QUERIES: usize = 8;

/// The fewest versions of one `go list`, which takes a tenth of a second of CPU time to start.
const MIN_VERSIONS: usize = 4;

/// Lists the tagged versions of `module` and of its other majors, oldest first. Empty for a module without tags. The cached list is used
/// while it is fresh, and longer if the proxy fails.
pub fn list_versions(go: Go<'_>, module: &str, permit: LookupPermit<'_>) -> Result<Vec<String>, Error> {
    let root = without_major(module);
    let key = key(go, ["versions 1", root]);
    let table = go.store.resolutions();
    let cached: Option<(Vec<String>, SystemTime)> = table.get(&key);
    let cached = cached.map(|(versions, at)| (versions, age(at)));
    if let Some((versions, _)) = cached.as_ref().filter(|(_, age)| *age < go.config.resolve) {
        return Ok(versions.clone());
    }
    match query_proxy(go, permit, |lookup| query_versions(lookup, root)) {
        Ok(versions) => {
            if let Err(error) = table.put(&key, &versions) {
                log::warn!("cannot cache the versions of {root}: {error}");
            }
            Ok(versions)
        }
        Err(error) => cached
            .filter(|(_, age)| *age < STALE_IF_ERROR && is_inconclusive(&error))
            .map(|(versions, _)| versions)
            .ok_or(error),
    }
}

fn query_versions(lookup: Lookup<'_>, root: &str) -> Result<Vec<String>, Error> {
    let plain = Candidate::root_package(root.to_owned());
    let mut majors = Majors::default().without_retracted();
    majors.query(lookup, [(plain, MAJORS)])?;
    let mut versions: Vec<String> = majors.into_versions().collect();
    versions.sort_by_cached_key(|version| semver::Version::parse(version.trim_start_matches('v')).ok());
    Ok(versions)
}

/// Finds the newest of `versions` of `module`, oldest first, that is at least `min_age` old.
pub fn find_aged_version(
    go: Go<'_>,
    module: &str,
    versions: &[String],
    min_age: MinAge,
    permit: LookupPermit<'_>,
) -> Result<Option<String>, Error> {
    for batch in versions.rchunks(BATCH) {
        let times = find_times(go, module, batch, permit)?;
        let is_old = |version: &&String| times.get(*version).is_some_and(|time| is_aged(time, min_age));
        if let Some(aged) = batch.iter().rev().find(is_old) {
            return Ok(Some(aged.clone()));
        }
    }
    Ok(None)
}

/// Finds the times of `versions` of `module`, in RFC 3339. Unknown times are left out. The result may contain other versions. Times never
/// change, so they are cached for all versions of the module together, and do not expire.
pub fn find_times(
    go: Go<'_>,
    module: &str,
    versions: &[String],
    permit: LookupPermit<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let table = go.store.resolutions();
    let key = key(go, ["times 3", without_major(module)]);
    let mut times: BTreeMap<String, String> = table.get(&key).map_or_else(BTreeMap::new, |(times, _)| times);
    let is_new = |version: &&String| !times.contains_key(*version);
    let new: Vec<&String> = versions.iter().filter(is_new).collect();
    if !new.is_empty() {
        let listed = query_proxy(go, permit, |lookup| query_times(lookup, module, &new))?;
        let known = listed.into_iter().filter(|listed| !listed.time.is_empty());
        times.extend(known.map(|listed| (listed.version, listed.time)));
        if let Err(error) = table.put(&key, &times) {
            log::warn!("cannot cache the times of {module}: {error}");
        }
    }
    Ok(times)
}

/// Queries the times with several `go list` at once: each queries its versions in sequence, with several requests for each.
fn query_times(lookup: Lookup<'_>, module: &str, versions: &[&String]) -> Result<Vec<ModuleVersions>, Error> {
    let len = versions.len().div_ceil(MAX_QUERIES).max(MIN_VERSIONS);
    thread::scope(|scope| {
        let query = |versions: &[&String]| {
            let at = |version: &&String| format!("{}@{version}", path_at(module, version));
            let queries: Vec<String> = versions.iter().map(at).collect();
            scope.spawn(move || lookup.query_times(queries.iter().map(String::as_str)))
        };
        let queries: Vec<_> = versions.chunks(len).map(query).collect();
        let mut listed = Vec::new();
        for query in queries {
            // A panic is a fault of this program, and was printed. Then these times are unknown.
            listed.extend(query.join().unwrap_or(Ok(vec![]))?);
        }
        Ok(listed)
    })
}

/// Returns the path of `module` at the major of `version`.
pub fn path_at(module: &str, version: &str) -> String {
    let root = Candidate::root_package(without_major(module).to_owned());
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    let at_major = major
        .filter(|_| !version.ends_with("+incompatible"))
        .and_then(|major| root.at_major(major));
    at_major.unwrap_or(root).module
}

/// Whether a time in RFC 3339 is at least `min_age` ago. An unknown time is not.
fn is_aged(time: &str, min_age: MinAge) -> bool {
    let time = humantime::parse_rfc3339_weak(time).ok();
    time.is_some_and(|time| {
        SystemTime::now()
            .duration_since(time)
            .is_ok_and(|age| age >= min_age.duration())
    })
}

fn key<const N: usize>(go: Go<'_>, fields: [&str; N]) -> BuildKey {
    let key = KeyHasher::default().field(&go.toolchain.version);
    fields.into_iter().fold(key, KeyHasher::field).finish()
}

/// Queries the module proxy within a lookup slot.
fn query_proxy<T>(
    go: Go<'_>,
    permit: LookupPermit<'_>,
    query: impl FnOnce(Lookup<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    create_directories(go)?;
    let deadline = go.deadlines.lookup_deadline();
    let _slot = acquire_lookup_slot(go, deadline)?;
    permit()?;
    let work = WorkDir::create(go.store, "resolve-")
        .map_err(|e| internal_error("make a directory to list versions in", &e))?;
    let _modules = go
        .store
        .use_modules()
        .map_err(|e| internal_error("share the module cache", &e))?;
    query(Lookup {
        go,
        work: work.path(),
        deadline,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_path_at_a_version_has_its_major() {
        for (module, version, path) in [
            ("a.b/c", "v1.2.3", "a.b/c"),
            ("a.b/c/v3", "v0.1.0", "a.b/c"),
            ("a.b/c", "v2.0.0", "a.b/c/v2"),
            ("a.b/c/v3", "v2.0.0+incompatible", "a.b/c"),
            ("gopkg.in/x.v2", "v2.1.0", "gopkg.in/x.v2"),
        ] {
            assert_eq!(path_at(module, version), path, "{module} {version}");
        }
    }

    #[test]
    fn age_is_measured_from_now() {
        let ago = |seconds: u64| {
            let time = SystemTime::now() - std::time::Duration::from_secs(seconds);
            humantime::format_rfc3339_seconds(time).to_string()
        };
        for (time, is) in [
            (ago(3600 + 60), true),
            (ago(3600 - 60), false),
            ("2999-01-01T00:00:00Z".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_aged(&time, "1h".parse().unwrap()), is, "{time}");
        }
    }
}
