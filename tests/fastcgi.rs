//! Raw FastCGI connections to a responder, and how a responder starts and stops.

use crate::support::attacks::copy;
use crate::support::case::tester;
use crate::support::fastcgi::{
    ABORT_REQUEST, BEGIN_REQUEST, Connection, GET_VALUES, GET_VALUES_RESULT, PARAMS, Record, Responder,
    STDIN, UNKNOWN_TYPE, begin, encode_request, pair, pairs, record, stream,
};
use crate::support::processes::{self, Process};
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, gox_server, plain_go, tmp};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const REQUEST_COMPLETE: u8 = 0;
const CANT_MPX_CONN: u8 = 1;
const UNKNOWN_ROLE: u8 = 3;

/// A cheap request.
fn robots() -> Vec<(String, OsString)> {
    Request::get("/robots.txt").variables()
}

/// `robots` with FCGI_KEEP_CONN.
fn keep_alive_request(id: u16) -> Vec<u8> {
    encode_request(id, true, &robots(), b"")
}

#[track_caller]
fn assert_answered(connection: &mut Connection, id: u16) {
    let (status, stdout) = connection.read_response(id);
    assert_eq!(status, REQUEST_COMPLETE);
    assert_eq!(Response::from_cgi(&stdout).unwrap().status, 200);
}

#[test]
fn kept_connection_serves_many_requests() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    for id in [1, 2, 1, 65535] {
        connection.send(&keep_alive_request(id));
        assert_answered(&mut connection, id);
    }
    // Three requests before the first response.
    connection.send(
        &[
            keep_alive_request(7),
            keep_alive_request(8),
            keep_alive_request(9),
        ]
        .concat(),
    );
    [7, 8, 9]
        .into_iter()
        .for_each(|id| assert_answered(&mut connection, id));
    // Without FCGI_KEEP_CONN the responder closes the connection.
    connection.send(&encode_request(3, false, &robots(), b""));
    assert_answered(&mut connection, 3);
    connection.assert_closed();
}

#[test]
fn request_may_arrive_byte_by_byte() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    for byte in encode_request(5, true, &robots(), b"a body that is discarded") {
        connection.send(&[byte]);
    }
    assert_answered(&mut connection, 5);
}

/// R33: a request may end at any byte; the next connection is served.
#[test]
fn truncated_request_closes_only_its_connection() {
    let store = TestStore::empty();
    let responder = store.responder();
    let whole = encode_request(1, false, &Request::get("/robots.txt").variables()[..3], b"body");
    for end in 0..whole.len() {
        let mut connection = responder.connect();
        connection.send(&whole[..end]);
        connection.0.shutdown(std::net::Shutdown::Write).unwrap();
        connection.assert_closed();
    }
    assert_still_serves(&responder);
}

#[track_caller]
fn assert_still_serves(responder: &Responder) {
    let mut connection = responder.connect();
    connection.send(&keep_alive_request(1));
    assert_answered(&mut connection, 1);
}

/// R33: other protocols and invalid requests close their connection and have no other effect.
#[test]
fn malformed_records_close_the_connection() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut other_version = keep_alive_request(1);
    other_version[0] = 2;
    let params = |content: &[u8]| [begin(1, 1, true), record(PARAMS, 1, content)].concat();
    let whole_params = |content: &[u8]| {
        [
            begin(1, 1, true),
            stream(PARAMS, 1, content),
            stream(STDIN, 1, b""),
        ]
        .concat()
    };
    let name = pair(b"REQUEST_METHOD", b"GET");
    for (what, bytes) in [
        ("another version", other_version),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("FCGI_BEGIN_REQUEST without a role", record(BEGIN_REQUEST, 1, b"")),
        (
            "FCGI_BEGIN_REQUEST with nine bytes",
            record(BEGIN_REQUEST, 1, &[0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "a second FCGI_BEGIN_REQUEST with the same id",
            [begin(1, 1, true), begin(1, 1, true)].concat(),
        ),
        (
            "a body before the variables",
            [begin(1, 1, true), record(STDIN, 1, b"x")].concat(),
        ),
        (
            "variables after the end of FCGI_PARAMS",
            [
                begin(1, 1, true),
                stream(PARAMS, 1, &name),
                record(PARAMS, 1, &name),
            ]
            .concat(),
        ),
        (
            "an unknown record type in a request",
            [begin(1, 1, true), record(99, 1, b"")].concat(),
        ),
        ("a name of 2 GiB", whole_params(b"\xff\xff\xff\xff\x01A")),
        ("a value of 2 GiB", whole_params(b"\x01\xff\xff\xff\xffA")),
        ("a truncated pair", whole_params(&name[..name.len() - 1])),
        (
            "too many bytes of variables",
            params(&[0; 65_535])
                .into_iter()
                .chain(record(PARAMS, 1, &[0; 2]))
                .collect(),
        ),
    ] {
        let mut connection = responder.connect();
        connection.send(&bytes);
        assert_eq!(connection.read_record(), None, "{what}");
    }
    assert_still_serves(&responder);
    // R33: no memory is allocated for announced lengths. Half of this limit is the binary itself.
    let peak = processes::peak_memory(responder.pid());
    assert!(peak < 16 << 20, "{peak} bytes of memory");
}

/// Bodies of any length are discarded; a missing body is fine.
#[test]
fn request_body_is_discarded() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    connection.send(&encode_request(9000, true, &robots(), &vec![b'x'; 32 << 20]));
    assert_answered(&mut connection, 9000);
    let peak = processes::peak_memory(responder.pid());
    assert!(peak < 16 << 20, "{peak} bytes of memory");
    connection.send(&keep_alive_request(2));
    assert_answered(&mut connection, 2);
}

