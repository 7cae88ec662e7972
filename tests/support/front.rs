//! The second door: the front that gox-server brings, over a socket.
//!
//! The front chooses its port itself and says it, so there is no port to fight for.

use super::answer::Answer;
use super::ask::Ask;
use super::scratch::Scratch;
use super::{PATIENCE, eventually, gox_server, http};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};

/// A running front. Dropping it ends it as a service manager would, and fails the test if it does not go.
pub(crate) struct Front {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Front {
    pub(crate) fn start(store: &Scratch) -> Front {
        let mut command = Command::new(gox_server());
        command
            .env_clear()
            .envs(store.settings())
            .env("GOX_LISTEN", "127.0.0.1:0");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = mpsc::channel();
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    // Only the first such line has a listener.
                    sender
                        .send(address.trim().trim_end_matches('/').parse().unwrap())
                        .ok();
                }
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        match receiver.recv_timeout(PATIENCE) {
            Ok(address) => Front { child, address, log },
            Err(_) => {
                child.kill().unwrap();
                panic!(
                    "the front never said where it listens; log: {}",
                    log.lock().unwrap()
                );
            }
        }
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Answer {
        http::ask(self.address, ask)
            .unwrap_or_else(|what| panic!("{} {}: {what}; log: {}", ask.method, ask.uri(), self.log()))
    }

    /// Sends these bytes, and returns all that comes until the front closes.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<u8> {
        http::exchange(self.address, bytes)
            .unwrap_or_else(|error| panic!("nothing but {error}; log: {}", self.log()))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        http::connect(self.address)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the front ends", PATIENCE, || {
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
            let status = self.ended();
            assert!(
                status.success(),
                "SIGTERM ends a front well, and this one said {status}; log: {}",
                self.log()
            );
        }
    }
}
