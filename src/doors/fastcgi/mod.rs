//! FastCGI 1.0, the application's side, in the Responder's role: requests come over connections of web servers, and what
//! CGI has in an environment and on stdout travels in records. Ours, since the registry's crates for it are empty,
//! abandoned, or hold whole answers in memory.
//!
//! Bytes are `record` and `pairs`, which do no I/O; a request is a `connection`'s; `stream` and `stdout` carry bytes; and this
//! file accepts, with a thread for each connection, `limits` of them. A panic would end them all, and no build: those are
//! processes of their own.

mod connection;
mod limits;
mod listener;
pub mod malformed;
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
pub use connection::Cut;
use limits::{ACCEPT_PAUSE, CONNECTIONS};
pub use listener::{Address, Listener};
use stream::Stream;
use wait::{Seat, Seats, Stop, ready};
pub use web_servers::WebServers;

/// A FastCGI application.
#[derive(Debug)]
pub struct Responder {
    /// Where web servers connect.
    pub listener: Listener,
    /// Those that may, by address, where there are addresses. All may if nobody says which.
    pub web_servers: Option<WebServers>,
    /// The settings, which hold for all requests.
    pub config: Config,
}

impl Responder {
    /// Serves until SIGTERM or SIGINT, then lets requests under way finish for `config.drain`.
    pub fn run(self) -> io::Result<()> {
        let stop = Arc::new(Stop::hear()?);
        let seats = Seats::new(CONNECTIONS)?;
        let config = Arc::new(self.config.clone());
        if self.listener.is_exposed() && self.web_servers.is_none() {
            // What a web server says of its client is believed.
            log::warn!(
                "whoever reaches {} may say who they are: set FCGI_WEB_SERVER_ADDRS",
                self.listener
            );
        }
        log::info!("listening for FastCGI on {}", self.listener);
        while let Some(seat) = next_seat(&seats, &stop)? {
            let [waits, stopped] = ready([self.listener.as_fd(), stop.as_fd()], None)?;
            if stopped {
                break;
            }
            match self.listener.accept() {
                _ if !waits => {}
                Ok(Some((stream, peer))) if self.may_connect(peer) => {
                    let (config, stop) = (Arc::clone(&config), Arc::clone(&stop));
                    let serve = move || serve(stream, &config, &stop, seat);
                    if let Err(error) = thread::Builder::new().spawn(serve) {
                        log::error!("cannot start a thread: {error}");
                        thread::sleep(ACCEPT_PAUSE);
                    }
                }
                Ok(Some((_, peer))) => log::warn!("{peer:?} is not in FCGI_WEB_SERVER_ADDRS"),
                Ok(None) => {}
                // EMFILE, ENFILE, ENOBUFS, ENOMEM, and what networks report late. None is a reason to stop.
                Err(error) => {
                    log::error!("cannot accept: {error}");
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
        // A web server that shares the socket keeps it open; if nobody does, new connections are refused from here on.
        drop(self.listener);
        drain(&seats, config.drain)
    }

    /// Who may connect to a path is the file system's affair.
    fn may_connect(&self, peer: Option<IpAddr>) -> bool {
        match (&self.web_servers, peer) {
            (Some(web_servers), Some(peer)) => web_servers.has(peer),
            (_, None) | (None, _) => true,
        }
    }
}

/// A seat for the next connection, once there is one; `None` when it is time to stop.
fn next_seat(seats: &Seats, stop: &Stop) -> io::Result<Option<Seat>> {
    loop {
        let [_, stopped] = ready([seats.as_fd(), stop.as_fd()], None)?;
        if stopped {
            return Ok(None);
        }
        if let Some(seat) = seats.take() {
            return Ok(Some(seat));
        }
    }
}

/// Speaks with one web server on a connection that it has made, until that is closed or cut: what a responder does with each.
pub fn converse(socket: OwnedFd, config: &Config) -> Result<(), Cut> {
    let stop = Stop::hear().map_err(io::Error::from)?;
    Connection::new(Stream::new(socket)?, config).serve(&stop)
}

fn serve(stream: Stream, config: &Config, stop: &Stop, seat: Seat) {
    match Connection::new(stream, config).serve(stop) {
        Ok(()) => {}
        // Its client has left, most of the time.
        Err(cut) if cut.is_leaving() => log::debug!("a web server closed a connection: {cut}"),
        Err(cut) => log::warn!("a connection was cut: {cut}"),
    }
    drop(seat);
}

/// Waits until all seats are free, as long as it may take.
fn drain(seats: &Seats, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let mut free = Vec::new();
    loop {
        free.extend(std::iter::from_fn(|| seats.take()));
        let left = deadline.saturating_duration_since(Instant::now());
        if free.len() == CONNECTIONS as usize {
            log::info!("stopped");
            return Ok(());
        }
        if left.is_zero() {
            log::warn!("stopped; answers were cut after {} s", patience.as_secs());
            return Ok(());
        }
        ready([seats.as_fd()], Some(left))?;
    }
}
