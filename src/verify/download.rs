//! Downloads the program at a URL, as `curl -A "$(uname -sm)"` does.

use std::env::consts::ARCH;
use std::path::Path;

use serde::Deserialize;
use ureq::Body;
use ureq::http::Response;

use crate::golang::toolchain::fetch::{agent, save_body};
use crate::text::sanitize;

/// Errors as problem details (RFC 9457), and the program from any other server.
const ACCEPT: &str = "application/octet-stream, application/problem+json, */*;q=0.1";

/// Downloads a file of at most `max_bytes` bytes from `url` (https or http).
pub(super) fn download(url: &str, to: &Path, max_bytes: u64) -> Result<(), String> {
    let request = agent(None)
        .get(url)
        .header("Accept", ACCEPT)
        .header("User-Agent", format!("Linux {ARCH}"));
    let response = request.config().http_status_as_error(false).build().call();
    let response = response.map_err(|error| error.to_string())?;
    match response.status().is_success() {
        true => save_body(response, to, max_bytes),
        false => Err(describe_failure(response)),
    }
}

/// The members of gox-server's problem details that a person reads.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    advice: String,
    #[serde(rename = "instead")]
    suggestions: Vec<String>,
    reason: String,
}

/// The status, and from gox-server the reason, what happened and what to do.
fn describe_failure(response: Response<Body>) -> String {
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .into_with_config()
        .limit(64 << 10)
        .read_to_vec();
    let problem = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
    let problem: Problem = problem.unwrap_or_default();
    let words = [problem.title, problem.detail, problem.advice];
    let lines = words.into_iter().chain(problem.suggestions);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let text = format!("HTTP status {status} {}\n{}", problem.reason, lines.join("\n"));
    sanitize(text.trim_end())
}
