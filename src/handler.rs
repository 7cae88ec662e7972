//! The story of a request:
//!
//! ```text
//! Request ─► Target + Platform ─► Resolved ─► Recipe ─► BuildKey ─► store ── hit ─────────────► Artifact ─► Response
//!                                                                     └─ miss ─► queue ─► build ─┘
//! ```

use crate::answer::refusal::no_state;
use crate::answer::served::{announced, coding, served};
use crate::answer::{Audience, Beginning, Reason, Refusal, Response};
use crate::asked::{Guess, Sidecar, Target, Wish, executable};
use crate::build::{Recipe, Wait, failed, kept};
use crate::config::{Config, Patience};
use crate::default_go::default_go;
use crate::golang::command::{Go, supports};
use crate::golang::toolchain::{brought, versions};
use crate::meaning::meaning;
use crate::refusals::{bad_path, bad_query, malformed, untold};
use crate::request::Request;
use crate::store::budget::Client;
use crate::store::{Artifact, Counter, Store};
use crate::{advisories, detached, service, sidecars};

/// Answers one request, whatever door it came through. While a program is made, the door is told now and then; the build goes
/// on even if nobody waits any more.
pub fn answer(request: &Request, config: &Config, door: &mut dyn Audience) -> Response {
    respond(request, config, door).unwrap_or_else(|refusal| {
        if let Some(told) = refusal.told_operator() {
            log::warn!("{}: {told}", refusal.reason.name());
        }
        Response::refusal(&refusal, request)
    })
}

fn respond(request: &Request, config: &Config, door: &mut dyn Audience) -> Result<Response, Refusal> {
    if let Some(refusal) = malformed(request) {
        return Err(refusal);
    }
    if let Some(page) = service::page(request, config) {
        return page;
    }
    let store = Store::open(&config.dir).map_err(|e| no_state(&config.dir, &e))?;
    story(request, config, &store, door).inspect_err(|refusal| {
        store.count(Counter::Refusals);
        if refusal.reason == Reason::DiskFull {
            detached::begin_eviction(&store);
        }
    })
}

fn story(
    request: &Request,
    config: &Config,
    store: &Store,
    door: &mut dyn Audience,
) -> Result<Response, Refusal> {
    let (path, sidecar) = Sidecar::split(&request.path);
    let target = Target::parse(path).map_err(|bad| bad_path(&bad))?;
    let wish = Wish::parse(&request.query).map_err(|bad| bad_query(&bad))?;
    let platform = wish
        .platform(&request.user_agent)
        .map_err(|told| untold(&told, &wish, request))?;

    let patience = Patience::of_request(config);
    let toolchain = default_go(config, store, patience, &target, &platform, &wish)?;
    supports(&toolchain, &platform)?;
    let client = Client::of(request.client_address(|peer| config.trusts(peer)));
    let go = Go {
        config,
        store,
        toolchain: &toolchain,
        patience,
        client: Some(&client),
    };
    let resolved = meaning(go, &target)?;
    let guess = Guess::of(&target, &wish, &resolved.version, config.recipe);
    let asked = wish.go;
    let version = versions::choose(go, asked, resolved.needs)?;
    let mut recipe = Recipe::new(resolved, platform, version, wish, config.recipe)?;
    let guess = guess.max(recipe.guess());
    if let Some(sidecar) = sidecar {
        return sidecars::answer(sidecar, &recipe, guess, request, config, store);
    }
    let there = kept(&recipe, store);
    if there.is_none() && request.method == "GET" {
        let mut wanted = brought::until(patience.end());
        recipe.go = versions::choose_for_build(go, recipe.go, asked, &mut wanted);
    }
    let artifact = match there {
        Some(artifact) => hit(store, artifact),
        None if request.method == "HEAD" => return head(&recipe, request, config, store),
        None => Wait {
            config,
            store,
            client: Some(&client),
            until: patience.answer_by().filter(|_| !door.begins_in_time()),
            tell: &mut |_| {
                door.waits(&Beginning::new(
                    &recipe.description(),
                    recipe.resolved.command(),
                    recipe.resolved.notices.as_ref(),
                    request,
                    executable::head(&recipe.platform),
                ))
            },
        }
        .artifact(&recipe)
        .inspect(|_| store.count(Counter::Misses))?,
    };
    let known = advisories::known(&artifact, config, store);
    known.permit(config)?;
    let guess = guess.max(artifact.meta.guess());
    // What has begun is the program as it is.
    let coding = coding(request).filter(|_| !door.has_begun());
    let representation = artifact.represented(coding);
    if representation.is_new {
        detached::begin_eviction(store);
    }
    Ok(served(representation, request, guess)
        .with("Gox-Command", recipe.resolved.command())
        .noted(recipe.resolved.notices.as_ref())
        .with_some("Gox-Vulnerabilities", known.header()))
}

/// HEAD builds nothing: what is not there is announced, unless it is known that a build would fail.
fn head(recipe: &Recipe, request: &Request, config: &Config, store: &Store) -> Result<Response, Refusal> {
    match failed(recipe, config, store).filter(|refusal| refusal.reason.is_kept()) {
        Some(refusal) => Err(refusal),
        None => Ok(announced(&recipe.description(), request)
            .with("Gox-Command", recipe.resolved.command())
            .noted(recipe.resolved.notices.as_ref())),
    }
}

fn hit(store: &Store, artifact: Artifact) -> Artifact {
    store.count(Counter::Hits);
    store.mark_used(&artifact);
    artifact
}
