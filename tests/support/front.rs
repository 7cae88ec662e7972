//! The second door: the front that gox-server brings, over a socket.
//!
//! The front chooses its port itself and says it, so there is no port to fight for.

use super::answer::Answer;
use super::ask::Ask;
use super::scratch::Scratch;
use super::{PATIENCE, eventually, gox_server, http, processes};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};

/// A running front. Dropping it ends it as a service manager would, and fails the test if it does not go.
pub(crate) struct Front {
    /// What the test started: the front, or what holds its container.
    pub(crate) child: Child,
    /// Whom a service manager signals: the front, or its container's first process.
    pub(crate) pid: i32,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Front {
    pub(crate) fn start(store: &Scratch) -> Front {
        Front::start_binary(gox_server(), store)
    }

    /// The same of a gox-server that lies elsewhere.
    pub(crate) fn start_binary(binary: &Path, store: &Scratch) -> Front {
        let mut front = Front::start_command(Command::new(binary), store);
        front.pid = i32::try_from(front.child.id()).unwrap();
        front
    }

    /// The same as the first process of a PID namespace, which is what a container is to it.
    pub(crate) fn start_contained(store: &Scratch) -> Front {
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
            .arg(gox_server());
        let mut front = Front::start_command(command, store);
        let outside = i32::try_from(front.child.id()).unwrap();
        let [first] = processes::children(outside)[..] else {
            panic!("unshare has one child")
        };
        front.pid = first;
        front
    }

    fn start_command(mut command: Command, store: &Scratch) -> Front {
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
            Ok(address) => Front {
                child,
                pid: 0,
                address,
                log,
            },
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
        kill(Pid::from_raw(self.pid), signal).unwrap();
    }

    /// Kills it, if that has not happened yet, and buries it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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
