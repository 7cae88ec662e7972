//! One client from accept to close: hyper's HTTP/1.1 over a `Line`, with the limits on its time.
//! When the client leaves, everything here is dropped, and with it the program that works for it.
//! It knows nothing of CGI.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::answer::Site;
use super::environment::Ends;
use super::limits::Limits;
use super::line::{Line, farewell, gone};
use super::seats::Seat;
use super::version::{OtherMajor, Versions};

/// What hyper holds of an answer at most before it waits for the client, beyond one piece of the body.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves requests until the client, a limit or the drain ends the connection, which is all that frees its seat.
pub(super) async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    seat: Seat,
    site: &Site,
    limits: &Limits,
    drain: Watcher,
) {
    // Both fail only for a socket that is dead already.
    let (Ok(server), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else {
        return;
    };
    let ends = Ends { client, server };
    let seat = &seat;
    let first_head = match seat {
        Seat::Ordinary { .. } => limits.first_head,
        Seat::Reserved { .. } => limits.reserve_head,
    };
    let talk = &Talk::new(stream);
    let service = service_fn(|mut request: Request<_>| async move {
        talk.heard.store(true, Relaxed);
        if talk.other_major.load(Relaxed) {
            request.extensions_mut().insert(OtherMajor);
        }
        talk.sends_body
            .store(!Body::is_end_stream(request.body()), Relaxed);
        let version = request.version();
        let response = site.answer(request, ends, seat).await;
        let unframed = version == Version::HTTP_10 && response.body().size_hint().exact().is_none();
        talk.ends_by_closing.store(unframed, Relaxed);
        Ok::<_, Infallible>(response)
    });

    let versions = Versions::new(Arc::clone(&talk.other_major));
    let line = TokioIo::new(Line::new(Arc::clone(&talk.stream), limits, versions));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.next_head)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(BUFFER_BYTES))
        .serve_connection(line, service);
    tokio::select! {
        // An answer that is out is out, even if the client has left meanwhile.
        biased;
        ended = drain.watch(connection) => match ended {
            Ok(()) => talk.part().await,
            Err(error) => log::debug!("{client}: {error}"),
        },
        () = gone(&talk.stream) => log::debug!("{client}: gone"),
        () = talk.silent(first_head) => log::debug!("{client}: no request"),
    }
}

/// What must be known of a connection beyond what hyper keeps.
struct Talk {
    stream: Arc<TcpStream>,
    /// A request has come.
    heard: AtomicBool,
    /// The last request has a body, which nobody reads.
    sends_body: AtomicBool,
    /// Its first request is of another major version of HTTP.
    other_major: Arc<AtomicBool>,
    /// Closing the connection is what ends the answer under way (HTTP/1.0 without Content-Length).
    ends_by_closing: AtomicBool,
}

impl Talk {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream: Arc::new(stream),
            heard: AtomicBool::new(false),
            sends_body: AtomicBool::new(false),
            other_major: Arc::default(),
            ends_by_closing: AtomicBool::new(false),
        }
    }

    /// Returns when the time for the first head is over without one.
    async fn silent(&self, first_head: Duration) {
        sleep(first_head).await;
        if self.heard.load(Relaxed) {
            pending().await
        }
    }

    /// The end after the last answer went out whole.
    async fn part(&self) {
        self.ends_by_closing.store(false, Relaxed);
        if self.sends_body.load(Relaxed) {
            farewell(&self.stream).await;
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Whatever cut the answer (a fault, the drain, a limit): an orderly close would make it look whole, so
        // close with RST. Chunks and Content-Length show a cut by themselves, and keep what came before it.
        if self.ends_by_closing.load(Relaxed)
            && let Err(error) = self.stream.set_zero_linger()
        {
            log::debug!("cannot reset a connection: {error}");
        }
    }
}
