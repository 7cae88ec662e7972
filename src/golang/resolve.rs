//! From what was typed to one package of one exact version: `go` asks the module proxy, this room asks `go`.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use super::candidate::{Candidate, join, last_name};
use super::command::Go;
use super::downloaded::Downloaded;
use super::mains::{self, Choice};
use super::module_files::{directive, module_time};
use super::toolchain::{brought, versions};
use super::work::Work;
use super::{Resolved, diagnosis, mentioned};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::{Target, Version};
use crate::store::{BuildKey, KeyMaker};

/// Majors that are asked for at once, in one `go list`. When the last of them exists, the next batch is asked too.
const MAJORS_AT_ONCE: u64 = 20;

/// Modules that are unpacked to find one command: each may fill the disk up to the limits of a build.
const MAX_UNPACKED: usize = 8;

/// What `go list -m -versions -json` says of a module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    path: String,
    #[serde(default)]
    versions: Vec<String>,
}

/// The name under which a target's resolution is remembered.
pub fn key(target: &Target, go: &str) -> BuildKey {
    KeyMaker::default()
        .field("resolution 2")
        .field(go)
        .field(target.import_path())
        .field(target.version().query())
        .finish()
}

/// Asks the module proxy, until `deadline`. If the module needs a newer Go, one that suffices asks again, for as long.
pub fn resolve(go: Go<'_>, target: &Target, deadline: Instant) -> Result<Resolved, Refusal> {
    let patience = deadline.saturating_duration_since(Instant::now());
    let resolved = resolve_with(go, target, deadline);
    let refused = resolved.as_ref().err();
    let Some(needs) = refused.and_then(|refusal| diagnosis::needed_go(&refusal.log)) else {
        return resolved;
    };
    let version = versions::choose(go, None, Some(needs))?;
    let mut wanted = brought::within(go.config.patience());
    let toolchain = brought::of_version(go.toolchain, go.config, go.store, &version, &mut wanted)?;
    let newer = Go {
        toolchain: &toolchain,
        ..go
    };
    resolve_with(newer, target, Instant::now() + patience)
}

fn resolve_with(go: Go<'_>, target: &Target, deadline: Instant) -> Result<Resolved, Refusal> {
    // A thread's number is no other's while it lives, in this process or any.
    let name = format!("resolve-{}", nix::unistd::gettid());
    let work = Work::begin(go.store, &name).map_err(|e| trouble("make a directory to resolve in", &e))?;
    let _modules = go
        .store
        .use_modules()
        .map_err(|e| trouble("share the module cache", &e))?;
    let asking = Asking {
        go,
        work: work.path(),
        deadline,
        target,
        unpacked: Cell::new(0),
    };
    let mut failure = None;
    for candidate in asking.candidates()? {
        match asking.try_candidate(&candidate) {
            Ok(resolved) => return Ok(resolved),
            // Of several failures the one that got furthest tells most: the module is there, but not the package.
            Err(refusal) if furthest(&refusal) > failure.as_ref().map_or(0, furthest) => {
                failure = Some(refusal)
            }
            Err(_) => {}
        }
    }
    Err(failure.unwrap_or(Refusal::new(Reason::NoSuchModule)))
}

/// In the order of how far the asking came; whatever is not listed came furthest.
fn furthest(refusal: &Refusal) -> usize {
    const ORDER: [Reason; 4] = [
        Reason::NoSuchModule,
        Reason::NoSuchVersion,
        Reason::ProxyFailed,
        Reason::NoSuchPackage,
    ];
    1 + ORDER
        .iter()
        .position(|reason| *reason == refusal.reason)
        .unwrap_or(ORDER.len())
}

struct Asking<'a> {
    go: Go<'a>,
    work: &'a Path,
    deadline: Instant,
    target: &'a Target,
    unpacked: Cell<usize>,
}

