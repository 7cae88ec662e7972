//! A front that is a container's first process: it buries the dead, and ends in time, whatever is under way.
//!
//! `make stops` stops it at 100 moments; STOPS=N at N (4 by default); STOPS_SEED repeats a run, as far as a machine can.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::dice::{Dice, number, seed};
use crate::support::front::Front;
use crate::support::processes;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, http, plain};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const BUSY: &str = "/tester/busy";

/// Asks, waits until the program is being made, and leaves.
fn ask_and_leave(store: &Scratch, front: &Front) {
    let mut stream = front.connect();
    stream.write_all(&http::request(&Ask::get(BUSY))).unwrap();
    eventually("a compile of busy", PATIENCE, || {
        let running = processes::about(&store.dir);
        running
            .iter()
            .any(|process| process.is("compile") && process.command.contains("busy"))
    });
    drop(stream);
    eventually("its request is gone", PATIENCE, || {
        !processes::about(&store.dir).iter().any(is_request)
    });
}

/// A CGI program has no arguments, and the front is one process or two.
fn is_request(process: &processes::Process) -> bool {
    let variables = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
    variables.starts_with(b"GATEWAY_INTERFACE=")
        || variables
            .windows(19)
            .any(|window| window == b"\0GATEWAY_INTERFACE=")
}

fn right() -> String {
    plain::install(&tester("busy", "v1.0.0").wanted).sha256
}

#[test]
fn orphans_are_buried() {
    let store = Scratch::new();
    let front = store.contained_front();
    ask_and_leave(&store, &front);
    eventually(
        "the builder has ended, and the server alone is left",
        PATIENCE,
        || !store.artifacts().is_empty() && processes::children(front.pid).len() == 1,
    );
    assert_eq!(front.ask(&Ask::get(BUSY)).sha256(), right());
}

#[test]
fn a_build_that_nobody_waits_for_is_finished_in_the_drain() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let store = Scratch::new();
        let mut front = store.contained_front();
        ask_and_leave(&store, &front);
        front.signal(signal);
        assert!(front.ended().success(), "{signal}: {}", front.log());
        assert_eq!(store.artifacts().len(), 1, "{signal}");
    }
}

#[test]
fn a_second_signal_cuts_builds_off_too() {
    let proxy = Proxy::start(Manner::Hold(".zip"));
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let mut front = store.contained_front();
    let mut stream = front.connect();
    stream.write_all(&http::request(&Ask::get(BUSY))).unwrap();
    proxy.await_ask(".zip");
    front.signal(Signal::SIGTERM);
    eventually("it listens no more", PATIENCE, || {
        TcpStream::connect(front.address).is_err()
    });
    front.signal(Signal::SIGINT);
    assert!(front.ended().success(), "{}", front.log());
    nothing_runs(&store);
    proxy.change(Manner::Serve);
    assert_eq!(store.ask(&Ask::get(BUSY)).sha256(), right());
}

#[test]
fn what_the_drain_cuts_off_is_built_after_the_restart() {
    let proxy = Proxy::start(Manner::Hold(".zip"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_DRAIN_SECONDS", "1");
    let mut front = store.contained_front();
    let mut stream = front.connect();
    stream.write_all(&http::request(&Ask::get(BUSY))).unwrap();
    proxy.await_ask(".zip");
    front.signal(Signal::SIGTERM);
    assert!(front.ended().success(), "{}", front.log());
    nothing_runs(&store);
    let mut wire = Vec::new();
    // A reset says as much as an end.
    stream.read_to_end(&mut wire).ok();
    assert!(Answer::from_http(&wire, false).is_err(), "half an answer");
    proxy.change(Manner::Serve);
    let again = store.contained_front();
    assert_eq!(again.ask(&Ask::get(BUSY)).sha256(), right());
}

/// The kernel ends a namespace before its first process is buried: there is nothing to wait for.
#[track_caller]
fn nothing_runs(store: &Scratch) {
    let left = processes::about(&store.dir);
    assert!(left.is_empty(), "{left:?}");
}

/// What a client got: a whole answer, or the part of one, or nothing.
fn ask(address: SocketAddr, ask: &Ask) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(&http::request(ask)).ok()?;
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).ok()?;
    Answer::from_http(&wire, false).ok()
}

#[test]
fn whenever_it_is_stopped_it_ends_in_time_and_no_byte_is_wrong() {
    const DRAIN: Duration = Duration::from_secs(2);
    // A second for the last words, and as much for a machine under load.
    const LIMIT: Duration = Duration::from_secs(4);
    let stops = number("STOPS").unwrap_or(4);
    let seed = seed("STOPS_SEED");
    println!("STOPS={stops} STOPS_SEED={seed}");
    let programs: Vec<_> = [
        ("hello", "v1.0.0"),
        ("hello", "v1.1.0"),
        ("generate", "v1.0.0"),
        ("busy", "v1.0.0"),
    ]
    .map(|(name, version)| {
        let ask = Ask::get(&format!("/tester/{name}@{version}"));
        (ask, plain::install(&tester(name, version).wanted).sha256)
    })
    .into();
    let store = Scratch::new().set("GOX_DRAIN_SECONDS", DRAIN.as_secs().to_string());
    let counts = Mutex::new(BTreeMap::<String, usize>::new());
    let count = |what: &str| *counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    let mut dice = Dice::new(seed);
    let mut longest = Duration::ZERO;
    for stop in 0..stops {
        // So that there is something to build.
        for artifact in store.artifacts() {
            fs::remove_dir_all(artifact.parent().unwrap()).unwrap();
        }
        let mut front = store.contained_front();
        let address = front.address;
        std::thread::scope(|scope| {
            for client in 0..6 {
                let mut dice = Dice::new(seed.wrapping_mul(stop * 100 + client * 2 + 3));
                let (programs, count) = (&programs, &count);
                scope.spawn(move || {
                    while TcpStream::connect(address).is_ok() {
                        let (wanted, sha256) = &programs[dice.below(programs.len())];
                        match ask(address, wanted) {
                            Some(answer) if answer.status == 200 => {
                                assert_eq!(&answer.sha256(), sha256, "seed {seed}: {answer}");
                                count("200, right");
                            }
                            Some(answer) => count(&format!("{} {:?}", answer.status, answer.reason())),
                            None => count("cut off"),
                        }
                    }
                });
            }
            // A random moment is what this test is about.
            std::thread::park_timeout(Duration::from_millis(dice.below(1500) as u64));
            let running = processes::about(&store.dir);
            let building = running.iter().any(|process| process.is("builder"));
            count(if building {
                "stopped in a build"
            } else {
                "stopped between builds"
            });
            let begun = Instant::now();
            front.signal([Signal::SIGTERM, Signal::SIGINT][dice.below(2)]);
            let status = front.ended();
            longest = longest.max(begun.elapsed());
            assert!(status.success(), "seed {seed}: {status}: {}", front.log());
            assert!(begun.elapsed() < LIMIT, "seed {seed}: {:?}", begun.elapsed());
            nothing_runs(&store);
        });
    }
    println!("longest stop {longest:?}, {:#?}", counts.into_inner().unwrap());
    for (wanted, sha256) in &programs {
        assert_eq!(&store.ask(wanted).sha256(), sha256, "seed {seed}: after it all");
    }
}
