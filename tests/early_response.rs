//! Responses that start before the build ends, because routers close connections without a first byte in time.

use crate::support::case::tester;
use crate::support::front::Front;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, http, plain_go, sha256};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A build waits while the proxy delays this file.
const LATE: &str = "/arrives-late/@v/v1.0.0.zip";

/// A store, and a proxy that delays `LATE`.
fn store_with_delay(first_byte: &str) -> (Proxy, TestStore) {
    let proxy = Proxy::start(Behavior::Hold(LATE));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", first_byte);
    (proxy, store)
}

fn expected_sha256() -> String {
    plain_go::install(&tester("waits-for-dependency", "v1.0.0").wanted).sha256
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}?os=linux&arch=amd64")
}

/// Starts `curl` with the body on stdout.
fn curl(arguments: &[&str]) -> Child {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads the head of a response and the first byte of its body.
fn read_first_byte(stream: &mut TcpStream) -> Vec<u8> {
    let mut wire = Vec::new();
    while !wire.ends_with(b"\r\n\r\n") || wire.is_empty() {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        wire.push(byte[0]);
    }
    let mut chunk = [0; 6];
    stream.read_exact(&mut chunk).unwrap();
    assert_eq!(chunk, *b"1\r\n\x7f\r\n", "one byte of an ELF file");
    wire.extend(chunk);
    wire
}

#[test]
fn response_starts_before_the_build_ends() {
    let (proxy, store) = store_with_delay("1");
    let front = store.front();
    let mut stream = front.connect();
    // An early response is never compressed.
    let request = Request::get("/tester/waits-for-dependency").header("Accept-Encoding", "zstd");
    stream.write_all(&http::encode_request(&request)).unwrap();
    let mut wire = read_first_byte(&mut stream);
    assert!(wire.starts_with(b"HTTP/1.1 200 "), "{wire:?}");
    // The build still waits.
    proxy.wait_for_request(LATE);
    proxy.set_behavior(Behavior::Serve);
    stream.read_to_end(&mut wire).unwrap();
    let response = Response::from_http(&wire, false).unwrap();
    assert_eq!(response.sha256(), expected_sha256(), "{response}");
    for header_of_complete_response in [
        "content-length",
        "content-encoding",
        "etag",
        "repr-digest",
        "accept-ranges",
        "gox-verify",
    ] {
        assert_eq!(response.header(header_of_complete_response), None, "{response}");
    }
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("gox-version"), Some("v1.0.0"));
}

#[test]
fn failed_build_truncates_the_early_response() {
    let (proxy, store) = store_with_delay("1");
    let front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&http::encode_request(&Request::get("/tester/waits-in-vain")))
        .unwrap();
    let mut wire = read_first_byte(&mut stream);
    let mut curl = curl(&["--no-buffer", &url(front.address, "/tester/waits-in-vain")]);
    proxy.wait_for_request(LATE);
    // The second client has its first byte too.
    let mut first = [0];
    curl.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, *b"\x7f");
    proxy.set_behavior(Behavior::Serve);
    stream.read_to_end(&mut wire).ok();
    assert!(
        Response::from_http(&wire, false).is_err(),
        "a truncated response looks complete"
    );
    let output = curl.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(18),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The next request gets the failure.
    front
        .ask(&Request::get("/tester/waits-in-vain"))
        .refused("does-not-compile");
}

/// Without chunked coding (HTTP/1.0, ranges) truncation is undetectable, and a CGI program does not know whether its web server
/// signals it.
#[test]
fn client_that_cannot_detect_truncation_gets_no_early_response() {
    let (proxy, store) = store_with_delay("1");
    let front = store.front();
    let path = "/tester/waits-for-dependency";
    for response in [
        store.ask(&Request::get(path)),
        request_http_1_0(&front, path),
        request_range(&front, path),
    ] {
        response.refused("still-building");
        assert!(response.header("retry-after").is_some(), "{response}");
    }
    let address = url(front.address, path);
    let curl = curl(&["--http1.0", "--retry", "9", &address]);
    proxy.set_behavior(Behavior::Serve);
    let output = curl.wait_with_output().unwrap();
    assert_eq!(sha256(&output.stdout), expected_sha256(), "{output:?}");
}

