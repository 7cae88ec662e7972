//! Runs `go` commands that compile. Every tool runs in its own cell; builds share one compile cache if the cells are fully enforced.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{main_module, progress};
use crate::config::{Config, SandboxPolicy, available_cpus};
use crate::error::{Error, Reason, internal_error};
use crate::golang::run::cache_verifier::{
    CacheVerifier, disable_module_index, invalidate_cache, remove_module_index,
};
use crate::golang::run::command::{Go, rlimits, tool_variables};
use crate::golang::run::diagnosis;
use crate::golang::run::disk_quota::PRIVATE_CACHE;
use crate::golang::run::messages::looked_for_modules;
use crate::golang::run::platform::platform_variables;
use crate::golang::run::tool::{BuildCpus, ToolContext, forbidden_calls};
use crate::golang::run::tool_runs::ToolRuns;
use crate::golang::run::warmed;
use crate::hidden_command::HiddenCommand;
use crate::parse::Platform;
use crate::sandbox::layers::Layers;
use crate::sandbox::process::{Bounds, Termination};
use crate::sandbox::self_exe::self_exe;
use crate::store::layout;
use crate::store::remove::remove;
use crate::store::work_dir::TEMPORARY;

/// One run that finds damaged outputs, one that finds forged archives, one that meets a damaged module index, and one that succeeds.
const MAX_RUNS: usize = 4;

/// Which compile cache a run reads and fills.
#[derive(Clone, Copy)]
pub enum CompileCache {
    /// The cache shared by all builds, if tools are confined. It contains packages of other machines if they share an object store.
    Shared,
    /// A cache for this run only, required for copies of modules. Go's cache key covers a package's own files and its module's path
    /// and version. It does not cover files that assembler includes from other directories of the module, the module that a
    /// `replace` directive substitutes, or the version of a main module.
    Private,
}

/// Result of a successful compilation.
#[derive(Clone, Copy)]
pub struct Compiled {
    /// Whether `go` added dependencies that no go.mod lists, at their newest versions of the day.
    pub expires_daily: bool,
}

/// Result of one run of `go`.
struct GoRun {
    result: Result<(), Error>,
    /// Whether `go` looked up dependencies that no go.mod lists.
    expires_daily: bool,
    /// Damaged cache entries that it read.
    damaged: Vec<PathBuf>,
    /// Archives with a build ID that does not match their content. The tools refused to read them.
    forged: Vec<PathBuf>,
}

/// Environment of `go` commands that compile.
pub struct Compilation<'a> {
    go: Go<'a>,
    /// The work directory of the build.
    work: &'a Path,
    tool_context: ToolContext,
    self_exe: PathBuf,
}

