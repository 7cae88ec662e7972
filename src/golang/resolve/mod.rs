//! Resolves a target to one package at one exact version. This module runs `go`, which queries the module
//! proxy through a relay.

mod cached_resolution;
pub mod candidate;
mod candidate_list;
mod clues;
pub mod downloaded;
mod downloads;
mod errors;
pub(in crate::golang) mod fetch;
pub mod go_mod;
pub mod known_paths;
pub(in crate::golang) mod lookup;
pub mod lookup_slot;
mod majors;
pub mod module_versions;
mod nested_commands;
pub mod nested_modules;
mod notices;
pub mod ranking;
mod release_tags;
pub mod replacements;
pub mod resolution_cache;
pub mod resolved;
pub mod shared_resolution;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::relay::Relay;
use crate::golang::release::release_config::ReleaseConfig;
use crate::golang::resolve::candidate::{Candidate, last_name};
use crate::golang::resolve::clues::read_clues;
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::resolve::go_mod::read_directive;
use crate::golang::resolve::lookup::Lookup;
use crate::golang::resolve::majors::Majors;
use crate::golang::resolve::nested_commands::NestedCommand;
use crate::golang::resolve::ranking::{Evidence, Ranking, rank};
use crate::golang::run::command::Go;
use crate::golang::run::diagnosis;
use crate::golang::source::commands;
use crate::golang::toolchain::versions::VersionRequest;
use crate::golang::toolchain::{managed, versions};
use crate::parse::Target;
use crate::store::lock::Lock;
use crate::store::work_dir::WorkDir;
use crate::store::{BuildKey, KeyHasher};

/// The key of a target's entry in the resolution cache.
pub fn resolution_key(target: &Target, go: &str) -> BuildKey {
    KeyHasher::default()
        .field("resolution 4")
        .field(go)
        .field(target.import_path())
        .field(target.version().query())
        .finish()
}

/// Resolves `target` while it holds `slot`, until `deadline`. If the module requires a newer Go, it resolves again with one that
/// suffices, with a new slot and deadline.
pub fn resolve(go: Go<'_>, target: &Target, deadline: Instant, slot: Lock) -> Result<Resolved, Error> {
    let resolved = resolve_with(go, target, deadline);
    // Choosing a Go acquires a slot of its own, and a download of Go takes long.
    drop(slot);
    let error = resolved.as_ref().err();
    let Some(needed) = error.and_then(diagnosis::parse_needed_go) else {
        return resolved;
    };
    let request = VersionRequest {
        required: Some(needed),
        ..VersionRequest::default()
    };
    let version = versions::choose(go, request)?;
    let mut is_wanted = managed::wait_until(go.deadlines.wait_deadline());
    let toolchain = managed::ensure_version(go.toolchain, go.config, go.store, &version, &mut is_wanted)?;
    let newer = go.with_toolchain(&toolchain);
    let deadline = go.deadlines.lookup_deadline();
    let _slot = lookup_slot::acquire_lookup_slot(go, deadline)?;
    resolve_with(newer, target, deadline)
}

fn resolve_with(go: Go<'_>, target: &Target, deadline: Instant) -> Result<Resolved, Error> {
    let work = WorkDir::create(go.store, "resolve-")
        .map_err(|e| internal_error("make a directory to resolve in", &e))?;
    let _modules = go
        .store
        .use_modules()
        .map_err(|e| internal_error("share the module cache", &e))?;
    let relay = Relay::start(go, work.path());
    let resolver = Resolver {
        lookup: Lookup {
            go: go.with_relay(relay.as_ref()),
            work: work.path(),
            deadline,
        },
        target,
        majors: RefCell::default(),
        ahead: RefCell::default(),
        downloads: RefCell::default(),
    };
    let resolved = resolver
        .try_candidates()
        .or_else(|failure| resolver.resolve_release_tag(failure))?;
    let notices = resolver.find_notices(&resolved);
    Ok(Resolved { notices, ..resolved })
}

/// How far a candidate matched before it failed; `None` for an error that is not about the candidate. The error of the deepest match
/// is the most specific: that a package is missing says more than that a module is missing.
pub(super) fn match_depth(reason: Reason) -> Option<usize> {
    const ORDER: [Reason; 4] = [
        Reason::NoSuchModule,
        Reason::NoSuchVersion,
        Reason::NoSuchPackage,
        Reason::NoCommand,
    ];
    ORDER.iter().position(|known| *known == reason)
}

/// One resolution of one target.
pub(super) struct Resolver<'a> {
    lookup: Lookup<'a>,
    pub(super) target: &'a Target,
    /// The majors that exist, as far as they were queried.
    majors: RefCell<Majors>,
    /// The modules that were downloaded before they are needed.
    ahead: RefCell<BTreeMap<String, Result<DownloadedModule, Error>>>,
    /// The downloads of modules at the version of the target, as far as they were needed.
    downloads: RefCell<BTreeMap<String, Result<DownloadedModule, Error>>>,
}

