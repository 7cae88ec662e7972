//! Raw HTTP connections to the front.

use crate::support::attacks::copy;
use crate::support::case::tester;
use crate::support::front::Front;
use crate::support::http::encode_request;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, gox_server, plain_go, processes, tmp};
use std::fs;
use std::io::{Read, Write};

use nix::sys::signal::Signal;

fn first_line(wire: &[u8]) -> String {
    String::from_utf8_lossy(wire)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// An update removes or replaces the executable file of a running front.
#[test]
fn replaced_binary_does_not_stop_the_service() {
    let store = TestStore::new();
    let dir = tempfile::tempdir_in(tmp()).unwrap();
    let own = dir.path().join("gox-server");
    copy(gox_server(), &own);
    let front = Front::start_binary(&own, &store);
    fs::remove_file(&own).unwrap();
    front.ask(&Request::get("/tester/hello@v1.0.0")).program();
    fs::copy("/bin/false", &own).unwrap();
    front.ask(&Request::get("/tester/hello@v1.1.0")).program();
}

/// A client behind a proxy disconnects before the response.
#[test]
fn disconnected_client_is_logged_and_build_continues() {
    let store = TestStore::new().set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let front = store.front();
    let mut client = front.connect();
    let request = Request::get("/tester/busy").header("X-Forwarded-For", "192.0.2.1");
    client.write_all(&encode_request(&request)).unwrap();
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    drop(client);
    eventually("the disconnect is logged", TIMEOUT, || {
        let log = front.log();
        log.contains(
            "GET \"/tester/busy\" for 192.0.2.1: the client disconnected, or the drain ended, before the response",
        )
    });
    drop(compiler);
    eventually("the artifact is published", TIMEOUT, || {
        !store.artifacts().is_empty()
    });
    // Complete: a request is a hit.
    assert_eq!(
        front.ask(&Request::get("/tester/busy")).sha256(),
        plain_go::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

/// The front answers the second of two equal requests without a process. It counts and logs it as a process does, also if it stops.
#[test]
fn stored_head_is_counted_and_logged() {
    let store = TestStore::new().set("GOX_URL", "https://www.example.org/go");
    let request = Request::get("/tester/hello%40v1.0.0");
    let etag = store.ask(&request).header("ETag").unwrap().to_owned();
    let mut front = store.front();
    for (request, status) in [
        (request.clone(), 200),
        (request.clone().header("If-None-Match", &etag), 304),
    ] {
        let [first, second] = [(); 2].map(|()| front.ask(&request));
        let age = |response: &Response| response.header("Age").map(|age| age.parse::<u64>().is_ok());
        assert_eq!((age(&first), age(&second)), (None, Some(true)));
        assert_eq!([first.status, second.status], [status; 2]);
        assert_eq!(
            (first.header("ETag"), second.header("ETag")),
            (Some(&*etag), Some(&*etag))
        );
        assert_eq!(first.body, second.body);
        eventually("both are logged", TIMEOUT, || {
            let log = front.log();
            let known = format!(
                " info request method=GET path=/go/tester/hello@v1.0.0 status={status} reason=- seconds="
            );
            let lines = log.lines().filter(|line| line.contains(&known));
            lines.filter(|line| line.ends_with(" client=127.0.0.1")).count() == 2
        });
    }
    for _ in 0..50 {
        assert_eq!(front.ask(&request).status, 200);
    }
    front.signal(Signal::SIGTERM);
    assert!(front.wait_for_exit().success());
    assert_eq!(front.log().matches(" status=200 ").count(), 52);
    let metrics = store.ask(&Request::get("/-/metrics")).text();
    assert!(metrics.contains("\ngox_hits_total 54\n"), "{metrics}");
}

#[test]
fn connection_serves_many_requests() {
    let store = TestStore::new();
    let front = store.front();
    let request = Request::get("/robots.txt");
    let wanted = front.ask(&request).body;
    let mut stream = front.connect();
    let keeping = String::from_utf8(encode_request(&request))
        .unwrap()
        .replace("Connection: close\r\n", "");
    for _ in 0..3 {
        stream.write_all(keeping.as_bytes()).unwrap();
        let mut wire = Vec::new();
        let mut byte = [0];
        while !wire.ends_with(&wanted) {
            stream.read_exact(&mut byte).unwrap();
            wire.push(byte[0]);
            if wire.ends_with(b"0\r\n\r\n") {
                break;
            }
        }
        assert_eq!(first_line(&wire), "HTTP/1.1 200 OK");
    }
}

#[test]
fn invalid_http_gets_400() {
    let store = TestStore::empty();
    let front = store.front();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /o/r HTTP/9.9\r\n\r\n",
        b"GET /o/r\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /o/r HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /o/r HTTP/1.1\r\nA: 1\r\n B: folded\r\nHost: x\r\n\r\n\r\n",
    ] {
        let wire = front.send(garbage);
        let line = first_line(&wire);
        assert!(
            wire.is_empty() || line.starts_with("HTTP/1.1 400") || line.starts_with("HTTP/1.1 505"),
            "{garbage:?}: {line}"
        );
    }
}

#[test]
fn oversized_head_is_rejected() {
    let store = TestStore::empty();
    let front = store.front();
    let wire =
        front.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes());
    let line = first_line(&wire);
    assert!(
        wire.is_empty() || line.starts_with("HTTP/1.1 431") || line.starts_with("HTTP/1.1 400"),
        "{line}"
    );
}

/// RFC 9112 section 3.2.2: a server must accept the absolute form.
#[test]
fn absolute_form_is_accepted() {
    let store = TestStore::empty();
    let front = store.front();
    let wire = front
        .send(b"GET http://127.0.0.1/robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    let response = Response::from_http(&wire, false).unwrap();
    assert_eq!(response.status, 200, "{response}");
}

/// `User_Agent` and `User-Agent` would become the same CGI variable; lighttpd refuses such headers too.
#[test]
fn header_with_underscore_does_not_replace_hyphenated_header() {
    let store = TestStore::empty();
    let front = store.front();
    let wire = front.send(
        b"GET /tester/hello HTTP/1.1\r\nHost: x\r\nUser_Agent: Linux x86_64\r\nConnection: close\r\n\r\n",
    );
    let response = Response::from_http(&wire, false).unwrap();
    response.refused("platform-untold");
}

#[test]
fn conflicting_content_lengths_are_rejected() {
    let store = TestStore::empty();
    let front = store.front();
    let wire = front.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
    );
    let line = first_line(&wire);
    assert!(wire.is_empty() || line.starts_with("HTTP/1.1 400"), "{line}");
}

#[test]
fn idle_connections_do_not_block_others() {
    let store = TestStore::empty();
    let front = store.front();
    let idle: Vec<_> = (0..200).map(|_| front.connect()).collect();
    assert_eq!(front.ask(&Request::get("/robots.txt")).status, 200);
    drop(idle);
}

/// More requests than the front serves at once wait for a build; a health check does not wait for them.
#[test]
fn health_check_is_answered_beside_256_requests() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let front = store.front();
    let request = Request::get("/tester/waits-for-dependency");
    // Resolve it first.
    assert_eq!(front.ask(&request.clone().method("HEAD")).status, 200);
    let waits: Vec<_> = (0..300)
        .map(|_| {
            let mut client = front.connect();
            client.write_all(&encode_request(&request)).unwrap();
            client
        })
        .collect();
    let pid = i32::try_from(front.child.id()).unwrap();
    eventually("256 requests run", TIMEOUT, || {
        processes::children(pid).len() >= 256
    });
    assert_eq!(front.ask(&Request::get("/-/health")).status, 200);
    drop(waits);
    proxy.set_behavior(Behavior::Serve);
}

