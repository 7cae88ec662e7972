//! Finds commands in nested modules. The zip of the outer module leaves them out (Go modules reference, "Module zip files"), and no
//! module proxy lists the modules of a repository.

use std::time::SystemTime;

use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::release::release_config::ReleaseConfig;
use crate::golang::resolve::candidate::{Candidate, join, last_name};
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::resolve::go_mod::read_directive;
use crate::golang::resolve::nested_modules;
use crate::golang::resolve::ranking::{Clues, Evidence, Ranking, is_development, rank};
use crate::golang::resolve::{Resolver, match_depth};
use crate::golang::source::commands;
use crate::parse::{Target, Version};

/// Two years, in seconds. A root module that is older than a nested one by this much is taken as abandoned.
const YEARS: u64 = 2 * 365 * 24 * 60 * 60;

/// A command in a nested module.
pub(super) struct NestedCommand {
    /// Its directory relative to the repository's root, including a major version suffix.
    pub(super) directory: String,
    /// The command, or why it cannot be resolved now: it needs a newer Go, for example.
    pub(super) command: Result<Resolved, Error>,
}

impl NestedCommand {
    /// Whether it was released more than `YEARS` after `time`, in seconds since 1970. A command that needs a newer Go counts as
    /// released now: it is resolved again with that Go.
    pub(super) fn is_years_newer_than(&self, time: u64) -> bool {
        let released = match &self.command {
            Ok(command) => command.time,
            Err(error) if error.reason == Reason::NeedsNewerGo => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                now.map_or(0, |now| now.as_secs())
            }
            Err(_) => 0,
        };
        released > time + YEARS
    }
}

/// How many majors of a nested module are queried at once. They rarely exceed that of the outer one.
pub(super) fn count_nested_majors(outer: &Candidate) -> u64 {
    outer.major().max(5)
}

/// Guesses nested modules for a target that names a repository only: `MODULE/NAME` and `MODULE/cmd/NAME`.
pub(super) fn guess_nested_modules(target: &Target, plain: &[Candidate]) -> Vec<Candidate> {
    let is_repository = target.elements().len() <= 3 && plain.iter().all(|c| c.subdirectory.is_empty());
    let modules = plain.iter().filter(|_| is_repository);
    let nested =
        |c: &Candidate| ["", "cmd/"].map(|parent| join(&c.module, &format!("{parent}{}", target.name())));
    modules.flat_map(nested).map(Candidate::root_package).collect()
}

impl Resolver<'_> {
    /// Finds commands of nested modules. They have versions of their own, so they match only requests without a version. If the outer
    /// module's commands are decisive, only the guesses are tried.
    pub(super) fn find_nested_commands(
        &self,
        candidate: &Candidate,
        downloaded: &DownloadedModule,
        own: &Ranking,
        config: &ReleaseConfig,
    ) -> Result<Vec<NestedCommand>, Error> {
        if !candidate.subdirectory.is_empty() || *self.target.version() != Version::Latest {
            return Ok(Vec::new());
        }
        let root = candidate.root();
        let outer = Candidate::root_package(root.to_owned());
        let guesses = guess_nested_modules(self.target, &[outer]);
        let is_in_zip = |path: &str| downloaded.contains(path);
        let is_missing = |c: &Candidate| !is_in_zip(&c.module[root.len() + 1..]);
        let is_decisive = match own {
            Ranking::Decided(_, Evidence::ReleaseConfig) => return Ok(Vec::new()),
            Ranking::Decided(_, Evidence::Root) => true,
            Ranking::Decided(dir, _) => !is_development(dir),
            Ranking::Several(..) | Ranking::None => false,
        };
        let guessed = guesses
            .into_iter()
            .filter(|c| is_missing(c) || matches!(own, Ranking::Decided(_, Evidence::Root)));
        let dirs = match is_decisive {
            true => Vec::new(),
            false => nested_modules::find_directories(&downloaded.dir, &is_in_zip, root, config),
        };
        let count = count_nested_majors(candidate);
        let mut modules = self.list_nested_modules(root, guessed.collect(), &dirs, count)?;
        modules.sort();
        modules.dedup();
        self.download_all(&modules);
        let nested_command = |module: &String| {
            let relative = |path: &str| path[root.len() + 1..].to_owned();
            match self.resolve_nested_module(module) {
                Ok(command) => command.map(|command| NestedCommand {
                    directory: relative(&command.package),
                    command: Ok(command),
                }),
                Err(error) if match_depth(error.reason).is_some() => None,
                Err(error) => Some(NestedCommand {
                    directory: relative(module),
                    command: Err(error),
                }),
            }
        };
        Ok(modules.iter().filter_map(nested_command).collect())
    }

    /// Lists the guessed modules that have tags, and the modules in these directories that may exist, each in its newest major. Queries
    /// `count` majors at once.
    fn list_nested_modules(
        &self,
        root: &str,
        guessed: Vec<Candidate>,
        dirs: &[String],
        count: u64,
    ) -> Result<Vec<String>, Error> {
        let candidate = |dir: &String| Candidate::root_package(join(root, dir));
        let named: Vec<Candidate> = dirs.iter().map(candidate).collect();
        let queried = [named.as_slice(), &guessed].concat();
        let mut majors = self.majors.borrow_mut();
        majors.query(self.lookup, queried.iter().map(|c| (c.clone(), count)))?;
        let tagged = queried.iter().filter_map(|c| majors.newest_of(c));
        let untagged = named
            .iter()
            .filter(|c| majors.newest_of(c).is_none() && majors.is_untagged(&c.module));
        Ok(tagged.chain(untagged.map(|c| c.module.clone())).collect())
    }

    /// The command of the newest version of a module, if the module has an obvious one and declares this path.
    fn resolve_nested_module(&self, module: &str) -> Result<Option<Resolved>, Error> {
        let downloaded = self.download(module)?;
        let is_itself =
            read_directive(&downloaded.go_mod, "module").is_some_and(|declared| declared == module);
        let clues = Clues {
            names: vec![last_name(module).to_owned()],
            ..Clues::default()
        };
        Ok(match rank(&commands::find_commands(&downloaded.dir), &clues) {
            Ranking::Decided(dir, evidence) if is_itself => {
                Some(self.to_resolved(module, &dir, &downloaded, evidence))
            }
            Ranking::Decided(..) | Ranking::Several(..) | Ranking::None => None,
        })
    }
}