impl<'a> Compilation<'a> {
    /// Probes the sandbox, chooses the compile cache, and writes the files that the tools read. If the cache is shared, no compiler
    /// starts while a process holds the lock `fills_cache`.
    pub fn prepare(
        go: Go<'a>,
        work: &'a Path,
        cache: CompileCache,
        fills_cache: Option<PathBuf>,
    ) -> Result<Compilation<'a>, Error> {
        let confined = can_confine_tools(go.config, work)?;
        // Without confinement, a tool could write to the compile cache of other builds.
        let cache = match cache {
            CompileCache::Shared if confined => go.store.path(layout::COMPILE_CACHE),
            CompileCache::Shared | CompileCache::Private => work.join(PRIVATE_CACHE),
        };
        fs::create_dir_all(&cache).map_err(|e| internal_error("create the compile cache", &e))?;
        if let Some(warmed) = &go.config.warmed {
            // Not fatal: missing packages are compiled.
            warmed::link(warmed, &cache)
                .unwrap_or_else(|e| log::warn!("cannot use {}: {e}", warmed.display()));
        }
        let fills_cache = fills_cache.filter(|lock| lock.starts_with(&cache));
        let memory = go.config.memory();
        let tool_context = ToolContext {
            goroot: go.toolchain.goroot.clone(),
            modules: go.store.path(layout::MODULE_CACHE),
            cache,
            fills_cache,
            work: work.to_owned(),
            progress: progress::started_tools_file(work),
            inputs: work.join("inputs"),
            compiler_limits: Some(rlimits(&go.config.limits, memory.compiler_bytes)),
            cpus: BuildCpus {
                count: available_cpus(),
                tools: memory.compilers,
            },
            output: work.join("output"),
            environment: tool_variables(),
            must_enforce: confined,
        };
        let text = serde_json::to_vec(&tool_context)
            .map_err(|e| internal_error("serialize the tools' context", &e.into()))?;
        let self_exe = self_exe(work).map_err(|e| internal_error("find the gox-server executable", &e))?;
        let compilation = Compilation {
            go,
            work,
            tool_context,
            self_exe,
        };
        fs::write(compilation.tool_context_file(), text)
            .map_err(|e| internal_error("write the tools' context", &e))?;
        Ok(compilation)
    }

    /// The compile cache of all builds, if its outputs go there.
    pub fn shared_cache(&self) -> Option<&Path> {
        let cache = &*self.tool_context.cache;
        (cache == self.go.store.path(layout::COMPILE_CACHE)).then_some(cache)
    }

    /// Runs `go`, a command of [`Self::command`], and repairs the compile cache if necessary. Calls `on_poll` several times a second.
    ///
    /// - If an entry that the run read is damaged, the cache's index is cleared, and `go` runs again.
    /// - If the run met forged archives, they are removed, and `go` runs again. Nothing was compiled against them.
    /// - If `go` fails for a reason that is neither a limit nor an unavailable server, it runs again without Go's module index. That
    ///   index is in the cache too, and Go does not verify it. The failure is reported only if it occurs again.
    pub fn run(
        &self,
        command: &mut Command,
        bounds: Bounds,
        on_poll: &mut dyn FnMut(),
    ) -> Result<Compiled, Error> {
        let (mut purged, mut retried_without_index) = (false, false);
        let mut compiled = Compiled { expires_daily: false };
        for _ in 0..MAX_RUNS {
            let attempt = self.run_once(command, bounds, on_poll)?;
            // In a copy, the first run has written the versions to go.mod, so later runs do not look them up.
            compiled.expires_daily |= attempt.expires_daily;
            if !attempt.damaged.is_empty() {
                self.invalidate_cache(&attempt.damaged)?;
                continue;
            }
            if !attempt.forged.is_empty() {
                self.remove_forged(&attempt.forged)?;
                // Archives that are forged again come from this build.
                if !mem::replace(&mut purged, true) {
                    continue;
                }
            }
            match attempt.result {
                Err(error) if !retried_without_index && may_be_cache_damage(error.reason) => {}
                Err(error) => {
                    let expires_daily = compiled.expires_daily;
                    return Err(Error {
                        expires_daily,
                        ..error
                    });
                }
                Ok(()) if retried_without_index => return self.remove_module_index().map(|()| compiled),
                Ok(()) => return Ok(compiled),
            }
            retried_without_index = true;
            disable_module_index(command);
        }
        Err(Error::new(Reason::Internal).log("the compile cache was damaged in every run"))
    }

    /// Runs `go` once, and verifies the cache entries that it reads.
    fn run_once(
        &self,
        command: &mut Command,
        bounds: Bounds,
        on_poll: &mut dyn FnMut(),
    ) -> Result<GoRun, Error> {
        // An earlier run has left its files. With its program, go would not link again.
        recreate_dir(&self.tool_context.output)
            .and_then(|()| recreate_dir(&self.work.join(TEMPORARY)))
            .and_then(|()| remove(&self.bin_dir()))
            .and_then(|()| remove(&forbidden_calls(self.work)))
            .and_then(|()| File::create(&self.tool_context.progress))
            .and_then(|_| File::create(&self.tool_context.inputs))
            .map_err(|e| internal_error("create the files of the tools", &e))?;
        let mut verifier = CacheVerifier::new(&self.tool_context.cache, &self.tool_context.inputs);
        let mut verified = Ok(());
        let outcome = self.go.supervise(command, self.work, bounds, &mut || {
            on_poll();
            if verified.is_ok() {
                verified = verifier.verify_new();
            }
        })?;
        let damaged = verified
            .and_then(|()| verifier.damaged())
            .map_err(|e| internal_error("verify the compile cache", &e))?;
        // This file is written by gox-server only, and contains more than the tools' output.
        let forbidden = fs::read_to_string(forbidden_calls(self.work)).ok();
        let result = if outcome.termination == Termination::Exited(0) {
            Ok(())
        } else if let Some(calls) = forbidden {
            // The client gets the names of the calls only. The arguments are pointers and flags.
            let names = calls
                .lines()
                .map(|line| line.rsplit_once('(').map_or(line, |(name, _)| name));
            Err(Error::new(Reason::ForbiddenCall)
                .detail(names.collect::<Vec<_>>().join("\n"))
                .log(calls.trim_end()))
        } else {
            let mut hidden = vec![self.work.join(main_module::COPY)];
            hidden.extend(self.go.hidden_paths());
            let cpu_limit = self.go.cpu_limit();
            Err(diagnosis::diagnose_build(
                &outcome,
                &self.tool_runs(),
                cpu_limit,
                self.work,
                &hidden,
            ))
        };
        // A tool that refuses a forged archive fails, so a successful run read none.
        let forged = match result {
            Ok(()) => Vec::new(),
            Err(_) => verifier.forged(),
        };
        Ok(GoRun {
            result,
            expires_daily: looked_for_modules(&String::from_utf8_lossy(&outcome.stderr)),
            damaged,
            forged,
        })
    }

    fn invalidate_cache(&self, damaged: &[PathBuf]) -> Result<(), Error> {
        log::warn!("the compile cache is damaged and its index is cleared; damaged entries: {damaged:?}");
        invalidate_cache(&self.tool_context.cache, damaged)
            .map_err(|e| internal_error("clear the index of the compile cache", &e))
    }

    fn remove_forged(&self, forged: &[PathBuf]) -> Result<(), Error> {
        log::warn!(
            "a package took control of its compiler and forged the build ID of its archive; archives removed: {forged:?}"
        );
        let removed = forged.iter().try_for_each(|path| remove(path));
        removed.map_err(|e| internal_error("remove forged archives", &e))
    }

    fn remove_module_index(&self) -> Result<(), Error> {
        log::warn!("go failed with its module index and succeeded without; the index is cleared");
        remove_module_index(&self.tool_context.cache)
            .map_err(|e| internal_error("clear the module index", &e))
    }

    /// Reads which tools ran and what they printed, after `go` has exited.
    pub fn tool_runs(&self) -> ToolRuns {
        let plan = progress::plan_file(self.work);
        ToolRuns::read(&plan, &self.tool_context.output, &self.self_exe)
    }

    /// Returns the directory to which `go install` writes programs.
    pub fn bin_dir(&self) -> PathBuf {
        self.work.join("gopath/bin")
    }

    /// Returns the flags that do not affect the bytes: parallelism, the tool wrapper, the build plan, and that `go` does not remove its
    /// files, for which the client would wait.
    pub fn flags(&self) -> [String; 4] {
        let tool = HiddenCommand::Tool {
            context: self.tool_context_file(),
            command: Vec::new(),
        };
        let tool = tool.command_line(&self.self_exe);
        let tool: Vec<_> = tool.iter().map(|word| quote_flag_word(word)).collect();
        [
            format!("-p={}", self.tool_context.cpus.tools),
            format!("-toolexec={}", tool.join(" ")),
            format!("-debug-actiongraph={}", progress::plan_file(self.work).display()),
            "-work".to_owned(),
        ]
    }

    /// Returns the command `go ARGUMENTS` for this platform.
    pub fn command(&self, platform: &Platform, arguments: &[String]) -> Result<Command, Error> {
        let mut command = self
            .go
            .command(self.work, &self.tool_context.cache, arguments)
            .map_err(|e| internal_error("prepare go", &e))?;
        command.envs(platform_variables(platform));
        Ok(command)
    }

    fn tool_context_file(&self) -> PathBuf {
        self.work.join("tool_context.json")
    }
}

