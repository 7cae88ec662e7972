//! What only a raw socket can do to a FastCGI responder, and how one is started and ended.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::attacks::copy;
use crate::support::case::tester;
use crate::support::fastcgi::{
    ABORT_REQUEST, BEGIN_REQUEST, Connection, GET_VALUES, GET_VALUES_RESULT, PARAMS, Record, Responder,
    STDIN, UNKNOWN_TYPE, begin, pair, pairs, record, request, stream,
};
use crate::support::processes::{self, Process};
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, gox_server, plain, tmp};
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

/// What costs a responder nothing.
fn robots() -> Vec<(String, OsString)> {
    Ask::get("/robots.txt").variables()
}

/// A whole request for it on a connection that is kept.
fn kept(id: u16) -> Vec<u8> {
    request(id, true, &robots(), b"")
}

#[track_caller]
fn answered(connection: &mut Connection, id: u16) {
    let (status, stdout) = connection.end(id);
    assert_eq!(status, REQUEST_COMPLETE);
    assert_eq!(Answer::from_cgi(&stdout).unwrap().status, 200);
}

#[test]
fn a_kept_connection_serves_many_requests() {
    let store = Scratch::cold();
    let responder = store.responder();
    let mut connection = responder.connect();
    for id in [1, 2, 1, 65535] {
        connection.send(&kept(id));
        answered(&mut connection, id);
    }
    // One behind the other, sent before the first is answered.
    connection.send(&[kept(7), kept(8), kept(9)].concat());
    [7, 8, 9].into_iter().for_each(|id| answered(&mut connection, id));
    // The web server leaves the last one to the application to close.
    connection.send(&request(3, false, &robots(), b""));
    answered(&mut connection, 3);
    connection.closed();
}

#[test]
fn every_byte_may_come_by_itself() {
    let store = Scratch::cold();
    let responder = store.responder();
    let mut connection = responder.connect();
    for byte in request(5, true, &robots(), b"a body that nobody reads") {
        connection.send(&[byte]);
    }
    answered(&mut connection, 5);
}

/// R33: wherever a connection is cut, the next one is served.
#[test]
fn a_request_that_is_cut_anywhere() {
    let store = Scratch::cold();
    let responder = store.responder();
    let whole = request(1, false, &Ask::get("/robots.txt").variables()[..3], b"body");
    for end in 0..whole.len() {
        let mut connection = responder.connect();
        connection.send(&whole[..end]);
        connection.0.shutdown(std::net::Shutdown::Write).unwrap();
        connection.closed();
    }
    answered_after(&responder);
}

#[track_caller]
fn answered_after(responder: &Responder) {
    let mut connection = responder.connect();
    connection.send(&kept(1));
    answered(&mut connection, 1);
}

