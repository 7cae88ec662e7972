//! `gox-server tool CONTEXT COMPILE|ASM|LINK ARGUMENTS…`: the command that `go -toolexec` runs in place of each tool.
//!
//! It derives from the arguments which files the tool reads and writes, checks the archives among them, and runs the tool in a
//! cell that allows these files only. A package that takes over its compiler can change that package's own output, and nothing
//! else.

mod archives;
mod cell;
mod cpus;
mod output;
mod records;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::golang::run::build_id::ArchiveError;
use crate::golang::run::collector::collector_variables;
use crate::golang::run::include::IncludeError;
use crate::sandbox::cell::Cell;
use crate::sandbox::enter::enter;
use crate::sandbox::limits::ResourceLimits;
use crate::sandbox::supervise::SuperviseError;

pub use cell::source_directory;
pub use cpus::BuildCpus;
pub use records::forbidden_calls;

/// The variable in which `go` names the package that it runs a tool for.
const PACKAGE: &str = "TOOLEXEC_IMPORTPATH";

/// The argument with which `go` asks a tool for its version, before it runs it.
const VERSION_QUERY: &str = "-V=full";

/// The values that are the same for all tools of one build. The builder writes them to a file, and each tool reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToolContext {
    /// GOROOT: the tools themselves, the sources of the standard library, the headers of the assembler.
    pub goroot: PathBuf,
    /// The module cache, GOMODCACHE.
    pub modules: PathBuf,
    /// The compile cache, GOCACHE. Import configurations name archives there.
    pub cache: PathBuf,
    /// A lock that another process holds while it fills the compile cache with packages that this build needs.
    pub fills_cache: Option<PathBuf>,
    /// The build's own directory. Tools write below it only.
    pub work: PathBuf,
    /// Each tool appends a line here: its name and the package.
    pub progress: PathBuf,
    /// Each tool appends the files of the compile cache that it reads, and the archives of this build that it has checked, one a
    /// line, unless an earlier tool has.
    pub inputs: PathBuf,
    /// Limits of compilers and assemblers, several of which run at the same time. A linker has those of `go`.
    pub compiler_limits: Option<ResourceLimits>,
    /// The CPUs that the tools share.
    pub cpus: BuildCpus,
    /// A directory with one file for each package: the output of its tools.
    pub output: PathBuf,
    /// The environment variables that a tool inherits from `go`. The others contain credentials of the module proxy.
    pub environment: Vec<String>,
    /// Whether a tool must not start where the kernel cannot enforce its cell.
    pub must_enforce: bool,
}

impl ToolContext {
    /// The limits of a tool. `None` for a linker, which runs alone, with the limits and the garbage collector of `go`.
    fn limits(&self, tool: &str) -> Option<ResourceLimits> {
        self.compiler_limits.filter(|_| tool != "link")
    }
}

/// Why a tool was not started.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A bug of gox-server, or a tool that a newer Go has added.
    #[error("{0} is not a tool of a build without cgo")]
    UnknownTool(String),
    /// The output is not below the build's own directory.
    #[error("{tool}: the output {path} is outside the build directory")]
    OutputOutsideBuild {
        /// The name of the tool.
        tool: String,
        /// The value of `-o`.
        path: String,
    },
    /// An assembler file includes a file that it must not read.
    #[error(transparent)]
    Include(#[from] IncludeError),
    /// The build ID of an archive that the tool would read is not the hash of its content.
    #[error("{package}: {error}")]
    Archive {
        /// The import path of the compiled package.
        package: String,
        /// What is wrong with the archive.
        error: ArchiveError,
    },
    /// An argument is missing, or a file cannot be read or written.
    #[error("{0}")]
    Other(String),
}

/// A command line of `go`: a tool and its arguments.
#[derive(Clone, Copy)]
struct Invocation<'a> {
    tool: &'a str,
    arguments: &'a [String],
}