#[test]
fn management_records_are_answered_between_and_within_requests() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    let query = [
        pair(b"FCGI_MPXS_CONNS", b""),
        pair(b"SOMETHING_NEW", b""),
        pair(b"FCGI_MAX_REQS", b""),
    ]
    .concat();
    let result: [(&[u8], &[u8]); 2] = [(b"FCGI_MAX_REQS", b"256"), (b"FCGI_MPXS_CONNS", b"0")];
    for around in [
        [vec![], vec![]],
        [
            begin(1, 1, true),
            [stream(PARAMS, 1, &pairs(&robots())), stream(STDIN, 1, b"")].concat(),
        ],
    ] {
        let [before, behind] = around;
        let asked = [
            before,
            record(GET_VALUES, 0, &query),
            record(200, 0, b"content"),
            record(PARAMS, 0, &query),
            behind.clone(),
        ];
        connection.send(&asked.concat());
        let values = connection.read_record().unwrap();
        assert_eq!((values.kind, values.id), (GET_VALUES_RESULT, 0));
        assert_eq!(pairs_of(&values.content), result);
        for kind in [200, PARAMS] {
            let content = vec![kind, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(
                connection.read_record(),
                Some(Record {
                    kind: UNKNOWN_TYPE,
                    id: 0,
                    content
                })
            );
        }
        if !behind.is_empty() {
            assert_answered(&mut connection, 1);
        }
    }
}

/// Decodes pairs with one-byte lengths, which a responder uses.
fn pairs_of(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while let [name @ 0..128, value @ 0..128, rest @ ..] = bytes {
        let (name, rest) = rest.split_at((*name).into());
        let (value, rest) = rest.split_at((*value).into());
        found.push((name, value));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    found
}

/// R33.
#[test]
fn flood_of_management_records_is_answered() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    let mut writer = connection.0.try_clone().unwrap();
    let query = record(GET_VALUES, 0, &pair(b"FCGI_MAX_CONNS", b"").repeat(3000));
    let flood = std::thread::spawn(move || (0..200).for_each(|_| writer.write_all(&query).unwrap()));
    for _ in 0..200 {
        let result = connection.read_record().unwrap();
        assert_eq!(pairs_of(&result.content), [(&b"FCGI_MAX_CONNS"[..], &b"256"[..])]);
    }
    flood.join().unwrap();
    connection.send(&keep_alive_request(1));
    assert_answered(&mut connection, 1);
}

/// FastCGI section 3.3: records of inactive requests are ignored. R33: multiplexed requests are rejected.
#[test]
fn multiplexed_request_is_rejected() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    connection.send(
        &[
            record(STDIN, 9, b"x"),
            record(ABORT_REQUEST, 9, b""),
            begin(1, 1, true),
        ]
        .concat(),
    );
    let mut writer = connection.0.try_clone().unwrap();
    let others = std::thread::spawn(move || {
        for id in 2..=u16::MAX {
            writer.write_all(&begin(id, 1, true)).unwrap();
        }
        writer.write_all(&record(PARAMS, 2, b"x")).unwrap();
        writer
            .write_all(&[stream(PARAMS, 1, &pairs(&robots())), stream(STDIN, 1, b"")].concat())
            .unwrap();
    });
    for id in 2..=u16::MAX {
        let refused = connection.read_record().unwrap();
        assert_eq!(
            (refused.kind, refused.id, refused.content[4]),
            (3, id, CANT_MPX_CONN)
        );
    }
    assert_answered(&mut connection, 1);
    others.join().unwrap();
}

