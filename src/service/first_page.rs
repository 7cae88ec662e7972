//! `/`: the first page, with a field for the name of a program; as text for `curl`.

use std::io;

use maud::{Markup, html};

use super::cell_layers::CellLayers;
use super::{PAGE_CACHING, page_or_text, typed_program};
use crate::config::Config;
use crate::error::Error;
use crate::parse::{BuildOptions, Target};
use crate::policy;
use crate::request::Request;
use crate::response::Response;
use crate::response::page::{Page, render_field};
use crate::store::Store;

/// How many programs that were built last the page lists.
const MAX_RECENT: usize = 10;

/// Answers with the page, or leads from its field to the page of a program.
pub(super) fn answer(request: &Request, config: &Config) -> Result<Response, Error> {
    if let Some(typed) = request.typed_program() {
        let url = typed_program::page_url(&typed, &request.typed_url())?;
        return Ok(Response::see_other(format!("{}{url}", request.mount)));
    }
    let base = request.typed_url();
    let response = page_or_text(
        request,
        || render(&base, request, &ServerView::read(config)),
        || render_text(&base),
    );
    // The page contains the Host header, so shared caches must not store it.
    Ok(response
        .with("Vary", "User-Agent, Accept")
        .with("Cache-Control", format!("private, {PAGE_CACHING}")))
}

/// What the page shows of this server.
struct ServerView {
    /// The programs that were built last.
    recent: Vec<Target>,
    /// The layers of a tool's cell, if they can be probed.
    cells: Option<CellLayers>,
}

impl ServerView {
    /// Reads the state directory. The page needs nothing of it.
    fn read(config: &Config) -> ServerView {
        let read = || -> io::Result<ServerView> {
            let store = Store::open(&config.dir)?;
            Ok(ServerView {
                recent: read_recent(config, &store)?,
                cells: CellLayers::probe(&store),
            })
        };
        read().unwrap_or_else(|error| {
            log::warn!("cannot read {}: {error}", config.dir.display());
            ServerView {
                recent: Vec::new(),
                cells: None,
            }
        })
    }
}

fn read_recent(config: &Config, store: &Store) -> io::Result<Vec<Target>> {
    if !config.lists_recent {
        return Ok(Vec::new());
    }
    let programs = store.recent_programs(MAX_RECENT)?;
    let allowed = programs
        .iter()
        .filter(|program| policy::is_allowed(config, &program.module, &program.package));
    let target = |package: &str, version: &str| Target::parse(format!("/{package}@{version}").as_bytes());
    Ok(allowed
        .filter_map(|program| target(&program.package, &program.version).ok())
        .collect())
}

fn render(base: &str, request: &Request, view: &ServerView) -> String {
    let mount = &request.mount;
    Page {
        title: "gox-server",
        mount,
        reloads_without_script: false,
        main: html! {
            h1 { "Any Go program, compiled for your machine." }
            p { "You need no Go and no account, and you can check the result: it has the same bytes as "
                code { "go install -trimpath -pgo=off" } " on your own machine." }
            (render_field(mount, None))
            p.soft { "OWNER/REPO, or what you copied: the address of a repository, a " code { "go install" } " command." }
            ol.steps {
                li { b { "1. Source" } span { "the newest release, from the Go module proxy" } }
                li { b { "2. Build" } span { "when you press the button, in a sandbox" } }
                li { b { "3. File" } span { "one program, with its SHA\u{2011}256" } }
            }
            h2 { "On the command line" }
            (render_command(base, request))
            p { "A version: " code { "/junegunn/fzf@v0.65.2" } ". Another platform: "
                code { "?os=windows&arch=arm64" } ". A program in a subdirectory: " code { "/FiloSottile/age/cmd/age" } "." }
            details {
                summary { "Install scripts and files beside a program" }
                p { "Install it and check its SHA-256:" }
                pre.command { "curl -sS " (base) "/-/install/junegunn/fzf | sh" }
                p { "In PowerShell:" }
                pre.command { "irm " (base) "/-/install.ps1/junegunn/fzf | iex" }
                p { "Checksum, metadata and build log: " code { "/junegunn/fzf.sha256" } ", " code { ".json" } " and "
                    code { ".log" } ". The response header " code { "Gox-Verify" } " has the command that reproduces the program." }
            }
            @if !view.recent.is_empty() {
                h2 { "Recently built" }
                ul { @for target in &view.recent {
                    li { a href={ (mount) (target) } rel="nofollow" { (target.to_string().trim_start_matches('/')) } }
                } }
            }
            @if let Some(cells) = &view.cells {
                h2 { "Sandbox" }
                (cells.render())
            }
        },
    }
    .render()
}

/// The command that downloads a program to the visitor's machine.
fn render_command(base: &str, request: &Request) -> Markup {
    let options = BuildOptions::default();
    let os = match options.platform(&request.user_agent) {
        Ok(platform) => Some(platform.os().to_owned()),
        Err(undetected) => {
            let likely = options.suggestions(&undetected).into_iter().next();
            likely.and_then(|options| options.os)
        }
    };
    html! {
        @if os.as_deref() == Some("windows") {
            pre.command { "irm " (base) "/-/install.ps1/junegunn/fzf | iex" }
        } @else {
            pre.command { "curl -A \"$(uname -sm)\" " (base) "/junegunn/fzf > fzf && chmod +x fzf" }
        }
    }
}

/// Renders the page as text. `address` is the URL of the service as typed.
fn render_text(address: &str) -> String {
    format!(
        "Any Go program, compiled for your machine. Type the name of the repository:\n\n    \
         curl -A \"$(uname -sm)\" {address}/junegunn/fzf > fzf && chmod +x fzf\n\n\
         A version: /junegunn/fzf@v0.65.2. Another platform: ?os=windows&arch=arm64.\n\
         A program in a subdirectory: /FiloSottile/age/cmd/age.\n\n\
         To install it and check its SHA-256:\n\n    \
         curl -sS {address}/-/install/junegunn/fzf | sh\n    \
         irm {address}/-/install.ps1/junegunn/fzf | iex    # PowerShell\n\n\
         Checksum, metadata and build log of a program: /junegunn/fzf.sha256, .json and .log.\n\
         All platforms: {address}/-/platforms. All errors: {address}/-/reasons.\n"
    )
}
