//! An S3-compatible object store in memory that records requests and fails on demand. It checks that each body has the SHA-256
//! that was signed. Signatures are checked by the real servers of `make stores`.

use super::{TIMEOUT, sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

pub(crate) const BUCKET: &str = "programs";
pub(crate) const PREFIX: &str = "gox";
pub(crate) const ACCESS_KEY: &str = "AKIDCANARYNAME";
pub(crate) const SECRET_KEY: &str = "canary/secret+word";

/// How the store misbehaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It does not.
    None,
    /// Closes each connection without a response.
    Disconnect,
    /// Accepts requests and never responds.
    Hang,
    /// Responds to each request with this status and `Code`.
    Status(u16, &'static str),
    /// Redirects to another host.
    Redirect,
    /// Changes one bit of each program.
    FlipBit,
    /// Closes the connection in the middle of each program.
    CutBody,
    /// Sends one byte of a program per second.
    Trickle,
    /// Answers 200 to uploads of programs and forgets them.
    LosePut,
    /// Refuses writes for lack of space.
    Full,
    /// Rejects the credentials after this number of requests.
    ExpireAfter(usize),
    /// Replaces existing objects in spite of `If-None-Match`.
    IgnoreCreateOnly,
    /// Answers 501 to `If-None-Match`.
    RefuseCreateOnly,
    /// Answers 503 to `If-None-Match`.
    DelayCreateOnly,
    /// Keeps what arrived of an interrupted upload.
    KeepCutPuts,
}

/// An object, and when it was written.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) body: Vec<u8>,
    modified: SystemTime,
}

/// A running store.
pub(crate) struct ObjectStore {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    fault: Fault,
    objects: BTreeMap<String, Object>,
    /// `METHOD KEY`.
    requests: Vec<String>,
    heads: Vec<String>,
    /// How far the store's clock is ahead of this machine's.
    ahead: Duration,
    over: bool,
}

impl ObjectStore {
    pub(crate) fn start() -> ObjectStore {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new((
            Mutex::new(State {
                fault: Fault::None,
                objects: BTreeMap::new(),
                requests: Vec::new(),
                heads: Vec::new(),
                ahead: Duration::ZERO,
                over: false,
            }),
            Condvar::new(),
        ));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (is_over, fault) = {
                    let state = shared.0.lock().unwrap();
                    (state.over, state.fault)
                };
                if is_over {
                    return;
                }
                let shared = Arc::clone(&shared);
                // EPIPE: a client may end a request early.
                let served = std::thread::spawn(move || serve(stream, &shared).ok());
                // The next request finds what an interrupted upload has left.
                if fault == Fault::KeepCutPuts {
                    served.join().unwrap();
                }
            }
        });
        ObjectStore { address, state }
    }

    /// The settings of a machine that uses this store.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("GOX_STORE", format!("s3://{BUCKET}/{PREFIX}")),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        let mut state = self.lock();
        state.fault = fault;
        state.requests.clear();
        self.state.1.notify_all();
    }

    pub(crate) fn set_clock_ahead(&self, ahead: Duration) {
        self.lock().ahead = ahead;
    }

    /// `METHOD KEY` of each request since the last fault was set.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.lock().heads.clone()
    }

    /// The keys of all objects that start with `prefix`.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let state = self.lock();
        state
            .objects
            .keys()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    pub(crate) fn objects(&self) -> BTreeMap<String, Object> {
        self.lock().objects.clone()
    }

    pub(crate) fn set_objects(&self, objects: &BTreeMap<String, Object>) {
        self.lock().objects = objects.clone();
    }

    /// The content of the only object that starts with `prefix`.
    #[track_caller]
    pub(crate) fn only(&self, prefix: &str) -> Vec<u8> {
        let keys = self.keys(prefix);
        assert_eq!(keys.len(), 1, "{keys:?}");
        self.lock().objects[&keys[0]].body.clone()
    }

    pub(crate) fn put(&self, key: &str, body: &[u8]) {
        let object = Object {
            body: body.to_vec(),
            modified: SystemTime::now(),
        };
        self.lock().objects.insert(key.to_owned(), object);
    }

    /// Makes objects that start with `prefix` older, by the clock of the store.
    pub(crate) fn age(&self, prefix: &str, by: Duration) {
        let mut state = self.lock();
        let objects = state
            .objects
            .iter_mut()
            .filter(|(key, _)| key.starts_with(prefix));
        objects.for_each(|(_, object)| object.modified -= by);
    }

    pub(crate) fn remove(&self, prefix: &str) {
        self.lock().objects.retain(|key, _| !key.starts_with(prefix));
    }

    /// Waits for a request that starts with `start`, such as `PUT result/`.
    #[track_caller]
    pub(crate) fn wait_for_request(&self, start: &str) {
        let since = Instant::now();
        let mut state = self.lock();
        while !state.requests.iter().any(|request| request.starts_with(start)) {
            let left = TIMEOUT.saturating_sub(since.elapsed());
            assert!(!left.is_zero(), "no request {start}…, only {:?}", state.requests);
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.lock().over = true;
        self.state.1.notify_all();
        // Wakes the accepting thread, which then exits.
        TcpStream::connect(self.address).ok();
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: String::new(),
            body: body.into(),
        }
    }

    fn error(status: u16, code: &str) -> Answer {
        Answer::new(
            status,
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>"),
        )
    }
}