#[test]
fn only_responder_role_is_accepted() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    for role in [0, 2, 3, 257] {
        connection.send(
            &[
                begin(1, role, true),
                stream(PARAMS, 1, &pairs(&robots())),
                stream(STDIN, 1, b""),
            ]
            .concat(),
        );
        assert_eq!(connection.read_response(1), (UNKNOWN_ROLE, vec![]));
    }
    connection.send(&keep_alive_request(1));
    assert_answered(&mut connection, 1);
}

/// R33: a web server may abort a request at any time.
#[test]
fn aborted_request_ends_at_once() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    let abort = record(ABORT_REQUEST, 4, b"");
    let params = stream(PARAMS, 4, &pairs(&robots()));
    for so_far in [
        vec![],
        params[..record(PARAMS, 4, &[0; 28]).len()].to_vec(),
        params.clone(),
        [params, record(STDIN, 4, b"x")].concat(),
    ] {
        connection.send(&[begin(4, 1, true), so_far, abort.clone()].concat());
        assert_eq!(connection.read_response(4), (REQUEST_COMPLETE, vec![]));
    }
    connection.send(&keep_alive_request(4));
    assert_answered(&mut connection, 4);
}

/// R3, R4: values may contain NUL, newlines and any other byte, unlike environment variables. Responses and log are clean.
#[test]
fn arbitrary_bytes_in_values_are_escaped() {
    let store = TestStore::new();
    let responder = store.responder();
    let asked = || {
        let request = Request::get("/tester/library")
            .header("Range", "")
            .header("If-None-Match", "");
        request.header("If-Range", "").variables()
    };
    let names: Vec<String> = asked().into_iter().map(|(name, _)| name).collect();
    for odd in [
        &b"\0"[..],
        b"\r\nSet-Cookie: x",
        b"\n",
        b"\x1b[31m",
        b"\xff\xfe",
        "\u{202e}".as_bytes(),
        &[b'x'; 20_000],
    ] {
        for name in &names {
            let mut variables = asked();
            for (_, value) in variables.iter_mut().filter(|(other, _)| other == name) {
                *value = OsString::from_vec([value.as_bytes(), odd].concat());
            }
            let mut connection = responder.connect();
            connection.send(&encode_request(1, false, &variables, b""));
            let (_, stdout) = connection.read_response(1);
            let response = Response::from_cgi(&stdout).unwrap_or_else(|what| panic!("{name}: {what}"));
            assert!(
                matches!(response.status, 400 | 404 | 405),
                "{name}={odd:?}: {response}"
            );
            let is_harmful = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
            assert!(
                !response.text().contains(is_harmful) && response.header("set-cookie").is_none(),
                "{name}: {response}"
            );
        }
    }
    let log = responder.log();
    assert!(
        !log.contains(|letter: char| letter.is_control() && letter != '\n'),
        "{log:?}"
    );
    let lines = log.lines().filter(|line| line.contains("status="));
    assert_eq!(lines.count(), names.len() * 7, "{log}");
}

/// SIGSTOP and SIGCONT interrupt a read with a timeout (signal(7)).
#[test]
fn continued_responder_reads_the_rest_of_a_request() {
    let store = TestStore::empty();
    let responder = store.responder();
    let mut connection = responder.connect();
    connection.send(&begin(1, 1, true));
    for _ in 0..20 {
        responder.signal(Signal::SIGSTOP);
        eventually("the responder stops", TIMEOUT, || {
            processes::status(responder.pid(), "State").is_some_and(|state| state.starts_with('T'))
        });
        responder.signal(Signal::SIGCONT);
    }
    connection.send(&[stream(PARAMS, 1, &pairs(&robots())), stream(STDIN, 1, b"")].concat());
    assert_answered(&mut connection, 1);
}

