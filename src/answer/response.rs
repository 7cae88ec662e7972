//! An answer as a value: status, headers, body. What it is sent through is a door's business.

use std::fs::File;
use std::path::PathBuf;

use super::install::Shell;
use super::{Refusal, page, script};
use crate::asked::weighted;
use crate::request::Request;

/// A status code and its phrase (RFC 9110 section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// The phrase of those that are used here.
    pub fn phrase(self) -> &'static str {
        match self.0 {
            200 => "OK",
            206 => "Partial Content",
            300 => "Multiple Choices",
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

/// What follows the headers.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// `len` bytes of a file, from `start` on.
    File {
        /// The file.
        file: File,
        /// Where it lies, if a web server may send it.
        path: Option<PathBuf>,
        /// The first byte.
        start: u64,
        /// How many.
        len: u64,
    },
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// Names and values, in the order in which they are sent.
    pub headers: Vec<(&'static str, String)>,
    /// What follows.
    pub body: Body,
}

/// What the client can read (RFC 9110 section 12.5.1), as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A browser.
    Html,
    /// A program that asks for `application/problem+json` or JSON.
    Problem,
    /// `curl`, above all.
    Text,
}

impl Reader {
    /// Reads an `Accept` header. Of types that weigh the same, one that is named comes before one that a wildcard covers.
    pub fn of(accept: &str) -> Reader {
        let candidates = [
            (Reader::Html, "text/html"),
            (Reader::Problem, "application/json"),
            (Reader::Problem, "application/problem+json"),
        ];
        let text = weight(accept, "text/plain").unwrap_or((0, false));
        candidates
            .into_iter()
            .filter_map(|(reader, media_type)| Some((weight(accept, media_type)?, reader)))
            .filter(|(weight, _)| weight.0 > 0 && (*weight > text || (weight.1 && *weight == text)))
            .max_by_key(|(weight, _)| *weight)
            .map_or(Reader::Text, |(_, reader)| reader)
    }
}

/// The weight of a media type, and whether it is named: the most specific range that covers it counts (RFC 9110 section 12.5.1).
fn weight(accept: &str, media_type: &str) -> Option<(u16, bool)> {
    let of = |range: &str| weighted(accept).find(|(other, _)| other.eq_ignore_ascii_case(range));
    let (of_its_kind, _) = media_type.split_once('/')?;
    match of(media_type) {
        Some((_, weight)) => Some((weight, true)),
        None => of(&format!("{of_its_kind}/*"))
            .or_else(|| of("*/*"))
            .map(|(_, weight)| (weight, false)),
    }
}

impl Response {
    /// A text of the service's own.
    pub fn text(status: u16, content_type: &str, text: String) -> Response {
        let headers = vec![
            ("Content-Type", content_type.to_owned()),
            ("Content-Length", text.len().to_string()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ];
        Response {
            status: Status(status),
            headers,
            body: Body::Text(text),
        }
    }

    /// A page: nothing on it may load or run anything.
    pub fn page(status: u16, html: String) -> Response {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
        Response::text(status, "text/html; charset=utf-8", html).with("Content-Security-Policy", policy)
    }

    /// A failure, as whoever asked likes it.
    pub fn refusal(refusal: &Refusal, request: &Request) -> Response {
        let refusal = &refusal.addressed(request);
        let status = refusal.reason.status();
        let mount = &request.mount;
        let response = match Reader::of(&request.accept) {
            Reader::Html => Response::page(status, page::failure(refusal, mount)),
            Reader::Problem => Response::text(status, "application/problem+json", problem(refusal, mount)),
            Reader::Text => {
                let script = match Shell::of(&request.path) {
                    Some((Shell::PowerShell, _)) => script::powershell(refusal),
                    Some((Shell::Posix, _)) | None => script::script(refusal),
                };
                Response::text(status, "text/plain; charset=utf-8", script)
            }
        };
        let response = response
            .with("Cache-Control", "no-store")
            .with("Vary", "User-Agent, Accept")
            .with("Gox-Reason", refusal.reason.name());
        response
            .with_some("Retry-After", refusal.retry_after().map(|wait| wait.to_string()))
            .with_some("Allow", (status == 405).then_some("GET, HEAD"))
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

/// RFC 9457.
fn problem(refusal: &Refusal, mount: &str) -> String {
    let value = serde_json::json!({
        "type": page::reason(refusal.reason, mount),
        "title": refusal.reason.sentence(),
        "status": refusal.reason.status(),
        "detail": refusal.detail,
        "advice": refusal.reason.advice(),
        "instead": refusal.instead,
        "reason": refusal.reason.name(),
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_type_is_sent() {
        use Reader::{Html, Problem, Text};
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
            assert_eq!(Reader::of(accept), reader, "{accept:?}");
        }
    }
}
