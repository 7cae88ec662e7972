//! The gateway from HTTP to CGI: runs one CGI program for each request and returns its response. An error of the program becomes a
//! 502 or 503 response; after the headers were sent, it closes the connection instead.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Body as _;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::body_part::BodyPart;
use super::cgi_process::CgiProcess;
use super::environment::{Endpoints, build_environment, joined};
use super::file_parts::{FilePart, FileParts};
use super::output_chunks::OutputChunks;
use super::permits::{AddressPermit, ConnectionPermit, PermitDenied, Permits};
use super::program_error::ProgramError;
use super::streamed_body::StreamedBody;
use super::version::UnsupportedMajor;
use crate::config::Network;
use crate::request::client_address;

/// The body of a response.
pub(super) type Body = UnsyncBoxBody<BodyPart, ProgramError>;

/// The client address as seen by a proxy.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The path of health checks, which have permits of their own.
const HEALTH: &str = "/-/health";

/// The CGI program and the state that all connections share.
pub(super) struct Gateway {
    pub(super) program: PathBuf,
    pub(super) inherited: Vec<(OsString, OsString)>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) permits: Permits,
}

/// The permits of a request. They are held until the response has been sent.
type RequestPermit = (OwnedSemaphorePermit, Option<AddressPermit>);

impl Gateway {
    pub(super) async fn respond(
        &self,
        request: Request<hyper::body::Incoming>,
        endpoints: Endpoints,
        permit: &ConnectionPermit,
        files: &Sender<FilePart>,
    ) -> Response<Body> {
        let (request, body) = request.into_parts();
        let mut pending = PendingRequest {
            request: &request,
            endpoints,
            is_done: false,
        };
        let mut response = match reject_invalid(&request) {
            Some(response) => response,
            None => match self.acquire_permit(&request, endpoints, permit).await {
                Ok(permit) => self
                    .run(&request, endpoints, permit, files.clone())
                    .await
                    .unwrap_or_else(|error| {
                        log::error!("{}: {error}", describe(&request));
                        error_response(&error)
                    }),
                Err(denied) => busy_response(denied),
            },
        };
        pending.is_done = true;
        // Closes the connection if the request has a body, which is not read, so that the next request cannot be found. A reserved
        // connection serves only one request.
        if !body.is_end_stream() || matches!(permit, ConnectionPermit::Reserved { .. }) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Waits for the permit of a request, in order of arrival. Health checks have permits of their own.
    async fn acquire_permit(
        &self,
        request: &Parts,
        endpoints: Endpoints,
        connection: &ConnectionPermit,
    ) -> Result<RequestPermit, PermitDenied> {
        let (semaphore, address_permit) = match connection {
            _ if request.uri.path() == HEALTH => (&self.permits.health, None),
            ConnectionPermit::Reserved { denied, .. } => return Err(*denied),
            ConnectionPermit::Ordinary { .. } => (
                &self.permits.requests,
                self.acquire_forwarded(request, endpoints)?,
            ),
        };
        // The semaphore is never closed, so this always succeeds.
        let permit = Arc::clone(semaphore)
            .acquire_owned()
            .await
            .map_err(|_| PermitDenied::ServerFull)?;
        Ok((permit, address_permit))
    }

    /// Counts a request from a trusted proxy for the client that the proxy reports. For other peers the connection is counted.
    fn acquire_forwarded(
        &self,
        request: &Parts,
        endpoints: Endpoints,
    ) -> Result<Option<AddressPermit>, PermitDenied> {
        if !self.trusts(endpoints.client.ip()) {
            return Ok(None);
        }
        let peer = endpoints.client.ip().to_canonical().to_string();
        let forwarded_for = joined(&request.headers, &FORWARDED_FOR);
        let forwarded_for = forwarded_for.to_string_lossy();
        let client = client_address(&peer, &forwarded_for, |peer| self.trusts(peer));
        match client.parse() {
            Ok(client) if !self.trusts(client) => {
                let permit = self.permits.try_acquire_request(client);
                permit.map(Some).ok_or(PermitDenied::AddressFull)
            }
            // Without the header, the proxy itself is the client, for example for its own health check.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Whether this peer's X-Forwarded-For is trusted.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    async fn run(
        &self,
        request: &Parts,
        endpoints: Endpoints,
        permit: RequestPermit,
        files: Sender<FilePart>,
    ) -> Result<Response<Body>, ProgramError> {
        let environment = build_environment(request, endpoints, &self.inherited);
        let mut process = CgiProcess::spawn(&self.program, environment)?;
        let mut head = process.read_head().await?;
        let no_body = request.method == Method::HEAD
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || head.content_length == Some(0);

        let body = if let Some(path) = head.send_file {
            process.drain().await?;
            let file = FileParts::open(path, files)?;
            match head.content_length {
                Some(expected) if expected != file.length() => {
                    return Err(ProgramError::WrongLength {
                        expected,
                        actual: file.length(),
                    });
                }
                Some(_) => {}
                None => drop(head.fields.insert(header::CONTENT_LENGTH, file.length().into())),
            }
            let length = file.length();
            if no_body {
                empty_body()
            } else {
                StreamedBody::new(file, Some(length)).boxed_unsync()
            }
        } else if no_body {
            process.drain().await?;
            empty_body()
        } else {
            let output = OutputChunks::new(process, head.content_length);
            StreamedBody::new(output, head.content_length).boxed_unsync()
        };

        let description = describe(request);
        let body = body.map_err(move |error| {
            // The closure owns the permit, which is therefore released when the body is dropped.
            let _held = &permit;
            log::error!("{description}: response aborted: {error}");
            error
        });
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.fields;
        if let Some(phrase) = head.reason_phrase {
            response.extensions_mut().insert(phrase);
        }
        Ok(response)
    }
}

/// Logs a request that is dropped before its response. Its program is killed and cannot log it.
struct PendingRequest<'a> {
    request: &'a Parts,
    endpoints: Endpoints,
    is_done: bool,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            log::info!(
                "{} for {}: the client disconnected, or the drain ended, before the response",
                describe(self.request),
                self.endpoints.client.ip().to_canonical()
            );
        }
    }
}

