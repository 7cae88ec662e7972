//! The commands `build` and `warm`: the path of a request without HTTP, with a progress bar.

use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::advisories::{VulnerabilityStatus, check_vulnerabilities};
use crate::builder::without_cgo::{self, check_stubs};
use crate::builder::{BuildState, Recipe, Stage, Waiter, progress, warm};
use crate::config::Config;
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::versions::VersionRequest;
use crate::golang::toolchain::{managed, versions};
use crate::notices::Notices;
use crate::parse::{BuildOptions, GoVersion, Platform, Target};
use crate::policy::resolve;
use crate::request_errors::{bad_path_error, bad_query_error, with_correction};
use crate::store::file::disk_usage;
use crate::store::{Artifact, Store};

/// Advice for the operator, where the advice for clients is to ask the operator or to request a URL.
const ADVICE: [(Reason, &str); 11] = [
    (Reason::BadPath, "Type OWNER/REPO, such as junegunn/fzf."),
    (
        Reason::UnknownPlatform,
        "Add one, such as ?os=windows&arch=arm64. `go tool dist list` lists them all.",
    ),
    (Reason::Denied, "Change GOX_ALLOW or GOX_DENY."),
    (Reason::TooLarge, "Try ?strip=1, or a larger GOX_ARTIFACT_BYTES."),
    (
        Reason::MissingDependency,
        "Try an earlier version, as in OWNER/REPO@v1.2.3.",
    ),
    (
        Reason::Internal,
        "Run gox-server doctor to check the installation.",
    ),
    (Reason::NoGo, "Run gox-server doctor to see what is missing."),
    (Reason::NoSandbox, "Run gox-server doctor to see what is missing."),
    (
        Reason::OutOfTime,
        "Try a larger GOX_BUILD_SECONDS or GOX_CPU_SECONDS.",
    ),
    (Reason::OutOfMemory, "Try a larger GOX_MEMORY_BYTES."),
    (
        Reason::TooMuchDisk,
        "Try a larger GOX_WORK_BYTES or GOX_WORK_FILES.",
    ),
];

/// Builds `target`, a path and query as in a URL, and writes the program to `output`: a file, a directory (by default this one), or `-`
/// for stdout.
pub fn build(config: &Config, target: &str, output: Option<PathBuf>) -> Result<(), Error> {
    let (mut artifact, notices, vulnerabilities) = build_artifact(config, target)?;
    let without_cgo: Vec<String> = without_cgo::sentences(&artifact.meta).collect();
    let meta = artifact.meta.description;
    let output = output.unwrap_or_else(|| PathBuf::from("."));
    let written = if output == Path::new("-") {
        io::copy(&mut artifact.file, &mut io::stdout()).and_then(|_| io::stdout().flush())
    } else if output.is_dir() {
        install(&mut artifact.file, &output.join(&meta.file_name))
    } else {
        install(&mut artifact.file, &output)
    };
    written.map_err(|e| internal_error(format!("write {}", output.display()), &e))?;
    eprintln!("{} {} for {}", meta.package, meta.version, meta.platform);
    eprintln!("sha256 {}", artifact.meta.fingerprint.sha256);
    eprintln!("verify with: {}", meta.verify);
    for sentence in notices
        .iter()
        .flat_map(Notices::sentences)
        .chain(without_cgo)
        .chain(vulnerabilities.sentence())
    {
        eprintln!("{sentence}");
    }
    Ok(())
}

/// Compiles the standard library for these platforms (OS/ARCH), by default the most common ones.
pub fn warm(config: &Config, platforms: &[String], version: Option<GoVersion>) -> Result<(), Error> {
    let platforms = parse_platforms(platforms)?;
    let store =
        Store::open(&config.dir).map_err(|e| internal_error(format!("open {}", config.dir.display()), &e))?;
    let bar = new_progress_bar();
    let mut on_download = |tree: &Path| show_download(&bar, tree);
    let default = managed::ensure_default(config, &store, &mut on_download)?;
    let go = Go::for_operator(config, &store, &default);
    let request = VersionRequest {
        requested: version,
        ..VersionRequest::default()
    };
    let chosen = versions::choose(go, request)?;
    let version = versions::choose_for_build(go, chosen, version, &mut on_download);
    let toolchain = managed::ensure_version(&default, config, &store, &version, &mut on_download)?;
    let go = go.with_toolchain(&toolchain);
    for (number, platform) in (1..).zip(&platforms) {
        let name = format!("{version} for {platform} ({number} of {})", platforms.len());
        let started = Instant::now();
        warm::warm(go, platform, &mut |work| {
            if !bar.is_hidden() {
                let state = BuildState::Building {
                    progress: progress::read_progress(work),
                    elapsed: started.elapsed(),
                };
                show_state(&bar, &state, &name);
            }
        })?;
        bar.suspend(|| eprintln!("{name}: {:.1} s", started.elapsed().as_secs_f64()));
    }
    bar.finish_and_clear();
    Ok(())
}

