//! The path of a request:
//!
//! ```text
//! Request ─► Target + Platform ─► Resolved ─► Recipe ─► BuildKey ─► store ── hit ─────────────► Artifact ─► Response
//!                                                                     └─ miss ─► queue ─► build ─┘
//! ```

use crate::advisories::check_vulnerabilities;
use crate::builder::without_cgo::{self, check_stubs};
use crate::builder::{Recipe, core_packages, find_artifact};
use crate::config::{Config, Deadlines};
use crate::default_go::find_default_go;
use crate::error::state_dir_error;
use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::system_limit::SystemLimit;
use crate::parse::Cacheability;
use crate::policy::resolve_to_build;
use crate::program_url::ProgramUrl;
use crate::request::Request;
use crate::request_errors::check_request;
use crate::response::program::{negotiate_coding, serve};
use crate::response::{Response, ResponseSink};
use crate::store::budget::Client;
use crate::store::{Counter, Store};
use crate::{detached, miss, program_page, service, sidecars, version_list};

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
            sidecars::wait_for_build(&mut recipe, &url, go, sink)?;
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
                url.record(&recipe.platform, store);
            }
            artifact
        }
        None if request.method == "HEAD" => return miss::announce(&recipe, request, go),
        None => miss::build(&mut recipe, &url, request, go, sink)?,
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