impl Resolver<'_> {
    /// The resolution of another target in the same run.
    fn with_target<'b>(&'b self, target: &'b Target) -> Resolver<'b> {
        Resolver {
            lookup: self.lookup,
            target,
            majors: RefCell::default(),
            ahead: RefCell::default(),
            downloads: RefCell::default(),
        }
    }

    /// Tries the candidates of the target, one after the other.
    fn try_candidates(&self) -> Result<Resolved, Error> {
        let mut failure = None;
        for candidate in self.list_candidates()? {
            match self.try_candidate(&candidate) {
                Err(error) if match_depth(error.reason).is_some() => {
                    let match_depth = |error: &Error| match_depth(error.reason);
                    if match_depth(&error) > failure.as_ref().and_then(match_depth) {
                        failure = Some(error);
                    }
                }
                // After any other failure, such as a proxy error, the next candidate could be the wrong module.
                result => return result,
            }
        }
        Err(failure.unwrap_or(Error::new(Reason::NoSuchModule)))
    }

    /// Downloads the candidate and finds the command in it. If go.mod declares another module path, follows it once.
    fn try_candidate(&self, candidate: &Candidate) -> Result<Resolved, Error> {
        let downloaded = match self.download(&candidate.module) {
            // An untagged major is known from its go.mod only: the proxy then refuses the path without it.
            Err(error) => match self.declared_major(candidate, &error) {
                Some(other) => return self.find_command(&other, &self.download(&other.module)?),
                None => return Err(error),
            },
            Ok(downloaded) => downloaded,
        };
        let declared = read_directive(&downloaded.go_mod, "module").filter(|path| *path != candidate.module);
        match declared {
            None => self.find_command(candidate, &downloaded),
            // A module proxy serves no path without a dot in the first element (golang.org/x/mod/module, CheckPath).
            Some(module) if !module.split('/').next().is_some_and(|host| host.contains('.')) => {
                let detail = format!(
                    "go.mod of {} declares the module path {module}.",
                    candidate.module
                );
                Err(Error::new(Reason::DeclaresAnotherPath).detail(detail))
            }
            Some(module) => {
                let renamed = Candidate {
                    module,
                    subdirectory: candidate.subdirectory.clone(),
                };
                let downloaded = self.download(&renamed.module)?;
                self.find_command(&renamed, &downloaded)
            }
        }
    }

    /// The candidate at the major that its go.mod declares, read from Go's error `go.mod has post-v0 module path "M/v2"`
    /// (cmd/go/internal/modfetch, coderepo.go).
    fn declared_major(&self, candidate: &Candidate, error: &Error) -> Option<Candidate> {
        if self.target.version().major().is_some() || error.reason.status() != 404 {
            return None;
        }
        let (_, declared) = error.log.split_once(" module path \"")?;
        candidate.in_major_of(declared.split('"').next()?)
    }

    /// Finds the command in the downloaded candidate, or in a module nested in its repository.
    fn find_command(&self, candidate: &Candidate, downloaded: &DownloadedModule) -> Result<Resolved, Error> {
        let dir = downloaded.dir.join(&candidate.subdirectory);
        if !candidate.subdirectory.is_empty() {
            if commands::is_command(&dir) {
                return Ok(Resolved {
                    is_same_at_version: self.is_first_at(candidate, &downloaded.version),
                    ..self.to_resolved(
                        &candidate.module,
                        &candidate.subdirectory,
                        downloaded,
                        Evidence::Named,
                    )
                });
            }
            if !downloaded.has_directory(&candidate.subdirectory) {
                return Err(self.no_package_error(candidate, downloaded));
            }
        }
        let config = ReleaseConfig::read(&downloaded.dir);
        let clues = read_clues(self.target, candidate, &downloaded.dir, &config);
        let commands = clues.find_commands(&downloaded.dir);
        let own = rank(&commands, &clues);
        let mut nested = self.find_nested_commands(candidate, downloaded, &own, &config)?;
        let is_successor = |nested: &NestedCommand| nested.is_years_newer_than(downloaded.read_time());
        let ranking = match own {
            // The command moved from the root module into a nested module years ago.
            Ranking::Decided(_, Evidence::Root) => {
                nested.retain(is_successor);
                match nested.as_slice() {
                    [] => own.clone(),
                    [moved, ..] => Ranking::Decided(moved.directory.clone(), Evidence::Name),
                }
            }
            Ranking::Decided(..) | Ranking::Several(..) | Ranking::None => {
                let dirs = nested.iter().map(|nested| nested.directory.clone());
                let all: Vec<String> = commands.into_iter().chain(dirs).collect();
                rank(&all, &clues)
            }
        };
        match ranking {
            Ranking::Decided(dir, evidence) => {
                let is_own = own == Ranking::Decided(dir.clone(), evidence);
                match nested.into_iter().find(|nested| nested.directory == dir) {
                    Some(nested) => nested.command.map(|command| Resolved { evidence, ..command }),
                    None => Ok(Resolved {
                        is_same_at_version: is_own && self.is_first_at(candidate, &downloaded.version),
                        ..self.to_resolved(&candidate.module, &dir, downloaded, evidence)
                    }),
                }
            }
            Ranking::Several(dirs, why) => Err(self.several_commands_error(candidate, &dirs, &nested, why)),
            Ranking::None => Err(self.no_command_error(candidate, downloaded, &clues.installed)),
        }
    }

    /// Whether a request for this exact version tries this candidate first.
    fn is_first_at(&self, candidate: &Candidate, version: &str) -> bool {
        let target = self.target.at_version(version);
        let candidates = target.and_then(|target| self.with_target(&target).list_candidates().ok());
        candidates.is_some_and(|candidates| candidates.first() == Some(candidate))
    }

    pub(super) fn to_resolved(
        &self,
        module: &str,
        dir: &str,
        downloaded: &DownloadedModule,
        evidence: Evidence,
    ) -> Resolved {
        let root = self
            .target
            .elements()
            .get(2)
            .map_or(last_name(module), String::as_str);
        Resolved {
            evidence,
            ..Resolved::from_downloaded(module, dir, downloaded, root)
        }
    }
}

/// The directory of the module in the module cache; downloads it if it is missing.
pub fn unpacked_directory(
    go: Go<'_>,
    work: &Path,
    resolved: &Resolved,
    deadline: Instant,
) -> Result<PathBuf, Error> {
    let query = format!("{}@{}", resolved.module, resolved.version);
    Ok(Lookup { go, work, deadline }.download(&query, true)?.dir)
}
