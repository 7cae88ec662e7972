//! A FastCGI 1.0 application in the Responder role. Web servers connect and send requests as records. The records carry the CGI
//! variables and the CGI response. This is a separate implementation because the FastCGI crates on crates.io are empty,
//! unmaintained, or hold whole responses in memory.
//!
//! `record` and `pairs` parse and encode bytes without I/O. `connection` reads and serves requests. `stream` and `stdout` do the
//! I/O. This file accepts connections, each on its own thread. A panic in one thread ends all connections, but no build: builds
//! are separate processes.

mod connection;
mod limits;
mod listener;
pub mod protocol_error;
pub mod pairs;
pub mod record;
mod stdout;
mod stream;
mod wait;
mod web_servers;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Config;
use connection::Connection;
pub use connection::ConnectionError;
use limits::{ACCEPT_PAUSE, MAX_CONNECTIONS};
pub use listener::{FastCgiListener, ListenAddress};
use stream::TimedStream;
use wait::{FdPermit, FdSemaphore, StopSignal, poll_readable};
pub use web_servers::WebServerAddrs;

/// A FastCGI application.
#[derive(Debug)]
pub struct Responder {
    /// Where web servers connect.
    pub listener: FastCgiListener,
    /// The web servers that may connect to a TCP socket; `None` permits all.
    pub web_servers: Option<WebServerAddrs>,
    /// The settings for all requests.
    pub config: Config,
}

impl Responder {
    /// Serves until SIGTERM or SIGINT, then waits up to `config.drain` for the running requests.
    pub fn run(self) -> io::Result<()> {
        let stop = Arc::new(StopSignal::block()?);
        let permits = FdSemaphore::new(MAX_CONNECTIONS)?;
        let config = Arc::new(self.config.clone());
        if self.listener.is_exposed() && self.web_servers.is_none() {
            // The responder trusts the client address that its web server sends.
            log::warn!(
                "any host that reaches {} can forge client addresses: set FCGI_WEB_SERVER_ADDRS",
                self.listener
            );
        }
        log::info!("listening for FastCGI on {}", self.listener);
        while let Some(permit) = acquire_permit(&permits, &stop)? {
            let [_, is_stopped] = poll_readable([self.listener.as_fd(), stop.as_fd()], None)?;
            if is_stopped {
                break;
            }
            match self.listener.accept() {
                Ok(Some((stream, peer))) if self.may_connect(peer) => {
                    let (config, stop) = (Arc::clone(&config), Arc::clone(&stop));
                    let serve = move || serve(stream, &config, &stop, permit);
                    if let Err(error) = thread::Builder::new().spawn(serve) {
                        log::error!("cannot start a thread: {error}");
                        thread::sleep(ACCEPT_PAUSE);
                    }
                }
                Ok(Some((_, peer))) => {
                    log::warn!("rejected a connection: {peer:?} is not in FCGI_WEB_SERVER_ADDRS");
                }
                Ok(None) => {}
                // EMFILE, ENFILE, ENOBUFS, ENOMEM and pending network errors (accept(2)) are transient.
                Err(error) => {
                    log::error!("cannot accept: {error}");
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
        // From here on the kernel refuses new connections, unless the web server has the same socket open.
        drop(self.listener);
        drain(&permits, config.drain)
    }

    /// Whether a peer may connect. The mode of a Unix socket controls access to it.
    fn may_connect(&self, peer: Option<IpAddr>) -> bool {
        match (&self.web_servers, peer) {
            (Some(web_servers), Some(peer)) => web_servers.contains(peer),
            (_, None) | (None, _) => true,
        }
    }
}

/// Waits for a permit for the next connection. `None` if the process was asked to stop.
fn acquire_permit(permits: &FdSemaphore, stop: &StopSignal) -> io::Result<Option<FdPermit>> {
    loop {
        let [_, is_stopped] = poll_readable([permits.as_fd(), stop.as_fd()], None)?;
        if is_stopped {
            return Ok(None);
        }
        if let Some(permit) = permits.try_acquire() {
            return Ok(Some(permit));
        }
    }
}

/// Serves one established connection until it is closed, without a listener.
pub fn serve_connection(socket: OwnedFd, config: &Config) -> Result<(), ConnectionError> {
    let stop = StopSignal::block().map_err(io::Error::from)?;
    Connection::new(TimedStream::new(socket)?, config).serve(&stop)
}

fn serve(stream: TimedStream, config: &Config, stop: &StopSignal, permit: FdPermit) {
    match Connection::new(stream, config).serve(stop) {
        Ok(()) => {}
        // Usually because the client of the web server disconnected.
        Err(error) if error.is_disconnect() => log::debug!("a web server closed a connection: {error}"),
        Err(error) => log::warn!("closed a FastCGI connection: {error}"),
    }
    drop(permit);
}

/// Waits until all permits are released, or until the timeout expires.
fn drain(permits: &FdSemaphore, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    let mut acquired = Vec::new();
    loop {
        acquired.extend(std::iter::from_fn(|| permits.try_acquire()));
        let left = deadline.saturating_duration_since(Instant::now());
        if acquired.len() == MAX_CONNECTIONS as usize {
            log::info!("stopped");
            return Ok(());
        }
        if left.is_zero() {
            log::warn!("stopped; responses were aborted after {} s", timeout.as_secs());
            return Ok(());
        }
        poll_readable([permits.as_fd()], Some(left))?;
    }
}
