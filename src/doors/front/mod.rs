//! The bundled HTTP front: HTTP/1.1 in, one CGI program per request, its answer out, and nothing else.
//! It knows no target, no Go and no cache; everything that a request means lives in the program. This is the
//! only async code of the project, on one thread: whatever computes is another process.
//! A request passes `connection` (time, the client's leaving), `answer`, `environment`, `program` and `head`; the
//! answer goes out in `pieces`, of the program's output (`relay`) or of a `sent_file`.

mod answer;
mod connection;
mod environment;
mod fault;
pub mod head;
mod limits;
mod line;
mod pieces;
mod program;
mod relay;
mod sent_file;

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use answer::Site;
pub use limits::Limits;

/// After an accept that failed for want of descriptors or memory: long enough for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Threads that read files, and do nothing else. A read of a cached file takes microseconds; more threads would only
/// queue at the same disk.
const FILE_READERS: usize = 4;

/// An HTTP server for one CGI program.
#[derive(Debug)]
pub struct Front {
    /// Where clients connect. Port 0 lets the kernel choose; the log says which.
    pub listen: SocketAddr,
    /// The CGI program: gox-server itself.
    pub program: PathBuf,
    /// The operator's variables that the program sees beside the request's. No other of ours reach it.
    pub inherited: Vec<(OsString, OsString)>,
    /// What clients may take.
    pub limits: Limits,
    /// After SIGTERM or SIGINT: how long answers under way may go on.
    pub drain: Duration,
}

/// Why the front could not start. Once it listens, nothing but a signal ends it.
#[derive(Debug, thiserror::Error)]
pub enum FrontStopped {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {listen}: {source}")]
    CannotListen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No event loop or no signals: the kernel refuses what every program gets.
    #[error("cannot start the event loop: {0}")]
    CannotStart(#[source] io::Error),
}

impl Front {
    /// Serves until SIGTERM or SIGINT, then lets answers under way finish for `drain`, then cuts them.
    /// A second signal cuts them at once.
    pub fn run(self) -> Result<(), FrontStopped> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(FILE_READERS)
            .build()
            .map_err(FrontStopped::CannotStart)?;
        let stopped = runtime.block_on(self.listen());
        // Drops what still runs, which kills its programs, without waiting for a read of a slow disk.
        runtime.shutdown_background();
        stopped
    }

    async fn listen(self) -> Result<(), FrontStopped> {
        let hear = |kind| signal(kind).map_err(FrontStopped::CannotStart);
        // tokio reaps a program that it killed when SIGCHLD wakes it, but listens for SIGCHLD only from the second
        // one on: the first would stay a zombie until something else happens. Once asked for, it is never unheard.
        drop(hear(SignalKind::child())?);
        // Before the line that says "listening": who reads it may send a signal next.
        let (mut terminate, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
        let stop = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let cannot_listen = |source| FrontStopped::CannotListen {
            listen: self.listen,
            source,
        };
        let listener = bind(self.listen).await.map_err(cannot_listen)?;
        log::info!(
            "listening on http://{}",
            listener.local_addr().map_err(cannot_listen)?
        );
        self.serve(listener, stop).await;
        Ok(())
    }

    /// Serves until `stop` returns, then drains until it returns again or the time is over.
    async fn serve(self, listener: TcpListener, mut stop: impl AsyncFnMut()) {
        let site = Arc::new(Site {
            program: self.program,
            inherited: self.inherited,
        });
        let limits = Arc::new(self.limits);
        let seats = Arc::new(Semaphore::new(limits.connections));
        let open = GracefulShutdown::new();
        loop {
            let (stream, client, seat) = tokio::select! {
                accepted = accept(&listener, &seats) => accepted,
                () = stop() => break,
            };
            let (site, limits, watcher) = (Arc::clone(&site), Arc::clone(&limits), open.watcher());
            tokio::spawn(async move {
                connection::serve(stream, client, &site, &limits, watcher).await;
                drop(seat);
            });
        }

        // New clients are refused by the kernel from here on, instead of waiting for a server that will not come.
        drop(listener);
        log::info!("stopping; {} connections are open", open.count());
        tokio::select! {
            () = open.shutdown() => log::info!("stopped"),
            () = sleep(self.drain) => log::warn!("stopped; answers were cut after {} s", self.drain.as_secs()),
            () = stop() => log::warn!("stopped; answers were cut by a second signal"),
        }
    }
}

/// Listens there; where the machine has no IPv6, on all its addresses of the other family.
async fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(listen).await {
        Err(error) if listen.ip() == Ipv6Addr::UNSPECIFIED && lacks_family(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await
        }
        bound => bound,
    }
}

/// No IPv6 in the kernel, or none but switched off (ipv6(7)).
fn lacks_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Never closed, hence always Ok.
    let seat = Arc::clone(seats).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, client)) => return (stream, client, seat),
            // The client left the queue (accept(2)): its affair.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // EMFILE, ENFILE, ENOBUFS, ENOMEM, and what networks report late. None is a reason to stop.
            Err(error) => {
                log::error!("cannot accept: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
