//! The front: the HTTP server of gox-server.
//!
//! The front listens on port 0 and logs the port that the kernel chose.

use super::request::Request;
use super::response::Response;
use super::test_store::TestStore;
use super::{TIMEOUT, eventually, gox_server, http, processes};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};

/// A running front. Dropping it sends SIGTERM and asserts that it exits with status 0.
pub(crate) struct Front {
    /// The process that the test started: the front, or `unshare`.
    pub(crate) child: Child,
    /// The process that gets signals: the front, or process 1 of its container.
    pub(crate) pid: i32,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Front {
    pub(crate) fn start(store: &TestStore) -> Front {
        Front::start_binary(gox_server(), store)
    }

    /// Starts this copy of gox-server.
    pub(crate) fn start_binary(binary: &Path, store: &TestStore) -> Front {
        let mut front = Front::start_command(Command::new(binary), store, "127.0.0.1:0");
        front.pid = i32::try_from(front.child.id()).unwrap();
        front
    }

    /// Starts a front as process 1 of a PID namespace, as in a container.
    pub(crate) fn start_contained(store: &TestStore) -> Front {
        let mut front = Front::start_command(processes::contained(), store, "127.0.0.1:0");
        let outside = i32::try_from(front.child.id()).unwrap();
        let [first] = processes::children(outside)[..] else {
            panic!("unshare does not have exactly one child")
        };
        front.pid = first;
        front
    }

    /// Stops it, and starts another at the same address.
    pub(crate) fn restart(self, store: &TestStore) -> Front {
        let address = self.address.to_string();
        drop(self);
        let mut front = Front::start_command(Command::new(gox_server()), store, &address);
        front.pid = i32::try_from(front.child.id()).unwrap();
        front
    }

    fn start_command(mut command: Command, store: &TestStore, address: &str) -> Front {
        command
            .env_clear()
            .envs(store.settings())
            .env("GOX_LISTEN", address);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = mpsc::channel();
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    // The receiver is gone after the first line.
                    sender
                        .send(address.trim().trim_end_matches('/').parse().unwrap())
                        .ok();
                }
                lines.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        match receiver.recv_timeout(TIMEOUT) {
            Ok(address) => Front {
                child,
                pid: 0,
                address,
                log,
            },
            Err(_) => {
                child.kill().unwrap();
                panic!("the front did not log its address; log: {}", log.lock().unwrap());
            }
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        http::ask(self.address, request).unwrap_or_else(|what| {
            panic!(
                "{} {}: {what}; log: {}",
                request.method,
                request.uri(),
                self.log()
            )
        })
    }

    /// Sends these bytes and reads until the front closes the connection.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<u8> {
        http::exchange(self.address, bytes)
            .unwrap_or_else(|error| panic!("no response: {error}; log: {}", self.log()))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        http::connect(self.address)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).unwrap();
    }

    /// Kills and reaps it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it exits.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the front ends", TIMEOUT, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        self.signal(Signal::SIGTERM);
        if std::thread::panicking() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            eprintln!("the front's log:\n{}", self.log());
        } else {
            let status = self.wait_for_exit();
            assert!(
                status.success(),
                "a front exits with 0 on SIGTERM, but: {status}; log: {}",
                self.log()
            );
        }
    }
}
