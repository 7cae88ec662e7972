//! A response as a value: status, headers and body. `transport` sends it.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use super::install::Shell;
use super::{page, script};
use crate::error::Error;
use crate::notices::Notices;
use crate::parse::{BuildOptions, is_program_path, parse_weights};
use crate::request::Request;

/// A status code (RFC 9110 section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// The reason phrase, for the status codes that this server sends.
    pub fn phrase(self) -> &'static str {
        match self.0 {
            200 => "OK",
            204 => "No Content",
            206 => "Partial Content",
            300 => "Multiple Choices",
            303 => "See Other",
            304 => "Not Modified",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            412 => "Precondition Failed",
            416 => "Range Not Satisfiable",
            422 => "Unprocessable Content",
            429 => "Too Many Requests",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            507 => "Insufficient Storage",
            _ => "Internal Server Error",
        }
    }
}

/// The content of a response.
#[derive(Debug)]
pub enum Body {
    /// No content.
    Empty,
    /// A text.
    Text(String),
    /// A part of a file.
    File {
        /// The open file.
        file: File,
        /// The path of the file, if the web server may send it (X-Sendfile).
        path: Option<PathBuf>,
        /// Offset of the first byte.
        start: u64,
        /// Number of bytes.
        len: u64,
    },
    /// Parts that are sent one by one, each as soon as it exists.
    Stream(Stream),
}

/// Text that is made while it is sent. An empty part comes several times a second while there is none, so that the transport can stop.
pub struct Stream(pub Box<dyn Iterator<Item = String>>);

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The reason phrase of the status line.
    pub reason_phrase: String,
    /// Names and values of the headers, in the order in which they are sent.
    pub headers: Vec<(&'static str, String)>,
    /// The content.
    pub body: Body,
}

/// The format of a page or an error, negotiated by Accept (RFC 9110 section 12.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFormat {
    /// A web page, for browsers.
    Html,
    /// JSON; an error is `application/problem+json` (RFC 9457).
    Problem,
    /// Plain text, for `curl` and similar clients.
    Text,
}

impl ResponseFormat {
    /// Selects the format by an `Accept` header. Of types with the same weight, a type that is listed precedes one that only a
    /// wildcard matches.
    pub fn negotiate(accept: &str) -> ResponseFormat {
        let candidates = [
            (ResponseFormat::Html, "text/html"),
            (ResponseFormat::Problem, "application/json"),
            (ResponseFormat::Problem, "application/problem+json"),
        ];
        let text = weight(accept, "text/plain").unwrap_or((0, false));
        candidates
            .into_iter()
            .filter_map(|(format, media_type)| Some((weight(accept, media_type)?, format)))
            .filter(|(weight, _)| weight.0 > 0 && (*weight > text || (weight.1 && *weight == text)))
            .max_by_key(|(weight, _)| *weight)
            .map_or(ResponseFormat::Text, |(_, format)| format)
    }
}

/// The weight of a media type in `Accept`, in thousandths, and whether the type itself is listed. The most specific range that
/// matches the type takes precedence (RFC 9110 section 12.5.1).
fn weight(accept: &str, media_type: &str) -> Option<(u16, bool)> {
    let find = |range: &str| parse_weights(accept).find(|(other, _)| other.eq_ignore_ascii_case(range));
    let (main_type, _) = media_type.split_once('/')?;
    match find(media_type) {
        Some((_, weight)) => Some((weight, true)),
        None => find(&format!("{main_type}/*"))
            .or_else(|| find("*/*"))
            .map(|(_, weight)| (weight, false)),
    }
}

