//! The bundled HTTP front: HTTP/1.1 in, one CGI program per request, its answer out, and nothing else.
//! It knows no target, no Go and no cache; everything that a request means lives in the program. This is the
//! only async code of the project, on one thread: whatever computes is another process.
//! A connection gets one of the `seats`. A request passes `connection` (time, the client's leaving), `answer`, `environment`,
//! `program` and `head`; the answer goes out in `pieces`, of the program's output (`relay`) or of a `sent_file`.

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
mod seats;
mod sent_file;
mod version;

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use answer::Site;
pub use limits::Limits;
use seats::Seats;

use crate::config::Network;

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
    /// Peers whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
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
    pub fn run(mut self) -> Result<(), FrontStopped> {
        self.limits = self.limits.with_files(raise_open_files());
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
        let limits = Arc::new(self.limits);
        let site = Arc::new(Site {
            program: self.program,
            inherited: self.inherited,
            trusted_proxies: self.trusted_proxies,
            seats: Seats::new(&limits),
        });
        let open = GracefulShutdown::new();
        loop {
            let (stream, client) = tokio::select! {
                accepted = accept(&listener) => accepted,
                () = stop() => break,
            };
            let address = Some(client.ip()).filter(|peer| !site.trusts(*peer));
            let Some(seat) = site.seats.seat(address) else {
                log::debug!("{client}: closed, for every seat is taken");
                continue;
            };
            let (site, limits, watcher) = (Arc::clone(&site), Arc::clone(&limits), open.watcher());
            tokio::spawn(
                async move { connection::serve(stream, client, seat, &site, &limits, watcher).await },
            );
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

/// Raises the number of open files as far as the process may, and says how many that are.
fn raise_open_files() -> usize {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, hard)| {
        // Where it cannot be raised, what there is has to suffice.
        let files = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    // What every process gets at least, as a rule.
    raised.unwrap_or(1024)
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

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
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
