//! From what was typed to one package of one exact version: `go` asks the module proxy, this room asks `go`.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::candidate::{Candidate, join, last_name};
use super::clues::clues;
use super::command::Go;
use super::downloaded::Downloaded;
use super::inside::{Inside, nested_guesses};
use super::list::List;
use super::mains;
use super::majors::Majors;
use super::module_files::{commit, directive, module_time};
use super::notices::notices;
use super::ranking::{Evidence, Ranking, rank};
use super::release_config::ReleaseConfig;
use super::toolchain::{brought, versions};
use super::work::Work;
use super::{Resolved, diagnosis, turn};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::{Target, Version};
use crate::store::lock::Lock;
use crate::store::{BuildKey, KeyMaker};

/// Modules that are unpacked to find one command: each may fill the disk up to the limits of a build.
const MAX_UNPACKED: usize = 8;

/// The name under which a target's resolution is remembered.
pub fn key(target: &Target, go: &str) -> BuildKey {
    KeyMaker::default()
        .field("resolution 3")
        .field(go)
        .field(target.import_path())
        .field(target.version().query())
        .finish()
}

/// Asks the module proxy, in its `turn`, until `deadline`. If the module needs a newer Go, one that suffices asks again, for as long.
pub fn resolve(go: Go<'_>, target: &Target, deadline: Instant, turn: Lock) -> Result<Resolved, Refusal> {
    let resolved = resolve_with(go, target, deadline);
    // Choosing a Go takes a turn of its own, and bringing one takes long.
    drop(turn);
    let refused = resolved.as_ref().err();
    let Some(needs) = refused.and_then(diagnosis::needed_go) else {
        return resolved;
    };
    let version = versions::choose(go, None, Some(needs))?;
    let mut wanted = brought::until(go.patience.end());
    let toolchain = brought::of_version(go.toolchain, go.config, go.store, &version, &mut wanted)?;
    let newer = Go {
        toolchain: &toolchain,
        ..go
    };
    let deadline = go.patience.lookup_end();
    let _turn = turn::turn(go, deadline)?;
    resolve_with(newer, target, deadline)
}

fn resolve_with(go: Go<'_>, target: &Target, deadline: Instant) -> Result<Resolved, Refusal> {
    let work =
        Work::begin(go.store, "resolve-").map_err(|e| trouble("make a directory to resolve in", &e))?;
    let _modules = go
        .store
        .use_modules()
        .map_err(|e| trouble("share the module cache", &e))?;
    let asking = Asking {
        go,
        work: work.path(),
        deadline,
        target,
        listed: OnceCell::new(),
        unpacked: RefCell::default(),
    };
    let mut failure = None;
    for candidate in asking.candidates()? {
        match asking.try_candidate(&candidate) {
            Err(refusal) if furthest(refusal.reason).is_some() => {
                let furthest = |refusal: &Refusal| furthest(refusal.reason);
                if furthest(&refusal) > failure.as_ref().and_then(furthest) {
                    failure = Some(refusal);
                }
            }
            // Whatever else keeps the likeliest from being looked at, the next is not what was meant.
            done => return done,
        }
    }
    Err(failure.unwrap_or(Refusal::new(Reason::NoSuchModule)))
}

/// What says that a candidate is not the one that is meant, in the order of how much it tells: the module is there, but not the
/// package.
pub(super) fn furthest(reason: Reason) -> Option<usize> {
    const ORDER: [Reason; 4] = [
        Reason::NoSuchModule,
        Reason::NoSuchVersion,
        Reason::NoSuchPackage,
        Reason::NoCommand,
    ];
    ORDER.iter().position(|known| *known == reason)
}

/// One question to the module proxy: what a target means.
pub(super) struct Asking<'a> {
    go: Go<'a>,
    work: &'a Path,
    deadline: Instant,
    pub(super) target: &'a Target,
    /// Modules with versions, among those that were asked for.
    pub(super) listed: OnceCell<Majors>,
    unpacked: RefCell<BTreeSet<String>>,
}

