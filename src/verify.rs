//! `gox-server verify FILE|URL`: whether a program is what its build information says. It is built again from the modules that the
//! checksum database vouches for, in this machine's own cells, and the bytes are compared. It does not matter which server the
//! program came from, and no key is needed.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::answer::refusal::clean;
use crate::answer::{Reason, Refusal};
use crate::build::check::{check, holds};
use crate::build::compilation::{Cache, Compilation};
use crate::config::{Config, Patience};
use crate::golang::build_info::{BuildInfo, Module};
use crate::golang::command::{Go, supports};
use crate::golang::downloaded::Downloaded;
use crate::golang::rebuild::Rebuild;
use crate::golang::toolchain::{brought, fetch};
use crate::golang::work::Work;
use crate::sandbox::process::Bounds;
use crate::store::{Fingerprint, Store};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same bytes came of the build information.
    Agrees,
    /// Other bytes came of it, or it claims what the checksum database denies.
    Differs,
    /// The build information does not say how to build the program again, or something needed for that is unavailable.
    CannotTell,
}

impl Verdict {
    /// The exit status: 0, 1 or 2.
    pub fn status(self) -> u8 {
        self as u8
    }

    fn sentence(self) -> &'static str {
        match self {
            Verdict::Agrees => "The program is what its build information says.",
            Verdict::Differs => "The program is not what its build information says.",
            Verdict::CannotTell => "Cannot tell whether the program is what its build information says.",
        }
    }
}

/// A row of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    /// Whether it agrees; `None` where that is unknown, or where there is nothing to compare.
    agrees: Option<bool>,
    found: String,
}

/// All that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What came of it.
    pub verdict: Verdict,
    program: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt_sha256: Option<String>,
    /// The line that builds it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<String>,
    rows: Vec<Row>,
}

impl Report {
    fn row(&mut self, what: &'static str, agrees: Option<bool>, found: impl Into<String>) {
        let found = found.into();
        self.rows.push(Row { what, agrees, found });
    }
}

/// For a person.
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
            writeln!(f, "The same by hand: {line}")?;
        }
        f.write_str(self.verdict.sentence())
    }
}

/// Why nothing can be said, for the last row.
struct Unknown {
    what: &'static str,
    why: String,
}

impl Unknown {
    fn new(what: &'static str, why: impl Into<String>) -> Unknown {
        Unknown {
            what,
            why: why.into(),
        }
    }

    /// What kept a step from its end. The operator sits here, and is told what elsewhere only the log is.
    fn refused(what: &'static str, refusal: &Refusal) -> Unknown {
        let words = match refusal.detail.is_empty() {
            true => refusal.log.trim(),
            false => refusal.detail.trim(),
        };
        Unknown::new(
            what,
            format!("{}\n{}", refusal.reason.sentence(), clean(words)).trim_end(),
        )
    }
}

/// Looks at the program at a path, or at an address of http or https.
pub fn verify(config: &Config, program: &str) -> Report {
    let mut report = Report {
        verdict: Verdict::CannotTell,
        program: program.to_owned(),
        sha256: None,
        rebuilt_sha256: None,
        verify: None,
        rows: Vec::new(),
    };
    match examine(config, program, &mut report) {
        Ok(verdict) => report.verdict = verdict,
        Err(Unknown { what, why }) => report.row(what, None, why),
    }
    report
}

fn examine(config: &Config, program: &str, report: &mut Report) -> Result<Verdict, Unknown> {
    let state = |error: io::Error| Unknown::new("state", format!("{}: {error}", config.dir.display()));
    let store = Store::open(&config.dir).map_err(state)?;
    store.complete().map_err(state)?;
    let work = Work::begin(&store, "verify-").map_err(state)?;

    let unread = |error: io::Error| Unknown::new("file", format!("{program}: {error}"));
    let file = open(config, program, work.path())?;
    let sha256 = Fingerprint::of(&file).map_err(unread)?.sha256;
    report.row("file", Some(true), format!("{program}, SHA-256 {sha256}"));
    report.sha256 = Some(sha256.clone());

    let info = BuildInfo::read(&file).map_err(unread)?;
    let info = info.ok_or_else(|| {
        Unknown::new(
            "program",
            "This is not a Go program, or one compiled by a Go older than 1.18.",
        )
    })?;
    let rebuild = Rebuild::of(&info).map_err(|why| Unknown::new("program", why))?;
    report.row("program", Some(true), rebuild.to_string());

    let default = brought::default(config, &store, &mut |_| true);
    let default = default.map_err(|refusal| Unknown::refused("go", &refusal))?;
    let go = Go {
        config,
        store: &store,
        toolchain: &default,
        patience: Patience::of_operator(config),
        client: None,
    };
    let _modules = store.use_modules().map_err(state)?;
    if !module_is_known(go, work.path(), rebuild.module(), report)? {
        return Ok(Verdict::Differs);
    }

    let toolchain = brought::of_version(&default, config, &store, rebuild.go(), &mut |_| true)
        .and_then(|toolchain| supports(&toolchain, rebuild.platform()).map(|()| toolchain))
        .map_err(|refusal| Unknown::refused("go", &refusal))?;
    let go = Go {
        toolchain: &toolchain,
        ..go
    };
    report.row(
        "go",
        Some(true),
        format!("{} at {}", toolchain.version, toolchain.goroot.display()),
    );
    compare(go, work.path(), &rebuild, &info, &sha256, report)
}

