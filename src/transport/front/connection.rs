//! One connection from accept to close: hyper's HTTP/1.1 over a `ClientStream`, with timeouts. When the client disconnects, the
//! future is dropped, which kills the CGI program of the running request.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::Duration;

use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::client_stream::{ClientStream, linger, wait_for_disconnect};
use super::environment::Endpoints;
use super::gateway::Gateway;
use super::limits::FrontLimits;
use super::permits::ConnectionPermit;
use super::version::{UnsupportedMajor, VersionNormalizer};

/// Maximum length of hyper's write buffer, beyond one chunk of the body.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves requests until the client, a timeout or the drain ends the connection. Holds the permit until then.
pub(super) async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    permit: ConnectionPermit,
    gateway: &Gateway,
    limits: &FrontLimits,
    drain: Watcher,
) {
    // Both fail only if the connection is already closed.
    let (Ok(server), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else {
        return;
    };
    let endpoints = Endpoints { client, server };
    let permit = &permit;
    let first_head = match permit {
        ConnectionPermit::Ordinary { .. } => limits.first_head,
        ConnectionPermit::Reserved { .. } => limits.reserve_head,
    };
    let state = &ConnectionState::new(stream);
    let (files, parts) = channel();
    let files = &files;
    let service = service_fn(|mut request: Request<_>| async move {
        state.has_request.store(true, Relaxed);
        if state.unsupported_major.load(Relaxed) {
            request.extensions_mut().insert(UnsupportedMajor);
        }
        state
            .has_unread_body
            .store(!Body::is_end_stream(request.body()), Relaxed);
        let version = request.version();
        let response = gateway.respond(request, endpoints, permit, files).await;
        let is_close_delimited = version == Version::HTTP_10 && response.body().size_hint().exact().is_none();
        state.is_close_delimited.store(is_close_delimited, Relaxed);
        Ok::<_, Infallible>(response)
    });

    let versions = VersionNormalizer::new(Arc::clone(&state.unsupported_major));
    let io = TokioIo::new(ClientStream::new(
        Arc::clone(&state.stream),
        limits,
        versions,
        parts,
    ));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.next_head)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(BUFFER_BYTES))
        // Copied bytes of a file would be those of the placeholder.
        .writev(true)
        .serve_connection(io, service);
    tokio::select! {
        // In order: a complete response counts as such even if the client has disconnected since.
        biased;
        result = drain.watch(connection) => match result {
            Ok(()) => state.close().await,
            Err(error) => log::debug!("{client}: {error}"),
        },
        () = wait_for_disconnect(&state.stream) => log::debug!("{client}: disconnected"),
        () = state.wait_without_request(first_head) => log::debug!("{client}: no request"),
    }
}

/// The state of a connection that hyper does not expose.
struct ConnectionState {
    stream: Arc<TcpStream>,
    /// The client has sent a request.
    has_request: AtomicBool,
    /// The last request has a body, which is not read.
    has_unread_body: AtomicBool,
    /// The first request has another major version of HTTP.
    unsupported_major: Arc<AtomicBool>,
    /// The current response ends when the connection is closed (HTTP/1.0 without Content-Length).
    is_close_delimited: AtomicBool,
}

impl ConnectionState {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream: Arc::new(stream),
            has_request: AtomicBool::new(false),
            has_unread_body: AtomicBool::new(false),
            unsupported_major: Arc::default(),
            is_close_delimited: AtomicBool::new(false),
        }
    }

    /// Returns after this time if there was no request, otherwise never.
    async fn wait_without_request(&self, timeout: Duration) {
        sleep(timeout).await;
        if self.has_request.load(Relaxed) {
            pending().await
        }
    }

    /// Closes the connection after a complete response.
    async fn close(&self) {
        self.is_close_delimited.store(false, Relaxed);
        if self.has_unread_body.load(Relaxed) {
            linger(&self.stream).await;
        }
    }
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        // The response was aborted by an error, the drain or a timeout. A normal close would make it look complete, so close with
        // RST. With chunks or Content-Length the client detects an incomplete response, and a normal close keeps the bytes sent.
        if self.is_close_delimited.load(Relaxed)
            && let Err(error) = self.stream.set_zero_linger()
        {
            log::debug!("cannot reset a connection: {error}");
        }
    }
}
