//! `gox-server verify FILE|URL`: checks whether a program matches its build information. It rebuilds the program in cells of this
//! machine, from modules with hashes in the checksum database, and compares the bytes. The server that built the program need
//! not be trusted, and there is no key.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::builder::check::{check_program, contains_path};
use crate::builder::compilation::{Compilation, CompileCache};
use crate::config::Config;
use crate::error::{Error, Reason};
use crate::golang::build_info::{BuildInfo, LinkedModule};
use crate::golang::link_id::LinkId;
use crate::golang::rebuild::Rebuild;
use crate::golang::release::release_flags::ReleaseFlags;
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::run::command::{Go, build_bounds};
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::managed;
use crate::store::layout;
use crate::store::work_dir::WorkDir;
use crate::store::{Fingerprint, Store};
use crate::text::sanitize;
use download::download;

mod download;

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The rebuilt program has the same bytes.
    Agrees,
    /// The rebuilt program has other bytes, or the checksum database has another hash for the module.
    Differs,
    /// The build information is not sufficient to rebuild the program, or something needed for that is unavailable.
    #[serde(rename = "cannot-tell")]
    Undetermined,
}

impl Verdict {
    /// The exit status: 0, 1 or 2.
    pub fn status(self) -> u8 {
        self as u8
    }

    fn sentence(self) -> &'static str {
        match self {
            Verdict::Agrees => "The program matches its build information.",
            Verdict::Differs => "The program differs from what its build information describes.",
            Verdict::Undetermined => "Cannot determine whether the program matches its build information.",
        }
    }
}

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    /// `None` if unknown, or if there is nothing to compare.
    agrees: Option<bool>,
    found: String,
}

/// The verdict with all steps that led to it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The result.
    pub verdict: Verdict,
    program: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt_sha256: Option<String>,
    /// The command that rebuilds the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<String>,
    rows: Vec<Row>,
}

impl Report {
    fn push(&mut self, what: &'static str, agrees: Option<bool>, found: impl Into<String>) {
        let found = found.into();
        self.rows.push(Row { what, agrees, found });
    }
}

/// The table for a terminal.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let mark = match row.agrees {
                Some(true) => '✓',
                Some(false) => '✗',
                None => '?',
            };
            let mut lines = row.found.lines();
            writeln!(f, "{mark} {:<8} {}", row.what, lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "           {line}")?;
            }
        }
        if let Some(line) = self.verify.as_ref().filter(|_| self.verdict == Verdict::Agrees) {
            writeln!(f, "To rebuild it by hand: {line}")?;
        }
        f.write_str(self.verdict.sentence())
    }
}

/// The step at which a verification stopped, and why. It becomes the last row.
struct FailedStep {
    what: &'static str,
    why: String,
}

impl FailedStep {
    fn new(what: &'static str, why: impl Into<String>) -> FailedStep {
        FailedStep {
            what,
            why: why.into(),
        }
    }

    /// The user of this command is the operator: without details for the client, the text is that for the log.
    fn from_error(what: &'static str, error: &Error) -> FailedStep {
        let text = match error.detail.is_empty() {
            true => error.log.trim(),
            false => error.detail.trim(),
        };
        FailedStep::new(
            what,
            format!("{}\n{}", error.reason.sentence(), sanitize(text)).trim_end(),
        )
    }
}

/// Prints the report about a program as a table or as JSON. Returns the exit status.
pub fn print(config: &Config, program: &str, json: bool) -> Result<u8, String> {
    let report = verify(config, program);
    let text = match json {
        true => serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?,
        false => report.to_string(),
    };
    println!("{text}");
    Ok(report.verdict.status())
}

/// Verifies the program at a path or an http or https URL.
fn verify(config: &Config, program: &str) -> Report {
    let mut report = Report {
        verdict: Verdict::Undetermined,
        program: program.to_owned(),
        sha256: None,
        rebuilt_sha256: None,
        verify: None,
        rows: Vec::new(),
    };
    match run_steps(config, program, &mut report) {
        Ok(verdict) => report.verdict = verdict,
        Err(FailedStep { what, why }) => report.push(what, None, why),
    }
    report
}

