//! Whoever is killed in the middle of a build: the next request is served right, and nothing is left of the dead.
//!
//! Every test waits until a `compile` for the program in question lives: that is the middle. That nothing is left is checked
//! by each store when its test ends.

use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::processes::{self, Process};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, plain};
use nix::sys::signal::Signal;
use std::os::unix::fs::MetadataExt;

/// Everything that runs for this store, as soon as `compile` is at work on `package`.
#[track_caller]
fn in_the_middle(store: &Scratch, package: &str) -> Vec<Process> {
    let mut found = Vec::new();
    eventually(&format!("a compile of {package}"), PATIENCE, || {
        found = processes::about(&store.dir);
        found
            .iter()
            .any(|process| process.is("compile") && process.command.contains(package))
    });
    found
}

#[track_caller]
fn kill_the(word: &str, processes: &[Process]) {
    let those: Vec<_> = processes.iter().filter(|process| process.is(word)).collect();
    assert!(!those.is_empty(), "no {word} among {processes:?}");
    those.into_iter().for_each(Process::kill);
}

#[track_caller]
fn served_right(store: &Scratch) {
    let answer = store.ask(&Ask::get("/tester/busy"));
    answer.program();
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

#[test]
fn a_client_that_leaves_loses_nothing() {
    let store = Scratch::new();
    let mut cgi = store.start(&Ask::get("/tester/busy"));
    in_the_middle(&store, "busy");
    // What a web server does to a CGI program whose client has gone, at its worst.
    cgi.child.kill().unwrap();
    cgi.child.wait().unwrap();
    store.quiet();
    let [artifact] = &store.artifacts()[..] else {
        panic!("the build did not go on: {:?}", store.artifacts())
    };
    let before = std::fs::metadata(artifact).unwrap().ino();
    served_right(&store);
    assert_eq!(
        std::fs::metadata(artifact).unwrap().ino(),
        before,
        "it was built again"
    );
}

#[test]
fn a_client_that_closes_its_connection_loses_nothing() {
    use std::io::Write;
    let store = Scratch::new();
    let front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&crate::support::http::request(&Ask::get("/tester/busy")))
        .unwrap();
    in_the_middle(&store, "busy");
    drop(stream);
    // The build ends by itself, or not at all: the front has nobody to tell.
    eventually("the artifact is published", PATIENCE, || {
        !store.artifacts().is_empty()
    });
    served_right(&store);
}

#[test]
fn a_killed_builder_takes_its_whole_tree_along() {
    let store = Scratch::new();
    let cgi = store.start(&Ask::get("/tester/busy"));
    let running = in_the_middle(&store, "busy");
    kill_the("builder", &running);
    let dead: Vec<_> = running
        .iter()
        .filter(|process| process.is("compile") || process.is("go"))
        .map(|process| process.pid)
        .collect();
    eventually("the driver and its tools are dead", PATIENCE, || {
        processes::about(&store.dir)
            .iter()
            .all(|process| !dead.contains(&process.pid))
    });
    // The one who waited is told something true: the program, or that something went wrong here.
    let answer = cgi.answer();
    assert!(
        answer.status == 200 || answer.reason() == Some("internal"),
        "{answer}"
    );
    served_right(&store);
}

#[test]
fn a_killed_driver_is_an_accident_that_nobody_remembers() {
    is_an_accident("go", &["internal"]);
}

#[test]
fn a_killed_compiler_is_an_accident_that_nobody_remembers() {
    is_an_accident("compile", &["internal", "out-of-memory"]);
}

/// Kills one process of a build: who waited is told the program, or one of these; the next gets the program.
fn is_an_accident(victim: &str, told: &[&str]) {
    let store = Scratch::new();
    let cgi = store.start(&Ask::get("/tester/busy"));
    kill_the(victim, &in_the_middle(&store, "busy"));
    let answer = cgi.answer();
    assert!(
        answer.status == 200 || answer.reason().is_some_and(|reason| told.contains(&reason)),
        "{answer}"
    );
    served_right(&store);
}

#[test]
fn a_killed_front_loses_no_build() {
    use std::io::Write;
    let store = Scratch::new();
    let mut front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&crate::support::http::request(&Ask::get("/tester/busy")))
        .unwrap();
    in_the_middle(&store, "busy");
    front.signal(Signal::SIGKILL);
    front.ended();
    store.quiet();
    assert_eq!(store.artifacts().len(), 1, "the build did not go on");
    let again = store.front();
    assert_eq!(
        again.ask(&Ask::get("/tester/busy")).sha256(),
        plain::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

#[test]
fn a_front_that_is_told_to_go_finishes_what_runs() {
    use std::io::{Read, Write};
    let store = Scratch::new();
    let mut front = store.front();
    let mut stream = front.connect();
    stream
        .write_all(&crate::support::http::request(&Ask::get("/tester/busy")))
        .unwrap();
    in_the_middle(&store, "busy");
    front.signal(Signal::SIGTERM);
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).unwrap();
    let answer = crate::support::answer::Answer::from_http(&wire, false).unwrap();
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("busy", "v1.0.0").wanted).sha256,
        "{answer}"
    );
    assert!(front.ended().success());
}

/// A group of everything, as a machine that loses its power: nothing gets to clean up, and the next request finds a way.
#[test]
fn all_killed_at_once() {
    let store = Scratch::new();
    let mut cgi = store.start(&Ask::get("/tester/busy"));
    in_the_middle(&store, "busy").iter().for_each(Process::kill);
    cgi.child.wait().unwrap();
    store.quiet();
    assert_eq!(store.artifacts().len(), 0);
    served_right(&store);
}