fn serve(stream: TcpStream, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let key = path
        .strip_prefix(&format!("/{BUCKET}/{PREFIX}/"))
        .unwrap_or("?")
        .to_owned();
    let length: u64 = header("Content-Length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let (lock, changed) = shared;
    let mut state = lock.lock().unwrap();
    state.requests.push(format!("{method} {key}"));
    state.heads.push(head.clone());
    changed.notify_all();
    if state.fault == Fault::Hang {
        let waits = |state: &mut State| state.fault == Fault::Hang && !state.over;
        drop(changed.wait_while(state, waits).unwrap());
        return Ok(());
    }
    let fault = state.fault;
    drop(state);
    if fault == Fault::Disconnect {
        return Ok(());
    }
    let mut body = Vec::new();
    let received = reader
        .take(length)
        .read_to_end(&mut body)
        .map(|received| received as u64 == length);
    let is_whole = received.unwrap_or(false);
    let mut state = lock.lock().unwrap();
    let authorized = header("Authorization").unwrap_or_default();
    let is_known =
        authorized.starts_with("AWS4-HMAC-SHA256 ") && authorized.contains(&format!("={ACCESS_KEY}/"));
    let answer = match fault {
        Fault::Status(status, code) => Answer::error(status, code),
        Fault::Redirect => Answer {
            headers: "Location: http://elsewhere.invalid/\r\n".to_owned(),
            ..Answer::error(307, "TemporaryRedirect")
        },
        Fault::ExpireAfter(requests) if state.requests.len() > requests => Answer::error(403, "ExpiredToken"),
        Fault::Full if method == "PUT" => Answer::error(507, "InsufficientStorage"),
        _ if !is_known => Answer::error(403, "SignatureDoesNotMatch"),
        _ if !is_whole && fault != Fault::KeepCutPuts => return Ok(()),
        _ if is_whole && header("X-Amz-Content-Sha256") != Some(sha256(&body)) => {
            Answer::error(400, "XAmzContentSHA256Mismatch")
        }
        Fault::RefuseCreateOnly if header("If-None-Match").is_some() => Answer::error(501, "NotImplemented"),
        Fault::DelayCreateOnly if header("If-None-Match").is_some() => Answer::error(503, "SlowDown"),
        Fault::None
        | Fault::Disconnect
        | Fault::Hang
        | Fault::FlipBit
        | Fault::CutBody
        | Fault::Trickle
        | Fault::LosePut
        | Fault::Full
        | Fault::ExpireAfter(_)
        | Fault::IgnoreCreateOnly
        | Fault::RefuseCreateOnly
        | Fault::DelayCreateOnly
        | Fault::KeepCutPuts => {
            let is_create_only = header("If-None-Match").is_some() && fault != Fault::IgnoreCreateOnly;
            state.perform(&method, &key, body, is_create_only)
        }
    };
    let date = httpdate::fmt_http_date(SystemTime::now() + state.ahead);
    drop(state);
    send(stream, &method, &key, fault, &date, answer)
}

impl State {
    fn perform(&mut self, method: &str, key: &str, body: Vec<u8>, is_create_only: bool) -> Answer {
        let existing = self.objects.get(key);
        match (method, existing) {
            ("GET" | "HEAD", Some(object)) => Answer {
                headers: format!(
                    "Last-Modified: {}\r\n",
                    httpdate::fmt_http_date(object.modified + self.ahead)
                ),
                ..Answer::new(200, object.body.clone())
            },
            ("GET" | "HEAD", None) => Answer::error(404, "NoSuchKey"),
            ("PUT", Some(_)) if is_create_only => Answer::error(412, "PreconditionFailed"),
            ("PUT", _) => {
                if !(self.fault == Fault::LosePut && key.starts_with("bytes/")) {
                    let modified = SystemTime::now();
                    self.objects.insert(key.to_owned(), Object { body, modified });
                }
                Answer::new(200, "")
            }
            ("DELETE", _) => {
                self.objects.remove(key);
                Answer::new(204, "")
            }
            _ => Answer::error(405, "MethodNotAllowed"),
        }
    }
}

fn send(
    mut stream: TcpStream,
    method: &str,
    key: &str,
    fault: Fault,
    date: &str,
    mut answer: Answer,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {} X\r\nDate: {date}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.headers,
        answer.body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method == "HEAD" {
        return Ok(());
    }
    let is_program = key.starts_with("bytes/") && answer.status == 200 && method == "GET";
    let half = answer.body.len() / 2;
    if is_program && fault == Fault::FlipBit {
        answer.body[half] ^= 1;
    } else if is_program && fault == Fault::CutBody {
        answer.body.truncate(half);
    } else if is_program && fault == Fault::Trickle {
        for byte in &answer.body {
            stream.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    stream.write_all(&answer.body)
}
