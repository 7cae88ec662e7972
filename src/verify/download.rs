//! Downloads the program at a URL, as `curl -A "$(uname -sm)"` does.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use ureq::Body;
use ureq::http::Response;

use crate::text::sanitize;

/// Timeout to connect to a server, and for each read from it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Errors as problem details (RFC 9457), and the program from any other server.
const ACCEPT: &str = "application/octet-stream, application/problem+json, */*;q=0.1";

/// Downloads a file of at most `max_bytes` bytes from `url` (https or http).
pub(super) fn download(url: &str, to: &Path, max_bytes: u64) -> Result<(), String> {
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(IDLE_TIMEOUT))
        .timeout_recv_response(Some(IDLE_TIMEOUT))
        .timeout_per_read(Some(IDLE_TIMEOUT))
        .http_status_as_error(false)
        .user_agent(format!("Linux {}", std::env::consts::ARCH))
        .build()
        .into();
    let response = agent.get(url).header("Accept", ACCEPT).call();
    let response = response.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(describe_failure(response));
    }
    let mut body = response
        .into_body()
        .into_reader()
        .take(max_bytes.saturating_add(1));
    match File::create(to).and_then(|mut file| io::copy(&mut body, &mut file)) {
        Ok(bytes) if bytes > max_bytes => Err(format!("the file has more than {max_bytes} bytes")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the download failed: {error}")),
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
