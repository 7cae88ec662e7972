//! Resolves targets and lists versions under the operator's policy: GOX_ALLOW and GOX_DENY, and each client's budget of lookups.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::resolve::candidate::{Candidate, join};
use crate::golang::resolve::resolution_cache::LookupPermit;
use crate::golang::resolve::{module_versions, resolution_cache};
use crate::golang::run::command::Go;
use crate::golang::vulnerabilities::compare_versions;
use crate::parse::{MinAge, Target, Version};
use crate::store::budget::Cost;

/// Resolves a target: to the newest version that it allows, or to the newest one of a minimum age. A query to the module proxy is
/// charged to the client.
pub fn resolve(go: Go<'_>, target: &Target, min_age: Option<MinAge>) -> Result<Resolved, Error> {
    resolve_aged(go, target, min_age, &|| charge_lookup(go))
}

/// The same for a program that may be built. Calls `on_lookup` before a query to the module proxy.
pub fn resolve_to_build(
    go: Go<'_>,
    target: &Target,
    min_age: Option<MinAge>,
    on_lookup: &dyn Fn(),
) -> Result<Resolved, Error> {
    resolve_aged(go, target, min_age, &|| {
        charge_lookup(go).inspect(|()| on_lookup())
    })
}

/// The same from the cache alone.
pub fn resolve_cached(go: Go<'_>, target: &Target, min_age: Option<MinAge>) -> Result<Resolved, Error> {
    resolve_aged(go, target, min_age, &|| Err(Error::new(Reason::NoGo)))
}

fn resolve_aged(
    go: Go<'_>,
    target: &Target,
    min_age: Option<MinAge>,
    permit: LookupPermit<'_>,
) -> Result<Resolved, Error> {
    let has_choice = matches!(target.version(), Version::Latest | Version::Prefix(_));
    if min_age.is_some() && !has_choice {
        let detail = format!(
            "min-age chooses a version, but @{} is one already.",
            target.version()
        );
        return Err(Error::new(Reason::BadQuery).detail(detail));
    }
    let newest = resolve_with_permit(go, target, permit)?;
    match min_age.filter(|min_age| !newest.is_aged(*min_age)) {
        None => Ok(newest),
        Some(min_age) => {
            let older = find_aged_target(go, target, &newest, min_age, permit)?;
            resolve_with_permit(go, &older, permit)
        }
    }
}

/// Returns the target at the newest version that is at least `min_age` old, where `newest` is too young.
fn find_aged_target(
    go: Go<'_>,
    target: &Target,
    newest: &Resolved,
    min_age: MinAge,
    permit: LookupPermit<'_>,
) -> Result<Target, Error> {
    let is_pre_release = |version: &str| version.contains('-');
    // Like `latest`: pre-releases count only if there is no release, and nothing is newer: neither an ignored version nor a library.
    let mut versions = list_typed_versions(go, target, &newest.module, permit)?;
    versions.retain(|version| {
        is_pre_release(version) <= is_pre_release(&newest.version)
            && compare_versions(version, &newest.version).is_le()
    });
    let version = module_versions::find_aged_version(go, &newest.module, &versions, min_age, permit)?;
    let Some(version) = version else {
        let detail = format!("No version of {} is {min_age} old.", newest.module);
        return Err(Error::new(Reason::NoSuchVersion).detail(detail));
    };
    // A module that the path does not name, such as a nested one, is requested by its own path.
    let root = Candidate::root_package(newest.module.clone());
    let path = match is_below(&target.import_path(), root.root()) {
        true => target.import_path(),
        false => {
            let module = module_versions::path_at(&newest.module, &version);
            let directory = newest.directory().trim_start_matches('.');
            join(&module, directory)
        }
    };
    Target::parse(format!("/{path}@{version}").as_bytes())
        .map_err(|bad| Error::new(Reason::Internal).log(format!("{path}@{version}: {bad}")))
}

