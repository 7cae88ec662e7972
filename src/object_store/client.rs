//! Requests to an S3-compatible object store: GET, HEAD, PUT and DELETE of one object. All have a timeout; none follows a redirect.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Body, SendBody};

use super::address::Address;
use super::random::random_part_of;
use super::signer::Signer;
use super::store_error::{SendError, StoreError, error_code, status_error, transport_error};
use crate::config::StoreUrl;
use crate::store::key::hex;

/// Timeout to connect, and for a whole request without a program.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How many threads of a process may send requests at the same time: each keeps its connection.
pub const MAX_THREADS: usize = 32;

/// Timeout for each write of a program, and for the response after the last one: the store copies the program to its disks.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Number of attempts of a request if the store answers at once that it is overloaded, or cannot be reached. The pause before a
/// repetition is random, so that machines do not repeat at the same time.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Size of a part of a download.
const COPY_BYTES: usize = 16 << 10;

/// Limit of an object that is read into memory: the go.mod and go.sum of a large program have 1 MB.
const MAX_SMALL_BYTES: u64 = 8 << 20;

/// An object that was read into memory.
pub struct Object {
    /// The content.
    pub body: Vec<u8>,
    /// Time since it was written, by the clock of the store. [`Duration::MAX`] if the store does not say.
    pub age: Duration,
}

/// The result of a request to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Creation {
    /// The object was created.
    Created,
    /// The key has an object, which was not changed.
    Exists,
}

/// Whether a PUT may replace an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// The key must be free (`If-None-Match: *`).
    Refused,
    /// An existing object is replaced.
    Allowed,
}

/// A client for one bucket and prefix.
pub(super) struct Client {
    address: Address,
    signer: Signer,
    agent: ureq::Agent,
}

