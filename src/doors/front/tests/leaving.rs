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

#[test]
fn connections_beyond_the_limit_wait() {
    let served = Served::with(
        Limits {
            connections: 1,
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
