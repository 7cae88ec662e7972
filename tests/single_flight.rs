//! Many who want the same thing at once: it is compiled once, and everybody gets it.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::processes::{self, Process};
use crate::support::scratch::Scratch;
use crate::support::web_server::WebServer;
use crate::support::{PATIENCE, eventually, plain};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

const CLIENTS: usize = 20;

#[test]
fn twenty_programs_at_once_compile_once() {
    let store = Scratch::new();
    let ask = Ask::get("/tester/busy");
    let (bodies, compiles) = watched(&store, || {
        let running: Vec<_> = (0..CLIENTS).map(|_| store.start(&ask)).collect();
        running
            .into_iter()
            .map(|cgi| cgi.answer().program().to_vec())
            .collect()
    });
    all_right(&store, &bodies, &compiles);
}

/// Each client waits for a slot of its own, and one of them builds.
#[test]
fn twenty_clients_at_once_compile_once() {
    let store = Scratch::new()
        .set("GOX_BUILDS", "2")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let ask = |client: usize| Ask::get("/tester/busy").header("X-Forwarded-For", &format!("10.{client}.0.1"));
    let (bodies, compiles) = watched(&store, || {
        let running: Vec<_> = (0..CLIENTS).map(|client| store.start(&ask(client))).collect();
        running
            .into_iter()
            .map(|cgi| cgi.answer().program().to_vec())
            .collect()
    });
    all_right(&store, &bodies, &compiles);
}

#[test]
fn twenty_connections_to_the_front_compile_once() {
    let store = Scratch::new();
    let front = store.front();
    compile_once(&store, |ask| front.ask(ask));
}

#[test]
fn twenty_connections_to_nginx_compile_once() {
    let store = Scratch::new();
    let responder = store.responder();
    let nginx = WebServer::nginx(&store, &responder.socket);
    compile_once(&store, |ask| nginx.mounts[0].ask(ask).unwrap());
}

fn compile_once(store: &Scratch, door: impl Fn(&Ask) -> Answer + Sync) {
    let ask = Ask::get("/tester/busy");
    let (bodies, compiles) = watched(store, || {
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| door(&ask).program().to_vec()))
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        })
    });
    all_right(store, &bodies, &compiles);
}

/// Who does not want to wait in silence looks beside the program.
#[test]
fn the_log_of_what_is_compiled_says_how_far_it_is() {
    let store = Scratch::new();
    let log = Ask::get("/tester/busy.log");
    store.ask(&log).refused("not-built");
    let building = store.start(&Ask::get("/tester/busy"));
    let mut told = String::new();
    eventually("a package of busy is compiled", PATIENCE, || {
        told = store.ask(&log).text();
        told.contains("now ")
    });
    let so_far = told.strip_prefix("Being compiled: ").unwrap();
    let (so_far, package) = so_far.split_once(" packages, now ").unwrap();
    let (done, total) = so_far.split_once(" of ").unwrap();
    assert!(
        done.parse::<usize>().unwrap() < total.parse::<usize>().unwrap(),
        "{told}"
    );
    assert!(!package.trim().is_empty(), "{told}");
    building.answer().program();
    assert!(store.ask(&log).text().contains("without a word"));
}

/// Two platforms of one program share nothing that one could wait for.
#[test]
fn what_is_different_is_built_at_once() {
    let store = Scratch::new();
    let running = [
        "/tester/hello",
        "/tester/hello@v1.0.0",
        "/tester/library",
        "/tester/does-not-compile",
        "/tester/generate",
    ]
    .map(|url| store.start(&Ask::get(url)));
    let statuses = running.map(|cgi| cgi.answer().status);
    assert_eq!(statuses, [200, 200, 404, 422, 200]);
}

/// Runs `clients`, and meanwhile notes every process that compiles for this store: by pid, so each counts once.
fn watched(store: &Scratch, clients: impl FnOnce() -> Vec<Vec<u8>>) -> (Vec<Vec<u8>>, BTreeSet<i32>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            // The compile of `busy` takes seconds, and a look takes milliseconds.
            while !over.load(Ordering::Relaxed) {
                seen.extend(
                    processes::about(&store.dir)
                        .iter()
                        .filter(|process| compiles_busy(process))
                        .map(|process| process.pid),
                );
            }
            seen
        });
        let bodies = clients();
        over.store(true, Ordering::Relaxed);
        (bodies, watcher.join().unwrap())
    })
}

fn compiles_busy(process: &Process) -> bool {
    process.is("compile") && process.command.contains("busy")
}

fn all_right(store: &Scratch, bodies: &[Vec<u8>], compiles: &BTreeSet<i32>) {
    let plain = plain::install(&tester("busy", "v1.0.0").wanted).read();
    assert!(
        bodies.iter().all(|body| *body == plain),
        "not all of {CLIENTS} bodies are the program"
    );
    assert_eq!(compiles.len(), 1, "compiles: {compiles:?}");
    let [artifact] = &store.artifacts()[..] else {
        panic!("{:?}", store.artifacts())
    };
    let before = std::fs::metadata(artifact).unwrap().ino();
    store.ask(&Ask::get("/tester/busy")).program();
    assert_eq!(
        before,
        std::fs::metadata(artifact).unwrap().ino(),
        "a hit published again"
    );
}
