//! Pages of programs, and the button on them: what starts a build, what refuses it, and what is left behind.

use crate::events::{EventStream, client, events_of, hold_slot, press};
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, processes};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The page of a program.
fn page(program: &str) -> Request {
    Request::get(&format!("/tester/{program}?os=linux&arch=amd64")).header("Accept", BROWSER)
}

/// The button on its page.
fn button(program: &str) -> Request {
    page(program).method("POST")
}

fn count(store: &TestStore, name: &str) -> u64 {
    let response = store.ask(&Request::get("/-/status"));
    let status: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    status["counts"][name].as_u64().unwrap()
}

/// The processes that wait for a slot after a button was pressed.
fn waiting(store: &TestStore) -> Vec<processes::Process> {
    let mut running = processes::find(&store.dir);
    running.retain(|process| process.is("enqueue"));
    running
}

#[track_caller]
fn assert_shows(response: &Response, text: &str) {
    assert_eq!(response.status, 200, "{response}");
    assert!(response.text().contains(text), "no {text:?}: {}", response.text());
}

/// zsh and fish expand an unquoted `?`.
#[test]
fn command_on_a_page_quotes_a_url_with_one_option() {
    let request = Request::get("/tester/hello@v1.0.0?os=linux&arch=amd64&strip=1").header("Accept", BROWSER);
    let path = "/-/bin/linux-amd64/tester/hello@v1.0.0/hello?strip=1'</span>";
    assert_shows(&TestStore::new().ask(&request), path);
}

/// R35: links to programs may be followed by any number of visitors and crawlers.
#[test]
fn pages_start_no_build_and_are_looked_up_once() {
    let programs = [
        "hello",
        "hello@v1.0.0",
        "generate",
        "busy",
        "majors",
        "partly-cgo",
        "nested-module",
        "aged",
    ];
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1")
        .set("GOX_LOOKUPS_PER_HOUR", "1");
    let front = store.front();
    let ask = |number: usize| {
        let page = page(programs[number % programs.len()]);
        let response = front.ask(&page.header("X-Forwarded-For", &client(number)));
        assert_shows(&response, "Not built yet");
    };
    (0..programs.len()).for_each(ask);
    let first = proxy.requests();
    let next = AtomicUsize::new(programs.len());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let number @ ..500 = next.fetch_add(1, Ordering::Relaxed) {
                    ask(number);
                }
            });
        }
    });
    assert_eq!(proxy.requests(), first, "a page was looked up again");
    let unique: BTreeSet<_> = first.iter().collect();
    println!(
        "500 pages of {} programs: {} requests to the module proxy for {} files",
        programs.len(),
        first.len(),
        unique.len()
    );
    assert_eq!(count(&store, "builds"), 0);
    assert_eq!(waiting(&store).len(), 0);
}

/// A browser gets the file at a URL that ends in its name, once it is built.
#[test]
fn named_url_gives_a_browser_the_file_once_it_is_built() {
    let store = TestStore::new();
    let named = Request::get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello").header("Accept", BROWSER);
    assert_shows(&store.ask(&named), "Not built yet");
    assert_eq!(store.ask(&button("hello@v1.0.0")).status, 303);
    store.wait_until_idle();
    let file = store.ask(&named);
    assert_eq!(
        file.header("content-type"),
        Some("application/octet-stream"),
        "{file}"
    );
    assert_eq!(file.header("vary"), Some("Accept, Accept-Encoding"));
    assert_shows(&store.ask(&page("hello@v1.0.0")), "Download hello (");
}

#[test]
fn button_pressed_by_many_browsers_builds_once() {
    let store = TestStore::new();
    let front = store.front();
    std::thread::scope(|scope| {
        for _ in 0..25 {
            scope.spawn(|| assert_eq!(front.ask(&button("hello@v1.0.0")).status, 303));
        }
    });
    store_is_idle_except_front(&store);
    assert_eq!((count(&store, "builds"), store.artifacts().len()), (1, 1));
}

/// Waits until only the front runs.
fn store_is_idle_except_front(store: &TestStore) {
    eventually("only the front runs", TIMEOUT, || {
        processes::find(&store.dir).len() == 1
    });
}

/// Programs are queued for one client up to its share of the queue.
#[test]
fn full_queue_and_used_up_budget_are_pages() {
    let store = TestStore::new()
        .set("GOX_BUILDS", "1")
        .set("GOX_QUEUE", "8")
        .set("GOX_BUILDS_PER_HOUR", "9");
    let slot = hold_slot(&store);
    for number in 0..2 {
        let response = store.ask(&button(&format!("hello@v1.{number}.0")));
        assert_eq!(response.status, 303, "{response}");
    }
    assert_eq!(waiting(&store).len(), 2);
    let shown = store.ask(&button("generate"));
    shown.refused("too-many-builds");
    assert_eq!(
        shown.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{shown}"
    );
    assert!(shown.header("retry-after").is_some(), "{shown}");
    let store = store.set("GOX_QUEUE", "2");
    let shown = store.ask(&button("generate"));
    assert!(shown.refused("queue-full").text().contains("<h1"), "{shown}");
    assert_shows(&store.ask(&page("hello@v1.1.0")), "1 build ahead");
    drop(slot);
    store.wait_until_idle();
    let store = store.set("GOX_BUILDS_PER_HOUR", "2");
    store.ask(&button("generate")).refused("too-many-builds");
    assert_shows(&store.ask(&page("generate")), "Not built yet");
    assert_eq!(store.artifacts().len(), 2);
}

/// The page then shows the button again.
#[test]
fn killed_waiting_process_leaves_the_program_unbuilt() {
    let store = TestStore::new().set("GOX_BUILDS", "1");
    let slot = hold_slot(&store);
    let front = store.front();
    press(&front, "hello");
    let mut stream = EventStream::open(front.address, &events_of("hello", "192.0.2.1"));
    assert_eq!(stream.next().unwrap()["stage"], "queued");
    let [process] = &waiting(&store)[..] else {
        panic!("one process waits")
    };
    process.kill();
    assert_eq!(stream.next().unwrap()["stage"], "not-built");
    assert_eq!(stream.next(), None);
    assert_shows(&front.ask(&page("hello")), "Not built yet");
    drop(slot);
    press(&front, "hello");
    store_is_idle_except_front(&store);
    assert_eq!(store.artifacts().len(), 1);
}

/// The waiting process belongs to no server, as a builder.
#[test]
fn queued_program_is_built_after_the_front_has_stopped() {
    let store = TestStore::new().set("GOX_BUILDS", "1");
    let slot = hold_slot(&store);
    let mut front = store.front();
    press(&front, "hello");
    front.signal(Signal::SIGTERM);
    assert!(front.wait_for_exit().success());
    assert_eq!(waiting(&store).len(), 1);
    assert_shows(&store.ask(&page("hello")), "Waiting for a build slot");
    drop(slot);
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 1);
}

/// In a container nothing outlives process 1, which waits for the drain time.
#[test]
fn stopped_container_leaves_no_waiting_process() {
    let store = TestStore::new()
        .set("GOX_BUILDS", "1")
        .set("GOX_DRAIN_SECONDS", "1");
    let slot = hold_slot(&store);
    let mut front = store.contained_front();
    press(&front, "hello");
    assert_eq!(waiting(&store).len(), 1);
    front.signal(Signal::SIGTERM);
    front.wait_for_exit();
    store.wait_until_idle();
    assert_shows(&store.ask(&page("hello")), "Not built yet");
    drop(slot);
    assert_eq!(store.ask(&button("hello")).status, 303);
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 1);
}
