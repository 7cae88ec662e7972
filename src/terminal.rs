//! `gox-server build` and `gox-server warm` for a person at a terminal: the same path as a request, with a progress bar and
//! without HTTP.

use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::advisories::{Known, known};
use crate::answer::refusal::trouble;
use crate::answer::{Notices, Reason, Refusal};
use crate::asked::{GoVersion, Platform, Target, Wish};
use crate::build::{Recipe, Stage, Wait, progress, warm};
use crate::config::{Config, Patience};
use crate::golang::command::{Go, supports};
use crate::golang::toolchain::{brought, versions};
use crate::meaning::meaning;
use crate::refusals::{bad_path, bad_query};
use crate::store::evict::bytes_below;
use crate::store::{Artifact, Store};

/// What is advised to the operator, where others are told to ask one, or to type an address.
const ADVICE: [(Reason, &str); 11] = [
    (Reason::BadPath, "Type OWNER/REPO, such as junegunn/fzf."),
    (
        Reason::UnknownPlatform,
        "Name one as in ?os=windows&arch=arm64; go tool dist list has them all.",
    ),
    (Reason::Denied, "GOX_DENY and GOX_ALLOW decide that."),
    (Reason::TooLarge, "Try ?strip=1, or a larger GOX_ARTIFACT_BYTES."),
    (
        Reason::MissingDependency,
        "Try an earlier version, as in OWNER/REPO@v1.2.3.",
    ),
    (Reason::Internal, "gox-server doctor says what works here."),
    (Reason::NoGo, "gox-server doctor says what is missing."),
    (Reason::NoSandbox, "gox-server doctor says what is missing."),
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

/// Builds `typed` and puts the program at `output`, as `cp` does: under its own name if that is a directory, by default this
/// one. `-` is stdout.
pub fn build(config: &Config, typed: &str, output: Option<PathBuf>) -> Result<(), Refusal> {
    let (mut artifact, notices, known) = artifact(config, typed)?;
    let meta = artifact.meta.description;
    let output = output.unwrap_or_else(|| PathBuf::from("."));
    let written = if output == Path::new("-") {
        io::copy(&mut artifact.file, &mut io::stdout()).and_then(|_| io::stdout().flush())
    } else if output.is_dir() {
        install(&mut artifact.file, &output.join(&meta.file_name))
    } else {
        install(&mut artifact.file, &output)
    };
    written.map_err(|e| trouble(format!("write {}", output.display()), &e))?;
    eprintln!("{} {} for {}", meta.package, meta.version, meta.platform);
    eprintln!("sha256 {}", artifact.meta.fingerprint.sha256);
    eprintln!("verify with: {}", meta.verify);
    for sentence in notices
        .iter()
        .flat_map(Notices::sentences)
        .chain(known.sentence())
    {
        eprintln!("{sentence}");
    }
    Ok(())
}

/// Compiles the standard library ahead for these platforms (OS/ARCH), or for those that most people have.
pub fn warm(config: &Config, typed: &[String], version: Option<GoVersion>) -> Result<(), Refusal> {
    let platforms = platforms(typed)?;
    let store =
        Store::open(&config.dir).map_err(|e| trouble(format!("open {}", config.dir.display()), &e))?;
    let bar = bar();
    let mut coming = |tree: &Path| show_bringing(&bar, tree);
    let default = brought::default(config, &store, &mut coming)?;
    let go = Go {
        config,
        store: &store,
        toolchain: &default,
        patience: Patience::of_operator(config),
        client: None,
    };
    let chosen = versions::choose(go, version, None)?;
    let version = versions::choose_for_build(go, chosen, version, &mut coming);
    let toolchain = brought::of_version(&default, config, &store, &version, &mut coming)?;
    let go = Go {
        toolchain: &toolchain,
        ..go
    };
    for (number, platform) in (1..).zip(&platforms) {
        let name = format!("{version} for {platform} ({number} of {})", platforms.len());
        let begun = Instant::now();
        warm::warm(go, platform, &mut |work| show_compiling(&bar, work, &name))?;
        bar.suspend(|| eprintln!("{name}: {:.1} s", begun.elapsed().as_secs_f64()));
    }
    bar.finish_and_clear();
    Ok(())
}

fn platforms(typed: &[String]) -> Result<Vec<Platform>, Refusal> {
    let pairs: Vec<(&str, &str)> = match typed {
        [] => warm::MOST_USED.to_vec(),
        typed => typed
            .iter()
            .map(|pair| pair.split_once('/').unwrap_or((pair, "")))
            .collect(),
    };
    let known = |(os, arch): (&str, &str)| {
        Platform::new(os, arch).map_err(|unknown| {
            Refusal::new(Reason::UnknownPlatform).detail(format!("{unknown}; {}", unknown.hint()))
        })
    };
    pairs.into_iter().map(known).collect()
}

/// Tells a person what went wrong. The operator sits here: what only the log gets elsewhere is told too.
pub fn complain(refusal: &Refusal) {
    eprintln!("{}", refusal.reason.sentence());
    let operators = refusal.log.lines().filter(|_| refusal.detail.is_empty());
    let known = ADVICE.iter().find(|(reason, _)| *reason == refusal.reason);
    let advice = known.map_or(refusal.reason.advice(), |(_, advice)| advice);
    for line in refusal.detail.lines().chain(operators).chain([advice]) {
        eprintln!("{line}");
    }
    for line in &refusal.instead {
        // Of an address, what is typed here.
        eprintln!("  {}", line.trim_start_matches('/'));
    }
}

fn artifact(config: &Config, typed: &str) -> Result<(Artifact, Option<Notices>, Known), Refusal> {
    let (path, query) = typed.split_once('?').unwrap_or((typed, ""));
    let path = format!("/{}", path.trim_start_matches('/'));
    let target = Target::parse(path.as_bytes()).map_err(|bad| bad_path(&bad))?;
    let wish = Wish::parse(query).map_err(|bad| bad_query(&bad))?;
    let here = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let platform = wish
        .platform(&here)
        .map_err(|untold| Refusal::new(Reason::PlatformUntold).detail(untold.to_string()))?;
    let store =
        Store::open(&config.dir).map_err(|e| trouble(format!("open {}", config.dir.display()), &e))?;
    let bar = bar();
    let toolchain = brought::default(config, &store, &mut |tree| show_bringing(&bar, tree))?;
    supports(&toolchain, &platform)?;
    let go = Go {
        config,
        store: &store,
        toolchain: &toolchain,
        patience: Patience::of_operator(config),
        client: None,
    };
    bar.set_message(format!("asking for {target}"));
    let resolved = meaning(go, &target)?;
    let chosen = versions::choose(go, wish.go, resolved.needs)?;
    let version = versions::choose_for_build(go, chosen, wish.go, &mut |tree| show_bringing(&bar, tree));
    let recipe = Recipe::new(resolved, platform, version, wish, config.recipe)?;
    bar.set_message(recipe.package_at_version());
    let work = store.work().join(recipe.key().as_str());
    let mut tell = |stage| {
        show(&bar, &work, stage);
        true
    };
    let artifact = Wait {
        config,
        store: &store,
        client: None,
        until: None,
        tell: &mut tell,
    }
    .artifact(&recipe);
    bar.finish_and_clear();
    let artifact = artifact?;
    let known = known(&artifact, config, &store);
    Ok((artifact, recipe.resolved.notices, known))
}

/// Nothing is drawn where stderr is no terminal: indicatif sees to that.
fn bar() -> ProgressBar {
    // Of 0 steps all would be done.
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{bar:30.green} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

fn show(bar: &ProgressBar, work: &Path, stage: Stage) {
    if let Stage::Queued { ahead } = stage {
        bar.set_message(format!("waiting for a turn, {ahead} come first"));
    }
    show_compiling(bar, work, "");
}

fn show_compiling(bar: &ProgressBar, work: &Path, what: &str) {
    if !bar.is_hidden()
        && let Some(progress) = progress::read(work)
    {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(format!("{what} {}", progress.package).trim().to_owned());
    }
}

/// Bytes are all there is to see of a toolchain that comes, packed and then unpacked.
fn show_bringing(bar: &ProgressBar, tree: &Path) -> bool {
    const MIB: u64 = 1 << 20;
    // 70 MB packed, and 230 MB unpacked beside it.
    bar.set_length(300);
    bar.set_position(bytes_below(tree).unwrap_or(0) / MIB);
    bar.set_message("MiB of Go itself");
    true
}

/// A copy, executable, put in place in one step.
fn install(from: &mut File, to: &Path) -> io::Result<()> {
    let dir = to
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(dir)?;
    io::copy(from, &mut aside)?;
    fs::set_permissions(aside.path(), Permissions::from_mode(0o755))?;
    aside.persist(to)?;
    Ok(())
}
