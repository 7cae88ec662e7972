//! Finds the major versions of candidate modules that are released. One `go list` queries many at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::golang::resolve::candidate::Candidate;
use crate::golang::resolve::lookup::{Listed, Lookup, ModuleVersions};

/// How many majors are queried at once of a module that a target may mean.
pub(super) const MAJORS: u64 = 20;

/// The module paths, including major suffixes, that exist, and their versions.
#[derive(Debug, Default)]
pub(super) struct Majors {
    /// Which versions are listed.
    listed: Listed,
    /// Modules with a release version.
    pub(super) released: BTreeSet<String>,
    /// Modules with pre-release versions only.
    pub(super) unreleased: BTreeSet<String>,
    /// The versions of all these modules, oldest first.
    versions: BTreeMap<String, Vec<String>>,
    /// Modules for which the proxy lists no version, but no error either. Without tags, such a module may exist or not.
    untagged: BTreeSet<String>,
    /// The highest major that was queried.
    pub(super) newest: u64,
    /// The modules that were queried.
    queried: BTreeSet<String>,
}

impl Majors {
    /// The same, but lists no retracted versions.
    pub(super) fn without_retracted(self) -> Majors {
        Majors {
            listed: Listed::NotRetracted,
            ..self
        }
    }

    /// The path of the newest major of `plain` that is released, or else that has a pre-release.
    pub(super) fn newest_of(&self, plain: &Candidate) -> Option<String> {
        let newest = |known: &BTreeSet<String>| {
            let majors = (1..=self.newest).rev().filter_map(|major| plain.at_major(major));
            majors.map(|c| c.module).find(|module| known.contains(module))
        };
        newest(&self.released).or_else(|| newest(&self.unreleased))
    }

    /// These candidates in all majors up to the newest that was queried, the newest major of each first.
    pub(super) fn of_candidates<'c>(
        &self,
        plain: &'c [Candidate],
    ) -> impl Iterator<Item = Candidate> + use<'c> {
        let newest = self.newest;
        plain
            .iter()
            .flat_map(move |c| (1..=newest).rev().filter_map(|major| c.at_major(major)))
    }

    /// Those of these candidates that have a release, in the same order.
    pub(super) fn released_of<'c>(&'c self, plain: &'c [Candidate]) -> impl Iterator<Item = Candidate> + 'c {
        self.of_candidates(plain)
            .filter(|c| self.released.contains(&c.module))
    }

    /// Whether the module may exist without tags.
    pub(super) fn is_untagged(&self, module: &str) -> bool {
        self.untagged.contains(module)
    }

    /// The newest listed version, if possible a release.
    pub(super) fn newest_version(&self, module: &str) -> Option<&String> {
        let versions = self.versions.get(module)?;
        let releases = || versions.iter().rev().find(|version| !version.contains('-'));
        releases().or_else(|| versions.last())
    }

    /// All versions.
    pub(super) fn into_versions(self) -> impl Iterator<Item = String> {
        self.versions.into_values().flatten()
    }

    /// Queries the module proxy for the majors of these candidates, each up to the given one, except modules that were queried before.
    /// If the last major of a candidate exists, as many more are queried.
    pub(super) fn query(
        &mut self,
        lookup: Lookup<'_>,
        candidates: impl IntoIterator<Item = (Candidate, u64)>,
    ) -> Result<(), Error> {
        let mut open: Vec<(Candidate, u64)> = candidates.into_iter().collect();
        for batch in 0.. {
            let majors = |(c, count): &(Candidate, u64)| {
                let numbers = batch * count + 1..=(batch + 1) * count;
                numbers.filter_map(|major| c.at_major(major)).collect::<Vec<_>>()
            };
            let mut modules: BTreeSet<String> = open.iter().flat_map(majors).map(|c| c.module).collect();
            modules.retain(|module| self.queried.insert(module.clone()));
            if !modules.is_empty() {
                for listed in lookup.query_versions(self.listed, modules.iter().map(String::as_str))? {
                    self.add(listed);
                }
            }
            let last = |count: u64| (batch + 1) * count;
            self.newest = open
                .iter()
                .map(|(_, count)| last(*count))
                .fold(self.newest, u64::max);
            open.retain(|(c, count)| {
                let module = c.at_major(last(*count)).map(|c| c.module);
                module.is_some_and(|module| self.versions.contains_key(&module))
            });
            if open.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn add(&mut self, listed: ModuleVersions) {
        let is_release = |version: &String| !version.contains('-');
        let modules_of_kind = match listed.versions.as_slice() {
            [] if listed.error.is_some() => return,
            [] => &mut self.untagged,
            versions if versions.iter().any(is_release) => &mut self.released,
            [..] => &mut self.unreleased,
        };
        modules_of_kind.insert(listed.path.clone());
        if !listed.versions.is_empty() {
            self.versions.insert(listed.path, listed.versions);
        }
    }
}