/// R33: what is no FastCGI, or a request that is none, costs its connection and nothing else.
#[test]
fn what_is_malformed_is_cut() {
    let store = Scratch::cold();
    let responder = store.responder();
    let mut other_version = kept(1);
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
        ("a begin without a role", record(BEGIN_REQUEST, 1, b"")),
        (
            "a begin that is too long",
            record(BEGIN_REQUEST, 1, &[0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "a second begin of the same",
            [begin(1, 1, true), begin(1, 1, true)].concat(),
        ),
        (
            "a body before the variables",
            [begin(1, 1, true), record(STDIN, 1, b"x")].concat(),
        ),
        (
            "variables behind their end",
            [
                begin(1, 1, true),
                stream(PARAMS, 1, &name),
                record(PARAMS, 1, &name),
            ]
            .concat(),
        ),
        (
            "a record that means nothing in a request",
            [begin(1, 1, true), record(99, 1, b"")].concat(),
        ),
        ("a name of 2 GiB", whole_params(b"\xff\xff\xff\xff\x01A")),
        ("a value of 2 GiB", whole_params(b"\x01\xff\xff\xff\xffA")),
        ("a pair that is cut", whole_params(&name[..name.len() - 1])),
        (
            "more variables than there may be",
            params(&[0; 65_535])
                .into_iter()
                .chain(record(PARAMS, 1, &[0; 2]))
                .collect(),
        ),
        (
            "more of a body than there may be",
            [
                begin(1, 1, true),
                stream(PARAMS, 1, &name),
                record(STDIN, 1, &[0; 65_000]).repeat(17),
            ]
            .concat(),
        ),
    ] {
        let mut connection = responder.connect();
        connection.send(&bytes);
        assert_eq!(connection.record(), None, "{what}");
    }
    answered_after(&responder);
    // R33: nothing is set aside for what is only promised. Half of the room is the binary itself.
    let peak = processes::peak_memory(responder.pid());
    assert!(peak < 16 << 20, "{peak} bytes of memory");
}

/// A body is thrown away, and need not be there: its end is what matters.
#[test]
fn a_body_is_not_read() {
    let store = Scratch::cold();
    let responder = store.responder();
    let mut connection = responder.connect();
    connection.send(&request(2, true, &robots(), &[b'x'; 1 << 20]));
    answered(&mut connection, 2);
    connection.send(&kept(2));
    answered(&mut connection, 2);
}

#[test]
fn management_records_are_answered_between_and_within_requests() {
    let store = Scratch::cold();
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
        let values = connection.record().unwrap();
        assert_eq!((values.kind, values.id), (GET_VALUES_RESULT, 0));
        assert_eq!(pairs_of(&values.content), result);
        for kind in [200, PARAMS] {
            let content = vec![kind, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(
                connection.record(),
                Some(Record {
                    kind: UNKNOWN_TYPE,
                    id: 0,
                    content
                })
            );
        }
        if !behind.is_empty() {
            answered(&mut connection, 1);
        }
    }
}

/// Short pairs, as all of a responder's own are.
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

/// R33: as many questions as one likes; the answers are the same for ever.
#[test]
fn a_flood_of_questions_is_only_answered() {
    let store = Scratch::cold();
    let responder = store.responder();
    let mut connection = responder.connect();
    let mut writer = connection.0.try_clone().unwrap();
    let query = record(GET_VALUES, 0, &pair(b"FCGI_MAX_CONNS", b"").repeat(3000));
    let flood = std::thread::spawn(move || (0..200).for_each(|_| writer.write_all(&query).unwrap()));
    for _ in 0..200 {
        let result = connection.record().unwrap();
        assert_eq!(pairs_of(&result.content), [(&b"FCGI_MAX_CONNS"[..], &b"256"[..])]);
    }
    flood.join().unwrap();
    connection.send(&kept(1));
    answered(&mut connection, 1);
}

/// Section 3.3: what belongs to no request under way is ignored. R33: 65535 requests at once are one.
#[test]
fn a_second_request_at_the_same_time_is_refused() {
    let store = Scratch::cold();
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
        let refused = connection.record().unwrap();
        assert_eq!(
            (refused.kind, refused.id, refused.content[4]),
            (3, id, CANT_MPX_CONN)
        );
    }
    answered(&mut connection, 1);
    others.join().unwrap();
}

#[test]
fn only_the_responders_role_is_played() {
    let store = Scratch::cold();
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
        assert_eq!(connection.end(1), (UNKNOWN_ROLE, vec![]));
    }
    connection.send(&kept(1));
    answered(&mut connection, 1);
}

/// R33: a web server may think better of it at any time.
#[test]
fn a_request_that_is_aborted_ends_at_once() {
    let store = Scratch::cold();
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
        assert_eq!(connection.end(4), (REQUEST_COMPLETE, vec![]));
    }
    connection.send(&kept(4));
    answered(&mut connection, 4);
}

