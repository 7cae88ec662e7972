//! Answers requests for the service's own pages: `/`, and all below `/-/`, which is not a valid owner, except programs below
//! `/-/bin/`. Install scripts, badges and releases resolve a target; all other pages only read the state.

use std::io;

use crate::config::Config;
use crate::error::{Error, Reason};
use crate::error::{internal_error, state_dir_error};
use crate::golang::Toolchain;
use crate::golang::run::platform::supported_platforms;
use crate::request::Request;
use crate::response::message::ResponseFormat;
use crate::response::{Response, page, platforms};
use crate::store::Store;
use crate::{badge, github_releases, installs};
use server_status::ServerStatus;

mod cell_layers;
mod dashboard;
mod first_page;
mod metrics;
mod server_status;
mod typed_program;

/// Cache-Control of pages, which change with the installation.
const PAGE_CACHING: &str = "max-age=300";

/// Answers if this is one of the service's own paths.
pub fn answer(request: &Request, config: &Config) -> Option<Result<Response, Error>> {
    let path = std::str::from_utf8(&request.path).unwrap_or_default();
    let text = |text: &str| Response::text(200, "text/plain; charset=utf-8", text.to_owned());
    match path {
        "/" => Some(first_page::answer(request, config)),
        "/-/reasons" => Some(Ok(reasons(request))),
        "/robots.txt" => Some(Ok(
            text("User-agent: *\nDisallow: /\n").with("Cache-Control", PAGE_CACHING)
        )),
        // Browsers request it for every site.
        "/favicon.ico" => Some(Ok(Response::text(200, "image/svg+xml", page::ICON.to_owned())
            .with("Cache-Control", "max-age=86400"))),
        "/-/health" => Some(Ok(text("ok\n").with("Cache-Control", "no-store"))),
        "/-/status" => Some(status(request, config)),
        "/-/metrics" => Some(metrics::answer(config)),
        "/-/platforms" => Some(platforms(request, config)),
        // A program at a path that ends in its file name.
        other if other.starts_with("/-/bin/") => None,
        other if other.starts_with("/-/") => badge::answer(request, config)
            .map(Ok)
            .or_else(|| installs::answer(request, config))
            .or_else(|| github_releases::answer(request, config))
            .or(Some(Err(Error::new(Reason::NoSuchPage)))),
        _ => None,
    }
}

/// The state of the server.
fn status(request: &Request, config: &Config) -> Result<Response, Error> {
    let status = ServerStatus::read(config)?;
    let response = match ResponseFormat::negotiate(&request.accept) {
        ResponseFormat::Html => Response::page(200, dashboard::render(&status, &request.mount)),
        ResponseFormat::Problem | ResponseFormat::Text => Response::text(
            200,
            "application/json",
            format!("{:#}\n", serde_json::json!(status)),
        ),
    };
    Ok(response.with("Vary", "Accept").with("Cache-Control", "no-store"))
}

/// The list of all reasons.
fn reasons(request: &Request) -> Response {
    page_or_text(
        request,
        || page::render_reasons(&request.mount),
        page::render_reasons_text,
    )
    .with("Vary", "Accept")
    .with("Cache-Control", PAGE_CACHING)
}

fn page_or_text(request: &Request, page: impl FnOnce() -> String, text: impl FnOnce() -> String) -> Response {
    match ResponseFormat::negotiate(&request.accept) {
        ResponseFormat::Html => Response::page(200, page()),
        ResponseFormat::Text | ResponseFormat::Problem => {
            Response::text(200, "text/plain; charset=utf-8", text())
        }
    }
}

fn open(config: &Config) -> Result<Store, Error> {
    Store::open(&config.dir).map_err(|e| state_dir_error(&config.dir, &e))
}

fn read_error(error: io::Error) -> Error {
    internal_error("read the state directory", &error)
}

/// The platforms that this server's Go supports.
fn platforms(request: &Request, config: &Config) -> Result<Response, Error> {
    let toolchain = Toolchain::find(config, &open(config)?)?;
    let pairs = supported_platforms(&toolchain);
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