fn run_steps(config: &Config, program: &str, report: &mut Report) -> Result<Verdict, FailedStep> {
    let state_error =
        |error: io::Error| FailedStep::new("state", format!("{}: {error}", config.dir.display()));
    let store = Store::open(&config.dir).map_err(state_error)?;
    store.create_directories().map_err(state_error)?;
    let work = WorkDir::create(&store, "verify-").map_err(state_error)?;

    let read_error = |error: io::Error| FailedStep::new("file", format!("{program}: {error}"));
    let file = open_program(config, program, work.path())?;
    let sha256 = Fingerprint::read(&file).map_err(read_error)?.sha256;
    report.push("file", Some(true), format!("{program}, SHA-256 {sha256}"));
    report.sha256 = Some(sha256.clone());

    let info = BuildInfo::read(&file).map_err(read_error)?;
    let info = info.ok_or_else(|| {
        FailedStep::new(
            "program",
            "This is not a Go program, or it was compiled by a Go older than 1.18.",
        )
    })?;
    let rebuild = Rebuild::from_build_info(&info).map_err(|why| FailedStep::new("program", why))?;
    report.push("program", Some(true), rebuild.to_string());

    let default = managed::ensure_default(config, &store, &mut |_| true);
    let default = default.map_err(|error| FailedStep::from_error("go", &error))?;
    let go = Go::for_operator(config, &store, &default);
    let _modules = store.use_modules().map_err(state_error)?;
    let downloaded = download_module(go, work.path(), rebuild.module())?;
    if !check_module_hash(go, &downloaded, rebuild.module(), report) {
        return Ok(Verdict::Differs);
    }

    let toolchain = managed::ensure_version(&default, config, &store, rebuild.go(), &mut |_| true)
        .and_then(|toolchain| check_platform(&toolchain, rebuild.platform()).map(|()| toolchain))
        .map_err(|error| FailedStep::from_error("go", &error))?;
    let go = go.with_toolchain(&toolchain);
    report.push(
        "go",
        Some(true),
        format!("{} at {}", toolchain.version, toolchain.goroot.display()),
    );
    let program = Program {
        file: &file,
        info: &info,
        sha256: &sha256,
    };
    let release = rebuild.release_flags(&downloaded);
    compare(go, work.path(), &rebuild, &release, &program, report)
}

/// Opens the program, after a download if it is a URL.
fn open_program(config: &Config, program: &str, work: &Path) -> Result<File, FailedStep> {
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| program.starts_with(scheme));
    let path = if is_url {
        let path = work.join("program");
        download(program, &path, config.limits.artifact_bytes)
            .map_err(|why| FailedStep::new("file", format!("{program}: {why}")))?;
        path
    } else {
        program.into()
    };
    File::open(&path).map_err(|error| FailedStep::new("file", format!("{program}: {error}")))
}

fn download_module(go: Go<'_>, work: &Path, module: &LinkedModule) -> Result<DownloadedModule, FailedStep> {
    let query = format!("{}@{}", module.path, module.version);
    let deadline = go.deadlines.lookup_deadline();
    go.run(work, &["mod", "download", "-json", "--", &query], deadline)
        .and_then(|outcome| DownloadedModule::parse(go, work, &query, true, &outcome))
        .map_err(|error| FailedStep::from_error("module", &error))
}

/// Whether the program's hash of its main module is that in the checksum database.
fn check_module_hash(
    go: Go<'_>,
    downloaded: &DownloadedModule,
    module: &LinkedModule,
    report: &mut Report,
) -> bool {
    let known_by = match go.toolchain.sumdb(go.config) {
        "off" => "the module proxy (GOX_GOSUMDB is off)",
        _ => "the checksum database",
    };
    let agrees = downloaded.sum == module.sum;
    let LinkedModule {
        path, version, sum, ..
    } = module;
    report.push(
        "module",
        Some(agrees),
        match agrees {
            true => format!("{path}@{version} is {sum}, as in {known_by}"),
            false => format!(
                "{path}@{version} is {sum} in the program, but {} in {known_by}",
                downloaded.sum
            ),
        },
    );
    agrees
}

/// The program that is verified.
struct Program<'a> {
    file: &'a File,
    info: &'a BuildInfo,
    sha256: &'a str,
}

