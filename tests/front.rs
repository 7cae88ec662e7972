//! What only a socket can do to the front.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::attacks::copy;
use crate::support::front::Front;
use crate::support::http::request;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, gox_server, processes, tmp};
use std::fs;
use std::io::{Read, Write};

fn first_line(wire: &[u8]) -> String {
    String::from_utf8_lossy(wire)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// An update puts another file, or for a moment none, where the front's own was: it and its programs are what they were.
#[test]
fn a_binary_that_is_replaced_stops_nobody() {
    let store = Scratch::new();
    let dir = tempfile::tempdir_in(tmp()).unwrap();
    let own = dir.path().join("gox-server");
    copy(gox_server(), &own);
    let front = Front::start_binary(&own, &store);
    fs::remove_file(&own).unwrap();
    front.ask(&Ask::get("/tester/hello@v1.0.0")).program();
    fs::copy("/bin/false", &own).unwrap();
    front.ask(&Ask::get("/tester/hello@v1.1.0")).program();
}

/// Who leaves before the answer is in the log all the same, and the build goes on.
#[test]
fn a_client_that_leaves_is_told_of() {
    let store = Scratch::new();
    let front = store.front();
    let mut client = front.connect();
    client.write_all(&request(&Ask::get("/tester/busy"))).unwrap();
    eventually("a compile of busy", PATIENCE, || {
        let running = processes::about(&store.dir);
        running
            .iter()
            .any(|process| process.is("compile") && process.command.contains("busy"))
    });
    drop(client);
    eventually("the log tells of it", PATIENCE, || {
        let log = front.log();
        log.contains(
            "GET \"/tester/busy\" for 127.0.0.1: the client left, or the drain ended, before the answer",
        )
    });
    eventually("the artifact is published", PATIENCE, || {
        !store.artifacts().is_empty()
    });
}

#[test]
fn a_connection_serves_many_requests() {
    let store = Scratch::new();
    let front = store.front();
    let ask = Ask::get("/robots.txt");
    let wanted = front.ask(&ask).body;
    let mut stream = front.connect();
    let keeping = String::from_utf8(request(&ask))
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
fn what_is_no_http_gets_a_400_and_no_process() {
    let store = Scratch::cold();
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
fn a_head_without_end_is_refused() {
    let store = Scratch::cold();
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
fn a_request_to_a_proxy_is_understood() {
    let store = Scratch::cold();
    let front = store.front();
    let wire = front
        .send(b"GET http://127.0.0.1/robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    let answer = Answer::from_http(&wire, false).unwrap();
    assert_eq!(answer.status, 200, "{answer}");
}

/// A header that becomes the same variable as another may not stand for it (lighttpd refuses such requests too).
#[test]
fn an_underscore_is_no_hyphen() {
    let store = Scratch::cold();
    let front = store.front();
    let wire = front.send(
        b"GET /tester/hello HTTP/1.1\r\nHost: x\r\nUser_Agent: Linux x86_64\r\nConnection: close\r\n\r\n",
    );
    let answer = Answer::from_http(&wire, false).unwrap();
    answer.refused("platform-untold");
}

#[test]
fn a_second_value_does_not_slip_in() {
    let store = Scratch::cold();
    let front = store.front();
    let wire = front.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
    );
    let line = first_line(&wire);
    assert!(wire.is_empty() || line.starts_with("HTTP/1.1 400"), "{line}");
}

#[test]
fn many_idle_connections_stop_nobody() {
    let store = Scratch::cold();
    let front = store.front();
    let idle: Vec<_> = (0..200).map(|_| front.connect()).collect();
    assert_eq!(front.ask(&Ask::get("/robots.txt")).status, 200);
    drop(idle);
}

/// As many requests as the front serves at once, and more, wait for a build; a probe waits for none of them.
#[test]
fn health_is_answered_beside_256_requests() {
    let proxy = Proxy::start(Manner::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let front = store.front();
    let ask = Ask::get("/tester/waits-for-dependency");
    // What it means is known then.
    assert_eq!(front.ask(&ask.clone().method("HEAD")).status, 200);
    let waits: Vec<_> = (0..300)
        .map(|_| {
            let mut client = front.connect();
            client.write_all(&request(&ask)).unwrap();
            client
        })
        .collect();
    let pid = i32::try_from(front.child.id()).unwrap();
    eventually("256 requests are under way", PATIENCE, || {
        processes::children(pid).len() >= 256
    });
    assert_eq!(front.ask(&Ask::get("/-/health")).status, 200);
    drop(waits);
    proxy.change(Manner::Serve);
}

/// A connection beyond its address's part is answered, and asked for health only.
#[test]
fn connections_of_an_address_are_bounded() {
    let store = Scratch::cold().unset("GOX_CONNECTIONS_PER_ADDRESS");
    let front = store.front();
    let idle: Vec<_> = (0..64).map(|_| front.connect()).collect();
    let answer = front.ask(&Ask::get("/robots.txt"));
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("1")),
        "{answer}"
    );
    assert_eq!(front.ask(&Ask::get("/-/health")).status, 200);
    drop(idle);
    eventually("its part is free again", PATIENCE, || {
        front.ask(&Ask::get("/robots.txt")).status == 200
    });
}

/// RFC 9110 section 2.5, RFC 9112 section 3.2.
#[test]
fn versions_and_hosts_are_those_of_http_1_1() {
    let store = Scratch::cold();
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

/// What a client says of the scheme is printed for it alone.
#[test]
fn an_install_script_has_the_scheme_that_the_client_sees() {
    let store = Scratch::new();
    let front = store.front();
    for (name, value) in [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Proto", "https, http"),
        ("X-Forwarded-Proto", "https,https"),
        ("X-Forwarded-Proto", "https\r\nX-Forwarded-Proto: https"),
        ("X-Forwarded-Proto", "HTTPS"),
        ("Forwarded", "for=192.0.2.1;proto=https"),
    ] {
        let ask = Ask::get("/-/install/tester/hello@v1.0.0").header(name, value);
        let script = front.ask(&ask).text();
        assert!(script.contains("https://127.0.0.1"), "{name}: {value}: {script}");
    }
}