/// A connection beyond the limit of its address gets 429, except for a health check. No program logs it.
#[test]
fn connections_per_address_are_bounded() {
    let store = TestStore::empty().unset("GOX_CONNECTIONS_PER_ADDRESS");
    let front = store.front();
    let idle: Vec<_> = (0..64).map(|_| front.connect()).collect();
    let response = front.ask(&Request::get("/robots.txt"));
    assert_eq!(
        (response.status, response.header("retry-after")),
        (429, Some("1")),
        "{response}"
    );
    eventually("the rejection is logged", TIMEOUT, || {
        front.log().contains(
            " info request method=GET path=/robots.txt status=429 reason=- seconds=0.000 client=127.0.0.1\n",
        )
    });
    assert_eq!(front.ask(&Request::get("/-/health")).status, 200);
    drop(idle);
    eventually("the connections are released", TIMEOUT, || {
        front.ask(&Request::get("/robots.txt")).status == 200
    });
}

/// RFC 9110 section 2.5, RFC 9112 section 3.2.
#[test]
fn http_versions_and_hosts_follow_http_1_1() {
    let store = TestStore::empty();
    let front = store.front();
    for (version, hosts, status) in [
        ("HTTP/1.1", "Host: example.org\r\n", "200"),
        ("HTTP/1.2", "Host: example.org\r\n", "200"),
        ("HTTP/1.9", "Host: example.org:80\r\n", "200"),
        ("HTTP/1.0", "", "200"),
        ("HTTP/1.1", "Host:\r\n", "200"),
        ("HTTP/2.0", "Host: example.org\r\n", "505"),
        ("HTTP/3.0", "", "505"),
        ("HTTP/0.9", "", "505"),
        ("HTTP/1.1", "Host: a b<c>\r\n", "400"),
        ("HTTP/1.1", "Host: a/b\r\n", "400"),
        ("HTTP/1.0", "Host: a b\r\n", "400"),
        ("HTTP/1.1", "Host: user@example.org\r\n", "400"),
        ("HTTP/1.1", "Host: example.org:http\r\n", "400"),
        ("HTTP/1.1", "", "400"),
        ("HTTP/1.2", "", "400"),
        ("HTTP/1.1", "Host: a\r\nHost: a\r\n", "400"),
        ("HTTP/1.0", "Host: a\r\nHost: b\r\n", "400"),
    ] {
        let wire = front.send(format!("GET / {version}\r\n{hosts}Connection: close\r\n\r\n").as_bytes());
        let line = first_line(&wire);
        assert_eq!(
            line.split(' ').nth(1),
            Some(status),
            "{version} {hosts:?}: {line}"
        );
    }
}

/// The scheme that a client sends is used only in responses to it.
#[test]
fn install_script_uses_the_scheme_of_the_client() {
    let store = TestStore::new();
    let front = store.front();
    for (name, value, scheme) in [
        ("X-Forwarded-Proto", "http", "http"),
        ("X-Forwarded-Proto", "https", "https"),
        ("X-Forwarded-Proto", "https, http", "https"),
        ("X-Forwarded-Proto", "https,https", "https"),
        ("X-Forwarded-Proto", "https\r\nX-Forwarded-Proto: https", "https"),
        ("X-Forwarded-Proto", "HTTPS", "https"),
        ("Forwarded", "for=192.0.2.1;proto=https", "https"),
    ] {
        let request = Request::get("/-/install/tester/hello@v1.0.0").header(name, value);
        let script = front.ask(&request).text();
        let server = format!("server='{scheme}://127.0.0.1");
        assert!(script.contains(&server), "{name}: {value}: {script}");
    }
}
