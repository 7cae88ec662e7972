//! Answers `/-/github/repos/OWNER/REPO/releases`: the versions of a program as releases of GitHub's REST API, for tool managers that install
//! from releases. Each platform is an asset, and its URL is the program. It never starts a build.

use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::builder::{Recipe, find_artifact};
use crate::config::Config;
use crate::default_go::with_default_go;
use crate::error::Error;
use crate::golang::Resolved;
use crate::golang::resolve::module_versions::path_at;
use crate::golang::run::command::Go;
use crate::golang::run::platform::supported_platforms;
use crate::golang::toolchain::versions::{self, VersionRequest};
use crate::parse::{BuildOptions, NamedFile, Platform, Target, Version};
use crate::policy::{list_times, list_versions, resolve};
use crate::request::Request;
use crate::request_errors::bad_path_error;
use crate::response::Response;
use crate::store::Fingerprint;

/// The path prefix. A tool that appends `/repos/…` has the part before it as its base URL.
const PREFIX: &[u8] = b"/-/github/repos";

/// Releases on a page without `per_page`, and at most (GitHub's values).
const PAGE: usize = 30;
const MAX_PAGE: usize = 100;

/// Tools require a valid time.
const UNKNOWN_TIME: &str = "1970-01-01T00:00:00Z";

/// Answers if this is the path of releases.
pub fn answer(request: &Request, config: &Config) -> Option<Result<Response, Error>> {
    let path = str::from_utf8(request.path.strip_prefix(PREFIX)?).ok()?;
    let client = request.client_address(|peer| config.trusts(peer));
    let with_go = |path: &str, answer: &dyn Fn(Go<'_>, &Target) -> Result<Response, Error>| {
        let target =
            Target::parse(path.as_bytes()).map_err(|bad| bad_path_error(&bad, path.as_bytes(), ""))?;
        with_default_go(config, client, |go| answer(go, &target))
    };
    let one = |go: Go<'_>, target: &Target| answer_one(go, target, request);
    if let Some((program, tag)) = path.split_once("/releases/tags/") {
        Some(with_go(&format!("{program}@{tag}"), &one))
    } else if let Some(program) = path.strip_suffix("/releases/latest") {
        Some(with_go(program, &one))
    } else {
        let program = path.strip_suffix("/releases")?;
        Some(with_go(program, &|go, target| answer_page(go, target, request)))
    }
}

/// One release, with the checksums of the programs that are built.
fn answer_one(go: Go<'_>, target: &Target, request: &Request) -> Result<Response, Error> {
    let resolved = resolve(go, target, None)?;
    let version = versions::choose(
        go,
        VersionRequest {
            required: resolved.min_go,
            ..VersionRequest::default()
        },
    );
    let find = |platform: &Platform| {
        let (version, options) = (version.clone().ok()?, BuildOptions::default());
        let recipe = Recipe::with_go(go.config, version, resolved.clone(), platform.clone(), options).ok()?;
        Some(find_artifact(&recipe, go.store)?.meta.fingerprint)
    };
    let is_prerelease = *target.version() != Version::Latest && resolved.version.contains('-');
    let time = format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(resolved.time)).to_string();
    let release = render(go, request, &resolved, &time, is_prerelease, &find);
    Ok(respond(&release))
}

