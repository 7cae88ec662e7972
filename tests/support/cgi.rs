//! The CGI transport: request in the environment, response on stdout, no web server.

use super::request::Request;
use super::response::Response;
use super::test_store::TestStore;
use super::{TIMEOUT, gox_server};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A running CGI program.
pub(crate) struct Cgi {
    pub(crate) child: Child,
    /// A file and not a pipe, because a builder may keep stderr open after its request ends.
    log: File,
    asked: String,
}

impl Cgi {
    /// Starts gox-server as a web server would, with only the request and the settings in its environment.
    pub(crate) fn start(store: &TestStore, request: &Request) -> Cgi {
        let mut command = Command::new(gox_server());
        command
            .env_clear()
            .envs(store.settings())
            .envs(request.variables());
        Cgi::start_command(command, request)
    }

    /// Starts a command with the request already in its environment.
    pub(crate) fn start_command(mut command: Command, request: &Request) -> Cgi {
        let log = tempfile::tempfile_in(super::tmp()).unwrap();
        command.stdout(Stdio::piped()).stderr(log.try_clone().unwrap());
        command.stdin(if request.body.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            let body = request.body.clone();
            // On a thread of its own: the program may fill its stdout, or exit, before it has read the body.
            std::thread::spawn(move || stdin.write_all(&body).ok());
        }
        Cgi {
            child,
            log,
            asked: format!("{} {}", request.method, request.uri()),
        }
    }

    /// Waits for the end of stdout and the exit. Asserts exit status 0 after a complete response.
    #[track_caller]
    pub(crate) fn response(self) -> Response {
        self.response_within(TIMEOUT)
    }

    /// Like `response`, with another timeout.
    #[track_caller]
    pub(crate) fn response_within(mut self, timeout: Duration) -> Response {
        let (sender, receiver) = mpsc::channel();
        let mut stdout = self.child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut printed = Vec::new();
            let read = stdout.read_to_end(&mut printed).map(|_| printed);
            // The receiver is gone if the timeout has passed; the test has failed then.
            sender.send(read).ok();
        });
        let Ok(printed) = receiver.recv_timeout(timeout) else {
            self.child.kill().unwrap();
            panic!(
                "{}: no complete response within {timeout:?}; log: {}",
                self.asked,
                self.log()
            );
        };
        let exit = self.child.wait().unwrap();
        let log = self.log();
        match Response::from_cgi(&printed.unwrap()) {
            Ok(response) if exit.success() => Response { log, ..response },
            Ok(response) => panic!("{}: {exit} after a response: {response}{log}", self.asked),
            Err(what) => panic!("{}: invalid CGI response: {what}; {exit}; log: {log}", self.asked),
        }
    }

    fn log(&self) -> String {
        let mut bytes = Vec::new();
        let mut log = &self.log;
        log.rewind().unwrap();
        log.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
