//! The bundled HTTP/1.1 server. It starts a CGI program for a request and relays its response. The program, gox-server itself,
//! interprets the request. This is the only code with an async runtime. It runs on one thread, since all computation is in other
//! processes.
//!
//! Modules in the order of a request: `permits` limits connections and requests, `connection` has the timeouts and detects
//! disconnects, `gateway` runs the program (`environment`, `cgi_process`, `head`) or finds the head of its last response
//! (`stored_heads`), and `streamed_body` sends the output of the program (`output_chunks`) or a file (`file_parts`).
//! `own_responses` are those without a program.

mod gateway;
mod own_responses;
mod connection;
mod environment;
mod program_error;
pub mod head;
mod limits;
mod client_stream;
mod streamed_body;
mod stored_heads;
mod cgi_process;
mod output_chunks;
mod permits;
mod file_parts;
mod body_part;
mod version;

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use gateway::Gateway;
pub use gateway::Report;
pub use limits::FrontLimits;
use permits::Permits;
use stored_heads::StoredHeads;

use crate::config::Network;

/// Delay after an accept that failed for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Time after the drain for responses that only say that the server restarts. `init` waits for a second.
const LAST_RESPONSES: Duration = Duration::from_millis(500);

/// Number of threads that read files which are not cached. More threads would wait for the same disk.
const FILE_READERS: usize = 4;

/// An HTTP server for one CGI program.
pub struct Front {
    /// The address to listen on. With port 0 the kernel selects a port, which is logged.
    pub listen: SocketAddr,
    /// The CGI program: gox-server itself.
    pub program: PathBuf,
    /// Environment variables that the program gets in addition to those of the request.
    pub inherited: Vec<(OsString, OsString)>,
    /// The limits for clients.
    pub limits: FrontLimits,
    /// Peers that are trusted to set X-Forwarded-For.
    pub trusted_proxies: Vec<Network>,
    /// Maximum time for the running requests after SIGTERM or SIGINT.
    pub drain: Duration,
    /// Gets a report of each response without a program.
    pub reports: mpsc::Sender<Report>,
}

/// Why the front could not start. After the start, only a signal stops it.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The port is in use, or the process may not use it.
    #[error("cannot listen on {listen}: {source}")]
    CannotListen {
        /// The address.
        listen: SocketAddr,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The event loop or the signal handlers could not be created.
    #[error("cannot start the event loop: {0}")]
    CannotStart(#[source] io::Error),
}

impl Front {
    /// Serves until SIGTERM or SIGINT, then waits up to `drain` for the running requests, then aborts them. A second signal aborts
    /// them at once.
    pub fn run(mut self) -> Result<(), FrontError> {
        self.limits = self.limits.cap_to_open_files(raise_open_files());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(FILE_READERS)
            .build()
            .map_err(FrontError::CannotStart)?;
        let result = runtime.block_on(self.listen());
        // Drops the remaining tasks, which kills their programs. Does not wait for threads that read from a slow disk.
        runtime.shutdown_background();
        result
    }

    async fn listen(self) -> Result<(), FrontError> {
        let subscribe = |kind| signal(kind).map_err(FrontError::CannotStart);
        // tokio reaps a killed child on SIGCHLD, but registers for SIGCHLD only when the second child waits to be reaped: the first
        // one would stay a zombie until then. The registration is permanent, also after this drop.
        drop(subscribe(SignalKind::child())?);
        // Before "listening" is logged, because the reader of that line may send a signal next.
        let mut terminate = subscribe(SignalKind::terminate())?;
        let mut interrupt = subscribe(SignalKind::interrupt())?;
        let stop = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let cannot_listen = |source| FrontError::CannotListen {
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

    /// Serves until `stop` returns, then drains until it returns again or the drain time is over.
    async fn serve(self, listener: TcpListener, mut stop: impl AsyncFnMut()) {
        let limits = Arc::new(self.limits);
        let gateway = Arc::new(Gateway {
            program: self.program,
            inherited: self.inherited,
            trusted_proxies: self.trusted_proxies,
            permits: Permits::new(&limits),
            stored_heads: StoredHeads::default(),
            reports: self.reports,
            drain_ended: Notify::new(),
        });
        let open = GracefulShutdown::new();
        loop {
            let (stream, client) = tokio::select! {
                accepted = accept(&listener) => accepted,
                () = stop() => break,
            };
            let address = Some(client.ip()).filter(|peer| !gateway.trusts(*peer));
            let Some(permit) = gateway.permits.try_acquire_connection(address) else {
                log::debug!("{client}: closed: too many connections");
                continue;
            };
            let (gateway, limits, watcher) = (Arc::clone(&gateway), Arc::clone(&limits), open.watcher());
            tokio::spawn(async move {
                connection::serve(stream, client, permit, &gateway, &limits, watcher).await;
            });
        }

        // From here on the kernel refuses new connections, so that their clients do not wait.
        drop(listener);
        log::info!("stopping; {} connections are open", open.count());
        let mut closed = pin!(open.shutdown());
        tokio::select! {
            () = &mut closed => return log::info!("stopped"),
            () = sleep(self.drain) => {}
            () = stop() => return log::warn!("stopped; responses were aborted by a second signal"),
        }
        gateway.drain_ended.notify_waiters();
        match timeout(LAST_RESPONSES, closed).await {
            Ok(()) => log::warn!(
                "stopped after {} s; clients without a response were told to retry",
                self.drain.as_secs()
            ),
            Err(_) => log::warn!("stopped; responses were aborted after {} s", self.drain.as_secs()),
        }
    }
}

/// Raises the limit of open files to the hard limit, and returns the limit.
fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, hard)| {
        // If it cannot be raised, the soft limit stays in effect.
        let files = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    // The usual soft limit.
    limit.unwrap_or(1024)
}

/// Listens on an address. If that is all IPv6 addresses, and the machine has no IPv6, listens on all IPv4 addresses.
async fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(listen).await {
        Err(error) if listen.ip() == Ipv6Addr::UNSPECIFIED && lacks_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await
        }
        bound => bound,
    }
}

/// Whether the kernel has no IPv6, or IPv6 is disabled (ipv6(7)).
fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Accepts the next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client disconnected before the accept (accept(2)).
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // EMFILE, ENFILE, ENOBUFS, ENOMEM and pending network errors (accept(2)) are transient.
            Err(error) => {
                log::error!("cannot accept: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