impl Response {
    /// A response with a text.
    pub fn text(status: u16, content_type: &str, text: String) -> Response {
        let headers = vec![
            ("Content-Type", content_type.to_owned()),
            ("Content-Length", text.len().to_string()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ];
        Response {
            status: Status(status),
            reason_phrase: Status(status).phrase().to_owned(),
            headers,
            body: Body::Text(text),
        }
    }

    /// Redirects a browser to a path of this service (RFC 9110 section 10.2.2). `Status` keeps web servers from following the path
    /// themselves (RFC 3875 section 6.2.2).
    pub fn see_other(path: String) -> Response {
        Response::empty(303)
            .with("Location", path)
            .with("Cache-Control", "no-store")
    }

    /// A response without content.
    pub fn empty(status: u16) -> Response {
        Response {
            status: Status(status),
            reason_phrase: Status(status).phrase().to_owned(),
            headers: vec![("X-Content-Type-Options", "nosniff".to_owned())],
            body: Body::Empty,
        }
    }

    /// A response with a web page. Its Content-Security-Policy forbids other scripts and external resources.
    pub fn page(status: u16, html: String) -> Response {
        Response::text(status, "text/html; charset=utf-8", html)
            .with("Content-Security-Policy", page::content_security_policy())
    }

    /// Adds the headers of the author's notices.
    pub fn with_notices(self, notices: Option<&Notices>) -> Response {
        let mut response = self;
        response
            .headers
            .extend(notices.into_iter().flat_map(Notices::headers));
        response
    }

    /// A response for an error, in the format that the request accepts.
    pub fn from_error(error: &Error, request: &Request) -> Response {
        let options = BuildOptions::parse_valid_pairs(&request.query);
        let error = &error.with_links_for(&request.mount, &options.to_string());
        let status = error.reason.status();
        let mount = &request.mount;
        let response = match ResponseFormat::negotiate(&request.accept) {
            ResponseFormat::Html => {
                let typed = request.typed_program();
                Response::page(status, page::render_error(error, mount, typed.as_deref()))
            }
            ResponseFormat::Problem => {
                Response::text(status, "application/problem+json", render_problem(error, mount))
            }
            ResponseFormat::Text => {
                let script = match Shell::parse_path(&request.path) {
                    Some((Shell::PowerShell, _)) => script::render_powershell(error),
                    Some((Shell::Posix, _)) | None => script::render_sh(error),
                };
                Response::text(status, "text/plain; charset=utf-8", script)
            }
        };
        let response = Response {
            reason_phrase: error.reason_phrase(),
            ..response
        };
        let response = response
            .with("Cache-Control", "no-store")
            .with("Vary", "User-Agent, Accept")
            .with("Gox-Reason", error.reason.name());
        response
            .with_some(
                "Retry-After",
                error.retry_after().map(|seconds| seconds.to_string()),
            )
            .with_some("Allow", (status == 405).then(|| allowed_methods(&request.path)))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a header, if it has a value.
    pub fn with_some(self, name: &'static str, value: Option<impl Into<String>>) -> Response {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

fn allowed_methods(path: &[u8]) -> &'static str {
    match is_program_path(path) {
        true => "GET, HEAD, POST",
        false => "GET, HEAD",
    }
}

/// The error as problem details (RFC 9457).
fn render_problem(error: &Error, mount: &str) -> String {
    let value = serde_json::json!({
        "type": page::reason_url(error.reason, mount),
        "title": error.reason.sentence(),
        "status": error.reason.status(),
        "detail": error.detail,
        "advice": error.reason.advice(),
        "instead": error.suggestions,
        "reason": error.reason.name(),
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_with_the_highest_weight_is_selected() {
        use ResponseFormat::{Html, Problem, Text};
        for (accept, reader) in [
            ("", Text),
            ("*/*", Text),
            ("text/*", Text),
            ("text/plain", Text),
            ("image/avif,image/webp,*/*", Text),
            ("application/jsonl", Text),
            ("text/htmlx, x/text/html", Text),
            ("application/json;q=0", Text),
            ("application/problem+json;q=0, text/plain", Text),
            ("text/plain, application/json;q=0.1", Text),
            ("text/html;q=0", Text),
            ("text/plain;q=1, text/html;q=0.1", Text),
            ("text/html;q=0.5, */*", Text),
            ("text/html;q=0.5, text/*;q=0.6", Text),
            ("application/json;q=0.3;v=1, text/plain;q=0.4", Text),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Html,
            ),
            ("text/html,application/xhtml+xml,application/json;q=0.1", Html),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Html),
            ("Text/HTML", Html),
            ("text/html;level=1 ; Q=0.7, text/plain;q=0.3", Html),
            ("text/plain, text/html", Html),
            ("text/plain;q=0, text/*", Html),
            ("APPLICATION/JSON", Problem),
            ("application/json", Problem),
            ("application/json;charset=utf-8", Problem),
            ("application/json, text/plain, */*", Problem),
            ("application/json, text/html", Problem),
            ("application/problem+json, */*;q=0.8", Problem),
            ("application/problem+json;q=0, application/json", Problem),
            ("application/*", Problem),
        ] {
            assert_eq!(ResponseFormat::negotiate(accept), reader, "{accept:?}");
        }
    }
}
