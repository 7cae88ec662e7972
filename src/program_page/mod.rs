//! The page of a program, for browsers: what it is, its build, and how to get it. Only the form on the page starts a build.

use crate::advisories::{VulnerabilityStatus, check_vulnerabilities};
use crate::builder::without_cgo::{self, check_stubs};
use crate::builder::{BuildState, Recipe};
use crate::error::Error;
use crate::golang::run::command::Go;
use crate::golang::run::platform::check_platform;
use crate::parse::{ACCEPT_CH, BuildOptions, NamedFile, Platform};
use crate::program_url::ProgramUrl;
use crate::request::Request;
use crate::response::Response;

mod enqueue;
mod format;
mod markup;

/// Answers a browser: shows the page, or starts the build for its form. Returns `None` if the request is for the program itself.
pub fn answer(
    recipe: &mut Recipe,
    url: &ProgramUrl,
    request: &Request,
    go: Go<'_>,
) -> Result<Option<Response>, Error> {
    if request.method == "POST" {
        return enqueue::answer(recipe, url, request, go).map(Some);
    }
    if !url.requests_page(request) {
        return Ok(None);
    }
    let state = BuildState::read(recipe, go.config, go.store);
    if let BuildState::Built(artifact) = &state {
        if url.is_named() {
            return Ok(None);
        }
        check_stubs(&artifact.meta, recipe)?;
        check_vulnerabilities(artifact, go.config, go.store).check_policy(go.config)?;
    }
    let page = ProgramPage::new(recipe, &state, url, request, go);
    let html = markup::render(&page);
    // The page contains the Host header and the state of the build.
    Ok(Some(
        Response::page(200, html)
            .with("Cache-Control", "no-store")
            .with("Vary", "User-Agent, Accept")
            .with("Accept-CH", ACCEPT_CH),
    ))
}

/// Everything that the page shows.
struct ProgramPage<'a> {
    recipe: &'a Recipe,
    state: &'a BuildState,
    /// The URL of the service, for commands to copy.
    base: String,
    /// The path of the service.
    mount: &'a str,
    /// The options of the program, with its platform.
    options: BuildOptions,
    /// Whether the browser did not reveal the platform.
    is_platform_guessed: bool,
    /// All platforms that this server builds for.
    platforms: Vec<Platform>,
    /// Known vulnerabilities of the stored program.
    vulnerabilities: VulnerabilityStatus,
    /// What the program lacks without cgo.
    without_cgo: Vec<String>,
    /// How long the last build of this program took, in seconds.
    last_duration: Option<f64>,
}

impl<'a> ProgramPage<'a> {
    fn new(
        recipe: &'a Recipe,
        state: &'a BuildState,
        url: &ProgramUrl,
        request: &'a Request,
        go: Go<'_>,
    ) -> ProgramPage<'a> {
        let pairs = go.toolchain.platforms.iter().filter_map(|pair| pair.parse().ok());
        let (vulnerabilities, without_cgo) = match state {
            BuildState::Built(artifact) => (
                check_vulnerabilities(artifact, go.config, go.store),
                without_cgo::sentences(&artifact.meta).collect(),
            ),
            BuildState::NotBuilt
            | BuildState::Queued { .. }
            | BuildState::Building { .. }
            | BuildState::Failed(_) => (VulnerabilityStatus::NotChecked, Vec::new()),
        };
        ProgramPage {
            recipe,
            state,
            base: request.base_url(),
            mount: &request.mount,
            options: options_of(recipe, url),
            is_platform_guessed: url.detect_platform(request).is_err(),
            platforms: pairs
                .filter(|pair| check_platform(go.toolchain, pair).is_ok())
                .collect(),
            vulnerabilities,
            without_cgo,
            last_duration: recipe.last_duration(go.store),
        }
    }

    /// The URL of this page, for its exact version and platform.
    fn url(&self) -> String {
        page_url(self.recipe, &self.options, self.mount)
    }

    /// The URL of the program, which ends in its file name.
    fn file_url(&self) -> String {
        let path = NamedFile::path(
            &self.recipe.platform,
            &self.recipe.resolved.path(),
            &self.recipe.file_name(),
        );
        self.options.without_platform().url(&path)
    }

    /// The URL of the sidecar with this suffix.
    fn sidecar_url(&self, suffix: &str) -> String {
        self.options
            .url(&format!("{}{}.{suffix}", self.mount, self.recipe.resolved.path()))
    }

    /// Whether the author's release configuration builds it, and this page does not already use that.
    fn offers_release_recipe(&self) -> bool {
        let builds = self.recipe.resolved.release.as_deref().unwrap_or_default();
        self.recipe.release.is_none() && !builds.is_empty()
    }
}

/// The options of the page: those of the request, with the platform.
fn options_of(recipe: &Recipe, url: &ProgramUrl) -> BuildOptions {
    BuildOptions {
        os: Some(recipe.platform.os().to_owned()),
        arch: Some(recipe.platform.arch_with_level()),
        min_age: None,
        wait: false,
        download: false,
        ..url.options.clone()
    }
}

/// The URL of the page of a program, for its exact version and platform.
fn page_url(recipe: &Recipe, options: &BuildOptions, mount: &str) -> String {
    options.url(&format!("{mount}{}", recipe.resolved.path()))
}
