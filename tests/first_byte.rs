//! Answers that have to begin in time, because a router cuts what sends no byte (design section 10).

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::front::Front;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, http, plain, sha256};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Held back, it makes a build stand still that has begun.
const LATE: &str = "/arrives-late/@v/v1.0.0.zip";

/// A store, its front, and a proxy that holds back what a build needs.
fn held(first_byte: &str) -> (Proxy, Scratch) {
    let proxy = Proxy::start(Manner::Hold(LATE));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", first_byte);
    (proxy, store)
}

fn wanted() -> String {
    plain::install(&tester("waits-for-dependency", "v1.0.0").wanted).sha256
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}?os=linux&arch=amd64")
}

/// `curl`, whose body goes to stdout.
fn curl(arguments: &[&str]) -> Child {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// The head of an answer and the first byte of its body, as soon as they are there.
fn beginning(stream: &mut TcpStream) -> Vec<u8> {
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
fn an_answer_begins_before_its_program_is_there() {
    let (proxy, store) = held("1");
    let front = store.front();
    let mut stream = front.connect();
    // What has begun is the program as it is, whatever is liked better.
    let ask = Ask::get("/tester/waits-for-dependency").header("Accept-Encoding", "zstd");
    stream.write_all(&http::request(&ask)).unwrap();
    let mut wire = beginning(&mut stream);
    assert!(wire.starts_with(b"HTTP/1.1 200 "), "{wire:?}");
    // Still nothing to build with.
    proxy.await_ask(LATE);
    proxy.change(Manner::Serve);
    stream.read_to_end(&mut wire).unwrap();
    let answer = Answer::from_http(&wire, false).unwrap();
    assert_eq!(answer.sha256(), wanted(), "{answer}");
    for told_by_the_whole in [
        "content-length",
        "content-encoding",
        "etag",
        "repr-digest",
        "accept-ranges",
        "gox-verify",
    ] {
        assert_eq!(answer.header(told_by_the_whole), None, "{answer}");
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("gox-version"), Some("v1.0.0"));
}

#[test]
fn a_build_that_fails_cuts_the_answer_that_had_begun() {
    let (proxy, store) = held("1");
    let front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&http::request(&Ask::get("/tester/waits-in-vain")))
        .unwrap();
    let mut wire = beginning(&mut stream);
    let mut curl = curl(&["--no-buffer", &url(front.address, "/tester/waits-in-vain")]);
    proxy.await_ask(LATE);
    // The second client has its first byte too.
    let mut first = [0];
    curl.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, *b"\x7f");
    proxy.change(Manner::Serve);
    stream.read_to_end(&mut wire).ok();
    assert!(Answer::from_http(&wire, false).is_err(), "it looks whole");
    let output = curl.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(18),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Who asks again is told why.
    front
        .ask(&Ask::get("/tester/waits-in-vain"))
        .refused("does-not-compile");
}

/// Without chunks an end and a cut look alike, and a CGI program under another server does not know who cuts when.
#[test]
fn who_cannot_tell_a_cut_gets_no_beginning() {
    let (proxy, store) = held("1");
    let front = store.front();
    let path = "/tester/waits-for-dependency";
    for answer in [
        store.ask(&Ask::get(path)),
        old_http(&front, path),
        resuming(&front, path),
    ] {
        answer.refused("still-building");
        assert!(answer.header("retry-after").is_some(), "{answer}");
    }
    let address = url(front.address, path);
    let curl = curl(&["--http1.0", "--retry", "9", &address]);
    proxy.change(Manner::Serve);
    let output = curl.wait_with_output().unwrap();
    assert_eq!(sha256(&output.stdout), wanted(), "{output:?}");
}

/// All that a request waits for has one end: what the lookup took, the build does not get again.
#[test]
fn the_time_to_the_first_byte_is_given_once() {
    const FIRST_BYTE: Duration = Duration::from_secs(8);
    let proxy = Proxy::start(Manner::Hold("/waits-for-dependency/@v/v1.0.0.zip"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", FIRST_BYTE.as_secs().to_string());
    let asked = Instant::now();
    let cgi = store.start(&Ask::get("/tester/waits-for-dependency"));
    proxy.await_ask("/waits-for-dependency/@v/v1.0.0.zip");
    // Time that passes is what this is about.
    std::thread::sleep((FIRST_BYTE * 3 / 4).saturating_sub(asked.elapsed()));
    proxy.change(Manner::Hold(LATE));
    cgi.answer().refused("still-building");
    let took = asked.elapsed();
    assert!(took < FIRST_BYTE * 3 / 2, "{took:?}");
    proxy.change(Manner::Serve);
}

fn old_http(front: &Front, path: &str) -> Answer {
    let ask = format!("GET {path}?os=linux&arch=amd64 HTTP/1.0\r\nHost: x\r\n\r\n");
    let wire = String::from_utf8(front.send(ask.as_bytes())).unwrap();
    // A server may answer HTTP/1.0 with its own version (RFC 9110 section 2.5).
    let wire = wire.replacen("HTTP/1.0", "HTTP/1.1", 1);
    Answer::from_http(wire.as_bytes(), false).unwrap()
}

fn resuming(front: &Front, path: &str) -> Answer {
    front.ask(&Ask::get(path).header("Range", "bytes=5-"))
}

/// Heroku's router: 30 s to the first byte, then 55 s from byte to byte.
const FIRST: Duration = Duration::from_secs(30);
const NEXT: Duration = Duration::from_secs(55);

/// How long the build takes: past both.
const BUILD: Duration = Duration::from_secs(70);

/// Passes one connection on, and cuts it as that router would.
fn router(front: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(front).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        let mut patience = FIRST;
        let mut bytes = vec![0; 1 << 16];
        let ended = loop {
            match read_within(&mut server, &mut bytes, patience) {
                Ok(0) => break "the front closed".to_owned(),
                Ok(read) => {
                    if let Err(error) = client.write_all(&bytes[..read]) {
                        break format!("the client is gone: {error}");
                    }
                }
                Err(error) => break format!("{error}, after a patience of {patience:?}"),
            }
            patience = NEXT;
        };
        // Seen if the test fails.
        println!("the router ends: {ended}");
        client.shutdown(Shutdown::Both).ok();
        server.shutdown(Shutdown::Both).ok();
    });
    address
}

/// Reads what comes within `patience`, counted second by second: a virtual machine may be stopped and go on much later, and
/// then the one who cuts must not wake before the one who writes.
fn read_within(server: &mut TcpStream, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
    server.set_read_timeout(Some(Duration::from_secs(1)))?;
    for _ in 0..patience.as_secs() {
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

/// The one-liner through that router, with the setting that the image has, and a build that takes 70 seconds.
#[test]
fn the_plain_one_liner_passes_a_router_that_cuts() {
    let (proxy, store) = held("25");
    let front = store.front();
    let begun = Instant::now();
    let curl = curl(&[
        "-A",
        "Linux x86_64",
        &format!("http://{}/tester/waits-for-dependency", router(front.address)),
    ]);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(curl.wait_with_output().unwrap()).ok());
    proxy.await_ask(LATE);
    // All that time the router has reasons to cut, and curl would end.
    let early = ended.recv_timeout(BUILD.saturating_sub(begun.elapsed()));
    assert!(early.is_err(), "{early:?}");
    proxy.change(Manner::Serve);
    let output = ended.recv_timeout(PATIENCE).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sha256(&output.stdout), wanted());
}
