//! Pages for a browser. Everything that comes from outside is escaped by maud.

use maud::{DOCTYPE, Markup, html};

use super::refusal::is_address;
use super::{Reason, Refusal};

/// Something arrives. The colour is Go's.
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

pub(super) fn frame(title: &str, body: Markup) -> String {
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

/// The first page. `place` is the host that the browser says it asked, and where the service is mounted there (`mount`); it is
/// printed, and nothing is decided by it.
pub fn landing(place: &str, mount: &str) -> String {
    frame(
        "gox-server",
        html! {
            h1 { "Any Go program, compiled for your machine." }
            p { "Type the repository's name. No Go, no account, nothing to trust: the bytes are those of "
                code { "go install -trimpath" } " on your own machine." }
            pre { "curl -A \"$(uname -sm)\" " (place) "/junegunn/fzf > fzf\nchmod +x fzf" }
            p { "A version: " code { "/junegunn/fzf@v0.65.2" } ". Another platform: "
                code { "?os=windows&arch=arm64" } ". A program in a folder: " code { "/FiloSottile/age/cmd/age" } "." }
            p { "To have it installed, and its SHA-256 compared:" }
            pre { "curl -sS " (place) "/-/install/junegunn/fzf | sh\n"
                "irm " (place) "/-/install.ps1/junegunn/fzf | iex    # PowerShell" }
            p { "What is known of a program, once it is built: " code { "/junegunn/fzf.sha256" } ", "
                code { ".json" } " and " code { ".log" } "." }
            footer { small {
                "Every answer carries the command that reproduces it, in " code { "Gox-Verify" } ". "
                a href={ (mount) "/-/platforms" } { "All platforms" } ", "
                a href={ (mount) "/-/reasons" } { "what can go wrong" } "."
            } }
        },
    )
}

/// The first page for `curl`.
pub fn landing_text(place: &str) -> String {
    format!(
        "Any Go program, compiled for your machine. Type the repository's name:\n\n    \
         curl -A \"$(uname -sm)\" {place}/junegunn/fzf > fzf && chmod +x fzf\n\n\
         A version: /junegunn/fzf@v0.65.2. Another platform: ?os=windows&arch=arm64.\n\
         A program in a folder: /FiloSottile/age/cmd/age.\n\n\
         To have it installed, and its SHA-256 compared:\n\n    \
         curl -sS {place}/-/install/junegunn/fzf | sh\n    \
         irm {place}/-/install.ps1/junegunn/fzf | iex    # PowerShell\n\n\
         What is known of a program, once it is built: /junegunn/fzf.sha256, .json and .log.\n\
         All platforms: {place}/-/platforms. What can go wrong: {place}/-/reasons.\n"
    )
}

/// A failure.
pub fn failure(refusal: &Refusal, mount: &str) -> String {
    frame(
        refusal.reason.sentence(),
        html! {
            h1 { (refusal.reason.sentence()) }
            @if !refusal.detail.is_empty() { pre { (refusal.detail) } }
            p { (refusal.reason.advice()) }
            @if !refusal.instead.is_empty() {
                pre { @for line in &refusal.instead { (instead(line)) "\n" } }
            }
            footer { small {
                (refusal.reason.status()) " " a href=(reason(refusal.reason, mount)) { (refusal.reason.name()) }
            } }
        },
    )
}

fn instead(line: &str) -> Markup {
    html! {
        @if is_address(line) { a href=(line) { (line) } } @else { (line) }
    }
}

/// Where a reason is told of, where the service is mounted at `mount`.
pub fn reason(reason: Reason, mount: &str) -> String {
    format!("{mount}/-/reasons#{}", reason.name())
}

/// All that can go wrong.
pub fn reasons() -> String {
    frame(
        "What can go wrong",
        html! {
            h1 { "What can go wrong" }
            p { "The name is in " code { "Gox-Reason" } ", in the log, and behind the # here." }
            @for reason in Reason::ALL {
                h2 id=(reason.name()) { (reason.name()) " " small { (reason.status()) } }
                p { (reason.sentence()) " " (reason.advice()) }
            }
        },
    )
}

/// The same for `curl`.
pub fn reasons_text() -> String {
    let told = |reason: &Reason| {
        let (name, status) = (reason.name(), reason.status());
        format!(
            "{name} ({status})\n    {}\n    {}\n",
            reason.sentence(),
            reason.advice()
        )
    };
    Reason::ALL.iter().map(told).collect::<Vec<_>>().join("\n")
}
