//! The page as HTML. maud escapes all text that comes from outside.

use std::time::{Duration, UNIX_EPOCH};

use maud::{Markup, html};

use super::ProgramPage;
use crate::builder::BuildState;
use crate::builder::progress::Progress;
use crate::error::Error;
use crate::parse::{BuildOptions, Platform, RecipeName};
use crate::response::page::{Page, render_suggestions};
use crate::store::Artifact;

/// Platforms of most clients, which the list shows first.
const COMMON_PLATFORMS: [&str; 6] = [
    "linux/amd64",
    "linux/arm64",
    "darwin/arm64",
    "darwin/amd64",
    "windows/amd64",
    "windows/arm64",
];

/// Renders the page.
pub(super) fn render(page: &ProgramPage<'_>) -> String {
    let resolved = &page.recipe.resolved;
    let name = resolved.name();
    let main = html! {
        p.soft { (resolved.package) }
        h1 { (name) " " small { (resolved.version) } }
        (render_steps(page))
        (render_picker(page))
        (render_build(page))
        (render_commands(page))
        (render_facts(page))
    };
    Page {
        title: &format!("{name} {}", resolved.version),
        mount: page.mount,
        reloads_without_script: page.state.is_pending(),
        main,
    }
    .render()
}

/// The way from the request to the file. One step is the current one.
fn render_steps(page: &ProgramPage<'_>) -> Markup {
    let (build, file) = match page.state {
        BuildState::NotBuilt | BuildState::Failed(_) => (false, false),
        BuildState::Queued { .. } | BuildState::Building { .. } => (true, false),
        BuildState::Built(_) => (false, true),
    };
    let step = |is_current: bool| is_current.then_some("step");
    let go = &page.recipe.go;
    let size = match page.state {
        BuildState::Built(artifact) => format_size(artifact.meta.fingerprint.size),
        BuildState::NotBuilt
        | BuildState::Queued { .. }
        | BuildState::Building { .. }
        | BuildState::Failed(_) => "its SHA-256 is that of your own build".to_owned(),
    };
    html! {
        ol.steps {
            li aria-current=[step(!build && !file)] { b { "1. Source" } span { (page.recipe.package_at_version()) } }
            li aria-current=[step(build)] { b { "2. Build" } span { (go) " for " (page.recipe.platform) } }
            li aria-current=[step(file)] { b { "3. File" } span { (page.recipe.file_name()) ", " (size) } }
        }
    }
}

fn render_picker(page: &ProgramPage<'_>) -> Markup {
    let (common, others): (Vec<_>, Vec<_>) = page
        .platforms
        .iter()
        .partition(|platform| COMMON_PLATFORMS.contains(&platform.to_string().as_str()));
    let selected = &page.recipe.platform;
    let option = |platform: &Platform| {
        html! { option value=(platform) selected[platform == selected] { (platform) } }
    };
    let is_listed = page.platforms.contains(selected);
    html! {
        form action={ (page.mount) (page.recipe.resolved.path()) } {
            label for="platform" { "Platform" }
            select #platform name="platform" {
                @if !is_listed { (option(selected)) }
                optgroup label="Common" { @for platform in common { (option(platform)) } }
                optgroup label="Others" { @for platform in others { (option(platform)) } }
            }
            @for (key, value) in hidden_inputs(&page.options) { input type="hidden" name=(key) value=(value); }
            button { "Show" }
        }
        @if page.is_platform_guessed {
            p.soft { "Your browser does not say which CPU your machine has. Check the platform: " code { "uname -sm" } " prints it." }
        }
    }
}

/// The options other than the platform, as pairs for a form.
fn hidden_inputs(options: &BuildOptions) -> Vec<(String, String)> {
    let options = BuildOptions {
        os: None,
        arch: None,
        ..options.clone()
    };
    let query = options.to_string();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn render_build(page: &ProgramPage<'_>) -> Markup {
    let last = page
        .last_duration
        .map(|seconds| format!("The last build took {}.", format_seconds(seconds)));
    let events = page.state.is_pending().then(|| page.events_url());
    html! {
        section #build.panel.bad[matches!(page.state, BuildState::Failed(_))] data-events=[events] {
            @match page.state {
                BuildState::NotBuilt => {
                    h2 { "Not built yet" }
                    p { "The build starts when you press the button. " @if let Some(last) = &last { (last) } }
                    (render_button(page, "Build"))
                }
                BuildState::Queued { .. } => {
                    h2 { "Waiting" }
                    (render_progress(page.state, None, last.as_deref()))
                }
                BuildState::Building { progress, elapsed } => {
                    h2 { "Building" }
                    (render_progress(page.state, Some((progress.as_ref(), *elapsed)), last.as_deref()))
                }
                BuildState::Failed(error) => { (render_failure(page, error)) }
                BuildState::Built(artifact) => { (render_download(page, artifact)) }
            }
        }
    }
}

/// The button that starts the build. It works without JavaScript.
fn render_button(page: &ProgramPage<'_>, label: &str) -> Markup {
    html! {
        form method="post" action=(page.url()) {
            button.main { (label) " for " (page.recipe.platform) }
        }
    }
}

fn render_progress(
    state: &BuildState,
    building: Option<(Option<&Progress>, Duration)>,
    last: Option<&str>,
) -> Markup {
    let progress = building.and_then(|(progress, _)| progress);
    html! {
        label for="progress" data-text { (state.describe()) }
        progress #progress max=[progress.map(|progress| progress.total)] value=[progress.map(|progress| progress.done)] {}
        p.soft {
            span data-elapsed { @if let Some((_, elapsed)) = building { (elapsed.as_secs()) " s" } }
            " " @if let Some(last) = last { (last) }
        }
        p { "You can close this page: the build goes on." }
    }
}

