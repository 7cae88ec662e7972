//! `gox-server tool SURROUNDINGS COMPILE|ASM|LINK ARGUMENTS…`: what `go -toolexec` starts in place of each tool.
//!
//! Reads from the arguments what this one tool may read and write, checks the archives among it, and runs it in that cell. So a
//! compiler that a package takes over can change that package's own output, and nothing else.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::build_id::{BadArchive, check, check_cached};
use super::cell::{Cell, Inmate};
use super::enter::enter;
use super::include;
use super::limits::Limits;
use super::supervise::Failed;

/// The package for which `go` starts a tool.
const PACKAGE: &str = "TOOLEXEC_IMPORTPATH";

/// What is the same for all tools of one build: written to a file by the builder, read by each tool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Surroundings {
    /// GOROOT: the tools themselves, the standard library's sources, the assembler's headers.
    pub goroot: PathBuf,
    /// Where modules are unpacked.
    pub modules: PathBuf,
    /// The compile cache, which holds the archives that an import configuration names.
    pub cache: PathBuf,
    /// The build's own directory: nothing outside it is ever written.
    pub work: PathBuf,
    /// The file to which each tool adds a line: its name, and the package.
    pub progress: PathBuf,
    /// The file to which each tool adds the files of the compile cache that it reads, one a line.
    pub inputs: PathBuf,
    /// What all tools but the linker have, of which several run at once.
    pub compiler_limits: Option<Limits>,
    /// The directory in which each package's tools have a file for what they print.
    pub output: PathBuf,
    /// The variables of `go`'s environment that a tool gets. The others hold the credentials of the module proxy.
    pub environment: Vec<String>,
    /// Whether to refuse to start a tool whose cell the kernel does not enforce.
    pub must_hold: bool,
}

/// A tool that is not started.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// gox-server's own fault, or a newer Go's.
    #[error("{0} is not a tool that a build without cgo starts")]
    NotATool(String),
    /// Its output would land outside the build's own directory.
    #[error("{tool} would write to {path}")]
    Writes {
        /// The tool.
        tool: String,
        /// What `-o` names.
        path: String,
    },
    /// An assembler file is not let near the assembler.
    #[error(transparent)]
    Include(#[from] include::Included),
    /// An archive that it would read does not have the build ID of its content.
    #[error("{package}: {bad}")]
    Archive {
        /// The package that was compiled.
        package: String,
        /// What is wrong with it.
        bad: BadArchive,
    },
    /// The arguments are not what `go` passes.
    #[error("{0}")]
    Unreadable(String),
}

/// Runs the tool that `arguments` begin with, in its cell, with what it needs of `environment`. Returns its exit status, or what to
/// print.
pub fn run(
    surroundings: &Surroundings,
    arguments: &[String],
    environment: &[(OsString, OsString)],
) -> Result<u8, String> {
    let Some((tool, rest)) = arguments.split_first() else {
        return Err("tool: nothing to start".to_owned());
    };
    let mut command = Command::new(tool);
    command.args(rest).env_clear();
    for (name, value) in environment {
        if surroundings.environment.iter().any(|allowed| *name == **allowed) {
            command.env(name, value);
        }
    }
    let package = environment.iter().find(|(name, _)| name == PACKAGE);
    let package = package.map_or_else(Default::default, |(_, package)| package.to_string_lossy());
    // `go` asks each tool for its version first, to name it in the cache: there is nothing of a stranger's in that.
    let cell = if rest.first().is_some_and(|arg| arg == "-V=full") {
        Cell {
            execute: vec![surroundings.goroot.clone()],
            ..empty(surroundings.must_hold)
        }
    } else {
        report(surroundings, tool, &package);
        let is_cached = |path: &Path| path.starts_with(&surroundings.cache);
        cell(surroundings, tool, rest)
            .and_then(|cell| {
                let cached = cell.read.iter().filter(|path| is_cached(path));
                note(surroundings, cached)?;
                note(surroundings, &check_archives(surroundings, tool, rest)?)?;
                keep_output(surroundings, &mut command, cell)
            })
            .map_err(|refused| refused.to_string())?
    };
    enter(&cell, &mut command).map_err(|failed| {
        if matches!(failed, Failed::Forbidden(_)) {
            let line = format!("{} of {package}: {failed}\n", tool_name(tool));
            if let Err(error) = append(&forbidden_calls(&surroundings.work), &line) {
                return format!("{failed}; cannot write that down: {error}");
            }
        }
        failed.to_string()
    })
}

