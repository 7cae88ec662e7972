//! Release tags that Go does not accept as versions: their major version is above 1, and go.mod does not declare it.

use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::resolve::Resolver;
use crate::golang::resolve::candidate::Candidate;
use crate::golang::resolve::lookup::{Listed, ModuleVersions};
use crate::golang::resolve::majors::MAJORS;
use crate::parse::Target;

impl Resolver<'_> {
    /// Resolves a target after its version failed with `failure`: by the version that the author tags beside it, if there is one.
    /// Otherwise the error names the newest version of the module.
    pub(super) fn resolve_release_tag(&self, failure: Error) -> Result<Resolved, Error> {
        if failure.reason != Reason::NoSuchVersion || !self.target.version().is_exact() {
            return Err(failure);
        }
        let other = module_version(self.target.version().query()).and_then(|version| {
            Target::parse(format!("/{}@{version}", self.target.import_path()).as_bytes()).ok()
        });
        if let Some(other) = other
            && let Ok(resolved) = self.with_target(&other).try_candidates()
        {
            return Ok(resolved);
        }
        Err(self.suggest_newest_version(failure))
    }

    /// Adds the newest version that the module proxy lists, up to the requested major, to the error for a missing version.
    fn suggest_newest_version(&self, failure: Error) -> Error {
        let tag = self.target.version().query();
        let major = self.target.version().major().unwrap_or(1);
        // As in Go, the longest path that is a module is the module of the package.
        let plain = Candidate::all_from_target(self.target);
        let majors = |c: &Candidate| {
            let numbers = (1..=major.clamp(1, MAJORS)).rev();
            numbers.filter_map(|n| c.at_major(n)).collect::<Vec<_>>()
        };
        let modules: Vec<String> = plain.iter().flat_map(majors).map(|c| c.module).collect();
        // A list that cannot be read adds nothing to the error.
        let listed = self
            .lookup
            .query_versions(Listed::NotRetracted, modules.iter().map(String::as_str));
        let listed = listed.unwrap_or_default();
        let newest = listed
            .iter()
            .find_map(|module| Some((module.path.as_str(), self.newest_release(module)?)));
        let Some((module, newest)) = newest else {
            return failure;
        };
        let mut detail = format!("{}\nThe newest version of {module} is {newest}.", failure.detail);
        if major > 1 && !module.ends_with(&format!("/v{major}")) {
            detail += &format!(
                " Go ignores a tag v{major} unless go.mod declares a path that ends in /v{major}. Request such a tag by its commit: /OWNER/REPO@COMMIT."
            );
        }
        // Prometheus tags v2.53.0 as v0.53.0 too.
        let twin = tag.strip_prefix("v2.").map(|rest| format!("v0.{rest}"));
        let twin = twin.filter(|twin| listed.iter().any(|module| module.versions.contains(twin)));
        let package = self.target.import_path();
        let package = package.strip_prefix("github.com/").unwrap_or(&package);
        let versions = twin.into_iter().chain([newest]);
        failure
            .detail(detail)
            .suggest(versions.map(|version| format!("/{package}@{version}")))
    }

    /// The newest release of a module. Only `go` knows whether `latest` ignores incompatible versions.
    fn newest_release(&self, module: &ModuleVersions) -> Option<String> {
        let mut newest_first = module.versions.iter().rev();
        let newest = newest_first.find(|version| !version.contains('-'))?;
        if !newest.ends_with("+incompatible") {
            return Some(newest.clone());
        }
        let latest = format!("{}@latest", module.path);
        let mut listed = self.lookup.query_times([latest.as_str()].into_iter()).ok()?;
        let latest = listed.pop().map(|latest| latest.version);
        latest.filter(|version| !version.is_empty())
    }
}

/// The module version of a release tag in the manner of Prometheus: v3.5.0 is released as v0.305.0 too, because go.mod has no /v3.
fn module_version(tag: &str) -> Option<String> {
    let (major, rest) = tag.strip_prefix('v')?.split_once('.')?;
    let (minor, patch) = rest.split_once('.')?;
    let minor = minor.parse::<u64>().ok().filter(|minor| *minor < 100)?;
    let major = major
        .parse::<u64>()
        .ok()
        .filter(|major| (3..100).contains(major))?;
    Some(format!("v0.{major}{minor:02}.{patch}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_tag_has_a_module_version() {
        for (tag, version) in [
            ("v3.5.0", Some("v0.305.0")),
            ("v3.12.1", Some("v0.312.1")),
            ("v3.0.0-rc.1", Some("v0.300.0-rc.1")),
            ("v3.100.0", None),
            // Another module's v0.53.0 may be unrelated to v2.53.0, so it is only suggested.
            ("v2.53.0", None),
            ("v1.0.0", None),
            ("v0.305.0", None),
        ] {
            assert_eq!(module_version(tag).as_deref(), version, "{tag}");
        }
    }
}
