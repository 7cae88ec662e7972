//! The page as HTML. maud escapes all text that comes from outside.

use std::time::Duration;

use maud::{Markup, html};

use super::ProgramPage;
use super::format::{breakable, format_date, format_seconds, render_checksum, render_command};
use crate::builder::BuildState;
use crate::builder::progress::Progress;
use crate::builder::warm::COMMON_PLATFORMS;
use crate::error::Error;
use crate::golang::Resolved;
use crate::golang::resolve::ranking::Evidence;
use crate::notices::Notices;
use crate::parse::{BuildOptions, Platform, RecipeName};
use crate::response::page::{Page, render_advice};
use crate::store::Artifact;
use crate::text::format_bytes;

/// The list shows this many of the most common platforms first.
const SHOWN_FIRST: usize = 6;

/// The output of a failed build that the page shows, in bytes. Its log has all of it.
const MAX_OUTPUT: usize = 6000;

/// Renders the page.
pub(super) fn render(page: &ProgramPage<'_>) -> String {
    let resolved = &page.recipe.resolved;
    let name = resolved.name();
    let main = html! {
        p.soft { (breakable(&resolved.package)) }
        h1 { (name) " " small { (resolved.version) } }
        @for notice in resolved.notices.iter().flat_map(Notices::sentences) { p.notice { (notice) } }
        (render_steps(page))
        (render_picker(page))
        (render_build(page))
        @if !matches!(page.state, BuildState::Failed(_)) { (render_commands(page)) }
        (render_facts(page))
        (render_badge(page))
    };
    Page {
        title: &format!("{name} {}", resolved.version),
        mount: page.mount,
        reloads_without_script: page.state.is_pending(),
        main,
    }
    .render()
}

/// How far a step is.
#[derive(Clone, Copy)]
enum StepState {
    Done,
    Current,
    Failed,
    Next,
}

/// The way from the request to the file.
fn render_steps(page: &ProgramPage<'_>) -> Markup {
    use StepState::{Current, Done, Failed, Next};
    let (build, file) = match page.state {
        BuildState::NotBuilt | BuildState::Queued { .. } | BuildState::Building { .. } => (Current, Next),
        BuildState::Failed(_) => (Failed, Next),
        BuildState::Built(_) => (Done, Current),
    };
    let file_name = page.recipe.file_name();
    let content = match page.state {
        BuildState::Built(artifact) => {
            format!("{file_name}, {}", format_bytes(artifact.meta.fingerprint.size))
        }
        BuildState::Failed(_) => file_name,
        BuildState::NotBuilt | BuildState::Queued { .. } | BuildState::Building { .. } => {
            format!("{file_name}, the same bytes as your own build")
        }
    };
    html! {
        ol.steps {
            (render_step(1, "Source", Done, &breakable(&page.recipe.package_at_version())))
            (render_step(2, "Build", build, &html! { (page.recipe.go) " for " (page.recipe.platform) }))
            (render_step(3, "File", file, &html! { (content) }))
        }
    }
}

fn render_step(number: usize, title: &str, state: StepState, content: &Markup) -> Markup {
    let is_current = matches!(state, StepState::Current);
    html! {
        li.bad[matches!(state, StepState::Failed)] aria-current=[is_current.then_some("step")] {
            b {
                @match state {
                    StepState::Done => span role="img" aria-label="done" { "\u{2713}" },
                    StepState::Failed => span role="img" aria-label="failed" { "\u{2717}" },
                    StepState::Current | StepState::Next => { (number) "." },
                }
                " " (title)
            }
            span { (content) }
        }
    }
}

