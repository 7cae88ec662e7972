//! Concurrent requests for the same program: it is compiled once, and all clients get it.

use crate::support::case::tester;
use crate::support::processes::{self, Process};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{TIMEOUT, eventually, plain_go};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CLIENTS: usize = 20;

#[test]
fn twenty_programs_at_once_compile_once() {
    let store = TestStore::new();
    let request = Request::get("/tester/busy");
    let (bodies, compiles) = collect_compilers(&store, || {
        let running: Vec<_> = (0..CLIENTS).map(|_| store.start(&request)).collect();
        running
            .into_iter()
            .map(|cgi| cgi.response().program().to_vec())
            .collect()
    });
    assert_compiled_once(&store, &bodies, &compiles);
}

/// Requests of different clients share one build too.
#[test]
fn twenty_clients_at_once_compile_once() {
    let store = TestStore::new()
        .set("GOX_BUILDS", "2")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let ask =
        |client: usize| Request::get("/tester/busy").header("X-Forwarded-For", &format!("10.{client}.0.1"));
    let (bodies, compiles) = collect_compilers(&store, || {
        let running: Vec<_> = (0..CLIENTS).map(|client| store.start(&ask(client))).collect();
        running
            .into_iter()
            .map(|cgi| cgi.response().program().to_vec())
            .collect()
    });
    assert_compiled_once(&store, &bodies, &compiles);
}

#[test]
fn twenty_connections_to_the_front_compile_once() {
    let store = TestStore::new();
    let front = store.front();
    request_in_parallel(&store, |request| front.ask(request));
}

#[test]
fn twenty_connections_to_nginx_compile_once() {
    let store = TestStore::new();
    let responder = store.responder();
    let nginx = WebServer::nginx(&store, &responder.socket);
    request_in_parallel(&store, |request| nginx.mounts[0].ask(request).unwrap());
}

fn request_in_parallel(store: &TestStore, transport: impl Fn(&Request) -> Response + Sync) {
    let request = Request::get("/tester/busy");
    let (bodies, compiles) = collect_compilers(store, || {
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| transport(&request).program().to_vec()))
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        })
    });
    assert_compiled_once(store, &bodies, &compiles);
}

/// The log sidecar shows progress during a build.
#[test]
fn build_log_reports_progress() {
    let store = TestStore::new();
    let log = Request::get("/tester/busy.log");
    store.ask(&log).refused("not-built");
    let building = store.start(&Request::get("/tester/busy"));
    let mut progress = String::new();
    eventually("a package of busy is compiled", TIMEOUT, || {
        progress = store.ask(&log).text();
        progress.contains("now ")
    });
    let so_far = progress.strip_prefix("Being compiled: ").unwrap();
    let (so_far, package) = so_far.split_once(" packages, now ").unwrap();
    let (done, total) = so_far.split_once(" of ").unwrap();
    assert!(
        done.parse::<usize>().unwrap() < total.parse::<usize>().unwrap(),
        "{progress}"
    );
    assert!(!package.trim().is_empty(), "{progress}");
    building.response().program();
    assert!(store.ask(&log).text().contains("without output"));
}

/// Different programs do not wait for each other.
#[test]
fn different_programs_build_in_parallel() {
    let store = TestStore::new();
    let running = [
        "/tester/hello",
        "/tester/hello@v1.0.0",
        "/tester/library",
        "/tester/does-not-compile",
        "/tester/generate",
    ]
    .map(|url| store.start(&Request::get(url)));
    let statuses = running.map(|cgi| cgi.response().status);
    assert_eq!(statuses, [200, 200, 404, 422, 200]);
}

/// Runs `clients` and collects the PIDs of all compilers of `busy` in the meantime.
fn collect_compilers(
    store: &TestStore,
    clients: impl FnOnce() -> Vec<Vec<u8>>,
) -> (Vec<Vec<u8>>, BTreeSet<i32>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            // Compiling `busy` takes half a second or more, a scan of /proc milliseconds.
            while !over.load(Ordering::Relaxed) {
                seen.extend(
                    processes::find(&store.dir)
                        .iter()
                        .filter(|process| compiles_busy(process))
                        .map(|process| process.pid),
                );
                std::thread::park_timeout(Duration::from_millis(30));
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

fn assert_compiled_once(store: &TestStore, bodies: &[Vec<u8>], compiles: &BTreeSet<i32>) {
    let plain = plain_go::install(&tester("busy", "v1.0.0").wanted).read();
    assert!(
        bodies.iter().all(|body| *body == plain),
        "not all of {CLIENTS} bodies are the program"
    );
    assert_eq!(compiles.len(), 1, "compiles: {compiles:?}");
    let [artifact] = &store.artifacts()[..] else {
        panic!("{:?}", store.artifacts())
    };
    let before = std::fs::metadata(artifact).unwrap().ino();
    store.ask(&Request::get("/tester/busy")).program();
    assert_eq!(
        before,
        std::fs::metadata(artifact).unwrap().ino(),
        "a hit published again"
    );
}