/// The file to which a line is added for each tool of a build that made a forbidden system call. No tool can write to it.
pub fn forbidden_calls(work: &Path) -> PathBuf {
    work.join("forbidden-calls")
}

/// The cell of one tool: reads GOROOT, its package's directory, what assembler files include from their module, and the
/// archives it is told to import; writes the directory of its own output.
pub fn cell(around: &Surroundings, tool: &str, arguments: &[String]) -> Result<Cell, Refused> {
    let name = tool_name(tool);
    if !["compile", "asm", "link"].contains(&name) || !Path::new(tool).starts_with(&around.goroot) {
        return Err(Refused::NotATool(tool.to_owned()));
    }
    let value = |flag: &str| value(arguments, flag);
    let output = value("-o").ok_or_else(|| Refused::Unreadable(format!("{name} without -o")))?;
    let own = Path::new(output)
        .parent()
        .filter(|dir| plain(dir) && dir.starts_with(&around.work));
    let own = own.ok_or_else(|| Refused::Writes {
        tool: name.to_owned(),
        path: output.clone(),
    })?;

    let mut read = Vec::new();
    if let Some(sources) = value("-trimpath").and_then(|rules| source_directory(rules, own)) {
        if name == "asm" && !sources.starts_with(&around.goroot) {
            let files = arguments.iter().filter(|a| a.ends_with(".s")).map(Path::new);
            read.extend(include::stays_within(&sources, module(around, &sources), files)?);
        }
        read.push(sources);
    }
    read.extend(archives(tool, arguments)?.into_iter().map(|archive| archive.file));
    read.extend(value("-importcfg").map(PathBuf::from));
    read.retain(|path| plain(path) && readable(around).iter().any(|root| path.starts_with(root)));
    Ok(Cell {
        read,
        execute: vec![around.goroot.clone()],
        write: vec![own.to_owned()],
        limits: around.compiler_limits.filter(|_| name != "link"),
        ..empty(around.must_hold)
    })
}

fn empty(must_hold: bool) -> Cell {
    Cell {
        inmate: Inmate::Tool,
        read: vec![],
        execute: vec![],
        write: vec![],
        limits: None,
        must_hold,
    }
}

fn readable(around: &Surroundings) -> [&Path; 4] {
    [&around.goroot, &around.modules, &around.cache, &around.work]
}

/// Absolute, and without a way back up.
fn plain(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .all(|c| matches!(c, Component::RootDir | Component::Normal(_)))
}

fn tool_name(tool: &str) -> &str {
    tool.rsplit('/').next().unwrap_or(tool)
}

/// `-trimpath` holds `DIR=>NAME` pairs, one for the tool's own directory and one for the package's sources.
pub fn source_directory(rules: &str, own: &Path) -> Option<PathBuf> {
    let directories = rules
        .split(';')
        .filter_map(|rule| rule.split_once("=>"))
        .map(|(dir, _)| Path::new(dir));
    directories
        .filter(|dir| dir.is_absolute())
        .find(|dir| !own.starts_with(dir))
        .map(Path::to_owned)
}

/// The root of the module in the module cache that a package is of: its version follows the only `@` in the path of a package
/// (golang.org/x/mod/module, CheckImportPath). A package of a copy stays within itself: no other has the copy's path, which
/// may get into the program.
fn module<'a>(around: &Surroundings, package: &'a Path) -> &'a Path {
    let has_version = |dir: &&Path| {
        dir.file_name()
            .is_some_and(|name| name.as_encoded_bytes().contains(&b'@'))
    };
    let mut above = package
        .ancestors()
        .take_while(|dir| dir.starts_with(&around.modules));
    above.find(has_version).unwrap_or(package)
}