/// R32: a client that sends one byte per second.
#[test]
fn unfinished_request_times_out() {
    let store = TestStore::empty();
    let responder = store.responder();
    let begun = Instant::now();
    let slow: Vec<_> = [
        keep_alive_request(1),
        [record(200, 0, b""), keep_alive_request(1)].concat(),
        [begin(1, 1, true), record(STDIN, 1, b"")].concat()[..20].to_vec(),
    ]
    .into_iter()
    .map(|bytes| {
        let mut connection = responder.connect();
        std::thread::spawn(move || {
            connection
                .0
                .set_read_timeout(Some(Duration::from_secs(1)))
                .unwrap();
            let mut bytes = bytes.into_iter();
            // One byte per second until the responder closes the connection; ignore its output.
            while !matches!(std::io::Read::read(&mut connection.0, &mut [0; 64]), Ok(0)) {
                if let Some(byte) = bytes.next() {
                    connection.send(&[byte]);
                }
                assert!(begun.elapsed() < TIMEOUT, "the responder still waits");
            }
        })
    })
    .collect();
    slow.into_iter().for_each(|client| client.join().unwrap());
    assert!(begun.elapsed() > Duration::from_secs(10), "closed too early");
    assert_still_serves(&responder);
}

#[test]
fn idle_connections_do_not_block_others() {
    let store = TestStore::empty();
    let responder = store.responder();
    let idle: Vec<_> = (0..200).map(|_| responder.connect()).collect();
    assert_still_serves(&responder);
    drop(idle);
    // More than the responder serves at once: the rest wait.
    let mut many: Vec<_> = (0..300).map(|_| responder.connect()).collect();
    for connection in &mut many {
        connection.send(&encode_request(1, false, &robots(), b""));
    }
    many.iter_mut()
        .for_each(|connection| assert_answered(connection, 1));
}

/// Sends a request for `busy`, and stops the compiler.
#[track_caller]
fn start_build(store: &TestStore, responder: &Responder) -> (Connection, StoppedCompiler) {
    let mut connection = responder.connect();
    connection.send(&encode_request(
        1,
        true,
        &Request::get("/tester/busy").variables(),
        b"",
    ));
    (connection, StoppedCompiler::wait_for(store, "busy"))
}

#[track_caller]
fn assert_busy(response: &Response) {
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("busy", "v1.0.0").wanted).sha256,
        "{response}"
    );
}

/// R31: the web server aborts a request, then sends another one on the same connection.
#[test]
fn build_survives_aborted_request() {
    let store = TestStore::new();
    let responder = store.responder();
    let (mut connection, compiler) = start_build(&store, &responder);
    connection.send(&record(ABORT_REQUEST, 1, b""));
    assert_eq!(connection.read_response(1), (REQUEST_COMPLETE, vec![]));
    let builds = |process: &&Process| process.is("compile") || process.is("builder");
    assert!(
        processes::find(&store.dir).iter().any(|process| builds(&process)),
        "the abort ended a build: {:?}",
        compiler.running
    );
    drop(compiler);
    connection.send(&encode_request(
        2,
        true,
        &Request::get("/tester/busy").variables(),
        b"",
    ));
    let (_, stdout) = connection.read_response(2);
    assert_busy(&Response::from_cgi(&stdout).unwrap());
    assert_eq!(store.artifacts().len(), 1);
}

/// FCGI_GET_VALUES is answered at once while a request waits for its build.
#[test]
fn management_records_are_answered_while_a_request_waits() {
    let store = TestStore::new();
    let responder = store.responder();
    let (mut connection, compiler) = start_build(&store, &responder);
    connection.send(&record(GET_VALUES, 0, &pair(b"FCGI_MPXS_CONNS", b"")));
    let values = connection.read_record().unwrap();
    assert_eq!((values.kind, values.id), (GET_VALUES_RESULT, 0));
    // A second query in two parts.
    let second = record(GET_VALUES, 0, &pair(b"FCGI_MAX_REQS", b""));
    connection.send(&second[..5]);
    connection.send(&second[5..]);
    let values = connection.read_record().unwrap();
    assert_eq!(pairs_of(&values.content), [(&b"FCGI_MAX_REQS"[..], &b"256"[..])]);
    drop(compiler);
    let (_, stdout) = connection.read_response(1);
    assert_busy(&Response::from_cgi(&stdout).unwrap());
}

