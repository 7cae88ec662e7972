//! The servers as process 1 of a container: it reaps orphans and exits in time.
//!
//! STOPS is the number of stops at random times (default 4, `make stops` 100). STOPS_SEED repeats the random choices of a run.

use crate::support::case::tester;
use crate::support::fastcgi::Responder;
use crate::support::front::Front;
use crate::support::processes;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::random::{Random, number, seed};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, http, plain_go};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const BUSY: &str = "/tester/busy";

/// Sends a request, stops the compiler, and disconnects.
fn request_and_disconnect(store: &TestStore, front: &Front) -> StoppedCompiler {
    let mut stream = front.connect();
    stream
        .write_all(&http::encode_request(&Request::get(BUSY)))
        .unwrap();
    let compiler = StoppedCompiler::wait_for(store, "busy");
    drop(stream);
    eventually("its CGI process exits", TIMEOUT, || {
        !processes::find(&store.dir).iter().any(is_request)
    });
    compiler
}

/// Whether this is a CGI process: its environment has GATEWAY_INTERFACE.
fn is_request(process: &processes::Process) -> bool {
    let variables = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
    variables.starts_with(b"GATEWAY_INTERFACE=")
        || variables
            .windows(19)
            .any(|window| window == b"\0GATEWAY_INTERFACE=")
}

fn expected_sha256() -> String {
    plain_go::install(&tester("busy", "v1.0.0").wanted).sha256
}

#[test]
fn orphans_are_reaped() {
    let store = TestStore::new();
    let front = store.contained_front();
    drop(request_and_disconnect(&store, &front));
    eventually("the builder exits, and only the server is left", TIMEOUT, || {
        !store.artifacts().is_empty() && processes::children(front.pid).len() == 1
    });
    assert_eq!(front.ask(&Request::get(BUSY)).sha256(), expected_sha256());
}

/// `spawn-fcgi -n -- gox-server` as the command of a container.
#[test]
fn socket_of_process_1_is_served_by_its_child() {
    let store = TestStore::empty();
    let socket = store.dir.join("contained.sock");
    let mut command = processes::contained();
    command
        .env_clear()
        .envs(store.settings())
        .stdin(OwnedFd::from(UnixListener::bind(&socket).unwrap()));
    let mut responder = Responder::start_command(command, socket);
    assert_eq!(responder.ask(&Request::get("/robots.txt")).status, 200);
    let [first] = processes::children(responder.pid())[..] else {
        panic!("unshare does not have exactly one child")
    };
    eventually("process 1 closes the socket", TIMEOUT, || {
        processes::sockets(first).is_empty()
    });
    kill(Pid::from_raw(first), Signal::SIGTERM).unwrap();
    assert!(responder.wait_for_exit().success(), "{}", responder.log());
}

#[test]
fn build_without_waiters_finishes_during_drain() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let store = TestStore::new();
        let mut front = store.contained_front();
        let compiler = request_and_disconnect(&store, &front);
        front.signal(signal);
        drop(compiler);
        assert!(front.wait_for_exit().success(), "{signal}: {}", front.log());
        assert_eq!(store.artifacts().len(), 1, "{signal}");
    }
}

#[test]
fn second_signal_ends_running_builds() {
    let proxy = Proxy::start(Behavior::Hold(".zip"));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let mut front = store.contained_front();
    let mut stream = front.connect();
    stream
        .write_all(&http::encode_request(&Request::get(BUSY)))
        .unwrap();
    proxy.wait_for_request(".zip");
    front.signal(Signal::SIGTERM);
    eventually("the port closes", TIMEOUT, || {
        TcpStream::connect(front.address).is_err()
    });
    front.signal(Signal::SIGINT);
    assert!(front.wait_for_exit().success(), "{}", front.log());
    assert_nothing_runs(&store);
    proxy.set_behavior(Behavior::Serve);
    assert_eq!(store.ask(&Request::get(BUSY)).sha256(), expected_sha256());
}