impl Asking<'_> {
    /// The modules that may be meant, the likeliest first.
    fn candidates(&self) -> Result<Vec<Candidate>, Refusal> {
        let plain = Candidate::of(self.target);
        if let Some(major) = self.target.version().major() {
            let with_major = plain
                .iter()
                .flat_map(|c| [c.at_major(major), (major > 1).then(|| c.clone())]);
            return Ok(with_major.flatten().collect());
        }
        // No version, a branch or a commit: the newest major is meant. Which there are, the proxy is asked at once.
        let mut found: Vec<Candidate> = Vec::new();
        let mut from = 2;
        loop {
            let asked: Vec<Candidate> = plain
                .iter()
                .flat_map(|c| (from..from + MAJORS_AT_ONCE).filter_map(|major| c.at_major(major)))
                .collect();
            let there = self.listed(plain.iter().chain(&asked).map(|c| c.module.as_str()).collect())?;
            let last = asked
                .iter()
                .filter(|c| there.contains(&c.module))
                .cloned()
                .collect::<Vec<_>>();
            let more = last
                .iter()
                .any(|c| c.module.ends_with(&format!("/v{}", from + MAJORS_AT_ONCE - 1)));
            found.splice(0..0, last.into_iter().rev());
            if !more {
                break;
            }
            from += MAJORS_AT_ONCE;
        }
        found.extend(plain);
        Ok(found)
    }

    fn listed(&self, modules: Vec<&str>) -> Result<Vec<String>, Refusal> {
        let mut args = vec!["list", "-m", "-e", "-versions", "-json=Path,Versions", "--"];
        args.extend(modules);
        let outcome = self.go.run(self.work, &args, self.deadline)?;
        let listed = serde_json::Deserializer::from_slice(&outcome.stdout).into_iter::<Listed>();
        let there = listed
            .filter_map(Result::ok)
            .filter(|module| !module.versions.is_empty());
        Ok(there.map(|module| module.path).collect())
    }

    /// Downloads the candidate, follows another path that it declares once, and finds the command in it.
    fn try_candidate(&self, candidate: &Candidate) -> Result<Resolved, Refusal> {
        let downloaded = self.download(&candidate.module)?;
        let declared = directive(&downloaded.go_mod, "module").filter(|path| *path != candidate.module);
        match declared {
            None => self.command_in(candidate, &downloaded),
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

    fn download(&self, module: &str) -> Result<Downloaded, Refusal> {
        if self.unpacked.get() == MAX_UNPACKED {
            let many = format!("{MAX_UNPACKED} modules of it have none, and no more are looked into");
            return Err(Refusal::new(Reason::NoCommand).detail(many));
        }
        let version = self.target.version();
        let query = format!("{module}@{}", version.query());
        let exact = *version != Version::Latest;
        let downloaded = download(self.go, self.work, &query, exact, self.deadline)?;
        self.unpacked.set(self.unpacked.get() + 1);
        Ok(downloaded)
    }

    fn command_in(&self, candidate: &Candidate, downloaded: &Downloaded) -> Result<Resolved, Refusal> {
        let commands = match self.choice(candidate, &downloaded.dir)? {
            Choice::Command(dir) => return Ok(resolved(&candidate.module, &dir, downloaded)),
            Choice::Several(dirs) => dirs,
            Choice::None => Vec::new(),
        };
        let mut inside = self.modules_inside(candidate, downloaded)?;
        if commands.is_empty() && inside.len() <= 1 {
            let none = || Refusal::new(Reason::NoCommand).detail(candidate.module.clone());
            return inside.pop().map_or_else(|| Err(none()), |(_, only)| only);
        }
        let typed = self.target.import_path();
        let typed = typed.strip_prefix("github.com/").unwrap_or(&typed);
        let inside = inside.into_iter().map(|(dir, _)| dir);
        let mut dirs: Vec<String> = commands.into_iter().chain(inside).collect();
        // What is for others stands there, as a rule.
        dirs.sort_by_key(|dir| !dir.starts_with("cmd/"));
        Err(Refusal::new(Reason::SeveralCommands).instead(dirs.iter().map(|dir| format!("/{typed}/{dir}"))))
    }

    /// Which command of the candidate is meant; its directory is relative to the module's root if it is one, to what was typed
    /// if there are several.
    fn choice(&self, candidate: &Candidate, module: &Path) -> Result<Choice, Refusal> {
        let names = [self.target.name(), last_name(&candidate.module)];
        let place = module.join(&candidate.below);
        if !candidate.below.is_empty() {
            if mains::is_command(&place) {
                return Ok(Choice::Command(candidate.below.clone()));
            }
            if !place.is_dir() {
                return Err(Refusal::new(Reason::NoSuchPackage)
                    .detail(format!("{} has no {}", candidate.module, candidate.below)));
            }
        }
        Ok(match mains::choose(&place, &names) {
            Choice::Command(dir) => Choice::Command(join(&candidate.below, &dir)),
            several_or_none @ (Choice::Several(_) | Choice::None) => several_or_none,
        })
    }

    /// Directories of modules inside the repository that its text names, and the command that each is; or why that cannot be
    /// told yet, where it needs a newer Go. Their versions are their own: only who names none may mean them.
    fn modules_inside(&self, candidate: &Candidate, downloaded: &Downloaded) -> Result<Vec<Inside>, Refusal> {
        if !candidate.below.is_empty() || *self.target.version() != Version::Latest {
            return Ok(Vec::new());
        }
        let root = candidate.root();
        let dirs = mentioned::directories(&downloaded.dir, root);
        if dirs.is_empty() {
            return Ok(Vec::new());
        }
        let modules: Vec<String> = dirs.iter().map(|dir| join(root, dir)).collect();
        let listed = self.listed(modules.iter().map(String::as_str).collect())?;
        let inside = |module: &String| {
            let below = |path: &str| path[root.len() + 1..].to_owned();
            match self.module_inside(module) {
                Ok(command) => command.map(|command| (below(&command.package), Ok(command))),
                Err(refusal) if diagnosis::needed_go(&refusal.log).is_some() => {
                    Some((below(module), Err(refusal)))
                }
                Err(_) => None,
            }
        };
        Ok(listed.iter().filter_map(inside).collect())
    }

    /// The command that the newest version of a module is, if it is one and goes by that name.
    fn module_inside(&self, module: &str) -> Result<Option<Resolved>, Refusal> {
        let downloaded = self.download(module)?;
        let is_itself = directive(&downloaded.go_mod, "module").is_some_and(|declared| declared == module);
        Ok(match mains::choose(&downloaded.dir, &[last_name(module)]) {
            Choice::Command(dir) if is_itself => Some(resolved(module, &dir, &downloaded)),
            Choice::Command(_) | Choice::Several(_) | Choice::None => None,
        })
    }
}

/// A directory below a repository's root, and what is there.
type Inside = (String, Result<Resolved, Refusal>);

fn resolved(module: &str, dir: &str, downloaded: &Downloaded) -> Resolved {
    Resolved {
        module: module.to_owned(),
        version: downloaded.version.clone(),
        package: join(module, dir),
        time: module_time(&downloaded.info),
        needs: directive(&downloaded.go_mod, "go").and_then(|version| version.parse().ok()),
        states_no_needs: mains::states_no_needs(&downloaded.dir, module),
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

fn download(
    go: Go<'_>,
    work: &Path,
    query: &str,
    exact: bool,
    deadline: Instant,
) -> Result<Downloaded, Refusal> {
    let outcome = go.run(work, &["mod", "download", "-json", "--", query], deadline)?;
    Downloaded::read(go, work, query, exact, &outcome)
}
