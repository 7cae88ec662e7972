//! The fixtures through an HTTP module proxy that records requests, delays them and fails on demand.
//!
//! It can stop a build at a known point, so that tests need not guess how long a build takes.

use super::TIMEOUT;
use super::modproxy::modproxy;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// The most requests for an unknown name: one for each of 20 majors and for five majors of each of two guessed nested modules, and two for the
/// newest version.
pub(crate) const MAX_REQUESTS: usize = 32;

/// How the proxy responds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Behavior {
    /// Serves the fixtures.
    Serve,
    /// Serves the fixtures, but delays paths with this suffix until the behavior changes.
    Hold(&'static str),
    /// Delays every response until the behavior changes.
    Hang,
    /// This status with an HTML page, as from a broken proxy or a captive portal.
    Page(u16),
    /// Serves the fixtures, and this status with an HTML page for paths with this suffix.
    PageFor(&'static str, u16),
}

const PAGE: &[u8] = b"<!doctype html><title>Welcome to the hotel</title>\n";

/// A running module proxy.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    manner: Behavior,
    asked: Vec<String>,
    over: bool,
}

impl Proxy {
    pub(crate) fn start(manner: Behavior) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new((
            Mutex::new(State {
                manner,
                asked: Vec::new(),
                over: false,
            }),
            Condvar::new(),
        ));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.0.lock().unwrap().over {
                    return;
                }
                let shared = Arc::clone(&shared);
                // EPIPE: some tests kill the client while it reads.
                std::thread::spawn(move || serve(stream, &shared).ok());
            }
        });
        Proxy { address, state }
    }

    /// The value of GOX_GOPROXY.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_behavior(&self, manner: Behavior) {
        self.state.0.lock().unwrap().manner = manner;
        self.state.1.notify_all();
    }

    /// The paths of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.0.lock().unwrap().asked.clone()
    }

    /// Waits for a request for a path with this suffix.
    #[track_caller]
    pub(crate) fn wait_for_request(&self, end: &str) {
        let start = Instant::now();
        let mut state = self.state.0.lock().unwrap();
        while !state.asked.iter().any(|path| path.ends_with(end)) {
            let left = TIMEOUT.saturating_sub(start.elapsed());
            assert!(
                !left.is_zero(),
                "no request for …{end}, only for {:?}",
                state.asked
            );
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.0.lock().unwrap().over = true;
        self.set_behavior(Behavior::Page(503));
        // Wakes the accepting thread, which then exits.
        TcpStream::connect(self.address).ok();
    }
}

fn serve(mut stream: TcpStream, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let (lock, changed) = shared;
    let mut state = lock.lock().unwrap();
    state.asked.push(path.clone());
    changed.notify_all();
    let waits = |state: &mut State| match state.manner {
        Behavior::Hang => true,
        Behavior::Hold(end) => path.ends_with(end),
        Behavior::Serve | Behavior::Page(_) | Behavior::PageFor(..) => false,
    };
    state = changed.wait_while(state, waits).unwrap();
    let manner = state.manner;
    drop(state);
    let file = modproxy().root.join(path.trim_start_matches('/'));
    let (status, body) = match manner {
        Behavior::Page(status) => (status, PAGE.to_vec()),
        Behavior::PageFor(end, status) if path.ends_with(end) => (status, PAGE.to_vec()),
        Behavior::Serve | Behavior::Hold(_) | Behavior::Hang | Behavior::PageFor(..) => match fs::read(&file)
        {
            Ok(body) => (200, body),
            // A fixture may set the text of a 404.
            Err(_) => {
                let words = fs::read(file.with_added_extension("absent"));
                (404, words.unwrap_or(b"not found: no such module\n".to_vec()))
            }
        },
    };
    // Go prints the body of an error only if it is plain text.
    let words = match status {
        404 if body != PAGE => "Content-Type: text/plain; charset=utf-8\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\n{words}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat())
}
