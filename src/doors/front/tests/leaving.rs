//! Who leaves, and what that ends: clients, slow ones, the front itself.

use std::io::Read;

use super::*;

#[test]
fn a_client_that_leaves_takes_its_program_along() {
    let served = Served::new();
    for request in [
        "GET /waits HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /relays HTTP/1.1\r\nHost: x\r\n\r\n",
        // Unread bytes do not hide the leaving.
        "GET /waits HTTP/1.1\r\nHost: x\r\n\r\nGET /length HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /waits HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome of it",
    ] {
        let client = served.send(request);
        let program = served.program();
        drop(client);
        assert_gone(program);
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let limits = Limits {
        stall: Duration::from_millis(100),
        ..Limits::default()
    };
    let served = Served::with(limits, DEADLINE);
    let _client = served.send(&get("/endless"));
    assert_gone(served.program());
}

#[test]
fn a_client_that_asks_nothing_is_cut() {
    let limits = Limits {
        first_head: Duration::from_millis(100),
        ..Limits::default()
    };
    let served = Served::with(limits, DEADLINE);
    assert_eq!(served.ask("GET /len"), (String::new(), End::Closed));
}

#[test]
fn a_client_that_asks_nothing_more_is_cut() {
    let limits = Limits {
        next_head: Duration::from_millis(100),
        ..Limits::default()
    };
    let (answer, end) = Served::with(limits, DEADLINE).ask("GET /length HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.ends_with("hello\n"), "{answer}");
    assert_eq!(end, End::Closed);
}

/// What it takes is little, however steadily it comes.
#[test]
fn a_client_that_takes_too_little_is_cut() {
    let limits = |pace_bytes| Limits {
        stall: Duration::from_millis(100),
        pace_bytes,
        ..Limits::default()
    };
    let is_cut = |pace_bytes| {
        let served = Served::with(limits(pace_bytes), DEADLINE);
        let mut client = served.send(&get("/endless"));
        let program = served.program();
        let (start, mut taken, mut piece) = (Instant::now(), 0, [0; 64]);
        let is_cut = loop {
            match client.read(&mut piece) {
                Ok(0) | Err(_) => break true,
                Ok(length) => taken += length,
            }
            if taken > 16 << 20 && start.elapsed() > Duration::from_secs(1) {
                break false;
            }
        };
        drop(client);
        assert_gone(program);
        is_cut
    };
    assert!(is_cut(usize::MAX));
    assert!(!is_cut(1024), "a client that keeps the pace is cut");
}

/// A connection from an address of its own.
fn from(address: [u8; 4], served: &Served, request: &str) -> TcpStream {
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
        &SockaddrIn::new(127, 0, 0, 1, served.address.port()),
    )
    .unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn status(stream: TcpStream) -> String {
    let (answer, _) = rest(stream);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn health_is_answered_while_every_seat_is_taken() {
    let limits = Limits {
        connections: 2,
        requests: 1,
        reserve: 2,
        per_address: 0,
        ..Limits::default()
    };
    let served = Served::with(limits, DEADLINE);
    let first = served.send(&get("/relays"));
    let program = served.program();
    let second = served.send(&get("/length"));
    assert_eq!(status(served.send(&get("/-/health"))), "200");
    let (answer, _) = served.ask(&get("/length"));
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"),
        "{answer}"
    );
    drop(first);
    assert_gone(program);
    assert_eq!(status(second), "201");
}

#[test]
fn an_address_takes_no_more_than_its_part() {
    let limits = Limits {
        per_address: 2,
        ..Limits::default()
    };
    let served = Served::with(limits, DEADLINE);
    let first = from([127, 0, 0, 2], &served, &get("/relays"));
    let program = served.program();
    let _second = from([127, 0, 0, 2], &served, "");
    assert_eq!(status(from([127, 0, 0, 2], &served, &get("/length"))), "429");
    assert_eq!(status(from([127, 0, 0, 2], &served, &get("/-/health"))), "200");
    assert_eq!(status(from([127, 0, 0, 3], &served, &get("/length"))), "201");
    drop(first);
    assert_gone(program);
    let start = Instant::now();
    while status(from([127, 0, 0, 2], &served, &get("/length"))) != "201" {
        assert!(start.elapsed() < DEADLINE, "its part is not given back");
    }
}

/// Of a trusted proxy, the requests of each client that it saw are counted, and not its own connections.
#[test]
fn a_client_behind_a_trusted_proxy_takes_no_more_than_its_part() {
    let limits = Limits {
        per_address: 1,
        ..Limits::default()
    };
    let served = Served::with(limits, DEADLINE);
    let proxy = [127, 0, 0, 9];
    let of = |client: &str, path: &str| {
        let host = format!("Host: x\r\nX-Forwarded-For: 192.0.2.1, {client}\r\n");
        from(proxy, &served, &get(path).replace("Host: x\r\n", &host))
    };
    let first = of("198.51.100.1:4711", "/relays");
    let program = served.program();
    assert_eq!(status(of("198.51.100.1:4712", "/length")), "429");
    assert_eq!(status(of("198.51.100.1:4712", "/-/health")), "200");
    assert_eq!(status(of("198.51.100.2", "/length")), "201");
    assert_eq!(status(from(proxy, &served, &get("/length"))), "201");
    // A stranger's word about itself counts for nothing.
    let forged = get("/length").replace("Host: x", "Host: x\r\nX-Forwarded-For: 198.51.100.1");
    assert_eq!(status(from([127, 0, 0, 2], &served, &forged)), "201");
    drop(first);
    assert_gone(program);
}

#[test]
fn a_connection_in_reserve_that_asks_nothing_is_cut() {
    let limits = Limits {
        connections: 1,
        reserve: 1,
        reserve_head: Duration::from_millis(100),
        ..Limits::default()
    };
    let served = Served::with(limits, DEADLINE);
    let _first = served.send("");
    assert_eq!(served.ask("GET /len"), (String::new(), End::Closed));
}

#[test]
fn requests_beyond_the_limit_wait() {
    let served = Served::with(
        Limits {
            requests: 1,
            ..Limits::default()
        },
        DEADLINE,
    );
    let first = served.send("GET /relays HTTP/1.1\r\nHost: x\r\n\r\n");
    let program = served.program();
    let mut second = served.send(&get("/length"));
    second.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(second.read(&mut [0]).is_err(), "it was served beside the first");
    drop(first);
    assert_gone(program);
    second.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(rest(second).0.ends_with("hello\n"));
}

#[test]
fn a_drain_lets_answers_finish_and_idle_clients_go() {
    let served = Served::new();
    let mut idle = served.send("HEAD /length HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let mut busy = served.send("GET /two-steps HTTP/1.1\r\nHost: x\r\n\r\n");
    busy.read_exact(&mut [0; 15]).unwrap();
    served.stop.send(()).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(served.address).is_err(), "it still accepts");
    std::fs::write(served.pipe(), "go\n").unwrap();
    assert!(rest(busy).0.ends_with("4\r\ntwo\n\r\n0\r\n\r\n"));
}

#[test]
fn the_end_of_a_drain_cuts_what_runs() {
    for (version, end) in [("1.1", End::Closed), ("1.0", End::Reset)] {
        let mut served = Served::with(Limits::default(), Duration::ZERO);
        let mut client = served.send(&format!("GET /relays HTTP/{version}\r\nHost: x\r\n\r\n"));
        let (_, mut pipe) = served.program();
        client.read_exact(&mut [0; 15]).unwrap();
        served.stop();
        // Nobody of ours is left to reap it; that it ended is what counts.
        pipe.read_to_end(&mut Vec::new()).unwrap();
        let (answer, how) = rest(client);
        assert!(
            how == end && !answer.ends_with("0\r\n\r\n"),
            "{version}: {how:?} {answer}"
        );
    }
}