/// R31: the usual way in which a web server reports a disconnected client.
#[test]
fn build_survives_closed_connection() {
    let store = TestStore::new();
    let responder = store.responder();
    let (connection, compiler) = start_build(&store, &responder);
    drop(connection);
    eventually("the request is over", TIMEOUT, || {
        responder.log().contains("reason=still-building")
    });
    assert_eq!(
        store.artifacts().len(),
        0,
        "the request ended only with the build"
    );
    drop(compiler);
    eventually("the artifact is published", TIMEOUT, || {
        !store.artifacts().is_empty()
    });
    assert_busy(&responder.ask(&Request::get("/tester/busy")));
}

/// R31: clients that disconnect during a build leave no threads and no descriptors.
#[test]
fn disconnected_clients_leave_no_threads() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let responder = store.responder();
    let usage = || {
        let threads = processes::status(responder.pid(), "Threads").unwrap();
        let files = std::fs::read_dir(format!("/proc/{}/fd", responder.pid()));
        (threads.parse::<usize>().unwrap(), files.unwrap().count())
    };
    let ask = || {
        let mut connection = responder.connect();
        let variables = Request::get("/tester/waits-for-dependency").variables();
        connection.send(&encode_request(1, true, &variables, b""));
        connection
    };
    let _first = ask();
    eventually("the build waits for its dependency", TIMEOUT, || {
        proxy
            .requests()
            .iter()
            .any(|path| path.ends_with("/arrives-late/@v/v1.0.0.zip"))
    });
    let (threads, files) = usage();
    let others: Vec<Connection> = (0..50).map(|_| ask()).collect();
    eventually("all wait", TIMEOUT, || usage().0 >= threads + 50);
    drop(others);
    eventually("threads and descriptors are released", TIMEOUT, || {
        usage() <= (threads, files)
    });
    assert!(store.artifacts().is_empty(), "the build has ended");
    proxy.set_behavior(Behavior::Serve);
}

/// S8: a build may outlive its request, so it must not inherit connections, listening sockets or blocked signals. Exited
/// builders are reaped.
#[test]
fn builder_inherits_no_sockets_or_blocked_signals() {
    let store = TestStore::new();
    let responder = store.responder();
    let (mut connection, compiler) = start_build(&store, &responder);
    let running = &compiler.running;
    let builders = running.iter().filter(|process| process.is("builder"));
    assert_eq!(builders.count(), 1, "{running:?}");
    let held_back = |pid: i32| {
        let blocked = processes::status(pid, "SigBlk").unwrap_or_default();
        u64::from_str_radix(&blocked, 16).unwrap_or(0) & 1 << (Signal::SIGTERM as u32 - 1) != 0
    };
    let mine = responder.pid();
    assert!(!processes::sockets(mine).is_empty() && held_back(mine));
    // Between fork and exec a child has the descriptors and signal mask of its parent. Go blocks signals while it starts a thread, and
    // the compiler may have been stopped then.
    let unchecked = [mine, compiler.pid.as_raw()];
    eventually(
        "child processes have no sockets and no blocked signals",
        TIMEOUT,
        || {
            let started = processes::find(&store.dir)
                .into_iter()
                .filter(|process| !unchecked.contains(&process.pid));
            let clean = |pid: i32| processes::sockets(pid).is_empty() && !held_back(pid);
            started.into_iter().all(|process| clean(process.pid))
        },
    );
    drop(compiler);
    assert_busy(&Response::from_cgi(&connection.read_response(1).1).unwrap());
    eventually("no zombie is left", TIMEOUT, || {
        processes::children(responder.pid()).is_empty()
    });
}

#[test]
fn terminated_responder_finishes_running_requests() {
    let store = TestStore::new();
    let mut responder = store.responder();
    let mut idle = responder.connect();
    idle.send(&keep_alive_request(1));
    assert_answered(&mut idle, 1);
    let (mut connection, compiler) = start_build(&store, &responder);
    responder.signal(Signal::SIGTERM);
    // Idle connections are closed at once, despite FCGI_KEEP_CONN.
    idle.assert_closed();
    drop(compiler);
    assert_busy(&Response::from_cgi(&connection.read_response(1).1).unwrap());
    connection.assert_closed();
    assert!(responder.wait_for_exit().success());
}

#[test]
fn responder_drain_is_bounded() {
    let store = TestStore::new().set("GOX_DRAIN_SECONDS", "0");
    let mut responder = store.responder();
    let (mut connection, compiler) = start_build(&store, &responder);
    responder.signal(Signal::SIGINT);
    assert!(responder.wait_for_exit().success());
    connection.assert_closed();
    drop(compiler);
    eventually("the build finishes", TIMEOUT, || !store.artifacts().is_empty());
}

