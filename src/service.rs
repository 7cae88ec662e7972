//! The service's own pages: `/`, and all below `/-/`, which can be no owner. They look; only an install script's has a target
//! resolved, as asking for the program does.

use std::io;

use serde_json::{Value, json};

use crate::answer::refusal::{no_state, trouble};
use crate::answer::response::Reader;
use crate::answer::{Reason, Refusal, Response, page, platforms};
use crate::asked::Platform;
use crate::config::Config;
use crate::golang::Toolchain;
use crate::golang::command::supports;
use crate::golang::toolchain::brought;
use crate::golang::work::Work;
use crate::installs;
use crate::request::Request;
use crate::sandbox::layers::Layers;
use crate::store::{Counter, Store};

/// How long a page may be kept: it changes with what is installed.
const PAGE: &str = "max-age=300";

/// The page of this path, if the path is the service's own.
pub fn page(request: &Request, config: &Config) -> Option<Result<Response, Refusal>> {
    let path = std::str::from_utf8(&request.path).unwrap_or_default();
    let text = |text: &str| Response::text(200, "text/plain; charset=utf-8", text.to_owned());
    match path {
        "/" => Some(Ok(landing(request))),
        "/-/reasons" => Some(Ok(reasons(request))),
        "/robots.txt" => Some(Ok(
            text("User-agent: *\nDisallow: /\n").with("Cache-Control", PAGE)
        )),
        // A browser asks for it beside any page.
        "/favicon.ico" => Some(Ok(Response::text(200, "image/svg+xml", page::ICON.to_owned())
            .with("Cache-Control", "max-age=86400"))),
        "/-/health" => Some(Ok(text("ok\n").with("Cache-Control", "no-store"))),
        "/-/status" => Some(status(config)),
        "/-/metrics" => Some(metrics(config)),
        "/-/platforms" => Some(platforms(request, config)),
        other if other.starts_with("/-/") => {
            installs::script(request, config).or(Some(Err(Refusal::new(Reason::NoSuchPage))))
        }
        _ => None,
    }
}

fn landing(request: &Request) -> Response {
    let place = format!("{}{}", request.plain_host(), request.mount);
    page_or_text(
        request,
        || page::landing(&place, &request.mount),
        || page::landing_text(&place),
    )
    // It prints Host: what one client gets is for no other.
    .with("Cache-Control", format!("private, {PAGE}"))
}

/// All that can go wrong, each under its name.
fn reasons(request: &Request) -> Response {
    page_or_text(request, page::reasons, page::reasons_text).with("Cache-Control", PAGE)
}

fn page_or_text(request: &Request, page: impl FnOnce() -> String, text: impl FnOnce() -> String) -> Response {
    let response = match Reader::of(&request.accept) {
        Reader::Html => Response::page(200, page()),
        Reader::Text | Reader::Problem => Response::text(200, "text/plain; charset=utf-8", text()),
    };
    response.with("Vary", "Accept")
}

fn open(config: &Config) -> Result<Store, Refusal> {
    Store::open(&config.dir).map_err(|e| no_state(&config.dir, &e))
}

fn looking<T>(found: io::Result<T>) -> Result<T, Refusal> {
    found.map_err(|e| trouble("look at the state", &e))
}

/// What an operator wants to see at a glance, as JSON.
fn status(config: &Config) -> Result<Response, Refusal> {
    let store = open(config)?;
    let toolchain = Toolchain::find(config, &store).ok();
    let brought: Vec<_> = looking(brought::all(&store))?
        .iter()
        .map(|version| format!("go{version}"))
        .collect();
    let turns = store.build_turns(config.builds());
    let mut counts = serde_json::Map::new();
    for counter in Counter::ALL {
        counts.insert(counter.name().to_owned(), json!(looking(store.counted(counter))?));
    }
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "go": toolchain.as_ref().map(|toolchain| &toolchain.version),
        "go_hole": toolchain.as_ref().and_then(|toolchain| toolchain.hole(&store)),
        "brought": brought,
        "builds": { "running": looking(turns.running())?, "slots": config.builds() },
        "queue": { "waiting": looking(turns.length())?, "most": config.queue },
        "cells": cells(&store),
        "counts": counts,
        "cache_bytes": { "artifacts": artifact_bytes(&store)?, "most": config.cache_bytes },
    });
    Ok(Response::text(200, "application/json", format!("{status:#}\n")).with("Cache-Control", "no-store"))
}

/// What a tool's cell lacks, tried a while ago at most, and whether all builds share one compile cache.
fn cells(store: &Store) -> Option<Value> {
    let tried = store.observed("cells", || {
        // A directory of its own, which no sweep takes for a dead owner's.
        let work = Work::begin(store, "status-")?;
        let layers = Layers::of_tool(work.path())?;
        Ok(json!({
            "shared_compile_cache": layers.guard_caches(),
            "missing": layers.missing().map(ToString::to_string).collect::<Vec<_>>(),
        }))
    });
    tried
        .inspect_err(|error| log::warn!("cannot try a tool's cell: {error}"))
        .ok()
}

/// Bytes of all programs with their copies, counted a while ago at most.
fn artifact_bytes(store: &Store) -> Result<u64, Refusal> {
    looking(store.observed("artifact-bytes", || store.artifact_bytes()))
}

/// The same for Prometheus (text exposition format 0.0.4).
fn metrics(config: &Config) -> Result<Response, Refusal> {
    let store = open(config)?;
    let turns = store.build_turns(config.builds());
    let mut text = String::new();
    for counter in Counter::ALL {
        let name = format!("{}_total", counter.name());
        text += &metric(&name, "counter", counter.help(), looking(store.counted(counter))?);
    }
    let running = looking(turns.running())? as u64;
    text += &metric("builds_running", "gauge", "Builds that run now.", running);
    let waiting = looking(turns.length())? as u64;
    text += &metric("builds_waiting", "gauge", "Builds that wait for a slot.", waiting);
    let bytes = artifact_bytes(&store)?;
    text += &metric(
        "artifact_bytes",
        "gauge",
        "Programs that are kept, with their copies.",
        bytes,
    );
    Ok(
        Response::text(200, "text/plain; version=0.0.4; charset=utf-8", text)
            .with("Cache-Control", "no-store"),
    )
}

fn metric(name: &str, of_type: &str, help: &str, value: u64) -> String {
    format!("# HELP gox_{name} {help}\n# TYPE gox_{name} {of_type}\ngox_{name} {value}\n")
}

/// What this server's Go builds for.
fn platforms(request: &Request, config: &Config) -> Result<Response, Refusal> {
    let toolchain = Toolchain::find(config, &open(config)?)?;
    let pairs = toolchain.platforms.iter().filter_map(|pair| pair.parse().ok());
    let pairs: Vec<Platform> = pairs.filter(|pair| supports(&toolchain, pair).is_ok()).collect();
    let response = match Reader::of(&request.accept) {
        Reader::Html => Response::page(200, platforms::page(&pairs)),
        Reader::Problem => Response::text(200, "application/json", platforms::json(&pairs)),
        Reader::Text => Response::text(200, "text/plain; charset=utf-8", platforms::text(&pairs)),
    };
    Ok(response.with("Vary", "Accept").with("Cache-Control", PAGE))
}