fn parse_platforms(pairs: &[String]) -> Result<Vec<Platform>, Error> {
    let pairs: Vec<(&str, &str)> = match pairs {
        [] => warm::COMMON_PLATFORMS.to_vec(),
        pairs => pairs
            .iter()
            .map(|pair| pair.split_once('/').unwrap_or((pair, "")))
            .collect(),
    };
    let parse = |(os, arch): (&str, &str)| {
        Platform::new(os, arch).map_err(|unknown| {
            Error::new(Reason::UnknownPlatform).detail(format!("{unknown}; {}", unknown.hint()))
        })
    };
    pairs.into_iter().map(parse).collect()
}

/// Prints an error for the operator, with the details that a server would only log.
pub fn print_error(error: &Error) {
    eprintln!("{}", error.reason.sentence());
    let log = error.log.lines().filter(|_| error.detail.is_empty());
    let advice = ADVICE.iter().find(|(reason, _)| *reason == error.reason);
    let advice = advice.map_or(error.reason.advice(), |(_, advice)| advice);
    for line in error.detail.lines().chain(log).chain([advice]) {
        eprintln!("{line}");
    }
    for line in &error.suggestions {
        // A link without its slash is a target for this command.
        eprintln!("  {}", line.trim_start_matches('/'));
    }
}

fn build_artifact(
    config: &Config,
    target: &str,
) -> Result<(Artifact, Option<Notices>, VulnerabilityStatus), Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = format!("/{}", path.trim_start_matches('/'));
    let target =
        Target::parse(path.as_bytes()).map_err(|bad| bad_path_error(&bad, path.as_bytes(), query))?;
    let options = BuildOptions::parse(query).map_err(|bad| bad_query_error(&bad, path.as_bytes(), query))?;
    let this_machine = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let platform = options
        .platform(&this_machine)
        .map_err(|undetected| Error::new(Reason::UndetectedPlatform).detail(undetected.to_string()))?;
    let store =
        Store::open(&config.dir).map_err(|e| internal_error(format!("open {}", config.dir.display()), &e))?;
    let bar = new_progress_bar();
    let toolchain = managed::ensure_default(config, &store, &mut |tree| show_download(&bar, tree))?;
    check_platform(&toolchain, &platform)?;
    let go = Go::for_operator(config, &store, &toolchain);
    bar.set_message(format!("Resolving {target}."));
    let resolved = resolve(go, &target, options.min_age)
        .map_err(|error| with_correction(error, path.as_bytes(), query))?;
    let requested = options.go;
    let mut recipe = Recipe::choose(go, resolved, platform, options, None)?;
    recipe.go = versions::choose_for_build(go, recipe.go, requested, &mut |tree| show_download(&bar, tree));
    let name = recipe.package_at_version();
    bar.set_message(name.clone());
    if let Some(seconds) = recipe.last_duration(&store) {
        bar.set_prefix(format!(", the last build took {seconds:.1} s"));
    }
    let mut on_stage = |stage| {
        if !bar.is_hidden() {
            let state = match stage {
                Stage::Queued { ahead } => BuildState::Queued { ahead },
                Stage::Building => BuildState::read(&recipe, config, &store),
            };
            show_state(&bar, &state, &name);
        }
        true
    };
    let artifact = Waiter {
        go,
        deadline: None,
        on_stage: &mut on_stage,
    }
    .obtain(&recipe);
    bar.finish_and_clear();
    let artifact = artifact?;
    check_stubs(&artifact.meta, &recipe)?;
    let vulnerabilities = check_vulnerabilities(&artifact, config, &store);
    Ok((artifact, recipe.resolved.notices, vulnerabilities))
}

/// A progress bar on stderr, below the current step. It is hidden if that is not a terminal.
fn new_progress_bar() -> ProgressBar {
    // With a length of 0 the bar would be full.
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}\n{bar:30.green} {elapsed}{prefix}") {
        bar.set_style(style);
    }
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

/// Shows the state of a build in the words of its page.
fn show_state(bar: &ProgressBar, state: &BuildState, name: &str) {
    if let BuildState::Building {
        progress: Some(progress),
        ..
    } = state
    {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    }
    // A build that has just ended has no words.
    if state.is_pending() {
        bar.set_message(format!("{name}: {}", state.describe()));
    }
}

/// Shows the download of a toolchain by the disk usage of its directory.
fn show_download(bar: &ProgressBar, tree: &Path) -> bool {
    const MIB: u64 = 1 << 20;
    // The zip has 70 MB, and the unpacked files beside it 230 MB.
    const TOTAL: u64 = 300;
    let done = disk_usage(tree).unwrap_or(0) / MIB;
    bar.set_length(TOTAL);
    bar.set_position(done);
    bar.set_message(format!("Downloading Go: {done} of about {TOTAL} MiB."));
    true
}

/// Copies the program to `to`. A regular file is replaced atomically; a device or pipe is written to.
fn install(from: &mut File, to: &Path) -> io::Result<()> {
    if fs::metadata(to).is_ok_and(|found| !found.is_file()) {
        let mut to = File::options().write(true).open(to)?;
        return io::copy(from, &mut to).map(drop);
    }
    let dir = to
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
    io::copy(from, &mut temporary)?;
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o755))?;
    temporary.persist(to)?;
    Ok(())
}
