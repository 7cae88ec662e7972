//! From what was typed to one package of one exact version: `go` asks the module proxy, this room asks `go`.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::command::Go;
use super::mains::{self, Choice};
use super::toolchain::{brought, versions};
use super::work::Work;
use super::{diagnosis, vanity};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::{GoVersion, Target, Version};
use crate::sandbox::process::Ended;
use crate::store::{BuildKey, KeyMaker};

/// Majors that are asked for at once, in one `go list`. When the last of them exists, the next batch is asked too.
const MAJORS_AT_ONCE: u64 = 20;

/// One package of one exact version: what `go install` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The module's path, as it declares it.
    pub module: String,
    /// The exact version, canonical.
    pub version: String,
    /// The import path of the command.
    pub package: String,
    /// When the version was made, seconds since 1970.
    pub time: u64,
    /// Whether it is from before go.mod, and needs modules that it names no versions of.
    #[serde(default)]
    pub states_no_needs: bool,
    /// The oldest Go that its go.mod allows, where it says so.
    pub needs: Option<GoVersion>,
}

impl Resolved {
    /// The path that always means it: `/OWNER/REPO/SUB@VERSION`.
    pub fn path(&self) -> String {
        let package = self.package.strip_prefix("github.com/");
        format!("/{}@{}", package.unwrap_or(&self.package), self.version)
    }

    /// The last element of the package, past a major version: what `go install` calls the program.
    pub fn name(&self) -> &str {
        let mut elements = self.package.rsplit('/');
        let last = elements.next().unwrap_or_default();
        let major = last
            .strip_prefix('v')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if major {
            elements.next().unwrap_or(last)
        } else {
            last
        }
    }
}

/// A module that may be the one that is meant, and the package in it.
#[derive(Debug, Clone)]
struct Candidate {
    module: String,
    below: String,
}

/// What `go list -m -versions -json` says of a module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    path: String,
    #[serde(default)]
    versions: Vec<String>,
}

/// What `go mod download -json` says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Downloaded {
    version: String,
    error: String,
    info: PathBuf,
    go_mod: PathBuf,
    dir: PathBuf,
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

/// Asks the module proxy, until `deadline`. A Go reads no module that needs a newer one: then one that suffices asks again.
pub fn resolve(go: Go<'_>, target: &Target, deadline: Instant) -> Result<Resolved, Refusal> {
    let resolved = resolve_with(go, target, deadline);
    let needs = match &resolved {
        Err(refusal) if refusal.reason == Reason::NeedsNewerGo => diagnosis::needed_go(&refusal.log),
        Ok(_) | Err(_) => None,
    };
    let Some(needs) = needs else { return resolved };
    let version = versions::choose(go, None, Some(needs))?;
    let toolchain = brought::of_version(go.toolchain, go.config, go.store, &version, &mut |_| true)?;
    let newer = Go {
        toolchain: &toolchain,
        ..go
    };
    resolve_with(newer, target, deadline)
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
}

