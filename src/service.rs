//! Answers requests for the service's own pages: `/`, and all below `/-/`, which is not a valid owner, except programs below
//! `/-/bin/`. Install scripts resolve a
//! target; all other pages only read the state.

use std::io;

use serde_json::{Value, json};

use crate::config::Config;
use crate::error::{Error, Reason};
use crate::error::{internal_error, state_dir_error};
use crate::golang::Toolchain;
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::managed;
use crate::installs;
use crate::parse::Platform;
use crate::request::Request;
use crate::response::message::ResponseFormat;
use crate::response::{Response, page, platforms};
use crate::sandbox::layers::Layers;
use crate::store::work_dir::WorkDir;
use crate::store::{Counter, Store};

/// Cache-Control of pages, which change with the installation.
const PAGE_CACHING: &str = "max-age=300";

/// Answers if this is one of the service's own paths.
pub fn answer(request: &Request, config: &Config) -> Option<Result<Response, Error>> {
    let path = std::str::from_utf8(&request.path).unwrap_or_default();
    let text = |text: &str| Response::text(200, "text/plain; charset=utf-8", text.to_owned());
    match path {
        "/" => Some(Ok(landing(request))),
        "/-/reasons" => Some(Ok(reasons(request))),
        "/robots.txt" => Some(Ok(
            text("User-agent: *\nDisallow: /\n").with("Cache-Control", PAGE_CACHING)
        )),
        // Browsers request it for every site.
        "/favicon.ico" => Some(Ok(Response::text(200, "image/svg+xml", page::ICON.to_owned())
            .with("Cache-Control", "max-age=86400"))),
        "/-/health" => Some(Ok(text("ok\n").with("Cache-Control", "no-store"))),
        "/-/status" => Some(status(config)),
        "/-/metrics" => Some(metrics(config)),
        "/-/platforms" => Some(platforms(request, config)),
        // A program at a path that ends in its file name.
        other if other.starts_with("/-/bin/") => None,
        other if other.starts_with("/-/") => {
            installs::answer(request, config).or(Some(Err(Error::new(Reason::NoSuchPage))))
        }
        _ => None,
    }
}

fn landing(request: &Request) -> Response {
    let base = request.typed_url();
    page_or_text(
        request,
        || page::render_landing(&base, &request.mount),
        || page::render_landing_text(&base),
    )
    // The page contains the Host header, so shared caches must not store it.
    .with("Cache-Control", format!("private, {PAGE_CACHING}"))
}

/// The list of all reasons.
fn reasons(request: &Request) -> Response {
    page_or_text(
        request,
        || page::render_reasons(&request.mount),
        page::render_reasons_text,
    )
    .with("Cache-Control", PAGE_CACHING)
}

fn page_or_text(request: &Request, page: impl FnOnce() -> String, text: impl FnOnce() -> String) -> Response {
    let response = match ResponseFormat::negotiate(&request.accept) {
        ResponseFormat::Html => Response::page(200, page()),
        ResponseFormat::Text | ResponseFormat::Problem => {
            Response::text(200, "text/plain; charset=utf-8", text())
        }
    };
    response.with("Vary", "Accept")
}

fn open(config: &Config) -> Result<Store, Error> {
    Store::open(&config.dir).map_err(|e| state_dir_error(&config.dir, &e))
}

fn read_error(error: io::Error) -> Error {
    internal_error("read the state directory", &error)
}