/// A page of releases, the newest first. The assets have the program's name in the newest version.
fn answer_page(go: Go<'_>, target: &Target, request: &Request) -> Result<Response, Error> {
    let newest = resolve(go, target, None)?;
    let (module, versions) = list_versions(go, target)?;
    let has_release = versions.iter().any(|version| !version.contains('-'));
    let value = |key: &str| {
        let mut pairs = form_urlencoded::parse(request.query.as_bytes());
        let value = pairs.find(|(name, _)| name == key)?.1.parse::<usize>().ok();
        value.filter(|value| *value > 0)
    };
    let (len, page) = (
        value("per_page").unwrap_or(PAGE).min(MAX_PAGE),
        value("page").unwrap_or(1),
    );
    let mut pages = versions.rchunks(len).skip(page - 1);
    let shown = pages.next().unwrap_or_default();
    let times = list_times(go, &module, shown)?;
    let releases = shown.iter().rev().map(|version| {
        let module = path_at(&module, version);
        let below = newest.package.strip_prefix(&newest.module).unwrap_or_default();
        let resolved = Resolved {
            package: format!("{module}{below}"),
            module,
            version: version.clone(),
            ..newest.clone()
        };
        let time = times.get(version).map_or(UNKNOWN_TIME, String::as_str);
        let is_prerelease = has_release && version.contains('-');
        render(go, request, &resolved, time, is_prerelease, &|_| None)
    });
    let response = respond(&releases.collect());
    let next = format!(
        "<{}{}?per_page={len}&page={}>; rel=\"next\"",
        request.base_url(),
        String::from_utf8_lossy(&request.path),
        page + 1
    );
    Ok(response.with_some("Link", pages.next().map(|_| next)))
}

/// URLs contain the Host header, so no cache may store them.
fn respond(value: &Value) -> Response {
    Response::text(200, "application/json; charset=utf-8", format!("{value:#}\n"))
        .with("Cache-Control", "no-store")
}

/// A release in GitHub's form. `find` returns the checksum of a program that is built.
fn render(
    go: Go<'_>,
    request: &Request,
    resolved: &Resolved,
    time: &str,
    is_prerelease: bool,
    find: &dyn Fn(&Platform) -> Option<Fingerprint>,
) -> Value {
    let base = request.base_url();
    let asset = |platform: Platform| {
        let built = find(&platform);
        let file = platform.executable_name(resolved.name());
        let url = format!("{base}{}", NamedFile::path(&platform, &resolved.path(), &file));
        json!({
            "name": asset_name(resolved.name(), &resolved.version, &platform),
            "state": "uploaded",
            "content_type": "application/octet-stream",
            "size": built.as_ref().map(|built| built.size),
            "digest": built.as_ref().map(|built| format!("sha256:{}", built.sha256)),
            "created_at": time,
            "updated_at": time,
            // Tools with another base URL than GitHub's download `url`.
            "url": url,
            "browser_download_url": url,
        })
    };
    let platforms = supported_platforms(go.toolchain)
        .into_iter()
        .map(with_common_level);
    json!({
        "html_url": format!("{base}{}", resolved.path()),
        "tag_name": resolved.version,
        "name": resolved.version,
        "draft": false,
        "prerelease": is_prerelease,
        "created_at": time,
        "published_at": time,
        "assets": platforms.map(asset).collect::<Value>(),
    })
}

/// The level that all machines in use have: tools cannot choose between two assets for one architecture. ARMv6 is GoReleaser's default.
fn with_common_level(platform: Platform) -> Platform {
    match platform.arch() {
        "arm" => Platform::new(platform.os(), "armv6").unwrap_or(platform),
        _ => platform,
    }
}

/// The name of an asset, by which tools recognize its platform: `fzf_0.65.2_linux_amd64`.
fn asset_name(name: &str, version: &str, platform: &Platform) -> String {
    let arch = match platform.arch() {
        // Few tools recognize 386.
        "386" => "i386".to_owned(),
        _ => platform.arch_with_level(),
    };
    let version = version.trim_start_matches('v').trim_end_matches("+incompatible");
    platform.executable_name(&format!("{name}_{version}_{}_{arch}", platform.os()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_names_are_recognized_by_tools() {
        for (platform, name) in [
            ("linux/amd64", "fzf_0.65.2_linux_amd64"),
            ("linux/386", "fzf_0.65.2_linux_i386"),
            ("linux/arm", "fzf_0.65.2_linux_armv6"),
            ("darwin/arm64", "fzf_0.65.2_darwin_arm64"),
            ("windows/amd64", "fzf_0.65.2_windows_amd64.exe"),
        ] {
            let platform = with_common_level(platform.parse().unwrap());
            assert_eq!(asset_name("fzf", "v0.65.2", &platform), name);
        }
    }
}