/// Quotes a word for a Go flag that takes several words. Go knows single and double quotes, without escapes (cmd/internal/quoted).
/// A path with both kinds cannot occur: GOX_DIR must not have one.
fn quote_flag_word(word: &OsStr) -> String {
    let quote = if word.as_encoded_bytes().contains(&b'\'') {
        '"'
    } else {
        '\''
    };
    format!("{quote}{}{quote}", word.display())
}

/// Creates an empty directory, replacing an existing one.
fn recreate_dir(dir: &Path) -> io::Result<()> {
    remove(dir)?;
    fs::create_dir(dir)
}

/// Whether a damaged cache may have caused the failure, rather than a limit or an unavailable server.
fn may_be_cache_damage(reason: Reason) -> bool {
    let is_limit = matches!(reason, Reason::TooMuchDisk | Reason::TooLarge);
    reason.is_permanent() && !is_limit || reason == Reason::Internal
}

/// Whether the sandbox confines tools well enough for the shared compile cache. Probed for each build: it takes a few milliseconds,
/// and an earlier result may be from another container.
fn can_confine_tools(config: &Config, work: &Path) -> Result<bool, Error> {
    let layers = match Layers::probe_tool(work) {
        Ok(layers) if layers.missing().next().is_none() => return Ok(true),
        Ok(layers) => layers,
        Err(error) => return Err(internal_error("probe a tool's cell", &error)),
    };
    let missing = layers
        .missing()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    if config.sandbox == SandboxPolicy::Require {
        return Err(Error::new(Reason::NoSandbox).log(missing));
    }
    log::warn!("tools are not fully confined: {missing}");
    Ok(layers.can_share_caches())
}