/// R3, R4: length-prefixed values carry what no environment can: NUL, newlines, any byte. Nothing of it leaves as it came.
#[test]
fn values_with_any_byte() {
    let store = Scratch::new();
    let responder = store.responder();
    let asked = || {
        let ask = Ask::get("/tester/library")
            .header("Range", "")
            .header("If-None-Match", "");
        ask.header("If-Range", "").variables()
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
            connection.send(&request(1, false, &variables, b""));
            let (_, stdout) = connection.end(1);
            let answer = Answer::from_cgi(&stdout).unwrap_or_else(|what| panic!("{name}: {what}"));
            assert!(
                matches!(answer.status, 400 | 404 | 405),
                "{name}={odd:?}: {answer}"
            );
            let harmful = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
            assert!(
                !answer.text().contains(harmful) && answer.header("set-cookie").is_none(),
                "{name}: {answer}"
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

/// R32: whoever sends a byte now and then is not waited for.
#[test]
fn a_request_that_never_ends_is_cut() {
    let store = Scratch::cold();
    let responder = store.responder();
    let begun = Instant::now();
    let slow: Vec<_> = [
        kept(1),
        [record(200, 0, b""), kept(1)].concat(),
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
            // A byte a second, until the responder has closed; what it says before that does not matter.
            while !matches!(std::io::Read::read(&mut connection.0, &mut [0; 64]), Ok(0)) {
                if let Some(byte) = bytes.next() {
                    connection.send(&[byte]);
                }
                assert!(begun.elapsed() < PATIENCE, "it still waits");
            }
        })
    })
    .collect();
    slow.into_iter().for_each(|client| client.join().unwrap());
    assert!(
        begun.elapsed() > Duration::from_secs(10),
        "cut before any time was over"
    );
    answered_after(&responder);
}

#[test]
fn many_idle_connections_stop_nobody() {
    let store = Scratch::cold();
    let responder = store.responder();
    let idle: Vec<_> = (0..200).map(|_| responder.connect()).collect();
    answered_after(&responder);
    drop(idle);
    // More than there are seats: those behind wait, and are not lost.
    let mut many: Vec<_> = (0..300).map(|_| responder.connect()).collect();
    for connection in &mut many {
        connection.send(&request(1, false, &robots(), b""));
    }
    many.iter_mut().for_each(|connection| answered(connection, 1));
}

/// A request for `busy`, whose compile takes seconds, as soon as it is compiled.
#[track_caller]
fn building(store: &Scratch, responder: &Responder) -> (Connection, Vec<Process>) {
    let mut connection = responder.connect();
    connection.send(&request(1, true, &Ask::get("/tester/busy").variables(), b""));
    let mut running = Vec::new();
    eventually("a compile of busy", PATIENCE, || {
        running = processes::about(&store.dir);
        running
            .iter()
            .any(|process| process.is("compile") && process.command.contains("busy"))
    });
    (connection, running)
}

#[track_caller]
fn is_busy(answer: &Answer) {
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("busy", "v1.0.0").wanted).sha256,
        "{answer}"
    );
}

/// R31: the web server says that its client has gone, and then that there is another on the same connection.
#[test]
fn a_client_that_aborts_loses_no_build() {
    let store = Scratch::new();
    let responder = store.responder();
    let (mut connection, running) = building(&store, &responder);
    connection.send(&record(ABORT_REQUEST, 1, b""));
    assert_eq!(connection.end(1), (REQUEST_COMPLETE, vec![]));
    let builds = |process: &&Process| process.is("compile") || process.is("builder");
    assert!(
        processes::about(&store.dir)
            .iter()
            .any(|process| builds(&process)),
        "the abort ended a build: {running:?}"
    );
    connection.send(&request(2, true, &Ask::get("/tester/busy").variables(), b""));
    let (_, stdout) = connection.end(2);
    is_busy(&Answer::from_cgi(&stdout).unwrap());
    assert_eq!(store.artifacts().len(), 1);
}

/// Whoever waits may be asked what the responder can do: its answer comes between, and the build is waited for as before.
#[test]
fn management_records_are_answered_while_a_request_waits() {
    let store = Scratch::new();
    let responder = store.responder();
    let (mut connection, _) = building(&store, &responder);
    connection.send(&record(GET_VALUES, 0, &pair(b"FCGI_MPXS_CONNS", b"")));
    let values = connection.record().unwrap();
    assert_eq!((values.kind, values.id), (GET_VALUES_RESULT, 0));
    // A second one in two parts, of which the first alone says nothing.
    let second = record(GET_VALUES, 0, &pair(b"FCGI_MAX_REQS", b""));
    connection.send(&second[..5]);
    connection.send(&second[5..]);
    let values = connection.record().unwrap();
    assert_eq!(pairs_of(&values.content), [(&b"FCGI_MAX_REQS"[..], &b"256"[..])]);
    let (_, stdout) = connection.end(1);
    is_busy(&Answer::from_cgi(&stdout).unwrap());
}