#[test]
fn build_survives_killed_responder() {
    let store = TestStore::new();
    let mut responder = store.responder();
    let (_connection, compiler) = start_build(&store, &responder);
    responder.signal(Signal::SIGKILL);
    responder.wait_for_exit();
    drop(compiler);
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 1, "the build did not finish");
    std::fs::remove_file(&responder.socket).unwrap();
    assert_busy(&store.responder().ask(&Request::get("/tester/busy")));
}

/// An update removes or replaces the executable file of a running responder.
#[test]
fn replaced_binary_does_not_stop_the_service() {
    let store = TestStore::new();
    let dir = tempfile::tempdir_in(tmp()).unwrap();
    let own = dir.path().join("gox-server");
    copy(gox_server(), &own);
    let socket = store.dir.join("replaced.sock");
    let mut command = Command::new(&own);
    command
        .env_clear()
        .envs(store.settings())
        .stdin(Stdio::from(OwnedFd::from(UnixListener::bind(&socket).unwrap())));
    let responder = Responder::start_command(command, socket);
    responder.ask(&Request::get("/robots.txt"));
    std::fs::remove_file(&own).unwrap();
    responder.ask(&Request::get("/tester/hello@v1.0.0")).program();
    std::fs::copy("/bin/false", &own).unwrap();
    responder.ask(&Request::get("/tester/hello@v1.1.0")).program();
}

/// Starts a responder with `--bind` and waits until it listens.
fn start_bound(store: &TestStore, address: &str) -> Responder {
    let mut command = store.command();
    command.args(["fastcgi", "--bind", address]);
    let socket = address.trim_start_matches("unix:").into();
    let responder = Responder::start_command(command, socket);
    eventually("it listens", TIMEOUT, || responder.log().contains("listening"));
    responder
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn responder_binds_its_own_socket() {
    let store = TestStore::empty();
    let path = store.dir.join("own.sock");
    let address = format!("unix:{}", path.display());
    let mut responder = start_bound(&store, &address);
    assert_eq!(mode(&path), 0o660);
    assert_still_serves(&responder);

    // A socket in use is not replaced.
    let second = store
        .command()
        .args(["fastcgi", "--bind", &address])
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&second.stderr);
    assert!(
        !second.status.success() && output_text.contains("in use"),
        "{output_text}"
    );
    assert_still_serves(&responder);

    // A stale socket is replaced; a responder that exits normally removes its socket.
    responder.signal(Signal::SIGKILL);
    responder.wait_for_exit();
    assert!(path.metadata().unwrap().file_type().is_socket());
    let store = store.set("GOX_SOCKET_MODE", "0600");
    let mut responder = start_bound(&store, &address);
    assert_eq!(mode(&path), 0o600);
    assert_still_serves(&responder);
    responder.signal(Signal::SIGTERM);
    assert!(responder.wait_for_exit().success());
    assert!(!path.exists());

    // Other files are not removed.
    std::fs::write(&path, "precious").unwrap();
    let third = store
        .command()
        .args(["fastcgi", "--bind", &address])
        .output()
        .unwrap();
    assert!(!third.status.success());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// FCGI_WEB_SERVER_ADDRS.
#[test]
fn port_serves_only_allowed_addresses() {
    let store = TestStore::empty();
    for (named, served) in [("127.0.0.1", true), ("192.0.2.1, ::1", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut command = store.command();
        command
            .env("FCGI_WEB_SERVER_ADDRS", named)
            .stdin(Stdio::from(OwnedFd::from(listener)));
        let responder = Responder::start_command(command, store.dir.join("none"));
        let stream = std::net::TcpStream::connect(address).unwrap();
        let mut connection = Connection::from(stream);
        connection.send(&keep_alive_request(1));
        if served {
            assert_answered(&mut connection, 1);
        } else {
            connection.assert_closed();
            assert!(responder.log().contains("127.0.0.1"), "{}", responder.log());
        }
    }
    let output = store
        .command()
        .args(["fastcgi", "--bind", "127.0.0.1:0"])
        .env("FCGI_WEB_SERVER_ADDRS", "localhost")
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && output_text.contains("FCGI_WEB_SERVER_ADDRS"),
        "{output_text}"
    );
}
