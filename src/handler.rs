//! The story of a request:
//!
//! ```text
//! Request ─► Target + Platform ─► Resolved ─► Recipe ─► BuildKey ─► store ── hit ─────────────► Artifact ─► Response
//!                                                                     └─ miss ─► queue ─► build ─┘
//! ```

use crate::answer::refusal::trouble;
use crate::answer::response::Reader;
use crate::answer::served::{announced, served};
use crate::answer::{Reason, Refusal, Response, page};
use crate::asked::{Target, Wish};
use crate::build::{self, Recipe};
use crate::config::Config;
use crate::golang::command::{Go, supports};
use crate::golang::{Toolchain, memory};
use crate::refusals::{bad_path, bad_query, untold};
use crate::request::Request;
use crate::store::Store;

/// Answers one request, whatever door it came through. While it waits for a build, the door is asked now and then whether
/// the answer is `wanted` still; the build goes on in any case.
pub fn answer(request: &Request, config: &Config, wanted: &mut dyn FnMut() -> bool) -> Response {
    story(request, config, wanted).unwrap_or_else(|refusal| {
        log::warn!("{}: {}", refusal.reason.name(), refusal.log.escape_debug());
        Response::refusal(&refusal, Reader::of(&request.accept))
    })
}

fn story(request: &Request, config: &Config, wanted: &mut dyn FnMut() -> bool) -> Result<Response, Refusal> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Err(Refusal::new(Reason::MethodNotAllowed));
    }
    if let Some(page) = own_page(request) {
        return page;
    }
    let target = Target::parse(&request.path).map_err(|bad| bad_path(&bad))?;
    let wish = Wish::parse(&request.query).map_err(|bad| bad_query(&bad))?;
    let platform = wish
        .platform(&request.user_agent)
        .map_err(|told| untold(&told, request))?;

    let store = &Store::open(&config.dir).map_err(|e| trouble("open the state directory", &e))?;
    let toolchain = Toolchain::find(config, store)?;
    toolchain.is_the_one(wish.go.as_ref())?;
    supports(&toolchain, &platform)?;
    let go = Go {
        config,
        store,
        toolchain: &toolchain,
    };
    let resolved = memory::resolve_remembered(go, &target, request.method == "GET")?;
    config.serves(&resolved.module)?;

    let exact = target.version().is_exact() && wish.names_all();
    let recipe = Recipe::new(resolved, platform, &toolchain.version, wish);
    let artifact = match store.artifact(&recipe.key()) {
        Some(artifact) => artifact,
        None if request.method == "HEAD" => return Ok(announced(&recipe.description(), request)),
        None => build::artifact(&recipe, config, store, wanted)?,
    };
    Ok(served(&artifact, request, exact))
}

/// The service's own pages: `/` and all below `/-/`, which can be no owner.
fn own_page(request: &Request) -> Option<Result<Response, Refusal>> {
    match request.path.as_slice() {
        b"/" => Some(Ok(landing(request))),
        b"/robots.txt" => Some(Ok(Response::text(
            200,
            "text/plain",
            "User-agent: *\nDisallow: /\n".to_owned(),
        ))),
        b"/-/health" => Some(Ok(Response::text(200, "text/plain", "ok\n".to_owned()))),
        path if path.starts_with(b"/-/") => Some(Err(Refusal::new(Reason::NoSuchPage))),
        _ => None,
    }
}

fn landing(request: &Request) -> Response {
    let place = format!("{}{}", request.plain_host(), request.mount);
    match Reader::of(&request.accept) {
        Reader::Html => Response::page(200, page::landing(&place)),
        Reader::Text | Reader::Problem => {
            Response::text(200, "text/plain; charset=utf-8", page::landing_text(&place))
        }
    }
    .with("Vary", "Accept")
}