/// An overview for the operator, as JSON.
fn status(config: &Config) -> Result<Response, Error> {
    let store = open(config)?;
    let toolchain = Toolchain::find(config, &store).ok();
    let downloaded: Vec<_> = managed::list(&store)
        .map_err(read_error)?
        .iter()
        .map(|version| format!("go{version}"))
        .collect();
    let queue = store.build_queue(config.builds());
    let mut counts = serde_json::Map::new();
    for counter in Counter::ALL {
        counts.insert(
            counter.name().to_owned(),
            json!(store.read_counter(counter).map_err(read_error)?),
        );
    }
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "go": toolchain.as_ref().map(|toolchain| &toolchain.version),
        "go_hole": toolchain.as_ref().and_then(|toolchain| toolchain.known_vulnerability(&store)),
        "brought": downloaded,
        "builds": { "running": queue.count_running().map_err(read_error)?, "slots": config.builds() },
        "queue": { "waiting": queue.count_waiting().map_err(read_error)?, "most": config.queue },
        "cells": probe_tool_cell(&store),
        "counts": counts,
        "cache_bytes": { "artifacts": artifact_bytes(&store)?, "most": config.cache_bytes },
    });
    Ok(Response::text(200, "application/json", format!("{status:#}\n")).with("Cache-Control", "no-store"))
}

/// Missing layers of a tool's cell, and whether builds share one compile cache. The result is cached for a short time.
fn probe_tool_cell(store: &Store) -> Option<Value> {
    let probed = store.observe_cached("cells", || {
        // A locked work directory: the sweep removes only unlocked ones.
        let work = WorkDir::create(store, "status-")?;
        let layers = Layers::probe_tool(work.path())?;
        Ok(json!({
            "shared_compile_cache": layers.can_share_caches(),
            "missing": layers.missing().map(ToString::to_string).collect::<Vec<_>>(),
        }))
    });
    probed
        .inspect_err(|error| log::warn!("cannot probe a tool's cell: {error}"))
        .ok()
}

/// Bytes of all programs and their compressed copies. The result is cached for a short time.
fn artifact_bytes(store: &Store) -> Result<u64, Error> {
    store
        .observe_cached("artifact-bytes", || store.measure_artifacts())
        .map_err(read_error)
}

/// Metrics for Prometheus (text exposition format 0.0.4).
fn metrics(config: &Config) -> Result<Response, Error> {
    let store = open(config)?;
    let queue = store.build_queue(config.builds());
    let mut text = String::new();
    for counter in Counter::ALL {
        let name = format!("{}_total", counter.name());
        text += &format_metric(
            &name,
            "counter",
            counter.help(),
            store.read_counter(counter).map_err(read_error)?,
        );
    }
    let running = queue.count_running().map_err(read_error)? as u64;
    text += &format_metric("builds_running", "gauge", "Running builds.", running);
    let waiting = queue.count_waiting().map_err(read_error)? as u64;
    text += &format_metric("builds_waiting", "gauge", "Builds waiting for a slot.", waiting);
    let bytes = artifact_bytes(&store)?;
    text += &format_metric(
        "artifact_bytes",
        "gauge",
        "Bytes of stored programs and their compressed copies.",
        bytes,
    );
    Ok(
        Response::text(200, "text/plain; version=0.0.4; charset=utf-8", text)
            .with("Cache-Control", "no-store"),
    )
}

fn format_metric(name: &str, of_type: &str, help: &str, value: u64) -> String {
    format!("# HELP gox_{name} {help}\n# TYPE gox_{name} {of_type}\ngox_{name} {value}\n")
}

/// The platforms that this server's Go supports.
fn platforms(request: &Request, config: &Config) -> Result<Response, Error> {
    let toolchain = Toolchain::find(config, &open(config)?)?;
    let pairs = toolchain.platforms.iter().filter_map(|pair| pair.parse().ok());
    let pairs: Vec<Platform> = pairs
        .filter(|pair| check_platform(&toolchain, pair).is_ok())
        .collect();
    let response = match ResponseFormat::negotiate(&request.accept) {
        ResponseFormat::Html => Response::page(200, platforms::render_page(&pairs, &request.mount)),
        ResponseFormat::Problem => Response::text(200, "application/json", platforms::render_json(&pairs)),
        ResponseFormat::Text => {
            Response::text(200, "text/plain; charset=utf-8", platforms::render_text(&pairs))
        }
    };
    Ok(response
        .with("Vary", "Accept")
        .with("Cache-Control", PAGE_CACHING))
}