fn render_picker(page: &ProgramPage<'_>) -> Markup {
    let (common, others): (Vec<_>, Vec<_>) = page
        .platforms
        .iter()
        .partition(|platform| COMMON_PLATFORMS[..SHOWN_FIRST].contains(&platform.to_string().as_str()));
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
    let query = options.without_platform().to_string();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn render_build(page: &ProgramPage<'_>) -> Markup {
    let last = page
        .last_duration
        .map(|seconds| format!("The last build took {}.", format_seconds(seconds)));
    let events = page.state.is_pending().then(|| page.sidecar_url("events"));
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
    let shown = &error.detail[..error.detail.floor_char_boundary(MAX_OUTPUT)];
    html! {
        h2 { (error.reason.sentence()) }
        @if !error.detail.is_empty() {
            pre.log tabindex="0" role="region" aria-label="Output of the build" { (shown) }
        }
        @if shown.len() < error.detail.len() { p { a href=(page.sidecar_url("log")) { "The whole output" } } }
        (render_advice(&error))
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
            "Download " (meta.description.file_name) " (" (format_bytes(meta.fingerprint.size).replace(' ', "\u{a0}")) ")"
        } }
        dl {
            dt { "SHA-256" } dd { code { (render_checksum(&meta.fingerprint.sha256)) } }
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
            // Hyphens without a break keep the date in one line.
            p.notice[!findings.is_empty()] { (first.replace('-', "\u{2011}")) }
            @if !findings.is_empty() { details { summary { "Show them" } pre { (findings) } } }
        }
    }
}

/// The badge, and its Markdown. Without the version it follows the newest one.
fn render_badge(page: &ProgramPage<'_>) -> Markup {
    let exact = page.recipe.resolved.path();
    let path = exact.split_once('@').map_or(exact.as_str(), |(path, _)| path);
    html! {
        details {
            summary { "Badge for a README" }
            p { img src={ (page.mount) "/-/badge" (exact) ".svg?" (page.options) } alt="" height="20" loading="lazy"; }
            pre.command { "[![gox-server](" (page.base) "/-/badge" (path) ".svg)](" (page.base) (path) ")" }
        }
    }
}

/// Commands to copy.
fn render_commands(page: &ProgramPage<'_>) -> Markup {
    let (name, url) = (page.recipe.file_name(), page.file_url());
    let url = format!("{}{url}", page.base);
    // `&` ends a command. zsh and fish expand `?`.
    let quoted = match url.contains('?') {
        true => format!("'{url}'"),
        false => url.clone(),
    };
    let install = format!("{}/-/install", page.base);
    let path = page.recipe.resolved.path();
    let target = page.options.without_platform().url(&path);
    let is_windows = page.recipe.platform.os() == "windows";
    html! {
        h2 { "On the command line" }
        @if is_windows {
            (render_command(&format!("iwr {quoted} -OutFile {name}")))
        } @else {
            (render_command(&format!("curl -fL {quoted} -o {name} && chmod +x {name}")))
        }
        details {
            summary { "Install script, Dockerfile, mise" }
            p { "Detects the platform, checks the SHA-256, and installs into a directory on PATH:" }
            (render_command(&format!("curl -sS '{install}{target}' | sh")))
            p { "In PowerShell:" }
            (render_command(&format!("irm '{install}.ps1{target}' | iex")))
            p { "In a Dockerfile:" }
            (render_command(&format!("ADD --chmod=755 {url} /usr/local/bin/{name}")))
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
        .map(|repository| format!("github.com/{repository}/releases"));
    html! {
        h2 { "What it is" }
        dl {
            dt { "Module" } dd { (breakable(&resolved.module)) }
            dt { "Version" } dd { (resolved.version) @if resolved.time > 0 { ", " (format_date(resolved.time)) } }
            dt { "Command" } dd { (render_directory(resolved)) }
            @if let Some(licence) = &resolved.licence_file { dt { "Licence" } dd { "see " (licence) " of the module" } }
            @if let Some(releases) = releases {
                dt { "Releases" } dd { "If the author publishes binaries, prefer them: "
                    a href={ "https://" (releases) } rel="nofollow" { (breakable(&releases)) } }
            }
        }
        @if let BuildState::Failed(_) = page.state {
            h2 { "Try it yourself" }
            p { "This command runs the same build on your own machine:" }
        } @else {
            h2 { "You need not trust this server" }
            p { "This command makes the same bytes on your own machine:" }
        }
        (render_command(verify))
    }
}

/// The directory of the command, and why it was selected.
fn render_directory(resolved: &Resolved) -> Markup {
    html! {
        @match (resolved.directory(), resolved.evidence) {
            (".", Evidence::Root) => "the module's root",
            (".", evidence) => { "the module's root, " (evidence.describe()) },
            (directory, evidence) => { code { (directory) } ", " (evidence.describe()) },
        }
    }
}
