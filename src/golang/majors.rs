//! Which majors of the modules that may be meant are released. The proxy is asked for many at once.

use std::collections::BTreeSet;

use super::candidate::Candidate;
use super::list::List;
use crate::answer::Refusal;

/// Majors that are asked for at once, in one `go list`. When the last of them exists, the next batch is asked too.
const MAJORS_AT_ONCE: u64 = 20;

/// Which modules, majors and all, have versions.
#[derive(Debug, Default)]
pub(super) struct Majors {
    pub(super) released: BTreeSet<String>,
    /// Those of which there are only candidates.
    pub(super) unreleased: BTreeSet<String>,
    /// The highest that was asked for.
    pub(super) newest: u64,
}

impl Majors {
    /// The newest major of this module that has versions: a released one, if there is one.
    pub(super) fn newest_of(&self, plain: &Candidate) -> Option<String> {
        let newest = |known: &BTreeSet<String>| {
            let majors = (1..=self.newest).rev().filter_map(|major| plain.at_major(major));
            majors.map(|c| c.module).find(|module| known.contains(module))
        };
        newest(&self.released).or_else(|| newest(&self.unreleased))
    }

    /// What the module proxy lists of these, in any major.
    pub(super) fn of(list: &List<'_>, plain: &[Candidate]) -> Result<Majors, Refusal> {
        let mut majors = Majors::default();
        let mut from = 1;
        loop {
            let last = from + MAJORS_AT_ONCE - 1;
            let asked: BTreeSet<String> = plain
                .iter()
                .flat_map(|c| (from..=last).filter_map(|major| c.at_major(major)))
                .map(|c| c.module)
                .collect();
            for listed in list.of(asked.iter().map(String::as_str))? {
                let is_release = |version: &String| !version.contains('-');
                let place = match listed.versions.iter().any(is_release) {
                    true => &mut majors.released,
                    false => &mut majors.unreleased,
                };
                place.insert(listed.path);
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