/// The time that the lookup takes is not available to the build.
#[test]
fn lookup_and_build_share_one_first_byte_deadline() {
    const FIRST_BYTE: Duration = Duration::from_secs(10);
    let proxy = Proxy::start(Behavior::Hold("/waits-for-dependency/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", FIRST_BYTE.as_secs().to_string());
    let asked = Instant::now();
    let cgi = store.start(&Request::get("/tester/waits-for-dependency"));
    proxy.wait_for_request("/waits-for-dependency/@v/v1.0.0.zip");
    // The test needs time to pass. The other half is for the end of the lookup.
    std::thread::sleep((FIRST_BYTE / 2).saturating_sub(asked.elapsed()));
    let released = Instant::now();
    proxy.set_behavior(Behavior::Hold(LATE));
    cgi.response().refused("still-building");
    let took = released.elapsed();
    assert!(took < FIRST_BYTE, "{took:?}");
    proxy.set_behavior(Behavior::Serve);
}

fn request_http_1_0(front: &Front, path: &str) -> Response {
    let request = format!("GET {path}?os=linux&arch=amd64 HTTP/1.0\r\nHost: x\r\n\r\n");
    let wire = String::from_utf8(front.send(request.as_bytes())).unwrap();
    // A server may respond to HTTP/1.0 with its own version (RFC 9110 section 2.5).
    let wire = wire.replacen("HTTP/1.0", "HTTP/1.1", 1);
    Response::from_http(wire.as_bytes(), false).unwrap()
}

fn request_range(front: &Front, path: &str) -> Response {
    front.ask(&Request::get(path).header("Range", "bytes=5-"))
}

/// Timeouts of Heroku's router: 30 s to the first byte, then 55 s between bytes.
const FIRST: Duration = Duration::from_secs(30);
const NEXT: Duration = Duration::from_secs(55);

/// Duration of the build: longer than both timeouts.
const BUILD: Duration = Duration::from_secs(70);

/// Forwards one connection with the timeouts of that router.
fn start_router(front: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(front).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        let mut timeout = FIRST;
        let mut bytes = vec![0; 1 << 16];
        let ended = loop {
            match read_within(&mut server, &mut bytes, timeout) {
                Ok(0) => break "the front closed".to_owned(),
                Ok(read) => {
                    if let Err(error) = client.write_all(&bytes[..read]) {
                        break format!("the client disconnected: {error}");
                    }
                }
                Err(error) => break format!("{error}, with a timeout of {timeout:?}"),
            }
            timeout = NEXT;
        };
        // For a failing test.
        println!("the router ends: {ended}");
        client.shutdown(Shutdown::Both).ok();
        server.shutdown(Shutdown::Both).ok();
    });
    address
}

/// Reads within `timeout`, in steps of one second: if a virtual machine is paused and resumed, the front can write before a
/// single long timeout expires.
fn read_within(server: &mut TcpStream, bytes: &mut [u8], timeout: Duration) -> io::Result<usize> {
    server.set_read_timeout(Some(Duration::from_secs(1)))?;
    for _ in 0..timeout.as_secs() {
        match server.read(bytes) {
            // A read with a timeout is interrupted by a stop, without any handler (signal(7)).
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            done => return done,
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// curl through that router, with the GOX_FIRST_BYTE_SECONDS of the image and a build of 70 seconds.
#[test]
fn curl_command_survives_a_router_timeout() {
    let (proxy, store) = store_with_delay("25");
    let front = store.front();
    let begun = Instant::now();
    let curl = curl(&[
        "-A",
        "Linux x86_64",
        &format!(
            "http://{}/tester/waits-for-dependency",
            start_router(front.address)
        ),
    ]);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(curl.wait_with_output().unwrap()).ok());
    proxy.wait_for_request(LATE);
    // If the router closes the connection, curl exits.
    let early = ended.recv_timeout(BUILD.saturating_sub(begun.elapsed()));
    assert!(early.is_err(), "{early:?}");
    proxy.set_behavior(Behavior::Serve);
    let output = ended.recv_timeout(TIMEOUT).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sha256(&output.stdout), expected_sha256());
}
