//! Web pages, and the same pages as text for `curl`. maud escapes all text that comes from outside.

use maud::{DOCTYPE, Markup, html};

use crate::error::{Error, Reason, is_link};

/// The icon of the service: a download arrow in the colour of Go.
pub const ICON: &str = include_str!("icon.svg");

const STYLE: &str = "
:root{color-scheme:light dark}
body{font:18px/1.6 system-ui,sans-serif;max-width:44rem;margin:12vh auto;padding:0 1.5rem}
h1{font-size:2.1rem;line-height:1.2;letter-spacing:-.02em;margin:0 0 1rem;text-wrap:balance}
h2{font-size:1.1rem;margin:2rem 0 0} h2+p{margin:0}
pre{font:15px/1.5 ui-monospace,monospace;padding:1rem 1.2rem;border-radius:.6rem;background:#8881;
white-space:pre-wrap;overflow-wrap:anywhere}
code{white-space:nowrap}
small,footer{opacity:.65} a{color:inherit}
";

pub(super) fn render_frame(title: &str, body: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (STYLE) }
            }
            body { (body) }
        }
    }
    .into_string()
}

/// Renders the start page. `address` is the URL of the service as typed, `mount` its path. They are only printed.
pub fn render_landing(address: &str, mount: &str) -> String {
    render_frame(
        "gox-server",
        html! {
            h1 { "Any Go program, compiled for your machine." }
            p { "Type the name of the repository. You need no Go and no account, and you can verify the result: it has the same bytes as "
                code { "go install -trimpath -pgo=off" } " on your own machine." }
            pre { "curl -A \"$(uname -sm)\" " (address) "/junegunn/fzf > fzf\nchmod +x fzf" }
            p { "A version: " code { "/junegunn/fzf@v0.65.2" } ". Another platform: "
                code { "?os=windows&arch=arm64" } ". A program in a subdirectory: " code { "/FiloSottile/age/cmd/age" } "." }
            p { "To install it and check its SHA-256:" }
            pre { "curl -sS " (address) "/-/install/junegunn/fzf | sh\n"
                "irm " (address) "/-/install.ps1/junegunn/fzf | iex    # PowerShell" }
            p { "Checksum, metadata and build log of a program: " code { "/junegunn/fzf.sha256" } ", "
                code { ".json" } " and " code { ".log" } "." }
            footer { small {
                "The response header " code { "Gox-Verify" } " contains the command that reproduces the program. "
                a href={ (mount) "/-/platforms" } { "All platforms" } ", "
                a href={ (mount) "/-/reasons" } { "all errors" } "."
            } }
        },
    )
}

/// Renders the start page as text for `curl`.
pub fn render_landing_text(address: &str) -> String {
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

/// Renders an error.
pub fn render_error(error: &Error, mount: &str) -> String {
    let reason = error.reason;
    render_frame(
        reason.sentence(),
        html! {
            h1 { (reason.sentence()) }
            @if !error.detail.is_empty() { pre { (error.detail) } }
            p { (reason.advice()) }
            @if !error.suggestions.is_empty() {
                pre { @for line in &error.suggestions { (render_suggestion(line)) "\n" } }
            }
            footer { small {
                (reason.status()) " " a href=(reason_url(reason, mount)) { (reason.name()) }
            } }
        },
    )
}

fn render_suggestion(line: &str) -> Markup {
    html! {
        @if is_link(line) { a href=(line) { (line) } } @else { (line) }
    }
}

/// The URL of a reason's description, for a service at the path `mount`.
pub fn reason_url(reason: Reason, mount: &str) -> String {
    format!("{mount}/-/reasons#{}", reason.name())
}

/// Renders the list of all errors.
pub fn render_reasons() -> String {
    render_frame(
        "Errors",
        html! {
            h1 { "Errors" }
            p { "The header " code { "Gox-Reason" } " and the log contain the name of the error." }
            @for reason in Reason::ALL {
                h2 id=(reason.name()) { (reason.name()) " " small { (reason.status()) } }
                p { (reason.sentence()) " " (reason.advice()) }
            }
        },
    )
}

/// Renders the list of all errors as text for `curl`.
pub fn render_reasons_text() -> String {
    let render = |reason: &Reason| {
        let (name, status) = (reason.name(), reason.status());
        format!(
            "{name} ({status})\n    {}\n    {}\n",
            reason.sentence(),
            reason.advice()
        )
    };
    Reason::ALL.iter().map(render).collect::<Vec<_>>().join("\n")
}
