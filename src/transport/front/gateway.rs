//! The gateway from HTTP to CGI: runs one CGI program for a request and returns its response, or uses a stored head. An error of the
//! program becomes a 502 or 503 response; after the headers were sent, it closes the connection instead.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Body as _;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

use super::body_part::BodyPart;
use super::cgi_process::CgiProcess;
use super::environment::{Endpoints, build_environment, joined};
use super::file_parts::{FilePart, FileParts};
use super::head::Head;
use super::output_chunks::OutputChunks;
use super::own_responses::{busy_response, error_response, reject_invalid, restart_response};
use super::permits::{AddressPermit, ConnectionPermit, PermitDenied, Permits};
use super::program_error::ProgramError;
use super::stored_heads::{HeadKey, StoredHeads};
use super::streamed_body::StreamedBody;
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
    pub(super) stored_heads: StoredHeads,
    pub(super) reports: mpsc::Sender<Report>,
    /// Notifies the requests without a response that the drain has ended.
    pub(super) drain_ended: Notify,
}

/// A response without a program, which would count and log it: one with a stored head, or a rejection.
#[derive(Debug)]
pub struct Report {
    /// The method of the request.
    pub method: String,
    /// The path and query of the request, or else its target.
    pub target: String,
    /// The status code of the response. Only rejections have one of an error.
    pub status: u16,
    /// The address of the client.
    pub client: String,
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
            gateway: self,
            request: &request,
            endpoints,
            is_done: false,
        };
        let responded = tokio::select! {
            responded = self.try_respond(&request, endpoints, permit, files) => responded,
            () = self.drain_ended.notified() => Err(restart_response()),
        };
        let mut response = match responded {
            Ok(response) => response,
            Err(rejection) => {
                self.report(&request, endpoints, rejection.status()).await;
                rejection
            }
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

    /// Runs the program, or rejects the request.
    async fn try_respond(
        &self,
        request: &Parts,
        endpoints: Endpoints,
        permit: &ConnectionPermit,
        files: &Sender<FilePart>,
    ) -> Result<Response<Body>, Response<Body>> {
        if let Some(rejection) = reject_invalid(request) {
            return Err(rejection);
        }
        let acquired = self.acquire_permit(request, endpoints, permit).await;
        let permit = acquired.map_err(busy_response)?;
        let response = self.run(request, endpoints, permit, files.clone()).await;
        Ok(response.unwrap_or_else(|error| {
            log::error!("{}: {error}", describe(request));
            error_response(&error)
        }))
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
        match self.client(request, endpoints).parse() {
            Ok(client) if !self.trusts(client) => {
                let permit = self.permits.try_acquire_request(client);
                permit.map(Some).ok_or(PermitDenied::AddressFull)
            }
            // Without the header, the proxy itself is the client, for example for its own health check.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The address of the client, which a trusted proxy reports.
    fn client(&self, request: &Parts, endpoints: Endpoints) -> String {
        let peer = endpoints.client.ip().to_canonical().to_string();
        let forwarded_for = joined(&request.headers, &FORWARDED_FOR);
        let forwarded_for = forwarded_for.to_string_lossy();
        client_address(&peer, &forwarded_for, |peer| self.trusts(peer)).to_owned()
    }

    /// Whether this peer's X-Forwarded-For is trusted.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Responds with a stored head, or runs the program.
    async fn run(
        &self,
        request: &Parts,
        endpoints: Endpoints,
        permit: RequestPermit,
        files: Sender<FilePart>,
    ) -> Result<Response<Body>, ProgramError> {
        let key = HeadKey::of(request);
        let stored = key.as_ref().and_then(|key| self.stored_heads.open(key, &files));
        let (head, body) = match stored {
            Some((head, file)) => {
                self.report(request, endpoints, head.status).await;
                (head, file.map_or_else(empty_body, file_body))
            }
            None => self.run_program(request, endpoints, key, files).await?,
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

    /// Runs the program, and returns the head and the body of its response. Stores a head under `key` if it may be used again.
    async fn run_program(
        &self,
        request: &Parts,
        endpoints: Endpoints,
        key: Option<HeadKey>,
        files: Sender<FilePart>,
    ) -> Result<(Head, Body), ProgramError> {
        let environment = build_environment(request, endpoints, &self.inherited);
        let mut process = CgiProcess::spawn(&self.program, environment)?;
        let mut head = process.read_head().await?;
        let no_body = request.method == Method::HEAD
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || head.content_length == Some(0);

        if head.send_file.is_none() && !no_body {
            let output = OutputChunks::new(process, head.content_length);
            let body = StreamedBody::new(output, head.content_length).boxed_unsync();
            return Ok((head, body));
        }
        process.drain().await?;
        let open = |path: &PathBuf| FileParts::open(path, files);
        let file = head.send_file.as_ref().map(open).transpose()?;
        if let Some(file) = &file {
            let actual = file.length();
            let expected = *head.content_length.get_or_insert(actual);
            if expected != actual {
                return Err(ProgramError::WrongLength { expected, actual });
            }
            head.fields.insert(header::CONTENT_LENGTH, actual.into());
        }
        if let Some(key) = key {
            self.stored_heads.store(key, &head, file.as_ref());
        }
        let file = file.filter(|_| !no_body);
        Ok((head, file.map_or_else(empty_body, file_body)))
    }

    /// Reports a response without a program. It waits only if the reports of many others are not written yet.
    async fn report(&self, request: &Parts, endpoints: Endpoints, status: StatusCode) {
        let path_and_query = request.uri.path_and_query();
        let report = Report {
            method: request.method.to_string(),
            target: path_and_query.map_or_else(|| request.uri.to_string(), ToString::to_string),
            status: status.as_u16(),
            client: self.client(request, endpoints),
        };
        // Fails only if the reader of the reports has panicked, which has been printed.
        self.reports.send(report).await.ok();
    }
}

/// Logs a request that is dropped before its response. Its program is killed and cannot log it.
struct PendingRequest<'a> {
    gateway: &'a Gateway,
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
                self.gateway.client(self.request, self.endpoints)
            );
        }
    }
}

fn file_body(file: FileParts) -> Body {
    let length = file.length();
    StreamedBody::new(file, Some(length)).boxed_unsync()
}

fn empty_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The request for the log, escaped: a target may contain any byte above 0x7f.
fn describe(request: &Parts) -> String {
    format!("{} {:?}", request.method, request.uri.to_string())
}
