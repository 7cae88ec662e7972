//! Processes that are killed during a build: the next request gets the right program, and no process or file is left.
//!
//! Every test waits until a `compile` for the program runs. `TestStore` checks for leftovers when the test ends.

use crate::support::case::tester;
use crate::support::processes::{self, Process};
use crate::support::request::Request;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, plain_go};
use nix::sys::signal::Signal;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;

#[track_caller]
fn kill_processes(word: &str, processes: &[Process]) {
    let those: Vec<_> = processes.iter().filter(|process| process.is(word)).collect();
    assert!(!those.is_empty(), "no {word} among {processes:?}");
    those.into_iter().for_each(Process::kill);
}

#[track_caller]
fn assert_served(store: &TestStore) {
    let response = store.ask(&Request::get("/tester/busy"));
    response.program();
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

#[test]
fn build_survives_killed_cgi_process() {
    let store = TestStore::new();
    let mut cgi = store.start(&Request::get("/tester/busy"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    // The harshest reaction of a web server to a disconnected client.
    cgi.child.kill().unwrap();
    cgi.child.wait().unwrap();
    drop(compiler);
    store.wait_until_idle();
    let [artifact] = &store.artifacts()[..] else {
        panic!("the build did not finish: {:?}", store.artifacts())
    };
    let before = std::fs::metadata(artifact).unwrap().ino();
    assert_served(&store);
    assert_eq!(
        std::fs::metadata(artifact).unwrap().ino(),
        before,
        "it was built again"
    );
}

#[test]
fn killed_builder_ends_its_process_tree() {
    let store = TestStore::new();
    let cgi = store.start(&Request::get("/tester/busy"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    kill_processes("builder", &compiler.running);
    let dead: Vec<_> = compiler
        .running
        .iter()
        .filter(|process| process.is("compile") || process.is("go"))
        .map(|process| process.pid)
        .collect();
    eventually("the driver and its tools exit", TIMEOUT, || {
        processes::find(&store.dir)
            .iter()
            .all(|process| !dead.contains(&process.pid))
    });
    // The waiter gets the program or an internal error.
    let response = cgi.response();
    assert!(
        response.status == 200 || response.reason() == Some("internal"),
        "{response}"
    );
    assert_served(&store);
}

#[test]
fn killed_driver_is_not_cached_as_failure() {
    assert_transient("go", &["internal"]);
}

#[test]
fn killed_compiler_is_not_cached_as_failure() {
    assert_transient("compile", &["internal", "out-of-memory"]);
}

/// Kills one process of a build. The waiter gets the program or one of these reasons; the next request gets the program.
fn assert_transient(victim: &str, reasons: &[&str]) {
    let store = TestStore::new();
    let cgi = store.start(&Request::get("/tester/busy"));
    kill_processes(victim, &StoppedCompiler::wait_for(&store, "busy").running);
    let response = cgi.response();
    assert!(
        response.status == 200 || response.reason().is_some_and(|reason| reasons.contains(&reason)),
        "{response}"
    );
    assert_served(&store);
}

#[test]
fn build_survives_killed_front() {
    use std::io::Write;
    let store = TestStore::new();
    let mut front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&crate::support::http::encode_request(&Request::get(
            "/tester/busy",
        )))
        .unwrap();
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    front.signal(Signal::SIGKILL);
    front.wait_for_exit();
    drop(compiler);
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 1, "the build did not finish");
    let again = store.front();
    assert_eq!(
        again.ask(&Request::get("/tester/busy")).sha256(),
        plain_go::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

#[test]
fn terminated_front_finishes_running_requests() {
    use std::io::{Read, Write};
    let store = TestStore::new();
    let mut front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&crate::support::http::encode_request(&Request::get(
            "/tester/busy",
        )))
        .unwrap();
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    front.signal(Signal::SIGTERM);
    eventually("the port closes", TIMEOUT, || {
        TcpStream::connect(front.address).is_err()
    });
    drop(compiler);
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).unwrap();
    let response = crate::support::response::Response::from_http(&wire, false).unwrap();
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("busy", "v1.0.0").wanted).sha256,
        "{response}"
    );
    assert!(front.wait_for_exit().success());
}

/// As after a power failure: no process can clean up.
#[test]
fn service_recovers_when_all_processes_are_killed() {
    let store = TestStore::new();
    let mut cgi = store.start(&Request::get("/tester/busy"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    compiler.running.iter().for_each(Process::kill);
    cgi.child.wait().unwrap();
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 0);
    assert_served(&store);
}
