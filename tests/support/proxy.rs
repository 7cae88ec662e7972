//! The fixtures again, by HTTP: for what a file tree cannot do. It counts who asks, makes them wait, and misbehaves on order.
//!
//! It makes a build stand still at a known point, so that no test has to guess how long one takes.

use super::PATIENCE;
use super::modproxy::modproxy;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// How the proxy treats who asks.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// Serves the fixtures.
    Serve,
    /// Serves the fixtures, except that what ends so waits until the manner changes.
    Hold(&'static str),
    /// Says nothing to anybody, until the manner changes.
    Hang,
    /// A status with a page, as a proxy in trouble or a captive portal gives it.
    Page(u16),
    /// Serves the fixtures, except for what ends so.
    PageFor(&'static str, u16),
}

const PAGE: &[u8] = b"<!doctype html><title>Welcome to the hotel</title>\n";

/// A running module proxy.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    manner: Manner,
    asked: Vec<String>,
    over: bool,
}

impl Proxy {
    pub(crate) fn start(manner: Manner) -> Proxy {
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
                // A client that is killed while it reads breaks the pipe, which is what some tests are about.
                std::thread::spawn(move || serve(stream, &shared).ok());
            }
        });
        Proxy { address, state }
    }

    /// What GOX_GOPROXY is set to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn change(&self, manner: Manner) {
        self.state.0.lock().unwrap().manner = manner;
        self.state.1.notify_all();
    }

    /// The paths that were asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.0.lock().unwrap().asked.clone()
    }

    /// Waits until somebody has asked for a path that ends so.
    #[track_caller]
    pub(crate) fn await_ask(&self, end: &str) {
        let start = Instant::now();
        let mut state = self.state.0.lock().unwrap();
        while !state.asked.iter().any(|path| path.ends_with(end)) {
            let left = PATIENCE.saturating_sub(start.elapsed());
            assert!(
                !left.is_zero(),
                "nobody asked for …{end}, only for {:?}",
                state.asked
            );
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.0.lock().unwrap().over = true;
        self.change(Manner::Page(503));
        // Wakes the thread that accepts, which then sees that it is over.
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
        Manner::Hang => true,
        Manner::Hold(end) => path.ends_with(end),
        Manner::Serve | Manner::Page(_) | Manner::PageFor(..) => false,
    };
    state = changed.wait_while(state, waits).unwrap();
    let manner = state.manner;
    drop(state);
    let file = modproxy().root.join(path.trim_start_matches('/'));
    let (status, body) = match manner {
        Manner::Page(status) => (status, PAGE.to_vec()),
        Manner::PageFor(end, status) if path.ends_with(end) => (status, PAGE.to_vec()),
        Manner::Serve | Manner::Hold(_) | Manner::Hang | Manner::PageFor(..) => match fs::read(&file) {
            Ok(body) => (200, body),
            // A fixture may say what is said of what is not there.
            Err(_) => {
                let words = fs::read(file.with_added_extension("absent"));
                (404, words.unwrap_or(b"not found: no such module\n".to_vec()))
            }
        },
    };
    // Go repeats what is said in plain text, and no page.
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