#[test]
fn build_ended_by_drain_succeeds_after_restart() {
    let proxy = Proxy::start(Behavior::Hold(".zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_DRAIN_SECONDS", "1");
    let mut front = store.contained_front();
    let mut stream = front.connect();
    stream
        .write_all(&http::encode_request(&Request::get(BUSY)))
        .unwrap();
    proxy.wait_for_request(".zip");
    front.signal(Signal::SIGTERM);
    assert!(front.wait_for_exit().success(), "{}", front.log());
    assert_nothing_runs(&store);
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).unwrap();
    let response = Response::from_http(&wire, false).unwrap();
    assert_eq!(
        (response.status, response.header("Retry-After")),
        (503, Some("10"))
    );
    proxy.set_behavior(Behavior::Serve);
    let again = store.contained_front();
    assert_eq!(again.ask(&Request::get(BUSY)).sha256(), expected_sha256());
}

/// Asserts without waiting: the kernel kills a PID namespace before its process 1 can be reaped (pid_namespaces(7)).
#[track_caller]
fn assert_nothing_runs(store: &TestStore) {
    let left = processes::find(&store.dir);
    assert!(left.is_empty(), "{left:?}");
}

/// Sends a request. `None` without a complete response.
fn ask(address: SocketAddr, request: &Request) -> Option<Response> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(&http::encode_request(request)).ok()?;
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).ok()?;
    Response::from_http(&wire, false).ok()
}

#[test]
fn container_stopped_at_random_times_exits_in_time() {
    const DRAIN: Duration = Duration::from_secs(2);
    // One second for the last responses; the rest for a loaded or paused machine.
    const LIMIT: Duration = Duration::from_secs(15);
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
        let request = Request::get(&format!("/tester/{name}@{version}"));
        (request, plain_go::install(&tester(name, version).wanted).sha256)
    })
    .into();
    let store = TestStore::new().set("GOX_DRAIN_SECONDS", DRAIN.as_secs().to_string());
    let counts = Mutex::new(BTreeMap::<String, usize>::new());
    let count = |what: &str| *counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    let mut random = Random::new(seed);
    let mut longest = Duration::ZERO;
    for stop in 0..stops {
        // Remove all programs, so that requests build.
        for artifact in store.artifacts() {
            fs::remove_dir_all(artifact.parent().unwrap()).unwrap();
        }
        let mut front = store.contained_front();
        let address = front.address;
        std::thread::scope(|scope| {
            for client in 0..6 {
                let mut random = Random::new(seed.wrapping_mul(stop * 100 + client * 2 + 3));
                let (programs, count) = (&programs, &count);
                scope.spawn(move || {
                    while TcpStream::connect(address).is_ok() {
                        let (wanted, sha256) = &programs[random.below(programs.len())];
                        match ask(address, wanted) {
                            Some(response) if response.status == 200 => {
                                assert_eq!(&response.sha256(), sha256, "seed {seed}: {response}");
                                count("200, right");
                            }
                            Some(response) => count(&format!("{} {:?}", response.status, response.reason())),
                            None => count("cut off"),
                        }
                    }
                });
            }
            // Stop at a random time.
            std::thread::park_timeout(Duration::from_millis(random.below(1500) as u64));
            let running = processes::find(&store.dir);
            let building = running.iter().any(|process| process.is("builder"));
            count(if building {
                "stopped in a build"
            } else {
                "stopped between builds"
            });
            let begun = Instant::now();
            front.signal([Signal::SIGTERM, Signal::SIGINT][random.below(2)]);
            let status = front.wait_for_exit();
            longest = longest.max(begun.elapsed());
            assert!(status.success(), "seed {seed}: {status}: {}", front.log());
            assert!(begun.elapsed() < LIMIT, "seed {seed}: {:?}", begun.elapsed());
            assert_nothing_runs(&store);
        });
    }
    println!("longest stop {longest:?}, {:#?}", counts.into_inner().unwrap());
    for (wanted, sha256) in &programs {
        assert_eq!(&store.ask(wanted).sha256(), sha256, "seed {seed}: afterwards");
    }
}
