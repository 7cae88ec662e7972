//! `gox-server warm`: builds programs, or the standard library, before they are requested.

use std::path::Path;
use std::time::Instant;

use super::build::build_artifact;
use super::{new_progress_bar, open_store, show_download, show_state};
use crate::builder::warm::{ALL_PACKAGES, COMMON_PLATFORMS};
use crate::builder::{self, BuildState, progress};
use crate::config::Config;
use crate::error::{Error, Reason, internal_error};
use crate::golang::run::command::Go;
use crate::golang::toolchain::versions::VersionRequest;
use crate::golang::toolchain::{managed, versions};
use crate::parse::{GoVersion, MinAge, Platform};
use crate::store::Store;

/// Builds the programs in the arguments for the platforms in the arguments, by default for this machine. Without a program, compiles the
/// standard library for these platforms, by default for the most common ones.
pub fn warm(config: &Config, arguments: &[String], version: Option<GoVersion>) -> Result<(), Error> {
    let (platforms, programs): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| is_platform(argument));
    let platforms = platforms
        .into_iter()
        .map(|platform| parse_platform(platform))
        .collect::<Result<Vec<_>, _>>()?;
    let store = open_store(config)?;
    if programs.is_empty() {
        return warm_standard_library(config, &store, platforms, version);
    }
    let queries: Vec<String> = match platforms.as_slice() {
        [] => vec![String::new()],
        platforms => platforms.iter().map(Platform::query).collect(),
    };
    let version = version.map(|version| format!("go={version}"));
    let mut targets = Vec::new();
    for program in programs {
        let (path, options) = program.split_once('?').unwrap_or((program, ""));
        for query in &queries {
            let query = [options, query, version.as_deref().unwrap_or_default()];
            let query: Vec<&str> = query.into_iter().filter(|pairs| !pairs.is_empty()).collect();
            let separator = if query.is_empty() { "" } else { "?" };
            targets.push(format!("{path}{separator}{}", query.join("&")));
        }
    }
    build_all(config, &store, &targets)
}

/// Builds what clients requested within this time, as it would be built now: there may be a new version, or a new Go.
pub fn warm_used(config: &Config, within: MinAge) -> Result<(), Error> {
    let store = open_store(config)?;
    let addresses = store
        .requests_within(within.duration())
        .map_err(|e| internal_error("list the requested programs", &e))?;
    build_all(config, &store, &addresses)
}

/// Builds targets, one after the other. One that fails does not prevent the others. Returns the last failure.
fn build_all(config: &Config, store: &Store, targets: &[String]) -> Result<(), Error> {
    let mut result = Ok(());
    for (number, target) in (1..).zip(targets) {
        let name = format!(
            "{} ({number} of {})",
            target.trim_start_matches('/'),
            targets.len()
        );
        let started = Instant::now();
        match build_artifact(config, store, target) {
            Ok((artifact, _)) => {
                let seconds = started.elapsed().as_secs_f64();
                eprintln!("{name}: {}, {seconds:.1} s", artifact.meta.description.version);
            }
            Err(error) => {
                eprintln!("{name}: {}", error.reason.sentence());
                result = Err(error);
            }
        }
    }
    result
}

/// Compiles the standard library for these platforms, by default the most common ones.
fn warm_standard_library(
    config: &Config,
    store: &Store,
    platforms: Vec<Platform>,
    version: Option<GoVersion>,
) -> Result<(), Error> {
    let platforms = match platforms.as_slice() {
        [] => COMMON_PLATFORMS
            .map(parse_platform)
            .into_iter()
            .collect::<Result<_, _>>()?,
        _ => platforms,
    };
    let bar = new_progress_bar();
    let mut on_download = |tree: &Path| show_download(&bar, tree);
    let default = managed::ensure_default(config, store, &mut on_download)?;
    let go = Go::for_operator(config, store, &default);
    let request = VersionRequest {
        requested: version,
        ..VersionRequest::default()
    };
    let chosen = versions::choose(go, request)?;
    let version = versions::choose_for_build(go, chosen, version, &mut on_download);
    let toolchain = managed::ensure_version(&default, config, store, &version, &mut on_download)?;
    let go = go.with_toolchain(&toolchain);
    for (number, platform) in (1..).zip(&platforms) {
        let name = format!("{version} for {platform} ({number} of {})", platforms.len());
        let started = Instant::now();
        builder::warm::warm(go, platform, &[ALL_PACKAGES], &mut |work| {
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

/// Whether an argument means a platform: two or three elements, the first one an operating system. A repository of an owner with such a
/// name is typed as `github.com/OWNER/REPO`.
fn is_platform(argument: &str) -> bool {
    match argument.split_once('/') {
        Some((os, arch)) => Platform::is_os(os) && arch.split('/').count() <= 2,
        None => false,
    }
}

fn parse_platform(pair: &str) -> Result<Platform, Error> {
    pair.parse().map_err(|unknown: crate::parse::UnknownPlatform| {
        Error::new(Reason::UnknownPlatform).detail(format!("{unknown}; {}", unknown.hint()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_is_a_platform_if_it_starts_with_an_operating_system() {
        for (argument, is) in [
            ("linux/amd64", true),
            ("linux/arm/v7", true),
            ("macOS/arm64", true),
            // A mistake, not a repository.
            ("linux/vax", true),
            ("junegunn/fzf", false),
            ("github.com/linux/tool", false),
            ("junegunn/fzf?os=windows&arch=arm64", false),
            ("linux", false),
        ] {
            assert_eq!(is_platform(argument), is, "{argument}");
        }
    }
}