impl Asking<'_> {
    /// The modules that may be meant, the likeliest first.
    fn candidates(&self) -> Result<Vec<Candidate>, Refusal> {
        let plain = self.plain_candidates();
        if let Some(major) = self.target.version().major() {
            let with_major = plain
                .iter()
                .flat_map(|c| [at_major(c, major), (major > 1).then(|| c.clone())]);
            return Ok(with_major.flatten().collect());
        }
        // No version, a branch or a commit: the newest major is meant. Which there are, the proxy is asked at once.
        let mut found: Vec<Candidate> = Vec::new();
        let mut from = 2;
        loop {
            let asked: Vec<Candidate> = plain
                .iter()
                .flat_map(|c| (from..from + MAJORS_AT_ONCE).filter_map(|major| at_major(c, major)))
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

    /// Without majors: another name that is known for the repository, then the module at the repository's root, then those
    /// in its directories.
    fn plain_candidates(&self) -> Vec<Candidate> {
        let elements = self.target.elements();
        let root = self.target.root_len().unwrap_or(2).min(elements.len());
        let split = |at: usize| Candidate {
            module: elements[..at].join("/"),
            below: elements[at..].join("/"),
        };
        let alias = match elements {
            [host, owner, repo, below @ ..] if host == "github.com" => {
                vanity::module_path(owner, repo).map(|module| Candidate {
                    module,
                    below: below.join("/"),
                })
            }
            _ => None,
        };
        let nested = alias
            .as_ref()
            .map(|a| nested(&a.module, &a.below))
            .unwrap_or_default();
        alias
            .into_iter()
            .chain(nested)
            .chain((root..=elements.len()).map(split))
            .collect()
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
        let version = self.target.version();
        let query = format!("{module}@{}", version.query());
        download(
            self.go,
            self.work,
            &query,
            *version != Version::Latest,
            self.deadline,
        )
    }

    fn command_in(&self, candidate: &Candidate, downloaded: &Downloaded) -> Result<Resolved, Refusal> {
        let below = self.directory(candidate, &downloaded.dir)?;
        let package = if below.is_empty() {
            candidate.module.clone()
        } else {
            format!("{}/{below}", candidate.module)
        };
        Ok(Resolved {
            module: candidate.module.clone(),
            version: downloaded.version.clone(),
            package,
            time: module_time(&downloaded.info),
            states_no_needs: mains::states_no_needs(&downloaded.dir, &candidate.module),
            needs: directive(&downloaded.go_mod, "go").and_then(|version| version.parse().ok()),
        })
    }

    fn directory(&self, candidate: &Candidate, module: &Path) -> Result<String, Refusal> {
        let names = [self.target.name(), last_name(&candidate.module)];
        let place = module.join(&candidate.below);
        if !candidate.below.is_empty() {
            if mains::is_command(&place) {
                return Ok(candidate.below.clone());
            }
            if !place.is_dir() {
                return Err(Refusal::new(Reason::NoSuchPackage)
                    .detail(format!("{} has no {}", candidate.module, candidate.below)));
            }
        }
        match mains::choose(&place, &names) {
            Choice::Command(dir) => Ok(join(&candidate.below, &dir)),
            Choice::Several(dirs) => Err(Refusal::new(Reason::SeveralCommands).instead(dirs.iter().map(
                |dir| {
                    let typed = self.target.import_path();
                    format!("/{}/{dir}", typed.strip_prefix("github.com/").unwrap_or(&typed))
                },
            ))),
            Choice::None => Err(Refusal::new(Reason::NoCommand).detail(candidate.module.clone())),
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

fn download(
    go: Go<'_>,
    work: &Path,
    query: &str,
    exact: bool,
    deadline: Instant,
) -> Result<Downloaded, Refusal> {
    let outcome = go.run(work, &["mod", "download", "-json", "--", query], deadline)?;
    let hidden = go.hidden();
    match outcome.ended {
        Ended::Exited(_) => {}
        Ended::TimedOut => {
            let log = format!("{query}: the module proxy did not come to an end in time");
            return Err(Refusal::new(Reason::ProxyFailed).log(log));
        }
        Ended::Signalled(_) | Ended::TooMuchOutput | Ended::Stopped => {
            return Err(diagnosis::build(&outcome, go.cpu_limit(), work, &hidden));
        }
    }
    let said: Downloaded = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
    if said.error.is_empty() && said.dir.is_dir() {
        return Ok(said);
    }
    let words = match said.error.is_empty() {
        true => String::from_utf8_lossy(&outcome.stderr).into_owned(),
        false => said.error,
    };
    Err(diagnosis::module(&words, exact, &hidden))
}

fn join(above: &str, below: &str) -> String {
    if above.is_empty() || below.is_empty() {
        format!("{above}{below}")
    } else {
        format!("{above}/{below}")
    }
}

/// The modules that may lie in the directories of `module`, on the way down to `below`.
fn nested(module: &str, below: &str) -> Vec<Candidate> {
    let elements: Vec<&str> = below.split('/').filter(|e| !e.is_empty()).collect();
    let at = |n: usize| Candidate {
        module: join(module, &elements[..n].join("/")),
        below: elements[n..].join("/"),
    };
    (1..=elements.len()).map(at).collect()
}

/// The module at a major version: `/vN` behind its path from 2 on (Go modules reference, "Major version suffixes").
fn at_major(candidate: &Candidate, major: u64) -> Option<Candidate> {
    let has_suffix = last_name_is_major(&candidate.module) || candidate.module.starts_with("gopkg.in/");
    match major {
        0 | 1 => Some(candidate.clone()),
        _ if has_suffix => None,
        _ => Some(Candidate {
            module: format!("{}/v{major}", candidate.module),
            below: candidate.below.clone(),
        }),
    }
}

fn last_name_is_major(module: &str) -> bool {
    let last = module.rsplit('/').next().unwrap_or_default();
    last.strip_prefix('v')
        .is_some_and(|n| n.parse::<u64>().is_ok_and(|n| n > 1))
}

fn last_name(module: &str) -> &str {
    let path = if last_name_is_major(module) {
        module.rsplit_once('/').map_or(module, |(path, _)| path)
    } else {
        module
    };
    path.rsplit('/').next().unwrap_or(path)
}

/// What a line of a go.mod says behind its first word, such as `module` or `go` (Go modules reference, "go.mod files").
fn directive(go_mod: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(go_mod).ok()?;
    let line = text.lines().find_map(|line| {
        line.trim()
            .strip_prefix(name)
            .filter(|rest| rest.starts_with([' ', '\t', '"', '`']))
    })?;
    let word = line.split("//").next()?.trim().trim_matches(['"', '`']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// The time in a version's `.info`.
fn module_time(info: &Path) -> u64 {
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "Time", default)]
        time: String,
    }
    let info: Option<Info> = std::fs::read(info)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let time = info.and_then(|info| humantime::parse_rfc3339_weak(&info.time).ok());
    time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs())
}