impl<'a> Invocation<'a> {
    /// `compile`, `asm` or `link`.
    fn name(self) -> &'a str {
        self.tool.rsplit('/').next().unwrap_or(self.tool)
    }

    /// The argument after `flag`.
    fn value(self, flag: &str) -> Option<&'a String> {
        let at = self.arguments.iter().position(|argument| argument == flag)?;
        self.arguments.get(at + 1)
    }
}

/// Runs the tool that `arguments` begin with in its cell, with the allowed variables of `environment`. Returns its exit status,
/// or the error to print.
pub fn run(
    context: &ToolContext,
    arguments: &[String],
    environment: &[(OsString, OsString)],
) -> Result<u8, String> {
    let Some((tool, arguments)) = arguments.split_first() else {
        return Err("tool: the command is missing".to_owned());
    };
    let invocation = Invocation { tool, arguments };
    let mut command = Command::new(tool);
    command.args(arguments).env_clear();
    for (name, value) in environment {
        if context.environment.iter().any(|allowed| *name == **allowed) {
            command.env(name, value);
        }
    }
    let is_collector = |(name, _): &&(OsString, OsString)| name == "GOMEMLIMIT" || name == "GOGC";
    match context.limits(invocation.name()) {
        Some(limits) => command.envs(collector_variables(limits.memory_bytes)),
        None => command.envs(environment.iter().filter(is_collector).cloned()),
    };
    let package = environment.iter().find(|(name, _)| name == PACKAGE);
    let package = package.map_or_else(Default::default, |(_, package)| package.to_string_lossy());
    // Held until the tool ends.
    let share = context
        .cpus
        .share(&context.work, &package)
        .map_err(|error| format!("cannot count the tools that run: {error}"))?;
    command.env("GOMAXPROCS", share.cpus.to_string());
    // `go` uses the version in the keys of its cache, so it has downloaded the modules by now, and has read nothing from the cache. The
    // query reads no file of a module.
    let cell = if arguments.first().is_some_and(|arg| arg == VERSION_QUERY) {
        if let Some(lock) = &context.fills_cache {
            wait_until_free(lock).map_err(|error| format!("cannot wait for {}: {error}", lock.display()))?;
        }
        cell::for_version_query(context)
    } else {
        records::append_progress(context, invocation.name(), &package);
        prepare(context, invocation, &mut command).map_err(|error| error.to_string())?
    };
    enter(&cell, &mut command).map_err(|error| {
        if matches!(error, SuperviseError::Forbidden(_)) {
            let line = format!("{} of {package}: {error}\n", invocation.name());
            if let Err(io_error) = records::append(&forbidden_calls(&context.work), &line) {
                return format!("{error}; cannot record it: {io_error}");
            }
        }
        error.to_string()
    })
}

/// Derives the cell, checks the archives, records the inputs and redirects the output.
fn prepare(
    context: &ToolContext,
    invocation: Invocation<'_>,
    command: &mut Command,
) -> Result<Cell, ToolError> {
    let cell = cell::for_tool(context, invocation)?;
    let recorded = records::read_inputs(context);
    let is_new = |path: &&PathBuf| path.starts_with(&context.cache) && !recorded.contains(*path);
    records::append_inputs(context, cell.read.iter().filter(is_new))?;
    records::append_inputs(context, &archives::check(context, invocation, &recorded)?)?;
    output::redirect(context, &cell, command)?;
    Ok(cell)
}

/// Waits until no process holds the lock. `go` is killed at the deadline of the build, and this process with it.
fn wait_until_free(lock: &Path) -> io::Result<()> {
    match File::open(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened?.lock_shared(),
    }
}

/// Whether the path is absolute and has no `..`.
fn is_normal(path: &Path) -> bool {
    use std::path::Component::{Normal, RootDir};
    path.is_absolute() && path.components().all(|c| matches!(c, RootDir | Normal(_)))
}