/// A compiled package that a tool reads.
struct Archive {
    package: String,
    file: PathBuf,
}

/// The archives of the import configuration, whose lines are `packagefile IMPORTPATH=FILE`. The linker also reads its own package,
/// beside the directory of its output.
fn archives(tool: &str, arguments: &[String]) -> Result<Vec<Archive>, Refused> {
    let mut archives = Vec::new();
    if let Some(config) = value(arguments, "-importcfg") {
        let text = fs::read_to_string(config)
            .map_err(|error| Refused::Unreadable(format!("cannot read {config}: {error}")))?;
        let archive = |line: &str| {
            let (package, file) = line.strip_prefix("packagefile ")?.split_once('=')?;
            Some(Archive {
                package: package.to_owned(),
                file: PathBuf::from(file),
            })
        };
        archives.extend(text.lines().filter_map(archive));
    }
    let own = arguments.last().filter(|_| tool_name(tool) == "link");
    archives.extend(own.map(|file| Archive {
        package: "main".to_owned(),
        file: PathBuf::from(file),
    }));
    Ok(archives)
}

fn value<'a>(arguments: &'a [String], flag: &str) -> Option<&'a String> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1)
}

/// Checks the archives before the tool reads them: what is compiled against a forged one could be cached as compiled against
/// another. Returns those of this build that no tool before has checked.
fn check_archives(around: &Surroundings, tool: &str, arguments: &[String]) -> Result<Vec<PathBuf>, Refused> {
    // Only gox-server writes there: an archive of this build that is noted has been checked.
    let noted = fs::read_to_string(&around.inputs).unwrap_or_default();
    let noted: HashSet<_> = noted.lines().map(Path::new).collect();
    let mut new = Vec::new();
    for Archive { package, file } in archives(tool, arguments)? {
        let checked = if file.starts_with(&around.cache) {
            check_cached(&file)
        } else if file.starts_with(&around.work) && !noted.contains(file.as_path()) {
            check(&file).map(|()| new.push(file))
        } else {
            // In GOROOT, or where the cell does not let the tool read.
            Ok(())
        };
        match checked {
            // The tool reports it, with its position.
            Err(BadArchive::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {}
            checked => checked.map_err(|bad| Refused::Archive { package, bad })?,
        }
    }
    Ok(new)
}

/// Notes files that the tool will read: those of the compile cache, before the tool can say anything about it, so that the builder
/// hashes them; and the archives of this build, once they have been checked.
fn note<'a>(around: &Surroundings, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Refused> {
    let lines: String = paths
        .into_iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    append(&around.inputs, &lines)
        .map_err(|error| Refused::Unreadable(format!("cannot write {}: {error}", around.inputs.display())))
}

/// Has the tool print to a file that `go` does not read: what it quotes of an author cannot pass for `go`'s own words. What
/// gox-server itself prints before the tool starts is all that `go` sees.
fn keep_output(around: &Surroundings, command: &mut Command, cell: Cell) -> Result<Cell, Refused> {
    // A program is linked in a directory below its package's.
    let is_of_package = |dir: &&Path| dir.file_name().is_some_and(|name| name != "exe");
    let own = cell
        .write
        .iter()
        .flat_map(|dir| dir.ancestors())
        .find(is_of_package);
    let own = own.and_then(Path::file_name).unwrap_or_default();
    let path = around.output.join(own);
    let unusable = |error| Refused::Unreadable(format!("cannot write {}: {error}", path.display()));
    // A package may have several tools, one after the other.
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let file = opened.map_err(unusable)?;
    command.stdout(file.try_clone().map_err(unusable)?).stderr(file);
    Ok(cell)
}

fn report(around: &Surroundings, tool: &str, package: &str) {
    let line = format!("{} {package}\n", tool_name(tool));
    // Progress is a courtesy: a build that cannot tell of it goes on.
    append(&around.progress, &line).ok();
}

/// One write: tools that run at the same time do not mix their lines.
fn append(file: &Path, lines: &str) -> std::io::Result<()> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.and_then(|mut file| file.write_all(lines.as_bytes()))
}
