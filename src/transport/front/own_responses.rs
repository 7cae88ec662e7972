//! The responses of the front itself: to requests that it rejects, beyond its limits, and for a program that failed.

use http_body_util::{BodyExt, Full};
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Version};

use super::body_part::BodyPart;
use super::gateway::Body;
use super::permits::PermitDenied;
use super::program_error::ProgramError;
use super::version::UnsupportedMajor;

/// The response to a request that the front rejects without running the program.
pub(super) fn reject_invalid(request: &Parts) -> Option<Response<Body>> {
    if request.extensions.get::<UnsupportedMajor>().is_some() {
        let mut response = text_response(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "This server supports only HTTP/1.0 and HTTP/1.1.",
        );
        let fields = response.headers_mut();
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    // RFC 9112 section 3.2: a server MUST reject an HTTP/1.1 request without Host, and any request with more than one. The program
    // checks the value of Host.
    let hosts = request.headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version == Version::HTTP_11) {
        return Some(text_response(
            StatusCode::BAD_REQUEST,
            "A request must have exactly one Host header.",
        ));
    }
    if request.uri.path().starts_with('/') {
        return None;
    }
    if matches!(request.method, Method::GET | Method::HEAD) {
        return Some(text_response(
            StatusCode::BAD_REQUEST,
            "The path must begin with a slash.",
        ));
    }
    // `CONNECT host:port` and `OPTIONS *` have no path (RFC 9112 sections 3.2.3 and 3.2.4).
    let mut response = text_response(
        StatusCode::METHOD_NOT_ALLOWED,
        "The method is not supported here.",
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

/// The response if the limit of connections or requests is reached.
pub(super) fn busy_response(denied: PermitDenied) -> Response<Body> {
    let (status, text) = match denied {
        PermitDenied::ServerFull => (
            StatusCode::SERVICE_UNAVAILABLE,
            "This server is too busy. Try again in a second.",
        ),
        PermitDenied::AddressFull => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests from your address are running. Try again in a second.",
        ),
    };
    retry_response(status, text, "1")
}

/// The response if the front stops before the program responds. The build continues or starts again, so the next request gets it.
pub(super) fn restart_response() -> Response<Body> {
    let text = "This server restarts. Try again in 10 seconds.";
    retry_response(StatusCode::SERVICE_UNAVAILABLE, text, "10")
}

/// A failure that may be gone after `seconds`.
fn retry_response(status: StatusCode, text: &'static str, seconds: &'static str) -> Response<Body> {
    let mut response = text_response(status, text);
    let seconds = HeaderValue::from_static(seconds);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// The response if the program failed. The details are only in the log.
pub(super) fn error_response(error: &ProgramError) -> Response<Body> {
    match error {
        // A lack of processes, memory or descriptors is transient.
        ProgramError::Start(_) => busy_response(PermitDenied::ServerFull),
        ProgramError::Read(_)
        | ProgramError::NoHead(_)
        | ProgramError::InvalidHead(_)
        | ProgramError::Failed(_)
        | ProgramError::WrongLength { .. }
        | ProgramError::File { .. } => text_response(
            StatusCode::BAD_GATEWAY,
            "This server had an internal error; its log has the details.",
        ),
    }
}

/// A failure as text that is also a shell script. `text` has no single quote.
fn text_response(status: StatusCode, text: &'static str) -> Response<Body> {
    // As the program's failures do, it protects clients that save it as a program, or pipe it into a shell.
    let script = format!("#!/bin/sh\n{{\nprintf '%s\\n' '{text}' >&2\nexit 1\n}}\n");
    let mut response = Response::new(
        Full::new(BodyPart::Bytes(script.into()))
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    *response.status_mut() = status;
    // Many clients print the status line and discard the body.
    if let Ok(phrase) = ReasonPhrase::try_from(text.as_bytes()) {
        response.extensions_mut().insert(phrase);
    }
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