/// Whether a path is `parent` or below it.
fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lists the versions of `module` in the majors that the target allows, oldest first.
fn list_typed_versions(
    go: Go<'_>,
    target: &Target,
    module: &str,
    permit: LookupPermit<'_>,
) -> Result<Vec<String>, Error> {
    let mut versions = module_versions::list_versions(go, module, permit)?;
    let root = Candidate::root_package(module.to_owned());
    let names_major = root.root() != module && is_below(&target.import_path(), module);
    versions.retain(|version| {
        let is_typed_major = !names_major || module_versions::path_at(module, version) == module;
        let is_typed_version = match target.version() {
            Version::Prefix(prefix) => version.starts_with(&format!("{prefix}.")),
            Version::Latest | Version::Exact(_) | Version::Revision(_) => true,
        };
        is_typed_major && is_typed_version
    });
    Ok(versions)
}

/// Lists the versions of the module of a target, oldest first. Queries to the module proxy are charged to the client.
pub fn list_versions(go: Go<'_>, target: &Target) -> Result<(String, Vec<String>), Error> {
    let permit = || charge_lookup(go);
    match resolve(go, target, None) {
        Ok(resolved) => {
            let mut versions = list_typed_versions(go, target, &resolved.module, &permit)?;
            if *target.version() == Version::Latest {
                // Go ignores these: the newest version without this suffix has a go.mod.
                versions.retain(|version| {
                    !version.ends_with("+incompatible")
                        || compare_versions(version, &resolved.version).is_le()
                });
            }
            // A module without tags has one version, that of its newest commit.
            let versions = Some(versions).filter(|versions| !versions.is_empty());
            Ok((resolved.module, versions.unwrap_or(vec![resolved.version])))
        }
        // The module exists, but it is a library, or has several programs.
        Err(error) if matches!(error.reason, Reason::SeveralCommands | Reason::NoCommand) => {
            for Candidate { module, .. } in Candidate::all_from_target(target) {
                check_denied(go.config, &module)?;
                check_allowed(go.config, &module)?;
                let versions = list_typed_versions(go, target, &module, &permit)?;
                if !versions.is_empty() {
                    return Ok((module, versions));
                }
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Lists the times of these versions of a module, in RFC 3339, as far as they are known. A query to the module proxy is charged to the client.
pub fn list_times(go: Go<'_>, module: &str, versions: &[String]) -> Result<BTreeMap<String, String>, Error> {
    module_versions::find_times(go, module, versions, &|| charge_lookup(go))
}

fn resolve_with_permit(go: Go<'_>, target: &Target, permit: LookupPermit<'_>) -> Result<Resolved, Error> {
    // A path that is denied as typed needs no query.
    check_denied(go.config, &target.import_path())?;
    let resolved = resolution_cache::resolve_through_cache(go, target, permit)?;
    // Other paths may lead to a denied module.
    check_denied(go.config, &resolved.package)?;
    check_allowed(go.config, &resolved.module)?;
    Ok(resolved)
}

/// Whether the operator allows a module and its package.
pub fn is_allowed(config: &Config, module: &str, package: &str) -> bool {
    check_denied(config, package).is_ok() && check_allowed(config, module).is_ok()
}

/// Fails for a path with a prefix in GOX_DENY.
fn check_denied(config: &Config, path: &str) -> Result<(), Error> {
    match config.deny.iter().any(|prefix| prefix.matches(path)) {
        true => Err(Error::new(Reason::Denied).detail(path)),
        false => Ok(()),
    }
}

/// Fails for a module without a prefix in GOX_ALLOW, unless that is empty. `module` is the path in go.mod, which is what is compiled.
fn check_allowed(config: &Config, module: &str) -> Result<(), Error> {
    match config.allow.is_empty() || config.allow.iter().any(|prefix| prefix.matches(module)) {
        true => Ok(()),
        false => Err(Error::new(Reason::Denied).detail(module)),
    }
}

/// Charges the client for one query to the module proxy. Fails if the budget is exhausted. The operator has no budget.
fn charge_lookup(go: Go<'_>) -> Result<(), Error> {
    let Some(client) = go.client else { return Ok(()) };
    let within = go.store.spend(client, Cost::Lookup, go.config.lookups_per_hour);
    match within.map_err(|e| internal_error("charge a client for a lookup", &e))? {
        true => Ok(()),
        false => Err(Error::new(Reason::TooManyBuilds)),
    }
}
