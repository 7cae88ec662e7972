//! The path of a request:
//!
//! ```text
//! Request ─► Target + Platform ─► Resolved ─► Recipe ─► BuildKey ─► store ── hit ─────────────► Artifact ─► Response
//!                                                                     └─ miss ─► queue ─► build ─┘
//! ```

use crate::advisories::check_vulnerabilities;
use crate::builder::without_cgo::{self, check_stubs};
use crate::builder::{Recipe, Waiter, core_packages, find_artifact, find_failure};
use crate::config::{Config, Deadlines};
use crate::default_go::find_default_go;
use crate::error::state_dir_error;
use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::system_limit::SystemLimit;
use crate::golang::toolchain::{managed, versions};
use crate::parse::{Cacheability, executable};
use crate::policy::resolve_to_build;
use crate::program_url::ProgramUrl;
use crate::request::Request;
use crate::request_errors::check_request;
use crate::response::program::{negotiate_coding, respond_to_head, serve};
use crate::response::{EarlyResponse, Response, ResponseSink};
use crate::store::budget::Client;
use crate::store::{Artifact, Counter, Store};
use crate::{detached, program_page, service, sidecars, version_list};

/// Answers one request. During a build, `sink` is called at intervals; the build continues if the client disconnects.
pub fn answer(request: &Request, config: &Config, sink: &mut dyn ResponseSink) -> Response {
    respond(request, config, sink).unwrap_or_else(|error| {
        if let Some(text) = error.log_text() {
            log::warn!("{}: {text}", error.reason.name());
        }
        Response::from_error(&error, request)
    })
}

fn respond(request: &Request, config: &Config, sink: &mut dyn ResponseSink) -> Result<Response, Error> {
    check_request(request)?;
    if let Some(page) = service::answer(request, config).or_else(|| version_list::answer(request, config)) {
        return page;
    }
    let store = Store::open(&config.dir).map_err(|e| state_dir_error(&config.dir, &e))?;
    serve_program(request, config, &store, sink).inspect_err(|error| {
        store.increment(Counter::Refusals);
        if error.reason == Reason::DiskFull {
            detached::start_eviction(&store);
        }
    })
}

fn serve_program(
    request: &Request,
    config: &Config,
    store: &Store,
    sink: &mut dyn ResponseSink,
) -> Result<Response, Error> {
    let url = ProgramUrl::parse(request)?;
    let ProgramUrl { target, options, .. } = &url;
    let platform = url.platform(request)?;

    let client = Client::from_address(request.client_address(|peer| config.trusts(peer)));
    let deadlines = Deadlines::for_request(config);
    let toolchain = find_default_go(config, store, deadlines, &client, target, &platform, options)?;
    check_platform(&toolchain, &platform)?;
    let go = Go::for_client(config, store, &toolchain, deadlines, &client);
    let on_lookup = || {
        if request.may_start_build() {
            core_packages::start_if_due(go, &platform, options.go);
        }
    };
    let resolved = resolve_to_build(go, target, options.min_age, &on_lookup)
        .map_err(|error| url.complete_suggestions(error, request))?;
    let cacheability = Cacheability::of_url(target, options, &resolved.version, config.recipe);
    let limit = SystemLimit::of_client(options, &platform, &request.user_agent);
    let mut recipe = Recipe::choose(go, resolved, platform, options.clone(), limit)?;
    let cacheability = cacheability.max(recipe.cacheability());
    if let Some(sidecar) = url.sidecar(&recipe.file_name())? {
        if options.wait && request.may_start_build() {
            sidecars::wait_for_build(&mut recipe, options.go, go, sink)?;
        }
        return sidecars::answer(sidecar, &recipe, cacheability, request, go);
    }

    if let Some(page) = program_page::answer(&mut recipe, &url, request, go)? {
        return Ok(page);
    }
    let artifact = match find_artifact(&recipe, store) {
        Some(artifact) => {
            store.increment(Counter::Hits);
            if store.mark_used(&artifact) {
                record_request(&url, &recipe, store);
            }
            artifact
        }
        None if request.method == "HEAD" => return announce(&recipe, request, go),
        None if !request.may_start_build() => return Err(Error::new(Reason::NotBuilt)),
        None => {
            let mut is_wanted = managed::wait_until(deadlines.wait_deadline());
            recipe.go = versions::choose_for_build(go, recipe.go, options.go, &mut is_wanted);
            let artifact = build(&recipe, request, go, sink)?;
            record_request(&url, &recipe, store);
            artifact
        }
    };
    let vulnerabilities = check_vulnerabilities(&artifact, config, store);
    vulnerabilities.check_policy(config)?;
    check_stubs(&artifact.meta, &recipe)?;
    let without_cgo = without_cgo::header(&artifact.meta);
    let cacheability = cacheability.max(artifact.meta.cacheability());
    // A response that has already started is sent without a content coding.
    let coding = negotiate_coding(request).filter(|_| !sink.has_started());
    let representation = artifact.into_representation(coding);
    if representation.is_new {
        detached::start_eviction(store);
    }
    Ok(serve(representation, request, cacheability)
        .with("Gox-Command", recipe.resolved.command())
        .with_notices(recipe.resolved.notices.as_ref())
        .with_some("Gox-Vulnerabilities", vulnerabilities.header())
        .with_some("Gox-Without-Cgo", without_cgo))
}

/// Records a request for a program that may be another version tomorrow.
fn record_request(url: &ProgramUrl, recipe: &Recipe, store: &Store) {
    if let Some(address) = url.renewable_address(&recipe.platform) {
        store.record_request(&address);
    }
}

/// Waits for the program, and starts a build if none is under way.
fn build(
    recipe: &Recipe,
    request: &Request,
    go: Go<'_>,
    sink: &mut dyn ResponseSink,
) -> Result<Artifact, Error> {
    let mut waiter = Waiter {
        go,
        deadline: go
            .deadlines
            .response_deadline()
            .filter(|_| !sink.sends_early_response()),
        on_stage: &mut |_| {
            sink.keep_alive(Some(&EarlyResponse::new(
                &recipe.description(),
                recipe.resolved.command(),
                recipe.resolved.notices.as_ref(),
                request,
                executable::expected_header(&recipe.platform),
            )))
        },
    };
    let artifact = waiter.obtain(recipe)?;
    go.store.increment(Counter::Misses);
    Ok(artifact)
}

/// Answers HEAD for a program that is not built. It never starts a build, but reports a cached failure.
fn announce(recipe: &Recipe, request: &Request, go: Go<'_>) -> Result<Response, Error> {
    match find_failure(recipe, go.config, go.store).filter(|error| error.reason.is_cacheable()) {
        Some(error) => Err(error),
        None => Ok(respond_to_head(&recipe.description(), request)
            .with("Gox-Command", recipe.resolved.command())
            .with_notices(recipe.resolved.notices.as_ref())),
    }
}