/// The program, downloaded if it is elsewhere.
fn open(config: &Config, program: &str, work: &Path) -> Result<File, Unknown> {
    let is_elsewhere = ["http://", "https://"]
        .iter()
        .any(|scheme| program.starts_with(scheme));
    let path = if is_elsewhere {
        let path = work.join("program");
        fetch::download(program, &path, config.limits.artifact_bytes)
            .map_err(|why| Unknown::new("file", format!("{program}: {why}")))?;
        path
    } else {
        program.into()
    };
    File::open(&path).map_err(|error| Unknown::new("file", format!("{program}: {error}")))
}

/// Whether the checksum database has the hash that the program claims for its own module.
fn module_is_known(go: Go<'_>, work: &Path, module: &Module, report: &mut Report) -> Result<bool, Unknown> {
    let query = format!("{}@{}", module.path, module.version);
    let deadline = go.patience.lookup_end();
    let downloaded = go
        .run(work, &["mod", "download", "-json", "--", &query], deadline)
        .and_then(|outcome| Downloaded::read(go, work, &query, true, &outcome))
        .map_err(|refusal| Unknown::refused("module", &refusal))?;
    let known_by = match go.toolchain.checksums(go.config) {
        "off" => "the module proxy (GOX_GOSUMDB is off)",
        _ => "the checksum database",
    };
    let agrees = downloaded.sum == module.sum;
    report.row(
        "module",
        Some(agrees),
        match agrees {
            true => format!("{query} is {}, as in {known_by}", module.sum),
            false => format!(
                "{query} is {} in the program, but {} in {known_by}",
                module.sum, downloaded.sum
            ),
        },
    );
    Ok(agrees)
}

/// Builds it with each set of linker flags that may have been used, until the bytes are the same.
fn compare(
    go: Go<'_>,
    work: &Path,
    rebuild: &Rebuild,
    info: &BuildInfo,
    sha256: &str,
    report: &mut Report,
) -> Result<Verdict, Unknown> {
    let mut last = None;
    for linker in rebuild.linker_flags() {
        let built =
            build(go, work, rebuild, linker).map_err(|refusal| Unknown::refused("build", &refusal))?;
        report.rebuilt_sha256 = Some(built.fingerprint.sha256.clone());
        if built.fingerprint.sha256 == sha256 {
            let line = rebuild.line(linker);
            report.row("bytes", Some(true), "built again, they are the same");
            report.verify = Some(line);
            return Ok(Verdict::Agrees);
        }
        last = Some(built.path);
    }
    let unread = |error: io::Error| Unknown::new("bytes", error.to_string());
    let Some(built) = last else {
        return Err(Unknown::new("build", "nothing was built"));
    };
    if holds(&built, &go.store.module_cache()).map_err(unread)? {
        let why =
            "The program holds the path of the module cache in which it was built, which is not recorded.";
        return Err(Unknown::new("bytes", why));
    }
    let other = BuildInfo::read(&File::open(built).map_err(unread)?).map_err(unread)?;
    let found = other.map_or_else(Vec::new, |other| differences(info, &other));
    let found = match found.is_empty() {
        false => format!("built again, they differ, and so does the build information:\n{}", found.join("\n")),
        true => "built again with the same modules, Go and settings, they differ: the program was changed, or linked with \
                 -ldflags that -trimpath does not record"
            .to_owned(),
    };
    report.row("bytes", Some(false), found);
    Ok(Verdict::Differs)
}

fn build(
    go: Go<'_>,
    work: &Path,
    rebuild: &Rebuild,
    linker: &str,
) -> Result<crate::build::check::Checked, Refusal> {
    let compilation = Compilation::prepare(go, work, Cache::OfAll)?;
    let arguments = rebuild.arguments(linker, &compilation.flags());
    let mut command = compilation.command(rebuild.platform(), &arguments)?;
    let bounds = Bounds {
        deadline: Instant::now() + go.config.limits.wall,
        stdout_bytes: go.config.limits.log_bytes,
        stderr_bytes: go.config.limits.log_bytes,
    };
    let compiled = compilation.run(&mut command, bounds)?;
    if compiled.of_today {
        return Err(
            Refusal::new(Reason::OwnDirectives).log("go.mod does not name all that the program needs")
        );
    }
    check(&compilation.programs(), rebuild.platform(), u64::MAX)
}

/// Lines of the one build information that the other does not have, and the other way round.
fn differences(given: &BuildInfo, built: &BuildInfo) -> Vec<String> {
    let (given, built) = (given.lines(), built.lines());
    let only = |these: &[String], those: &[String], whose: &str| -> Vec<String> {
        let missing = these.iter().filter(|line| !those.contains(line));
        missing.map(|line| format!("{whose}: {line}")).collect()
    };
    [only(&given, &built, "program"), only(&built, &given, "rebuilt")].concat()
}
