//! Turns, budgets, caps: what holds when many ask for much, between processes that know each other by files only.

use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, plain, processes, walk};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

pub(crate) fn hello(version: &str) -> Ask {
    Ask::get(&format!("/tester/hello@{version}"))
}

/// A store with one slot, which is taken by a build that lasts some seconds.
pub(crate) fn busy() -> (Scratch, crate::support::cgi::Cgi) {
    let store = Scratch::new().set("GOX_BUILDS", "1");
    let first = store.start(&Ask::get("/tester/busy"));
    eventually("a compile of busy", PATIENCE, || {
        processes::about(&store.dir)
            .iter()
            .any(|process| process.is("compile") && process.command.contains("busy"))
    });
    (store, first)
}

/// Tickets are files named by their numbers.
fn waiting(store: &Scratch) -> usize {
    let entries = fs::read_dir(store.dir.join("queue")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .count()
}

fn until_waiting(store: &Scratch, count: usize) {
    eventually(&format!("{count} wait"), PATIENCE, || waiting(store) == count);
}

#[test]
fn the_queue_is_bounded() {
    let (store, first) = busy();
    let store = store.set("GOX_QUEUE", "1");
    let second = store.start(&hello("v1.0.0"));
    until_waiting(&store, 1);
    let answer = store.ask(&hello("v1.1.0"));
    assert!(
        answer.refused("queue-full").header("retry-after").is_some(),
        "{answer}"
    );
    first.answer().program();
    second.answer().program();
    store.ask(&hello("v1.1.0")).program();
}

#[test]
fn turns_come_in_order_of_arrival() {
    let (store, first) = busy();
    let asked = [
        "/tester/hello@v1.1.0",
        "/tester/generate",
        "/tester/hello@v1.0.0",
        "/tester/pgo-garbage",
    ];
    let waiting: Vec<_> = asked
        .iter()
        .enumerate()
        .map(|(place, path)| {
            let cgi = store.start(&Ask::get(path));
            until_waiting(&store, place + 1);
            cgi
        })
        .collect();
    first.answer().program();
    for cgi in waiting {
        cgi.answer().program();
    }
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    let built: Vec<_> = log
        .lines()
        .filter_map(|line| line.split("built ").nth(1))
        .collect();
    let order = ["busy", "hello@v1.1.0", "generate", "hello@v1.0.0", "pgo-garbage"];
    assert!(
        built.len() == order.len() && built.iter().zip(order).all(|(line, name)| line.contains(name)),
        "{log}"
    );
}

/// Who leaves the line is built nothing for, and holds nobody up.
#[test]
fn who_leaves_the_queue_is_dropped() {
    let (store, first) = busy();
    let mut second = store.start(&Ask::get("/tester/generate"));
    until_waiting(&store, 1);
    let third = store.start(&hello("v1.0.0"));
    until_waiting(&store, 2);
    second.child.kill().unwrap();
    second.child.wait().unwrap();
    first.answer().program();
    third.answer().program();
    store.quiet();
    assert_eq!(store.artifacts().len(), 2, "what nobody waits for was built");
    assert_eq!(waiting(&store), 0);
}

#[test]
fn builds_of_a_client_and_hour() {
    let store = Scratch::new().set("GOX_BUILDS_PER_HOUR", "2");
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.1.0")).program();
    let next = Ask::get("/tester/generate");
    let answer = store.ask(&next);
    assert!(
        answer.refused("too-many-builds").header("retry-after").is_some(),
        "{answer}"
    );
    // What is there already costs nothing, and another client has a budget of its own.
    store.ask(&hello("v1.0.0")).program();
    store
        .ask(&Ask::get("/tester/generate").header("X-Forwarded-For", "192.0.2.7"))
        .refused("too-many-builds");
    let store = store.set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    store
        .ask(&Ask::get("/tester/generate").header("X-Forwarded-For", "192.0.2.7"))
        .program();
}

/// Whose turn does not come in time is told so, and has paid nothing.
#[test]
fn who_gets_no_turn_has_paid_nothing() {
    let proxy = Proxy::start(Manner::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILDS", "1")
        .set("GOX_BUILDS_PER_HOUR", "2")
        .set("GOX_FIRST_BYTE_SECONDS", "1");
    store
        .ask(&Ask::get("/tester/waits-for-dependency"))
        .refused("still-building");
    for _ in 0..2 {
        store.ask(&hello("v1.0.0")).refused("queue-full");
    }
    proxy.change(Manner::Serve);
    store.quiet();
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.1.0")).refused("too-many-builds");
}

/// What does not exist is asked for once a minute, by whomever, and only so often by one client.
#[test]
fn names_that_are_not_are_cheap() {
    let store = Scratch::new().set("GOX_LOOKUPS_PER_HOUR", "3");
    for number in 0..3 {
        store
            .ask(&Ask::get(&format!("/nobody/nothing{number}")))
            .refused("no-such-module");
    }
    store
        .ask(&Ask::get("/nobody/nothing4"))
        .refused("too-many-builds");
    // Remembered, and so free.
    store.ask(&Ask::get("/nobody/nothing1")).refused("no-such-module");
}

/// The cap holds but for what somebody may be waiting for; a program that is taken away is built again.
#[test]
fn what_was_used_longest_ago_goes() {
    let store = Scratch::new();
    store.ask(&hello("v1.0.0")).program();
    let [old] = &store.artifacts()[..] else {
        panic!("one artifact")
    };
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let times = fs::FileTimes::new()
        .set_accessed(yesterday)
        .set_modified(yesterday);
    fs::File::open(old).unwrap().set_times(times).unwrap();
    let store = store.set("GOX_CACHE_BYTES", "1MiB");
    store.ask(&hello("v1.1.0")).program();
    store.quiet();
    assert!(!old.exists(), "over the cap, and still there");
    assert_eq!(store.artifacts().len(), 1, "what was just made stays");
    let again = store.ask(&hello("v1.0.0"));
    assert_eq!(
        again.sha256(),
        plain::install(&tester("hello", "v1.0.0").wanted).sha256
    );
}

/// Modules that are only looked at keep to the cap too, and go before anything that was compiled.
#[test]
fn what_is_only_looked_at_goes() {
    let store = Scratch::new().set("GOX_CACHE_BYTES", "1GiB");
    store.ask(&hello("v1.0.0")).program();
    store.quiet();
    let modules = store.dir.join("cache/modules");
    let looked_at = || fs::read_dir(&modules).unwrap().count();
    assert!(looked_at() > 0);
    let kept = store.artifacts();
    let store = store.set("GOX_CACHE_BYTES", "8KiB");
    // As if the last eviction were long ago.
    fs::remove_file(store.dir.join("locks/evict")).unwrap();
    let head = store.ask(&hello("v1.1.0").method("HEAD"));
    assert_eq!(head.status, 200, "{head}");
    store.quiet();
    assert_eq!(looked_at(), 0);
    assert_eq!(store.artifacts(), kept, "what somebody may be waiting for stays");
}

/// An old answer is given at once, and one process asks anew.
#[test]
fn a_hit_does_not_wait_for_the_proxy() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    let ask = Ask::get("/tester/hello");
    let first = store.ask(&ask);
    proxy.change(Manner::Page(500));
    let before = proxy.asked().len();
    assert_eq!(store.ask(&ask).sha256(), first.sha256());
    eventually("the proxy is asked anew", PATIENCE, || {
        proxy.asked().len() > before
    });
    store.quiet();
    assert_eq!(
        store.ask(&ask).sha256(),
        first.sha256(),
        "what the proxy failed to say displaced what it had said"
    );
}

/// A proxy that says nothing keeps all waiting who ask it: whoever gets no turn is given what was said an hour ago.
#[test]
fn an_old_answer_is_better_than_no_turn() {
    let store = Scratch::new();
    let ask = Ask::get("/tester/hello");
    let first = store.ask(&ask);
    first.program();
    store.ask(&hello("v1.0.0")).program();
    store.quiet();
    let hour_ago = SystemTime::now() - Duration::from_secs(60 * 60);
    let said = walk(&store.dir.join("resolutions"));
    for said in said.iter().filter(|path| path.is_file()) {
        File::open(said).unwrap().set_modified(hour_ago).unwrap();
    }
    let turns = (0..8).map(|turn| File::create(store.dir.join(format!("locks/lookups/{turn}"))).unwrap());
    let turns: Vec<_> = turns.inspect(|turn| turn.lock().unwrap()).collect();
    let store = store.set("GOX_FIRST_BYTE_SECONDS", "2");
    assert_eq!(store.ask(&ask).sha256(), first.sha256());
    store.ask(&hello("v1.0")).refused("queue-full");
    drop(turns);
    store.ask(&hello("v1.0")).program();
}

/// R8, R30: that there is nothing is remembered as long as what there is, and no longer.
#[test]
fn what_is_published_is_seen() {
    let proxy = Proxy::start(Manner::Page(404));
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let ask = Ask::get("/tester/hello");
    store.ask(&ask).refused("no-such-module");
    proxy.change(Manner::Serve);
    let before = proxy.asked();
    store.ask(&ask).refused("no-such-module");
    assert_eq!(proxy.asked(), before, "it was asked within the minute");
    let store = store.set("GOX_RESOLVE_SECONDS", "0");
    eventually("the release is seen", PATIENCE, || store.ask(&ask).status == 200);
    let exact = store.ask(&hello("v1.1.0"));
    assert_eq!(store.ask(&ask).sha256(), exact.sha256());
}

#[test]
fn status_and_metrics_tell_what_happened() {
    let store = Scratch::new();
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.0.0")).program();
    store
        .ask(&Ask::get("/tester/does-not-compile"))
        .refused("does-not-compile");
    store.quiet();
    let status: serde_json::Value = serde_json::from_slice(&store.ask(&Ask::get("/-/status")).body).unwrap();
    let counts = |name: &str| status["counts"][name].as_u64();
    assert_eq!(
        ["hits", "misses", "refusals", "builds", "failed_builds"].map(counts),
        [Some(1), Some(1), Some(1), Some(1), Some(1)],
        "{status:#}"
    );
    let metrics = store.ask(&Ask::get("/-/metrics"));
    assert!(metrics.text().contains("\ngox_hits_total 1\n"), "{metrics}");
}
