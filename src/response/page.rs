//! Web pages, and the same pages as text for `curl`. maud escapes all text that comes from outside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::error::{Error, Reason, is_link};
use crate::text::sanitize;

/// The icon of the service: a download arrow in the colour of Go.
pub const ICON: &str = include_str!("icon.svg");

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// A web page.
pub struct Page<'a> {
    /// The title.
    pub title: &'a str,
    /// The path of the service, for links to its other pages.
    pub mount: &'a str,
    /// Whether a browser without JavaScript loads it again every few seconds.
    pub reloads_without_script: bool,
    /// The content.
    pub main: Markup,
}

impl Page<'_> {
    /// Renders the page. It needs no other resource.
    pub fn render(self) -> String {
        let Page {
            title,
            mount,
            reloads_without_script,
            main,
        } = self;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) }
                    link rel="icon" href={ (mount) "/favicon.ico" };
                    style { (PreEscaped(STYLE)) }
                    @if reloads_without_script { noscript { meta http-equiv="refresh" content="3"; } }
                }
                body {
                    header {
                        a.brand href={ (mount) "/" } { (PreEscaped(ICON)) "gox-server" }
                        nav { a href={ (mount) "/-/platforms" } { "Platforms" } " \u{b7} " a href={ (mount) "/-/reasons" } { "Errors" }
                            " \u{b7} " a href={ (mount) "/-/status" } { "Status" } }
                    }
                    main { (main) }
                    footer { "Compiled from source by " code { "go install" } ". Every program can be reproduced on your own machine." }
                    p #status.hidden role="status" {}
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
        .into_string()
    }
}

/// Content-Security-Policy of all pages: only the style and the script of this file, no other site.
pub(super) fn content_security_policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Renders the field for the name of a program, with the text that was typed.
pub fn render_field(mount: &str, typed: Option<&str>) -> Markup {
    html! {
        form action={ (mount) "/" } {
            label for="program" { "Repository" }
            input #program type="text" name="program" value=[typed.map(sanitize)] required placeholder="junegunn/fzf"
                autocapitalize="none" autocomplete="off" spellcheck="false";
            button.main { "Show" }
        }
    }
}

/// Renders an error. If it is about what was typed into the field, the page has the field again.
pub fn render_error(error: &Error, mount: &str, typed: Option<&str>) -> String {
    let reason = error.reason;
    Page {
        title: reason.sentence(),
        mount,
        reloads_without_script: false,
        main: html! {
            h1 { (reason.sentence()) }
            @if !error.detail.is_empty() { pre.log tabindex="0" role="region" aria-label="Details" { (error.detail) } }
            (render_advice(error))
            @if typed.is_some() { (render_field(mount, typed)) }
            p.soft { (reason.status()) " " a href=(reason_url(reason, mount)) { (reason.name()) } }
        },
    }
    .render()
}

/// Renders what to request or to type instead. Links lead to pages, which start no build.
pub fn render_advice(error: &Error) -> Markup {
    let (links, commands): (Vec<_>, Vec<_>) = error.suggestions.iter().partition(|line| is_link(line));
    let advice = error.reason.advice();
    html! {
        p { (advice) }
        @for command in commands { pre.command { (command) } }
        @if !links.is_empty() {
            @if !advice.ends_with(':') { p { "Try instead:" } }
            ul { @for link in links { li { a href=(link) rel="nofollow" { (link) } } } }
        }
    }
}

/// The URL of a reason's description, for a service at the path `mount`.
pub fn reason_url(reason: Reason, mount: &str) -> String {
    format!("{mount}/-/reasons#{}", reason.name())
}

/// The advice without the values of one error, which follow a colon.
fn general_advice(reason: Reason) -> String {
    let advice = reason.advice();
    advice
        .strip_suffix(':')
        .map_or(advice.to_owned(), |text| format!("{text}."))
}

/// Renders the list of all errors.
pub fn render_reasons(mount: &str) -> String {
    Page {
        title: "Errors",
        mount,
        reloads_without_script: false,
        main: html! {
            h1 { "Errors" }
            p { "The header " code { "Gox-Reason" } " and the log contain the name of the error." }
            @for reason in Reason::ALL {
                h2 id=(reason.name()) { (reason.name()) " " small { (reason.status()) } }
                p { (reason.sentence()) " " (general_advice(*reason)) }
            }
        },
    }
    .render()
}

/// Renders the list of all errors as text for `curl`.
pub fn render_reasons_text() -> String {
    let render = |reason: &Reason| {
        let (name, status) = (reason.name(), reason.status());
        format!(
            "{name} ({status})\n    {}\n    {}\n",
            reason.sentence(),
            general_advice(*reason)
        )
    };
    Reason::ALL.iter().map(render).collect::<Vec<_>>().join("\n")
}
