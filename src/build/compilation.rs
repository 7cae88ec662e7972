//! A run of `go` that compiles: every tool in a cell of its own, and the compile cache of all builds if those cells hold.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{main_module, progress};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Platform;
use crate::config::{Config, SandboxPolicy};
use crate::golang::archives::{self, Archives, forget, forget_modules};
use crate::golang::command::{Go, TOOL_VARIABLES, platform_variables, rlimits};
use crate::golang::growth::OWN_CACHE;
use crate::golang::tool_runs::ToolRuns;
use crate::golang::{diagnosis, warmed};
use crate::sandbox::layers::Layers;
use crate::sandbox::own_binary::own_binary;
use crate::sandbox::process::{Bounds, Ended};
use crate::sandbox::tool::{Surroundings, forbidden_calls};
use crate::store::remove::remove;

/// Damaged outputs, then forged ones, then a damaged index, and a run that finds none of them.
const TRIES: usize = 4;

/// Whose compile cache a run reads and fills.
#[derive(Clone, Copy)]
pub enum Cache {
    /// That of all runs, as long as tools are confined.
    OfAll,
    /// The run's own. Go names an output for the package's own files and its module's path and version. What assembler files
    /// include from elsewhere in the module has no part in that name, and neither has the module that a `replace` puts in its
    /// place, nor which version a main module is: so what a copy of a module compiles is nobody else's.
    Own,
}

/// What came of a run that ended well.
#[derive(Clone, Copy)]
pub struct Compiled {
    /// Whether modules were looked for that no go.mod names: they are the newest of the day.
    pub of_today: bool,
}

/// One run.
struct Attempt {
    /// What became of it.
    done: Result<(), Refusal>,
    /// Whether it looked for modules that no go.mod names.
    of_today: bool,
    /// What was damaged of what it read.
    damaged: Vec<PathBuf>,
    /// The archives whose build ID is not that of their content, which its tools refused to read.
    forged: Vec<PathBuf>,
}

/// What such a run stands on.
pub struct Compilation<'a> {
    go: Go<'a>,
    /// The run's own directory.
    work: &'a Path,
    around: Surroundings,
    own_binary: PathBuf,
}

