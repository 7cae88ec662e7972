//! Finds the major versions of candidate modules that are released. One `go list` queries many at once.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::golang::resolve::candidate::Candidate;
use crate::golang::resolve::list::GoList;

/// Majors per `go list`. If the last of them exists, the next batch is queried too.
const BATCH: u64 = 20;

/// The module paths, including major suffixes, that have versions.
#[derive(Debug, Default)]
pub(super) struct Majors {
    /// Modules with a release version.
    pub(super) released: BTreeSet<String>,
    /// Modules with pre-release versions only.
    pub(super) unreleased: BTreeSet<String>,
    /// The versions of all these modules.
    pub(super) versions: Vec<String>,
    /// The highest major that was queried.
    pub(super) newest: u64,
}

impl Majors {
    /// The path of the newest major of `plain` that is released, or else that has a pre-release.
    pub(super) fn newest_of(&self, plain: &Candidate) -> Option<String> {
        let newest = |known: &BTreeSet<String>| {
            let majors = (1..=self.newest).rev().filter_map(|major| plain.at_major(major));
            majors.map(|c| c.module).find(|module| known.contains(module))
        };
        newest(&self.released).or_else(|| newest(&self.unreleased))
    }

    /// Queries the module proxy for all majors of these candidates.
    pub(super) fn query(list: &GoList<'_>, plain: &[Candidate]) -> Result<Majors, Error> {
        let mut majors = Majors::default();
        let mut from = 1;
        loop {
            let last = from + BATCH - 1;
            let queried: BTreeSet<String> = plain
                .iter()
                .flat_map(|c| (from..=last).filter_map(|major| c.at_major(major)))
                .map(|c| c.module)
                .collect();
            for listed in list.list_tagged(queried.iter().map(String::as_str))? {
                let is_release = |version: &String| !version.contains('-');
                let majors_of_kind = match listed.versions.iter().any(is_release) {
                    true => &mut majors.released,
                    false => &mut majors.unreleased,
                };
                majors_of_kind.insert(listed.path);
                majors.versions.extend(listed.versions);
            }
            majors.newest = last;
            let is_last = |c: &Candidate| {
                let module = c.at_major(last).map(|c| c.module);
                module.is_some_and(|m| majors.released.contains(&m) || majors.unreleased.contains(&m))
            };
            if !plain.iter().any(is_last) {
                return Ok(majors);
            }
            from = last + 1;
        }
    }
}
