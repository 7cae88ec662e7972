//! An answer as a value: status, headers, body. What it is sent through is a door's business.

use std::fs::File;
use std::path::PathBuf;

use super::install::Shell;
use super::{Refusal, page, script};
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
            413 => "Content Too Large",
            416 => "Range Not Satisfiable",
            422 => "Unprocessable Content",
            429 => "Too Many Requests",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
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
    /// Reads an `Accept` header.
    pub fn of(accept: &str) -> Reader {
        if accept.contains("application/problem+json") || accept.contains("application/json") {
            Reader::Problem
        } else if accept.contains("text/html") {
            Reader::Html
        } else {
            Reader::Text
        }
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