impl Asking<'_> {
    pub(super) fn list(&self) -> List<'_> {
        List {
            go: self.go,
            work: self.work,
            deadline: self.deadline,
        }
    }

    /// The modules that may be meant, the likeliest first: of the longest path that is known to be released, the newest major.
    fn candidates(&self) -> Result<Vec<Candidate>, Refusal> {
        let plain = Candidate::of(self.target);
        let guesses = nested_guesses(self.target, &plain);
        if let Some(major) = self.target.version().major() {
            let with_major = plain
                .iter()
                .chain(&guesses)
                .flat_map(|c| [c.at_major(major), (major > 1).then(|| c.clone())]);
            return Ok(with_major.flatten().collect());
        }
        // No version, a branch or a commit: the newest major is meant. Which there are, the proxy is asked at once.
        let asked: Vec<Candidate> = plain.iter().chain(&guesses).cloned().collect();
        let listed = Majors::of(&self.list(), &asked)?;
        let ordered = |is_wanted: &dyn Fn(&Candidate) -> bool| -> Vec<Candidate> {
            let with_majors = plain
                .iter()
                .flat_map(|c| (1..=listed.newest).rev().filter_map(|major| c.at_major(major)));
            with_majors.filter(is_wanted).collect()
        };
        let released = ordered(&|c| listed.released.contains(&c.module));
        // A module without any tag is not listed; and one of which there are only candidates is meant when nothing else is.
        let rest = ordered(&|c| {
            let is_known = plain.contains(c) || listed.unreleased.contains(&c.module);
            is_known && !listed.released.contains(&c.module)
        });
        let candidates = released.into_iter().chain(rest).collect();
        self.listed.get_or_init(|| listed);
        Ok(candidates)
    }

    /// Downloads the candidate, follows another path that it declares once, and finds the command in it.
    fn try_candidate(&self, candidate: &Candidate) -> Result<Resolved, Refusal> {
        let downloaded = match self.download(&candidate.module) {
            // No tag tells a major that is not released: its go.mod alone does, and the proxy refuses it by another name.
            Err(refusal) => match self.declared_major(candidate, &refusal) {
                Some(other) => return self.command_in(&other, &self.download(&other.module)?),
                None => return Err(refusal),
            },
            Ok(downloaded) => downloaded,
        };
        let declared = directive(&downloaded.go_mod, "module").filter(|path| *path != candidate.module);
        match declared {
            None => self.command_in(candidate, &downloaded),
            // No module proxy has a path without a host (golang.org/x/mod/module, CheckPath).
            Some(module) if !module.split('/').next().is_some_and(|host| host.contains('.')) => {
                let detail = format!(
                    "go.mod of {} declares the module path {module}.",
                    candidate.module
                );
                Err(Refusal::new(Reason::OtherPath).detail(detail))
            }
            Some(module) => {
                let renamed = Candidate {
                    module,
                    below: candidate.below.clone(),
                };
                let downloaded = self.download(&renamed.module)?;
                self.command_in(&renamed, &downloaded)
            }
        }
    }

    /// The candidate in the major that its go.mod says where it is asked for in another: `go.mod has post-v0 module path "M/v2"`
    /// (cmd/go/internal/modfetch, coderepo.go).
    fn declared_major(&self, candidate: &Candidate, refusal: &Refusal) -> Option<Candidate> {
        if self.target.version().major().is_some() || refusal.reason.status() != 404 {
            return None;
        }
        let (_, declared) = refusal.log.split_once(" module path \"")?;
        candidate.in_major_of(declared.split('"').next()?)
    }

    pub(super) fn download(&self, module: &str) -> Result<Downloaded, Refusal> {
        let mut unpacked = self.unpacked.borrow_mut();
        if unpacked.len() == MAX_UNPACKED && !unpacked.contains(module) {
            return Err(Refusal::new(Reason::NoSuchModule).log(format!("{module}: too many came before it")));
        }
        let version = self.target.version();
        let exact = *version != Version::Latest;
        let at = |query: &str| {
            let query = format!("{module}@{query}");
            download(self.go, self.work, &query, exact, self.deadline)
        };
        let downloaded = at(version.query()).or_else(|refusal| match version.without_v() {
            Some(tag) if refusal.reason == Reason::NoSuchVersion => at(tag).map_err(|other| {
                if other.reason.status() == 404 {
                    refusal
                } else {
                    other
                }
            }),
            Some(_) | None => Err(refusal),
        })?;
        unpacked.insert(module.to_owned());
        Ok(downloaded)
    }

    fn command_in(&self, candidate: &Candidate, downloaded: &Downloaded) -> Result<Resolved, Refusal> {
        let place = downloaded.dir.join(&candidate.below);
        if !candidate.below.is_empty() {
            if mains::is_command(&place) {
                return Ok(self.resolved(&candidate.module, &candidate.below, downloaded, Evidence::Named));
            }
            if !place.is_dir() {
                return Err(self.no_package(candidate));
            }
        }
        let config = ReleaseConfig::read(&downloaded.dir);
        let clues = clues(self.target, candidate, &downloaded.dir, &config);
        let commands = clues.commands(&downloaded.dir);
        let own = rank(&commands, &clues);
        let mut inside = self.commands_inside(candidate, downloaded, &own, &config)?;
        let newer = |inside: &Inside| inside.is_years_newer_than(module_time(&downloaded.info));
        let ranking = match own {
            // The root of a repository whose command has moved on into a module of its own.
            Ranking::Decided(_, Evidence::Root) => {
                inside.retain(newer);
                match inside.as_slice() {
                    [] => own,
                    [moved, ..] => Ranking::Decided(moved.directory.clone(), Evidence::Name),
                }
            }
            Ranking::Decided(..) | Ranking::Several(..) | Ranking::None => {
                let dirs = inside.iter().map(|inside| inside.directory.clone());
                let all: Vec<String> = commands.into_iter().chain(dirs).collect();
                rank(&all, &clues)
            }
        };
        match ranking {
            Ranking::Decided(dir, evidence) => {
                match inside.into_iter().find(|inside| inside.directory == dir) {
                    Some(inside) => inside.command.map(|command| Resolved { evidence, ..command }),
                    None => Ok(self.resolved(&candidate.module, &dir, downloaded, evidence)),
                }
            }
            Ranking::Several(dirs, why) => Err(self.several(candidate, &dirs, why)),
            Ranking::None => Err(self.no_command(candidate, downloaded, &clues.installed)),
        }
    }

    /// Several commands, and none of them is the obvious one.
    fn several(&self, candidate: &Candidate, dirs: &[String], why: &str) -> Refusal {
        let root = self.typed_root(candidate);
        let root = root.unwrap_or_else(|| self.target.import_path());
        let addresses: Vec<String> = dirs.iter().map(|dir| self.address(&join(&root, dir))).collect();
        let refusal = Refusal::new(Reason::SeveralCommands).instead(addresses);
        match why {
            "" => refusal,
            why => refusal.detail(format!("The first is likely the one you want: {why}.")),
        }
    }

    /// What is typed for a package, at the version that was asked for.
    fn address(&self, package: &str) -> String {
        let package = package.strip_prefix("github.com/").unwrap_or(package);
        match self.target.version() {
            Version::Latest => format!("/{package}"),
            named @ (Version::Exact(_) | Version::Prefix(_) | Version::Revision(_)) => {
                format!("/{package}@{}", named.query())
            }
        }
    }

    /// What was typed, up to the module's root.
    fn typed_root(&self, candidate: &Candidate) -> Option<String> {
        let typed = self.target.import_path();
        let root = typed.strip_suffix(&candidate.below)?.strip_suffix('/')?;
        Some(root.to_owned())
    }

    /// The directory has no command. The module may have one elsewhere; or its README installs one from a module inside the
    /// repository, which the module proxy does not have.
    fn no_command(&self, candidate: &Candidate, downloaded: &Downloaded, installed: &[String]) -> Refusal {
        let root = self
            .typed_root(candidate)
            .filter(|_| !mains::commands(&downloaded.dir).is_empty());
        let elsewhere = installed.iter().filter(|dir| !downloaded.dir.join(dir).exists());
        let elsewhere = elsewhere.map(|dir| join(candidate.root(), dir));
        let elsewhere = elsewhere.map(|module| {
            format!(
                "\nIts README installs {module}, a module of its own, which the module proxy does not have."
            )
        });
        let detail = join(&candidate.module, &candidate.below) + &elsewhere.collect::<String>();
        Refusal::new(Reason::NoCommand)
            .detail(detail)
            .instead(root.map(|root| self.address(&root)))
    }

    /// There is no such directory; who pasted an address of GitHub's meant a branch.
    fn no_package(&self, candidate: &Candidate) -> Refusal {
        let parts: Vec<&str> = candidate.below.splitn(3, '/').collect();
        let root = self.typed_root(candidate);
        let instead = root.map(|root| match parts.as_slice() {
            ["tree", branch, below @ ..] if *self.target.version() == Version::Latest => {
                format!("{}@{branch}", self.address(&join(&root, &below.concat())))
            }
            [..] => self.address(&root),
        });
        Refusal::new(Reason::NoSuchPackage)
            .detail(format!("{} has no {}", candidate.module, candidate.below))
            .instead(instead)
    }

    pub(super) fn resolved(
        &self,
        module: &str,
        dir: &str,
        downloaded: &Downloaded,
        evidence: Evidence,
    ) -> Resolved {
        let root = self
            .target
            .elements()
            .get(2)
            .map_or(last_name(module), String::as_str);
        Resolved {
            module: module.to_owned(),
            version: downloaded.version.clone(),
            package: join(module, dir),
            time: module_time(&downloaded.info),
            needs: directive(&downloaded.go_mod, "go").and_then(|version| version.parse().ok()),
            states_no_needs: mains::states_no_needs(&downloaded.dir, module),
            notices: notices(self.go, self.work, module, &downloaded.version, self.deadline),
            evidence,
            release: ReleaseConfig::read(&downloaded.dir).builds(module, dir, root),
            commit: commit(&downloaded.info, &downloaded.version),
        }
    }
}

/// Where the module lies, unpacked.
pub fn module_directory(
    go: Go<'_>,
    work: &Path,
    resolved: &Resolved,
    deadline: Instant,
) -> Result<PathBuf, Refusal> {
    let query = format!("{}@{}", resolved.module, resolved.version);
    Ok(download(go, work, &query, true, deadline)?.dir)
}

pub(super) fn download(
    go: Go<'_>,
    work: &Path,
    query: &str,
    exact: bool,
    deadline: Instant,
) -> Result<Downloaded, Refusal> {
    let outcome = go.run(work, &["mod", "download", "-json", "--", query], deadline)?;
    Downloaded::read(go, work, query, exact, &outcome)
}
