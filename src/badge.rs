//! Answers `/-/badge/OWNER/REPO[@VERSION].svg`: an image for a README with the state of a program. It never starts a build.
//!
//! An error is an image with status 200 too: the image proxies of code hosting sites show nothing for another status. `Gox-Reason` has its
//! name.

use crate::advisories::check_vulnerabilities;
use crate::builder::without_cgo::check_stubs;
use crate::builder::{BuildState, Recipe};
use crate::config::Config;
use crate::default_go::with_default_go;
use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::golang::run::platform::check_platform;
use crate::parse::{BuildOptions, Target};
use crate::policy::resolve;
use crate::request::Request;
use crate::request_errors::{bad_path_error, bad_query_error, platform_error};
use crate::response::Response;
use crate::response::badge::{Badge, BadgeColor};

/// The path prefix of badges. The path of a program follows.
const PREFIX: &[u8] = b"/-/badge";

/// The User-Agent that stands for the default platform: an image proxy fetches the badge, and not the reader's machine.
const DEFAULT_PLATFORM: &str = "linux/amd64";

/// Answers if this is the path of a badge.
pub fn answer(request: &Request, config: &Config) -> Option<Response> {
    let path = request.path.strip_prefix(PREFIX)?;
    let path = path.strip_suffix(b".svg").unwrap_or(path);
    if !path.starts_with(b"/") {
        return None;
    }
    let client = request.client_address(|peer| config.trusts(peer));
    let badge = with_default_go(config, client, |go| read_badge(path, request, go));
    Some(match badge {
        Ok((badge, reason)) => badge
            .respond()
            .with("Cache-Control", "max-age=300")
            .with_some("Gox-Reason", reason.map(Reason::name)),
        Err(error) => {
            if let Some(text) = error.log_text() {
                log::warn!("{}: {text}", error.reason.name());
            }
            describe_failure("", error.reason)
                .respond()
                // The next request may be answered otherwise.
                .with("Cache-Control", "max-age=60")
                .with("Gox-Reason", error.reason.name())
        }
    })
}

/// Reads the state of a program. Returns the reason too if its build failed.
fn read_badge(path: &[u8], request: &Request, go: Go<'_>) -> Result<(Badge, Option<Reason>), Error> {
    let query = &request.query;
    let target = Target::parse(path).map_err(|bad| bad_path_error(&bad, path, query))?;
    let options = BuildOptions::parse(query).map_err(|bad| bad_query_error(&bad, path, query))?;
    let platform = options
        .platform(DEFAULT_PLATFORM)
        .map_err(|undetected| platform_error(&undetected, &options, request))?;
    check_platform(go.toolchain, &platform)?;
    let resolved = resolve(go, &target, options.min_age)?;
    let recipe = Recipe::choose(go, resolved, platform, options, None)?;
    let program = format!("{} {}", recipe.resolved.name(), recipe.resolved.version);
    let (message, color) = match BuildState::read(&recipe, go.config, go.store) {
        BuildState::Built(artifact) => {
            check_stubs(&artifact.meta, &recipe)?;
            check_vulnerabilities(&artifact, go.config, go.store).check_policy(go.config)?;
            (program, BadgeColor::Accent)
        }
        BuildState::NotBuilt => (format!("{program}, not built yet"), BadgeColor::Gray),
        BuildState::Queued { .. } | BuildState::Building { .. } => {
            (format!("{program}, being built"), BadgeColor::Gray)
        }
        BuildState::Failed(error) => {
            let reason = error.reason;
            return Ok((describe_failure(&format!("{program}, "), reason), Some(reason)));
        }
    };
    let title = format!("{message} for {}", recipe.platform);
    Ok((
        Badge {
            message,
            title,
            color,
        },
        None,
    ))
}

/// The badge of a failure: its name, and what it means in the title.
fn describe_failure(program: &str, reason: Reason) -> Badge {
    Badge {
        message: format!("{program}{}", reason.name()),
        title: format!("{program}{}", reason.sentence()),
        color: BadgeColor::Red,
    }
}