fn render_failure(page: &ProgramPage<'_>, error: &Error) -> Markup {
    let query = page.options.to_string();
    let error = error.with_links_for(page.mount, &query);
    html! {
        h2 { (error.reason.sentence()) }
        @if !error.detail.is_empty() {
            pre.log tabindex="0" role="region" aria-label="Output of the build" { (error.detail) }
        }
        p { (error.reason.advice()) }
        (render_suggestions(&error.suggestions))
        @if !error.reason.is_permanent() { (render_button(page, "Build again")) }
    }
}

fn render_download(page: &ProgramPage<'_>, artifact: &Artifact) -> Markup {
    let meta = &artifact.meta;
    let url = format!("{}{}", page.mount, meta.description.exact);
    let sidecar = |suffix: &str| {
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        format!("{path}{suffix}?{query}")
    };
    html! {
        h2 { "Ready" }
        p { a #download.button href=(url) download=(meta.description.file_name) {
            "Download " (meta.description.file_name) " (" (format_size(meta.fingerprint.size)) ")"
        } }
        dl {
            dt { "SHA-256" } dd { code { (meta.fingerprint.sha256) } }
            dt { "Compiled" } dd { "by " (meta.description.go) " in " (format_seconds(meta.build_seconds)) }
            dt { "Files" } dd {
                a href=(sidecar(".sha256")) { "checksum" } ", "
                a href=(sidecar(".json")) { "metadata" } ", "
                a href=(sidecar(".cdx.json")) { "SBOM" } ", "
                a href=(sidecar(".log")) { "log" }
            }
        }
        @for sentence in &page.without_cgo { p { (sentence) } }
        @if let Some(sentence) = page.vulnerabilities.sentence() {
            @let (first, findings) = sentence.split_once('\n').unwrap_or((&sentence, ""));
            p { (first) }
            @if !findings.is_empty() { details { summary { "Show them" } pre { (findings) } } }
        }
    }
}

/// Commands to copy.
fn render_commands(page: &ProgramPage<'_>) -> Markup {
    let (name, url) = (page.recipe.file_name(), page.file_url());
    let url = format!("{}{url}", page.base);
    let quoted = if url.contains('&') {
        format!("'{url}'")
    } else {
        url.clone()
    };
    let install = format!("{}/-/install", page.base);
    let path = page.recipe.resolved.path();
    let query = BuildOptions {
        os: None,
        arch: None,
        ..page.options.clone()
    }
    .to_string();
    let target = if query.is_empty() {
        path.clone()
    } else {
        format!("{path}?{query}")
    };
    let is_windows = page.recipe.platform.os() == "windows";
    html! {
        h2 { "On the command line" }
        @if is_windows {
            pre.command { "iwr " (quoted) " -OutFile " (name) }
        } @else {
            pre.command { "curl -fL " (quoted) " -o " (name) " && chmod +x " (name) }
        }
        details {
            summary { "Install script, Dockerfile, mise" }
            p { "Detects the platform, checks the SHA-256, and installs into a directory on PATH:" }
            pre.command { "curl -sS '" (install) (target) "' | sh" }
            p { "In PowerShell:" }
            pre.command { "irm '" (install) ".ps1" (target) "' | iex" }
            p { "In a Dockerfile:" }
            pre.command { "ADD --chmod=755 " (url) " /usr/local/bin/" (name) }
            p { "In mise.toml:" }
            pre.command { "[tools]\n\"http:" (name) "\" = { version = \"" (page.recipe.resolved.version.trim_start_matches('v')) "\", url = \"" (url) "\" }" }
        }
        @if page.offers_release_recipe() {
            @let release = BuildOptions { recipe: Some(RecipeName::Release), ..page.options.clone() };
            p { "The author has a release configuration. "
                a href={ (page.mount) (path) "?" (release) } { "Build as the author releases it" }
                ", so that the program prints its version." }
        }
    }
}

fn render_facts(page: &ProgramPage<'_>) -> Markup {
    let resolved = &page.recipe.resolved;
    let description = page.recipe.description();
    let verify = match page.state {
        BuildState::Built(artifact) => &artifact.meta.description.verify,
        BuildState::NotBuilt
        | BuildState::Queued { .. }
        | BuildState::Building { .. }
        | BuildState::Failed(_) => &description.verify,
    };
    let releases = resolved
        .module
        .strip_prefix("github.com/")
        .map(|path| path.split('/').take(2).collect::<Vec<_>>().join("/"))
        .map(|repository| format!("https://github.com/{repository}/releases"));
    html! {
        h2 { "What it is" }
        dl {
            dt { "Module" } dd { (resolved.module) }
            dt { "Version" } dd { (resolved.version) @if resolved.time > 0 { ", of " (format_date(resolved.time)) } }
            dt { "Command" } dd { code { (resolved.directory()) } ", " (resolved.evidence.describe()) }
            @if let Some(licence) = &resolved.licence_file { dt { "Licence" } dd { "see " (licence) " of the module" } }
            @if let Some(releases) = releases {
                dt { "Releases" } dd { "If the author publishes binaries, prefer them: " a href=(releases) rel="nofollow" { (releases) } }
            }
        }
        @for notice in resolved.notices.iter().flat_map(crate::notices::Notices::sentences) { p { (notice) } }
        h2 { "You need not trust this server" }
        p { "This command makes the same bytes on your own machine:" }
        pre.command { (verify) }
    }
}

fn format_size(bytes: u64) -> String {
    const KB: u64 = 1000;
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(KB)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

fn format_seconds(seconds: f64) -> String {
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..100.0 => format!("{seconds:.0} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}

/// Formats seconds since 1970 as a date.
fn format_date(seconds: u64) -> String {
    let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    time.chars().take(10).collect()
}