impl<'a> Compilation<'a> {
    /// Tries the cells, and lays out what the tools need to know.
    pub fn prepare(go: Go<'a>, work: &'a Path, cache: Cache) -> Result<Compilation<'a>, Refusal> {
        let confined = tools_are_confined(go.config, work)?;
        // Where tools are not confined, what one build compiles is nobody else's.
        let cache = match cache {
            Cache::OfAll if confined => go.store.compile_cache(),
            Cache::OfAll | Cache::Own => work.join(OWN_CACHE),
        };
        fs::create_dir_all(&cache).map_err(|e| trouble("make the compile cache", &e))?;
        if let Some(warmed) = &go.config.warmed {
            // What is not there is compiled.
            warmed::link(warmed, &cache)
                .unwrap_or_else(|e| log::warn!("cannot use {}: {e}", warmed.display()));
        }
        let around = Surroundings {
            goroot: go.toolchain.goroot.clone(),
            modules: go.store.module_cache(),
            cache,
            work: work.to_owned(),
            progress: progress::lines_file(work),
            inputs: work.join("inputs"),
            compiler_limits: Some(rlimits(&go.config.limits, go.config.memory().compiler)),
            output: work.join("output"),
            environment: TOOL_VARIABLES.map(str::to_owned).into(),
            must_hold: confined,
        };
        let text =
            serde_json::to_vec(&around).map_err(|e| trouble("describe the tools' cells", &e.into()))?;
        let own_binary = own_binary(work).map_err(|e| trouble("find gox-server itself", &e))?;
        let compilation = Compilation {
            go,
            work,
            around,
            own_binary,
        };
        fs::write(compilation.surroundings_file(), text)
            .and_then(|()| File::create(&compilation.around.progress))
            .and_then(|_| File::create(&compilation.around.inputs))
            .and_then(|_| remake(&compilation.around.output))
            .map_err(|e| trouble("describe the tools' cells", &e))?;
        Ok(compilation)
    }

    /// Whether what it compiles is there for all.
    pub fn shares_cache(&self) -> bool {
        self.around.cache == self.go.store.compile_cache()
    }

    /// Runs `go`, a command of [`Self::command`], to its end. What a damaged compile cache may have had its part in is not
    /// believed: the cache is made anew, and `go` runs once more. Forged archives are removed, and `go` runs once more: nothing was
    /// compiled against them. A failure that no limit explains has to come twice, the
    /// second time without Go's index of the modules, which lies there too and is believed as it is.
    pub fn run(&self, command: &mut Command, bounds: Bounds) -> Result<Compiled, Refusal> {
        let (mut purged, mut doubted) = (false, false);
        let mut compiled = Compiled { of_today: false };
        for _ in 0..TRIES {
            let attempt = self.attempt(command, bounds)?;
            // In a copy the first attempt has written down what it found.
            compiled.of_today |= attempt.of_today;
            if !attempt.damaged.is_empty() {
                self.forget(&attempt.damaged)?;
                continue;
            }
            if !attempt.forged.is_empty() {
                self.remove_forged(&attempt.forged)?;
                // Archives that are forged again are this build's own.
                if !mem::replace(&mut purged, true) {
                    continue;
                }
            }
            match attempt.done {
                Err(refusal) if !doubted && is_doubtful(refusal.reason) => {}
                Err(refusal) => {
                    let of_today = compiled.of_today;
                    return Err(Refusal { of_today, ..refusal });
                }
                Ok(()) if doubted => return self.forget_modules().map(|()| compiled),
                Ok(()) => return Ok(compiled),
            }
            doubted = true;
            archives::believe_no_index(command);
        }
        Err(Refusal::new(Reason::Internal).log("the compile cache is damaged again and again"))
    }

    fn attempt(&self, command: &mut Command, bounds: Bounds) -> Result<Attempt, Refusal> {
        remake(&self.around.output).map_err(|e| trouble("make a directory for the tools' output", &e))?;
        let mut archives = Archives::new(&self.around.cache, &self.around.inputs);
        let mut looked = Ok(());
        let outcome = self.go.supervise(command, self.work, bounds, &mut || {
            if looked.is_ok() {
                looked = archives.look();
            }
        })?;
        let damaged = looked
            .and_then(|()| archives.damaged())
            .map_err(|e| trouble("look at the compile cache", &e))?;
        // Written by gox-server alone; what the tools print says less.
        let forbidden = fs::read_to_string(forbidden_calls(self.work)).ok();
        let done = if outcome.ended == Ended::Exited(0) {
            Ok(())
        } else if let Some(calls) = forbidden {
            // The arguments are for the log: pointers, and flags.
            let names = calls
                .lines()
                .map(|line| line.rsplit_once('(').map_or(line, |(name, _)| name));
            Err(Refusal::new(Reason::ForbiddenCall)
                .detail(names.collect::<Vec<_>>().join("\n"))
                .log(calls.trim_end()))
        } else {
            let mut hidden = vec![self.work.join(main_module::COPY)];
            hidden.extend(self.go.hidden());
            let cpu_limit = self.go.cpu_limit();
            Err(diagnosis::build(
                &outcome,
                &self.tool_runs(),
                cpu_limit,
                self.work,
                &hidden,
            ))
        };
        // A tool that refuses to read an archive fails.
        let forged = match done {
            Ok(()) => Vec::new(),
            Err(_) => archives.forged(),
        };
        Ok(Attempt {
            done,
            of_today: diagnosis::looked_for_modules(&String::from_utf8_lossy(&outcome.stderr)),
            damaged,
            forged,
        })
    }

    fn forget(&self, damaged: &[PathBuf]) -> Result<(), Refusal> {
        log::warn!("the compile cache is damaged, and is made anew: {damaged:?}");
        forget(&self.around.cache, damaged).map_err(|e| trouble("make the compile cache anew", &e))
    }

    fn remove_forged(&self, forged: &[PathBuf]) -> Result<(), Refusal> {
        log::warn!(
            "a package has taken its compiler over, and stated another content than its own: {forged:?} are removed"
        );
        let removed = forged.iter().try_for_each(|path| remove(path));
        removed.map_err(|e| trouble("remove what was forged", &e))
    }

    fn forget_modules(&self) -> Result<(), Refusal> {
        log::warn!("go failed, and did not without its index of the modules, which is made anew");
        forget_modules(&self.around.cache).map_err(|e| trouble("make the index of the modules anew", &e))
    }

    /// What the tools did, once `go` has ended.
    pub fn tool_runs(&self) -> ToolRuns {
        let plan = progress::plan_file(self.work);
        ToolRuns::read(&plan, &self.around.output, &self.own_binary)
    }

    /// Where `go install` puts programs.
    pub fn programs(&self) -> PathBuf {
        self.work.join("gopath/bin")
    }

    /// What follows the command and the recipe's own flags.
    pub fn flags(&self) -> [String; 3] {
        [
            format!("-p={}", self.go.config.memory().compilers),
            format!(
                "-toolexec={} tool {}",
                quoted(&self.own_binary),
                quoted(&self.surroundings_file())
            ),
            format!("-debug-actiongraph={}", progress::plan_file(self.work).display()),
        ]
    }

    /// `go ARGUMENTS` for this platform.
    pub fn command(&self, platform: &Platform, arguments: &[String]) -> Result<Command, Refusal> {
        let mut command = self
            .go
            .command(self.work, &self.around.cache, arguments)
            .map_err(|e| trouble("prepare go", &e))?;
        command.envs(platform_variables(platform));
        Ok(command)
    }

    fn surroundings_file(&self) -> PathBuf {
        self.work.join("surroundings.json")
    }
}

/// As `go` reads a flag of several words: in quotes of one kind or the other, without escapes (cmd/internal/quoted). A path with
/// both is of no directory that may be set.
fn quoted(path: &Path) -> String {
    let quote = if path.as_os_str().as_encoded_bytes().contains(&b'\'') {
        '"'
    } else {
        '\''
    };
    format!("{quote}{}{quote}", path.display())
}

/// An empty directory.
fn remake(dir: &Path) -> io::Result<()> {
    remove(dir)?;
    fs::create_dir(dir)
}

/// Whether it is no limit that was reached, and no server that was away: a damaged cache may have been the cause.
fn is_doubtful(reason: Reason) -> bool {
    reason.is_for_ever() || reason == Reason::Internal
}

/// Whether tools may be let near the cache of all builds. Tried for each build: it takes some milliseconds, and what was
/// true a minute ago may have been true in another container.
fn tools_are_confined(config: &Config, room: &Path) -> Result<bool, Refusal> {
    let missing = match Layers::of_tool(room) {
        Ok(layers) if layers.missing().next().is_none() => return Ok(true),
        Ok(layers) => layers,
        Err(error) => return Err(trouble("try a tool's cell", &error)),
    };
    let said = missing
        .missing()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    if config.sandbox == SandboxPolicy::Require {
        return Err(Refusal::new(Reason::NoSandbox).log(said));
    }
    log::warn!("tools are not fully confined: {said}");
    Ok(missing.guard_caches())
}
