//! The FastCGI transport. The responder gets a listening socket as descriptor 0, as from lighttpd and spawn-fcgi.
//!
//! The client is written from the FastCGI specification and shares no code with gox-server. It splits streams at arbitrary
//! positions and pads records.

use super::request::Request;
use super::response::Response;
use super::test_store::TestStore;
use super::{TIMEOUT, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const BEGIN_REQUEST: u8 = 1;
pub(crate) const ABORT_REQUEST: u8 = 2;
pub(crate) const END_REQUEST: u8 = 3;
pub(crate) const PARAMS: u8 = 4;
pub(crate) const STDIN: u8 = 5;
pub(crate) const STDOUT: u8 = 6;
pub(crate) const GET_VALUES: u8 = 9;
pub(crate) const GET_VALUES_RESULT: u8 = 10;
pub(crate) const UNKNOWN_TYPE: u8 = 11;

/// A running responder. Dropping it sends SIGTERM and asserts that it exits with status 0.
pub(crate) struct Responder {
    child: Child,
    pub(crate) socket: PathBuf,
    log: File,
}

impl Responder {
    /// Starts a responder with `settings` in addition to those of the store.
    pub(crate) fn start(store: &TestStore, settings: &[(&str, &str)]) -> Responder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = store.dir.join(format!("fastcgi{number}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let mut command = store.command();
        command
            .envs(settings.iter().copied())
            .stdin(Stdio::from(OwnedFd::from(listener)));
        Responder::start_command(command, socket)
    }

    /// Starts a command that listens on this socket.
    pub(crate) fn start_command(mut command: Command, socket: PathBuf) -> Responder {
        let log = tempfile::tempfile_in(super::tmp()).unwrap();
        let child = command
            .stdout(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .spawn()
            .unwrap();
        Responder { child, socket, log }
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Connection(stream)
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        let mut connection = self.connect();
        connection.send(&encode_request(1, false, &request.variables(), &request.body));
        let (status, stdout) = connection.read_response(1);
        assert_eq!(status, 0, "protocolStatus; log: {}", self.log());
        Response::from_cgi(&stdout).unwrap_or_else(|what| {
            panic!(
                "{} {}: {what}; log: {}",
                request.method,
                request.uri(),
                self.log()
            )
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits until it exits.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the responder ends", TIMEOUT, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        let mut bytes = Vec::new();
        let mut log = &self.log;
        log.rewind().unwrap();
        log.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        if std::thread::panicking() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            eprintln!("the responder's log:\n{}", self.log());
        } else {
            self.signal(Signal::SIGTERM);
            let status = self.wait_for_exit();
            assert!(
                status.success(),
                "a responder exits with 0 on SIGTERM, but: {status}; log: {}",
                self.log()
            );
        }
    }
}

/// A received record.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) id: u16,
    pub(crate) content: Vec<u8>,
}

/// A connection. TCP sockets are converted: reads and writes are the same.
pub(crate) struct Connection(pub(crate) UnixStream);

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Connection {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Connection(UnixStream::from(OwnedFd::from(stream)))
    }
}

impl Connection {
    /// Sends these bytes. A responder may close the connection before it has read all of them.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self.0.write_all(bytes) {
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                panic!("cannot send: {error}")
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Reads a record. `None` at the end of the connection.
    pub(crate) fn read_record(&mut self) -> Option<Record> {
        let mut header = [0; 8];
        match self.0.read_exact(&mut header) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return None;
            }
            read => read.unwrap(),
        }
        let [version, kind, id_1, id_0, length_1, length_0, padding, _] = header;
        assert_eq!(version, 1);
        let length = usize::from(u16::from_be_bytes([length_1, length_0]));
        let mut content = vec![0; length + usize::from(padding)];
        self.0.read_exact(&mut content).unwrap();
        content.truncate(length);
        let id = u16::from_be_bytes([id_1, id_0]);
        Some(Record { kind, id, content })
    }

    /// Reads a response up to FCGI_END_REQUEST. Returns protocolStatus and the content of FCGI_STDOUT.
    #[track_caller]
    pub(crate) fn read_response(&mut self, id: u16) -> (u8, Vec<u8>) {
        let (mut stdout, mut ended) = (Vec::new(), false);
        loop {
            let record = self
                .read_record()
                .expect("the connection closed during a response");
            assert_eq!(record.id, id, "{record:?}");
            match record.kind {
                STDOUT => {
                    assert!(!ended, "data after the end of FCGI_STDOUT");
                    ended = record.content.is_empty();
                    stdout.extend(record.content);
                }
                END_REQUEST => {
                    assert_eq!(record.content.len(), 8);
                    assert_eq!(record.content[..4], [0; 4], "appStatus");
                    return (record.content[4], stdout);
                }
                other => panic!("a record of type {other} in a response"),
            }
        }
    }

    /// Asserts that the responder closes the connection without another record.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        assert_eq!(self.read_record(), None);
    }
}

/// Encodes a record. The length of the padding depends on the id.
pub(crate) fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let padding = id.to_be_bytes()[1].wrapping_mul(37);
    let header = [&[1, kind][..], &id.to_be_bytes(), &length, &[padding, 0]].concat();
    [&header[..], content, &vec![b'p'; padding.into()]].concat()
}

pub(crate) fn begin(id: u16, role: u16, keep: bool) -> Vec<u8> {
    let [role_1, role_0] = role.to_be_bytes();
    record(BEGIN_REQUEST, id, &[role_1, role_0, keep.into(), 0, 0, 0, 0, 0])
}

/// Encodes a stream, split into records of a length that depends on the id, with its end record.
pub(crate) fn stream(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let records = content
        .chunks(usize::from(id) * 7)
        .map(|part| record(kind, id, part));
    records.chain([record(kind, id, b"")]).flatten().collect()
}

/// Encodes a name-value pair. Uses the four-byte form of a length in half of the cases where one byte suffices.
pub(crate) fn pair(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |length: usize, long: bool| match u8::try_from(length) {
        Ok(short @ 0..128) if !long => vec![short],
        Ok(_) | Err(_) => (u32::try_from(length).unwrap() | 1 << 31).to_be_bytes().to_vec(),
    };
    [
        &length(name.len(), value.len() % 2 == 1),
        &length(value.len(), name.len() % 2 == 1),
        name,
        value,
    ]
    .concat()
}

pub(crate) fn pairs(variables: &[(String, OsString)]) -> Vec<u8> {
    let pairs = variables
        .iter()
        .map(|(name, value)| pair(name.as_bytes(), value.as_bytes()));
    pairs.flatten().collect()
}

/// Encodes a request in the responder role.
pub(crate) fn encode_request(id: u16, keep: bool, variables: &[(String, OsString)], body: &[u8]) -> Vec<u8> {
    [
        begin(id, 1, keep),
        stream(PARAMS, id, &pairs(variables)),
        stream(STDIN, id, body),
    ]
    .concat()
}
