//! Commands in modules inside the repository: the zip of the module around them leaves them out (Go modules reference, "Module zip
//! files"), and no module proxy lists a repository.

use std::time::SystemTime;

use super::candidate::{Candidate, join, last_name};
use super::downloaded::Downloaded;
use super::majors::Majors;
use super::module_files::directive;
use super::ranking::{Clues, Evidence, Ranking, is_development, rank};
use super::release_config::ReleaseConfig;
use super::resolve::{Asking, furthest};
use super::{Resolved, mains, mentioned};
use crate::answer::{Reason, Refusal};
use crate::asked::{Target, Version};

/// Two years, in seconds: by so much a module at the repository's root is older than the one that has taken its place.
const YEARS: u64 = 2 * 365 * 24 * 60 * 60;

/// A command in a module inside the repository.
pub(super) struct Inside {
    /// Its directory below the repository's root, with the module's major version.
    pub(super) directory: String,
    /// The command, or why that is not known now, as where it needs a newer Go.
    pub(super) command: Result<Resolved, Refusal>,
}

impl Inside {
    /// Whether it was released years after `time`, in seconds since 1970, or may have been: one that needs a newer Go is asked for again
    /// with that Go.
    pub(super) fn is_years_newer_than(&self, time: u64) -> bool {
        let released = match &self.command {
            Ok(command) => command.time,
            Err(refusal) if refusal.reason == Reason::NeedsNewerGo => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                now.map_or(0, |now| now.as_secs())
            }
            Err(_) => 0,
        };
        released > time + YEARS
    }
}

/// Modules that a repository's command often is: `MODULE/NAME` and `MODULE/cmd/NAME`, of a target that names a repository only.
pub(super) fn nested_guesses(target: &Target, plain: &[Candidate]) -> Vec<Candidate> {
    let is_repository = target.elements().len() <= 3 && plain.iter().all(|c| c.below.is_empty());
    let modules = plain.iter().filter(|_| is_repository);
    let nested =
        |c: &Candidate| ["", "cmd/"].map(|above| join(&c.module, &format!("{above}{}", target.name())));
    let candidate = |module| Candidate {
        module,
        below: String::new(),
    };
    modules.flat_map(nested).map(candidate).collect()
}

impl Asking<'_> {
    /// Commands of modules inside the repository. Their versions are their own: only a client that names none may mean them. Where
    /// the module's own commands decide, only the guesses are looked at, which cost no question.
    pub(super) fn commands_inside(
        &self,
        candidate: &Candidate,
        downloaded: &Downloaded,
        own: &Ranking,
        config: &ReleaseConfig,
    ) -> Result<Vec<Inside>, Refusal> {
        if !candidate.below.is_empty() || *self.target.version() != Version::Latest {
            return Ok(Vec::new());
        }
        let root = candidate.root();
        let around = Candidate {
            module: root.to_owned(),
            below: String::new(),
        };
        let guesses = nested_guesses(self.target, &[around]);
        let is_there = |c: &&Candidate| downloaded.dir.join(&c.module[root.len() + 1..]).exists();
        let is_settled = match own {
            Ranking::Decided(_, Evidence::ReleaseConfig) => return Ok(Vec::new()),
            Ranking::Decided(_, Evidence::Root) => true,
            Ranking::Decided(dir, _) => !is_development(dir),
            Ranking::Several(..) | Ranking::None => false,
        };
        let guessed = guesses
            .iter()
            .filter(|c| !is_there(c) || matches!(own, Ranking::Decided(_, Evidence::Root)));
        let listed = self.listed.get();
        let mut modules: Vec<String> = guessed.filter_map(|c| listed?.newest_of(c)).collect();
        if !is_settled {
            let dirs = mentioned::directories(&downloaded.dir, root, config);
            modules.extend(self.released_inside(root, &dirs)?);
        }
        modules.sort();
        modules.dedup();
        let inside = |module: &String| {
            let below = |path: &str| path[root.len() + 1..].to_owned();
            match self.module_inside(module) {
                Ok(command) => command.map(|command| Inside {
                    directory: below(&command.package),
                    command: Ok(command),
                }),
                Err(refusal) if furthest(refusal.reason).is_some() => None,
                Err(refusal) => Some(Inside {
                    directory: below(module),
                    command: Err(refusal),
                }),
            }
        };
        Ok(modules.iter().filter_map(inside).collect())
    }

    /// The modules in these directories that have versions, each in its newest major.
    fn released_inside(&self, root: &str, dirs: &[String]) -> Result<Vec<String>, Refusal> {
        let candidate = |dir: &String| Candidate {
            module: join(root, dir),
            below: String::new(),
        };
        let asked: Vec<Candidate> = dirs.iter().map(candidate).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let listed = Majors::of(&self.list(), &asked)?;
        let newest = |c: &Candidate| listed.newest_of(c).ok_or(c.module.clone());
        let (tagged, untagged): (Vec<_>, Vec<_>) = asked.iter().map(newest).partition(Result::is_ok);
        let untagged: Vec<String> = untagged.into_iter().filter_map(Result::err).collect();
        let mut modules: Vec<String> = tagged.into_iter().flatten().collect();
        if !untagged.is_empty() {
            modules.extend(self.list().there(untagged.iter().map(String::as_str))?);
        }
        Ok(modules)
    }

    /// The command that the newest version of a module is, if it is one and goes by that name.
    fn module_inside(&self, module: &str) -> Result<Option<Resolved>, Refusal> {
        let downloaded = self.download(module)?;
        let is_itself = directive(&downloaded.go_mod, "module").is_some_and(|declared| declared == module);
        let clues = Clues {
            names: vec![last_name(module).to_owned()],
            ..Clues::default()
        };
        Ok(match rank(&mains::commands(&downloaded.dir), &clues) {
            Ranking::Decided(dir, evidence) if is_itself => {
                Some(self.resolved(module, &dir, &downloaded, evidence))
            }
            Ranking::Decided(..) | Ranking::Several(..) | Ranking::None => None,
        })
    }
}
