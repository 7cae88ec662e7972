//! Lists the versions of a module in all its majors, and finds the newest one of a minimum age. Results are cached like resolutions.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// Number of versions for which one `go list` queries the time. It queries them in sequence, and the newest few usually suffice.
const BATCH: usize = 8;

/// Lists the tagged versions of `module` and of its other majors, oldest first. Empty for a module without tags.
pub fn list_versions(go: Go<'_>, module: &str, permit: LookupPermit<'_>) -> Result<Vec<String>, Error> {
    let root = without_major(module);
    query_through_cache(go, &key(go, ["versions 1", root]), permit, |lookup| {
        let plain = Candidate::root_package(root.to_owned());
        let mut majors = Majors::default();
        majors.query(lookup, [(plain, MAJORS)])?;
        let mut versions: Vec<String> = majors.into_versions().collect();
        versions.sort_by_cached_key(|version| semver::Version::parse(version.trim_start_matches('v')).ok());
        Ok(versions)
    })
}

/// Finds the newest of `versions` of `module`, oldest first, that is at least `min_age` old.
pub fn find_aged_version(
    go: Go<'_>,
    module: &str,
    versions: &[String],
    min_age: MinAge,
    permit: LookupPermit<'_>,
) -> Result<Option<String>, Error> {
    let key = key(
        go,
        [
            "aged version 1",
            module,
            &min_age.to_string(),
            &versions.join(" "),
        ],
    );
    query_through_cache(go, &key, permit, |lookup| {
        let newest_first: Vec<&String> = versions.iter().rev().collect();
        for batch in newest_first.chunks(BATCH) {
            let listed = query_times(lookup, module, batch.iter().copied())?;
            if let Some(aged) = listed.into_iter().find(|listed| is_aged(&listed.time, min_age)) {
                return Ok(Some(aged.version));
            }
        }
        Ok(None)
    })
}

/// Finds the times of `versions` of `module`, in RFC 3339. An unknown time is missing.
pub fn find_times(
    go: Go<'_>,
    module: &str,
    versions: &[String],
    permit: LookupPermit<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    if versions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let key = key(go, ["times 1", module, &versions.join(" ")]);
    query_through_cache(go, &key, permit, |lookup| {
        let listed = query_times(lookup, module, versions.iter())?;
        let times = listed.into_iter().map(|listed| (listed.version, listed.time));
        Ok(times.filter(|(_, time)| !time.is_empty()).collect())
    })
}

fn query_times<'v>(
    lookup: Lookup<'_>,
    module: &str,
    versions: impl Iterator<Item = &'v String>,
) -> Result<Vec<ModuleVersions>, Error> {
    let queries: Vec<String> = versions
        .map(|version| format!("{}@{version}", path_at(module, version)))
        .collect();
    lookup.query_times(queries.iter().map(String::as_str))
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

/// Returns the cached value of `key` while it is fresh. Otherwise queries the module proxy within a lookup slot; if the proxy fails, an
/// older value is used.
fn query_through_cache<T: Serialize + DeserializeOwned>(
    go: Go<'_>,
    key: &BuildKey,
    permit: LookupPermit<'_>,
    query: impl FnOnce(Lookup<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let table = go.store.resolutions();
    let cached = table.get::<T>(key).map(|(value, at)| (value, age(at)));
    match cached {
        Some((value, age)) if age < go.config.resolve => Ok(value),
        cached => match query_proxy(go, permit, query) {
            Ok(value) => {
                if let Err(error) = table.put(key, &value) {
                    log::warn!("cannot cache a list of versions: {error}");
                }
                Ok(value)
            }
            Err(error) => cached
                .filter(|(_, age)| *age < STALE_IF_ERROR && is_inconclusive(&error))
                .map(|(value, _)| value)
                .ok_or(error),
        },
    }
}

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