/// R31: the usual way in which a web server says it.
#[test]
fn a_connection_that_closes_loses_no_build() {
    let store = Scratch::new();
    let responder = store.responder();
    let (connection, _) = building(&store, &responder);
    drop(connection);
    eventually("the request is over", PATIENCE, || {
        responder.log().contains("reason=still-building")
    });
    assert_eq!(store.artifacts().len(), 0, "it was over only with the build");
    eventually("the artifact is published", PATIENCE, || {
        !store.artifacts().is_empty()
    });
    is_busy(&responder.ask(&Ask::get("/tester/busy")));
}

/// R31: who leaves while a build goes on leaves neither a thread nor a descriptor.
#[test]
fn clients_that_leave_leave_no_threads() {
    let proxy = Proxy::start(Manner::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let responder = store.responder();
    let has = || {
        let threads = processes::status(responder.pid(), "Threads").unwrap();
        let files = std::fs::read_dir(format!("/proc/{}/fd", responder.pid()));
        (threads.parse::<usize>().unwrap(), files.unwrap().count())
    };
    let ask = || {
        let mut connection = responder.connect();
        let variables = Ask::get("/tester/waits-for-dependency").variables();
        connection.send(&request(1, true, &variables, b""));
        connection
    };
    let _first = ask();
    eventually("the build waits for its dependency", PATIENCE, || {
        proxy
            .asked()
            .iter()
            .any(|path| path.ends_with("/arrives-late/@v/v1.0.0.zip"))
    });
    let (threads, files) = has();
    let others: Vec<Connection> = (0..50).map(|_| ask()).collect();
    eventually("all wait", PATIENCE, || has().0 >= threads + 50);
    drop(others);
    eventually("nothing of them is left", PATIENCE, || has() <= (threads, files));
    assert!(store.artifacts().is_empty(), "the build still goes on");
    proxy.change(Manner::Serve);
}

/// S8: a build lives longer than a request, so it may hold nothing of one: no connection, no listening socket, no signals
/// that are held back. And whoever has ended is buried.
#[test]
fn a_builder_inherits_nothing() {
    let store = Scratch::new();
    let responder = store.responder();
    let (mut connection, running) = building(&store, &responder);
    let builders: Vec<_> = running.iter().filter(|process| process.is("builder")).collect();
    assert_eq!(builders.len(), 1, "{running:?}");
    let held_back = |pid: i32| {
        let blocked = processes::status(pid, "SigBlk").unwrap_or_default();
        u64::from_str_radix(&blocked, 16).unwrap_or(0) & 1 << (Signal::SIGTERM as u32 - 1) != 0
    };
    let mine = responder.pid();
    assert!(!processes::sockets(mine).is_empty() && held_back(mine));
    // Between fork and exec a process has for a moment what its parent has.
    eventually(
        "what was started has no socket and holds no signal back",
        PATIENCE,
        || {
            let started = processes::about(&store.dir)
                .into_iter()
                .filter(|process| process.pid != mine);
            let clean = |pid: i32| processes::sockets(pid).is_empty() && !held_back(pid);
            started.into_iter().all(|process| clean(process.pid))
        },
    );
    is_busy(&Answer::from_cgi(&connection.end(1).1).unwrap());
    eventually("no zombie is left", PATIENCE, || {
        processes::children(responder.pid()).is_empty()
    });
}

#[test]
fn a_responder_that_is_told_to_go_finishes_what_runs() {
    let store = Scratch::new();
    let mut responder = store.responder();
    let mut idle = responder.connect();
    idle.send(&kept(1));
    answered(&mut idle, 1);
    let (mut connection, _) = building(&store, &responder);
    responder.signal(Signal::SIGTERM);
    // Who has nothing under way is let go at once, though the connection was to be kept.
    idle.closed();
    is_busy(&Answer::from_cgi(&connection.end(1).1).unwrap());
    connection.closed();
    assert!(responder.ended().success());
}

#[test]
fn a_responder_waits_no_longer_than_it_may() {
    let store = Scratch::new().set("GOX_DRAIN_SECONDS", "0");
    let mut responder = store.responder();
    let (mut connection, _) = building(&store, &responder);
    responder.signal(Signal::SIGINT);
    assert!(responder.ended().success());
    connection.closed();
    eventually("the build goes on", PATIENCE, || !store.artifacts().is_empty());
}

#[test]
fn a_killed_responder_loses_no_build() {
    let store = Scratch::new();
    let mut responder = store.responder();
    let (_connection, _) = building(&store, &responder);
    responder.signal(Signal::SIGKILL);
    responder.ended();
    store.quiet();
    assert_eq!(store.artifacts().len(), 1, "the build did not go on");
    std::fs::remove_file(&responder.socket).unwrap();
    is_busy(&store.responder().ask(&Ask::get("/tester/busy")));
}

/// An update puts another file, or for a moment none, where the responder's own was: it builds on, with what it is.
#[test]
fn a_binary_that_is_replaced_stops_nobody() {
    let store = Scratch::new();
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
    responder.ask(&Ask::get("/robots.txt"));
    std::fs::remove_file(&own).unwrap();
    responder.ask(&Ask::get("/tester/hello@v1.0.0")).program();
    std::fs::copy("/bin/false", &own).unwrap();
    responder.ask(&Ask::get("/tester/hello@v1.1.0")).program();
}

/// A responder that makes its socket itself, once it listens.
fn bound(store: &Scratch, address: &str) -> Responder {
    let mut command = store.command();
    command.args(["fastcgi", "--bind", address]);
    let socket = address.trim_start_matches("unix:").into();
    let responder = Responder::start_command(command, socket);
    eventually("it listens", PATIENCE, || responder.log().contains("listening"));
    responder
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_socket_of_its_own() {
    let store = Scratch::cold();
    let path = store.dir.join("own.sock");
    let address = format!("unix:{}", path.display());
    let mut responder = bound(&store, &address);
    assert_eq!(mode(&path), 0o660);
    answered_after(&responder);

    // One that is in use stays whose it is.
    let second = store
        .command()
        .args(["fastcgi", "--bind", &address])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("in use"), "{said}");
    answered_after(&responder);

    // One that was left by the dead is replaced; one that ends well leaves none.
    responder.signal(Signal::SIGKILL);
    responder.ended();
    assert!(path.metadata().unwrap().file_type().is_socket());
    let store = store.set("GOX_SOCKET_MODE", "0600");
    let mut responder = bound(&store, &address);
    assert_eq!(mode(&path), 0o600);
    answered_after(&responder);
    responder.signal(Signal::SIGTERM);
    assert!(responder.ended().success());
    assert!(!path.exists());

    // What is no socket is nobody's to remove.
    std::fs::write(&path, "precious").unwrap();
    let third = store
        .command()
        .args(["fastcgi", "--bind", &address])
        .output()
        .unwrap();
    assert!(!third.status.success());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// FCGI_WEB_SERVER_ADDRS: of two who can connect, the one that is named is served.
#[test]
fn a_port_serves_those_who_are_named() {
    let store = Scratch::cold();
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
        connection.send(&kept(1));
        if served {
            answered(&mut connection, 1);
        } else {
            connection.closed();
            assert!(responder.log().contains("127.0.0.1"), "{}", responder.log());
        }
    }
    let output = store
        .command()
        .args(["fastcgi", "--bind", "127.0.0.1:0"])
        .env("FCGI_WEB_SERVER_ADDRS", "localhost")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("FCGI_WEB_SERVER_ADDRS"),
        "{said}"
    );
}
