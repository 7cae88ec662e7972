//! Disconnects, timeouts, connection limits and the drain of the front.

use std::io::Read;

use super::*;

#[test]
fn disconnect_kills_the_program() {
    let front = TestFront::new();
    for request in [
        "GET /waits HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /relays HTTP/1.1\r\nHost: x\r\n\r\n",
        // A disconnect is detected despite unread bytes.
        "GET /waits HTTP/1.1\r\nHost: x\r\n\r\nGET /length HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /waits HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome of it",
    ] {
        let client = front.send(request);
        let program = front.wait_for_program();
        drop(client);
        assert_exited(program);
    }
}

#[test]
fn client_that_reads_nothing_is_disconnected() {
    let limits = FrontLimits {
        stall: Duration::from_millis(100),
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    let _client = front.send(&get("/endless"));
    assert_exited(front.wait_for_program());
}

/// Without the permit of the first request, the second one would wait.
#[test]
fn file_for_a_client_that_does_not_read_it_is_closed() {
    let limits = |stall| FrontLimits {
        requests: 1,
        stall,
        ..FrontLimits::default()
    };
    for (stall, disconnects) in [(Duration::from_millis(100), false), (DEADLINE * 10, true)] {
        let front = TestFront::with_limits(limits(stall), DEADLINE);
        let mut first = front.send(&get("/large"));
        first.read_exact(&mut [0; 15]).unwrap();
        if disconnects {
            drop(first);
        }
        assert!(front.fetch(&get("/length")).0.ends_with("hello\n"));
    }
}

#[test]
fn client_without_a_request_is_disconnected() {
    let limits = FrontLimits {
        first_head: Duration::from_millis(100),
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    assert_eq!(front.fetch("GET /len"), (String::new(), End::Closed));
}

#[test]
fn idle_client_is_disconnected_after_a_response() {
    let limits = FrontLimits {
        next_head: Duration::from_millis(100),
        ..FrontLimits::default()
    };
    let (response, end) =
        TestFront::with_limits(limits, DEADLINE).fetch("GET /length HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(response.ends_with("hello\n"), "{response}");
    assert_eq!(end, End::Closed);
}

/// Each write is blocked for less than `stall`, but their sum is longer.
#[test]
fn client_that_reads_too_slowly_is_disconnected() {
    let limits = FrontLimits {
        stall: Duration::from_secs(1),
        pace_bytes: usize::MAX,
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    let mut client = front.send(&get("/endless"));
    let program = front.wait_for_program();
    let start = Instant::now();
    while client.read(&mut [0; 64]).is_ok_and(|length| length > 0) {
        assert!(start.elapsed() < DEADLINE, "the client was not disconnected");
    }
    assert_exited(program);
}

/// Opens a connection from a given address and sends `request`.
fn send_from(address: [u8; 4], front: &TestFront, request: &str) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    use std::os::fd::AsRawFd;
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    let [a, b, c, d] = address;
    bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
    connect(
        socket.as_raw_fd(),
        &SockaddrIn::new(127, 0, 0, 1, front.address.port()),
    )
    .unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn status(stream: TcpStream) -> String {
    let (response, _) = read_to_end(stream);
    response.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn health_check_succeeds_while_the_server_is_full() {
    let limits = FrontLimits {
        connections: 2,
        requests: 1,
        reserve: 2,
        per_address: 0,
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    let first = front.send(&get("/relays"));
    let program = front.wait_for_program();
    let second = front.send(&get("/length"));
    assert_eq!(status(front.send(&get("/-/health"))), "200");
    let (response, _) = front.fetch(&get("/length"));
    assert!(
        response.starts_with("HTTP/1.1 503 ") && response.contains("retry-after: 1\r\n"),
        "{response}"
    );
    drop(first);
    assert_exited(program);
    assert_eq!(status(second), "201");
}

#[test]
fn connections_of_one_address_are_limited() {
    let limits = FrontLimits {
        per_address: 2,
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    let first = send_from([127, 0, 0, 2], &front, &get("/relays"));
    let program = front.wait_for_program();
    let _second = send_from([127, 0, 0, 2], &front, "");
    assert_eq!(status(send_from([127, 0, 0, 2], &front, &get("/length"))), "429");
    assert_eq!(
        status(send_from([127, 0, 0, 2], &front, &get("/-/health"))),
        "200"
    );
    assert_eq!(status(send_from([127, 0, 0, 3], &front, &get("/length"))), "201");
    drop(first);
    assert_exited(program);
    let start = Instant::now();
    while status(send_from([127, 0, 0, 2], &front, &get("/length"))) != "201" {
        assert!(start.elapsed() < DEADLINE, "the permit was not released");
    }
}

/// For a trusted proxy, the requests of each client that it reports are counted, and not the connections of the proxy.
#[test]
fn requests_of_one_client_behind_a_trusted_proxy_are_limited() {
    let limits = FrontLimits {
        per_address: 1,
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    let proxy = [127, 0, 0, 9];
    let of = |client: &str, path: &str| {
        let host = format!("Host: x\r\nX-Forwarded-For: 192.0.2.1, {client}\r\n");
        send_from(proxy, &front, &get(path).replace("Host: x\r\n", &host))
    };
    let first = of("198.51.100.1:4711", "/relays");
    let program = front.wait_for_program();
    assert_eq!(status(of("198.51.100.1:4712", "/length")), "429");
    assert_eq!(status(of("198.51.100.1:4712", "/-/health")), "200");
    assert_eq!(status(of("198.51.100.2", "/length")), "201");
    assert_eq!(status(send_from(proxy, &front, &get("/length"))), "201");
    // X-Forwarded-For of an untrusted peer is ignored.
    let forged = get("/length").replace("Host: x", "Host: x\r\nX-Forwarded-For: 198.51.100.1");
    assert_eq!(status(send_from([127, 0, 0, 2], &front, &forged)), "201");
    drop(first);
    assert_exited(program);
}

#[test]
fn reserved_connection_without_a_request_is_closed() {
    let limits = FrontLimits {
        connections: 1,
        reserve: 1,
        reserve_head: Duration::from_millis(100),
        ..FrontLimits::default()
    };
    let front = TestFront::with_limits(limits, DEADLINE);
    let _first = front.send("");
    assert_eq!(front.fetch("GET /len"), (String::new(), End::Closed));
}

#[test]
fn requests_above_the_limit_wait() {
    let front = TestFront::with_limits(
        FrontLimits {
            requests: 1,
            ..FrontLimits::default()
        },
        DEADLINE,
    );
    let first = front.send("GET /relays HTTP/1.1\r\nHost: x\r\n\r\n");
    let program = front.wait_for_program();
    let mut second = front.send(&get("/length"));
    second.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(
        second.read(&mut [0]).is_err(),
        "both requests were served at once"
    );
    drop(first);
    assert_exited(program);
    second.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(read_to_end(second).0.ends_with("hello\n"));
}

#[test]
fn drain_finishes_responses_and_closes_idle_connections() {
    let front = TestFront::new();
    let mut idle = front.send("HEAD /length HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let mut busy = front.send("GET /two-steps HTTP/1.1\r\nHost: x\r\n\r\n");
    busy.read_exact(&mut [0; 15]).unwrap();
    front.stop.send(()).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert!(
        TcpStream::connect(front.address).is_err(),
        "the front still accepts connections"
    );
    std::fs::write(front.pipe(), "go\n").unwrap();
    assert!(read_to_end(busy).0.ends_with("4\r\ntwo\n\r\n0\r\n\r\n"));
}

#[test]
fn end_of_the_drain_aborts_responses() {
    for (version, end) in [("1.1", End::Closed), ("1.0", End::Reset)] {
        let mut front = TestFront::with_limits(FrontLimits::default(), Duration::ZERO);
        let mut client = front.send(&format!("GET /relays HTTP/{version}\r\nHost: x\r\n\r\n"));
        let (_, mut pipe) = front.wait_for_program();
        client.read_exact(&mut [0; 15]).unwrap();
        front.stop();
        // The process has exited, but is not reaped: tokio's runtime has stopped.
        pipe.read_to_end(&mut Vec::new()).unwrap();
        let (response, actual_end) = read_to_end(client);
        assert!(
            actual_end == end && !response.ends_with("0\r\n\r\n"),
            "{version}: {actual_end:?} {response}"
        );
    }
}