/// Rebuilds the program with each set of linker flags that may have been used, until the bytes are the same.
fn compare(
    go: Go<'_>,
    work: &Path,
    rebuild: &Rebuild,
    release: &ReleaseFlags,
    program: &Program<'_>,
    report: &mut Report,
) -> Result<Verdict, FailedStep> {
    let read_error = |error: io::Error| FailedStep::new("bytes", error.to_string());
    let mut rebuilt_ids = Vec::new();
    let mut last = None;
    for linker in rebuild.linker_flag_candidates(release) {
        let built = build_with(go, work, rebuild, &linker)
            .map_err(|error| FailedStep::from_error("build", &error))?;
        report.rebuilt_sha256 = Some(built.fingerprint.sha256.clone());
        if built.fingerprint.sha256 == program.sha256 {
            let found = match linker.contains("-X") {
                true => {
                    "the rebuilt program is identical, with the linker flags of the module's release configuration"
                }
                false => "the rebuilt program is identical",
            };
            report.push("bytes", Some(true), found);
            report.verify = Some(rebuild.verify_command(&linker));
            return Ok(Verdict::Agrees);
        }
        let file = File::open(&built.path).map_err(read_error)?;
        rebuilt_ids.extend(LinkId::read(&file).map_err(read_error)?);
        last = Some(built.path);
    }
    let Some(built) = last else {
        return Err(FailedStep::new("build", "nothing was built"));
    };
    if contains_path(&built, &go.store.path(layout::MODULE_CACHE)).map_err(read_error)? {
        let why = "The program contains the path of the module cache of its build, which is not recorded.";
        return Err(FailedStep::new("bytes", why));
    }
    let other = BuildInfo::read(&File::open(built).map_err(read_error)?).map_err(read_error)?;
    let found = other.map_or_else(Vec::new, |other| differences(program.info, &other));
    let found = match found.is_empty() {
        false => format!(
            "the rebuilt program differs, and so does its build information:\n{}",
            found.join("\n")
        ),
        true => {
            let id = LinkId::read(program.file).map_err(read_error)?;
            let cause = describe_difference(id.as_ref(), &rebuilt_ids);
            format!("the rebuilt program differs, with the same modules, Go and settings:\n{cause}")
        }
    };
    report.push("bytes", Some(false), found);
    Ok(Verdict::Differs)
}

/// Why a program with the same build information may differ, as far as its build ID shows. The build ID is a claim of the program, so
/// the verdict does not depend on it.
fn describe_difference(id: Option<&LinkId>, rebuilt_ids: &[LinkId]) -> &'static str {
    let Some(id) = id else {
        return "It has no build ID. It was changed, or linked with -ldflags that -trimpath does not record.";
    };
    if rebuilt_ids.contains(id) {
        "It was changed after it was linked: its build ID is that of the rebuilt program."
    } else if rebuilt_ids.iter().any(|rebuilt| id.has_package_of(rebuilt)) {
        "By its build ID it has the same compiled code, linked with other -ldflags, such as -X NAME=VALUE.\n\
         -trimpath does not record these: only its builder knows the values."
    } else {
        "By its build ID its code was compiled from other source or by another compiler."
    }
}

fn build_with(
    go: Go<'_>,
    work: &Path,
    rebuild: &Rebuild,
    linker: &str,
) -> Result<crate::builder::check::CheckedProgram, Error> {
    let cache = match go.config.object_store {
        // The shared cache has packages that other machines compiled.
        Some(_) => CompileCache::Private,
        None => CompileCache::Shared,
    };
    let compilation = Compilation::prepare(go, work, cache, None)?;
    let arguments = rebuild.arguments(linker, &compilation.flags());
    let mut command = compilation.command(rebuild.platform(), &arguments)?;
    let bounds = build_bounds(&go.config.limits, Instant::now());
    let compiled = compilation.run(&mut command, bounds, &mut || ())?;
    if compiled.expires_daily {
        return Err(Error::new(Reason::ReplaceDirectives).log("go.mod does not name all dependencies"));
    }
    check_program(&compilation.bin_dir(), rebuild.platform(), u64::MAX)
}

/// Lines that only one of the two has.
fn differences(given: &BuildInfo, built: &BuildInfo) -> Vec<String> {
    let (given, built) = (given.lines(), built.lines());
    let only = |these: &[String], those: &[String], side: &str| -> Vec<String> {
        let missing = these.iter().filter(|line| !those.contains(line));
        missing.map(|line| format!("{side}: {line}")).collect()
    };
    [only(&given, &built, "program"), only(&built, &given, "rebuilt")].concat()
}