impl Client {
    /// Makes a client. `variables` are those of the AWS command line. Does not connect.
    pub(super) fn new(store: &StoreUrl, variables: HashMap<String, String>) -> Result<Client, String> {
        let address = Address::find(store, &variables)?;
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(MAX_THREADS)
            .max_idle_connections_per_host(MAX_THREADS)
            .timeout_connect(Some(REQUEST_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .user_agent(concat!("gox-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let signer = Signer::new(&address.region, variables, agent.clone());
        Ok(Client {
            address,
            signer,
            agent,
        })
    }

    /// The URL of the prefix, for messages.
    pub(super) fn url(&self) -> String {
        self.address.url("")
    }

    /// Reads a small object; `None` if there is none.
    pub(super) fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.with_retries(|| {
            let sent = self.send(Request::get(self.address.url(key)), &[]);
            let Some(response) = self.existing(Method::GET, key, sent)? else {
                return Ok(None);
            };
            let age = age(&response);
            let body = response
                .into_body()
                .into_with_config()
                .limit(MAX_SMALL_BYTES)
                .read_to_vec();
            let body = body.map_err(|error| transport_error(Method::GET, key, &error))?;
            Ok(Some(Object { body, age }))
        })
    }

    /// Downloads an object of at most `max_bytes` bytes to a new file, within `timeout`; false if there is none, or if the file cannot
    /// be written, which is logged.
    pub(super) fn download(
        &self,
        key: &str,
        to: &Path,
        max_bytes: u64,
        timeout: Duration,
    ) -> Result<bool, StoreError> {
        self.with_retries(|| {
            let request = self.sign(Request::get(self.address.url(key)), &sha256(&[]), ());
            let sent = request.and_then(|request| {
                let request = self
                    .agent
                    .configure_request(request)
                    .timeout_global(Some(timeout))
                    .build();
                self.agent.run(request).map_err(SendError::Transport)
            });
            let Some(response) = self.existing(Method::GET, key, sent)? else {
                return Ok(false);
            };
            let mut body = response
                .into_body()
                .into_reader()
                .take(max_bytes.saturating_add(1));
            let cannot_write = |error: io::Error| log::warn!("cannot write {}: {error}", to.display());
            let Ok(mut file) = File::create(to).map_err(cannot_write) else {
                return Ok(false);
            };
            let mut part = [0; COPY_BYTES];
            loop {
                let count = body
                    .read(&mut part)
                    .map_err(|error| transport_error(Method::GET, key, &ureq::Error::Io(error)))?;
                match file.write_all(&part[..count]).map_err(cannot_write) {
                    Ok(()) if count == 0 => return Ok(true),
                    Ok(()) => {}
                    Err(()) => return Ok(false),
                }
            }
        })
    }

    /// Returns the size of an object; `None` if there is none.
    pub(super) fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        self.with_retries(|| {
            let sent = self.send(Request::head(self.address.url(key)), &[]);
            let response = self.existing(Method::HEAD, key, sent)?;
            Ok(response.and_then(|response| {
                let length = response.headers().get("Content-Length")?;
                length.to_str().ok()?.parse().ok()
            }))
        })
    }

    /// Writes a small object.
    pub(super) fn put(&self, key: &str, body: &[u8], overwrite: Overwrite) -> Result<Creation, StoreError> {
        self.with_retries(|| {
            let request = Request::put(self.address.url(key));
            let request = match overwrite {
                Overwrite::Refused => request.header("If-None-Match", "*"),
                Overwrite::Allowed => request,
            };
            self.creation(key, self.send(request, body))
        })
    }

    /// Uploads a file with this SHA-256, in place of an existing object. The store rejects other bytes.
    pub(super) fn upload(&self, key: &str, file: &File, size: u64, sha256: &str) -> Result<(), StoreError> {
        self.with_retries(|| {
            let failed = |error: io::Error| transport_error(Method::PUT, key, &ureq::Error::Io(error));
            // `file` may be shared, so it is read at offsets.
            let mut body = FileFromStart { file, offset: 0 };
            let put = Request::put(self.address.url(key)).header("Content-Length", size);
            let request = self.sign(put, sha256, SendBody::from_reader(&mut body));
            let sent = request.and_then(|request| {
                let request = self
                    .agent
                    .configure_request(request)
                    .timeout_global(None)
                    .timeout_per_write(Some(UPLOAD_TIMEOUT))
                    .timeout_recv_response(Some(UPLOAD_TIMEOUT))
                    .build();
                self.agent.run(request).map_err(SendError::Transport)
            });
            match self.creation(key, sent)? {
                Creation::Created => Ok(()),
                Creation::Exists => Err(failed(io::Error::other("the store refuses to replace it"))),
            }
        })
    }

    /// Starts to upload an object and disconnects in the middle. Returns whether the request failed, as it must.
    pub(super) fn upload_half(&self, key: &str, body: &[u8]) -> bool {
        let mut half = body[..body.len() / 2].chain(BrokenReader);
        let put = Request::put(self.address.url(key)).header("Content-Length", body.len());
        let request = self.sign(put, &sha256(body), SendBody::from_reader(&mut half));
        request.is_ok_and(|request| self.agent.run(request).is_err())
    }

    /// Removes an object. Succeeds if there is none.
    pub(super) fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.with_retries(|| {
            let sent = self.send(Request::delete(self.address.url(key)), &[]);
            self.existing(Method::DELETE, key, sent).map(drop)
        })
    }

    fn send(&self, request: ureq::http::request::Builder, body: &[u8]) -> Result<Response<Body>, SendError> {
        let request = self.sign(request, &sha256(body), body)?;
        // Without a body, GET and HEAD must not announce one.
        let sent = match body {
            [] if request.method() != Method::PUT => self.agent.run(request.map(drop)),
            _ => self.agent.run(request),
        };
        sent.map_err(SendError::Transport)
    }

    /// Signs a request with the SHA-256 of its body. The store then rejects a body that was changed or cut.
    fn sign<B>(
        &self,
        request: ureq::http::request::Builder,
        sha256: &str,
        body: B,
    ) -> Result<Request<B>, SendError> {
        let request = request.header("X-Amz-Content-Sha256", sha256).body(());
        let (mut head, ()) = request
            .map_err(|error| SendError::Unsigned(error.to_string()))?
            .into_parts();
        self.signer.sign(&mut head).map_err(SendError::Unsigned)?;
        Ok(Request::from_parts(head, body))
    }

    /// Interprets the response to a request for an object; `None` if the object does not exist.
    fn existing(
        &self,
        method: Method,
        key: &str,
        sent: Result<Response<Body>, SendError>,
    ) -> Result<Option<Response<Body>>, StoreError> {
        let response = sent.map_err(|error| error.of_request(method.clone(), key))?;
        match response.status() {
            status if status.is_success() => Ok(Some(response)),
            StatusCode::NOT_FOUND => match error_code(response) {
                code if matches!(code.as_str(), "" | "NoSuchKey") => Ok(None),
                code => Err(status_error(method, key, StatusCode::NOT_FOUND, &code)),
            },
            status => Err(status_error(method, key, status, &error_code(response))),
        }
    }

    /// Interprets the response to a PUT.
    fn creation(&self, key: &str, sent: Result<Response<Body>, SendError>) -> Result<Creation, StoreError> {
        let response = sent.map_err(|error| error.of_request(Method::PUT, key))?;
        match response.status() {
            status if status.is_success() => Ok(Creation::Created),
            StatusCode::PRECONDITION_FAILED => Ok(Creation::Exists),
            status => Err(status_error(Method::PUT, key, status, &error_code(response))),
        }
    }

    fn with_retries<T>(&self, request: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let started = Instant::now();
        for attempt in 1..ATTEMPTS {
            match request() {
                Err(error) if error.is_transient && started.elapsed() < REQUEST_TIMEOUT / 2 => {
                    log::debug!("object store: {error}; attempt {attempt}");
                    thread::sleep(random_part_of(FIRST_PAUSE * 4_u32.pow(attempt - 1)));
                }
                finished => return finished,
            }
        }
        request()
    }
}

/// The age of an object by the clock of the store.
fn age(response: &Response<Body>) -> Duration {
    let time = |name: &str| httpdate::parse_http_date(response.headers().get(name)?.to_str().ok()?).ok();
    match (time("Date"), time("Last-Modified")) {
        // Clocks of several servers of one store may differ.
        (Some(now), Some(written)) => now.duration_since(written).unwrap_or_default(),
        (_, _) => Duration::MAX,
    }
}

fn sha256(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

/// Reads a file from its start, wherever its offset is.
struct FileFromStart<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for FileFromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A body that ends with an error.
struct BrokenReader;

impl Read for BrokenReader {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the upload ends here"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_full_local_disk_is_no_error_of_the_store() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let variables = [
            (
                "AWS_ENDPOINT_URL",
                format!("http://{}", listener.local_addr().unwrap()),
            ),
            ("AWS_ACCESS_KEY_ID", "id".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let client = Client::new(&"s3://bucket/prefix".parse().unwrap(), variables.into()).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap());
            while request.read_line(&mut String::new()).unwrap() > 2 {}
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .unwrap();
        });
        let fetched = client.download("x", Path::new("/dev/full"), 2, REQUEST_TIMEOUT);
        assert!(matches!(fetched, Ok(false)));
        server.join().unwrap();
    }
}