/// The response to a request that the front rejects without running the program.
fn reject_invalid(request: &Parts) -> Option<Response<Body>> {
    if request.extensions.get::<UnsupportedMajor>().is_some() {
        let mut response = text_response(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "This server supports only HTTP/1.1.\n",
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
            "A request must have exactly one Host header.\n",
        ));
    }
    if request.uri.path().starts_with('/') {
        return None;
    }
    if matches!(request.method, Method::GET | Method::HEAD) {
        return Some(text_response(
            StatusCode::BAD_REQUEST,
            "The path must begin with a slash.\n",
        ));
    }
    // `CONNECT host:port` and `OPTIONS *` have no path (RFC 9112 sections 3.2.3 and 3.2.4).
    let mut response = text_response(
        StatusCode::METHOD_NOT_ALLOWED,
        "The method is not supported here.\n",
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

/// The response if the limit of connections or requests is reached.
fn busy_response(denied: PermitDenied) -> Response<Body> {
    let mut response = match denied {
        PermitDenied::ServerFull => text_response(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server is too busy. Try again in a second.\n",
        ),
        PermitDenied::AddressFull => text_response(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests from your address are running. Try again in a second.\n",
        ),
    };
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The response if the program failed. The details are only in the log.
fn error_response(error: &ProgramError) -> Response<Body> {
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
            "This server had an internal error; its log has the details.\n",
        ),
    }
}

fn text_response(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(
        Full::new(BodyPart::Bytes(text.into()))
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    *response.status_mut() = status;
    // Many clients print the status line and discard the body.
    if let Ok(phrase) = ReasonPhrase::try_from(text.trim_end().as_bytes()) {
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

fn empty_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The request for the log, escaped: a target may contain any byte above 0x7f.
fn describe(request: &Parts) -> String {
    format!("{} {:?}", request.method, request.uri.to_string())
}
