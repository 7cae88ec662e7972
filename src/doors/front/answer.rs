//! One request, one program, one answer. Here a `Fault` becomes a status, or, after the head, a cut.
//! It knows HTTP and CGI, and neither sockets nor what the program is for.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as _, Bytes};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::environment::{Ends, environment, joined};
use super::fault::Fault;
use super::pieces::Pieces;
use super::program::Program;
use super::relay::Relay;
use super::seats::{Counted, NoSeat, Seat, Seats};
use super::sent_file::SentFile;
use super::version::OtherMajor;
use crate::config::Network;
use crate::request::client_address;

/// The body of any answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Fault>;

/// Where a proxy writes which address it saw.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The one path that is answered however many are served.
const HEALTH: &str = "/-/health";

/// What every request is answered with.
pub(super) struct Site {
    pub(super) program: PathBuf,
    pub(super) inherited: Vec<(OsString, OsString)>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) seats: Seats,
}

/// A request's place, as long as its answer is under way.
type Place = (OwnedSemaphorePermit, Option<Counted>);

impl Site {
    pub(super) async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
        ends: Ends,
        seat: &Seat,
    ) -> Response<Body> {
        let (request, body) = request.into_parts();
        let mut waits = Waits {
            request: &request,
            ends,
            answered: false,
        };
        let mut response = match refused(&request) {
            Some(refusal) => refusal,
            None => match self.place(&request, ends, seat).await {
                Ok(place) => self.run(&request, ends, place).await.unwrap_or_else(|fault| {
                    log::error!("{}: {fault}", asked(&request));
                    apology(&fault)
                }),
                Err(full) => too_many(full),
            },
        };
        waits.answered = true;
        // Nothing here reads a body, and what lies unread is not the next request. Nor has a seat in reserve a next one.
        if !body.is_end_stream() || matches!(seat, Seat::Reserved { .. }) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// A place for a request, when the others before it have had theirs. Health has places of its own.
    async fn place(&self, request: &Parts, ends: Ends, seat: &Seat) -> Result<Place, NoSeat> {
        let (places, counted) = match seat {
            _ if request.uri.path() == HEALTH => (&self.seats.health, None),
            Seat::Reserved { why, .. } => return Err(*why),
            Seat::Ordinary { .. } => (&self.seats.requests, self.count(request, ends)?),
        };
        // Never closed, hence always Ok.
        let place = Arc::clone(places)
            .acquire_owned()
            .await
            .map_err(|_| NoSeat::ForAll)?;
        Ok((place, counted))
    }

    /// Counts a request that came through a trusted proxy for the client that the proxy saw; the connections of others are counted.
    fn count(&self, request: &Parts, ends: Ends) -> Result<Option<Counted>, NoSeat> {
        if !self.trusts(ends.client.ip()) {
            return Ok(None);
        }
        let peer = ends.client.ip().to_canonical().to_string();
        let forwarded_for = joined(&request.headers, &FORWARDED_FOR);
        let forwarded_for = forwarded_for.to_string_lossy();
        let client = client_address(&peer, &forwarded_for, |peer| self.trusts(peer));
        match client.parse() {
            // A proxy that says nothing, as for a probe of its own, is itself the client.
            Ok(client) if !self.trusts(client) => {
                self.seats.request_of(client).map(Some).ok_or(NoSeat::ForAddress)
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Whether this peer's X-Forwarded-For is believed.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.has(peer))
    }

    async fn run(&self, request: &Parts, ends: Ends, place: Place) -> Result<Response<Body>, Fault> {
        let mut program = Program::start(&self.program, environment(request, ends, &self.inherited))?;
        let mut head = program.head().await?;
        let no_body = request.method == Method::HEAD
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || head.content_length == Some(0);

        let body = if let Some(path) = head.send_file {
            program.finish().await?;
            let file = SentFile::open(path).await?;
            match head.content_length {
                Some(promised) if promised != file.length() => {
                    return Err(Fault::WrongLength {
                        promised,
                        given: file.length(),
                    });
                }
                Some(_) => {}
                None => drop(head.fields.insert(header::CONTENT_LENGTH, file.length().into())),
            }
            let length = file.length();
            if no_body {
                none()
            } else {
                Pieces::new(file, Some(length)).boxed_unsync()
            }
        } else if no_body {
            program.finish().await?;
            none()
        } else {
            Pieces::new(Relay::new(program, head.content_length), head.content_length).boxed_unsync()
        };

        let asked = asked(request);
        let body = body.map_err(move |fault| {
            // Held until the body is dropped, and so is the request's place.
            let _held = &place;
            log::error!("{asked}: cut: {fault}");
            fault
        });
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.fields;
        Ok(response)
    }
}

/// A request without an answer. The program that works for it is killed when the client leaves, and says nothing more.
struct Waits<'a> {
    request: &'a Parts,
    ends: Ends,
    answered: bool,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if !self.answered {
            log::info!(
                "{} for {}: the client left, or the drain ended, before the answer",
                asked(self.request),
                self.ends.client.ip().to_canonical()
            );
        }
    }
}

/// What HTTP itself refuses, so that no program has to hear of it.
fn refused(request: &Parts) -> Option<Response<Body>> {
    if request.extensions.get::<OtherMajor>().is_some() {
        let mut refusal = sentence(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "this server speaks HTTP/1.1\n",
        );
        let fields = refusal.headers_mut();
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Some(refusal);
    }
    // RFC 9112 section 3.2: a server MUST refuse HTTP/1.1 without Host, and any request with two. Whether it is valid, the
    // program says.
    let hosts = request.headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version == Version::HTTP_11) {
        return Some(sentence(
            StatusCode::BAD_REQUEST,
            "a request has exactly one Host\n",
        ));
    }
    if request.uri.path().starts_with('/') {
        return None;
    }
    if matches!(request.method, Method::GET | Method::HEAD) {
        return Some(sentence(StatusCode::BAD_REQUEST, "a path begins with a slash\n"));
    }
    // `CONNECT host:port` and `OPTIONS *` ask about no path (RFC 9112 sections 3.2.3 and 3.2.4).
    let mut refusal = sentence(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD of a path\n");
    refusal
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(refusal)
}

/// The answer where no place is free.
fn too_many(full: NoSeat) -> Response<Body> {
    let mut refusal = match full {
        NoSeat::ForAll => sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            "this server is too busy to answer\n",
        ),
        NoSeat::ForAddress => sentence(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests of your address are under way\n",
        ),
    };
    refusal
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    refusal
}

/// The answer when the program gave none: the client learns that it is not to blame, the log learns the rest.
fn apology(fault: &Fault) -> Response<Body> {
    match fault {
        // No process, memory or descriptor to be had: a matter of moments.
        Fault::CouldNotStart(_) => {
            let mut busy = sentence(
                StatusCode::SERVICE_UNAVAILABLE,
                "this server is too busy to answer\n",
            );
            busy.headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            busy
        }
        Fault::Unreadable(_)
        | Fault::NoHead(_)
        | Fault::Malformed(_)
        | Fault::Failed(_)
        | Fault::WrongLength { .. }
        | Fault::SentFile { .. } => sentence(
            StatusCode::BAD_GATEWAY,
            "this server could not answer; its log says why\n",
        ),
    }
}

fn sentence(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn none() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The request for the log, escaped: a target may hold any byte above 0x7f.
fn asked(request: &Parts) -> String {
    format!("{} {:?}", request.method, request.uri.to_string())
}
