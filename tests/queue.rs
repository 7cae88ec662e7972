//! Build slots, budgets and caps, across processes that share only files.

use crate::support::case::tester;
use crate::support::cgi::Cgi;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, plain_go, processes, walk};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

pub(crate) fn hello(version: &str) -> Request {
    Request::get(&format!("/tester/hello@{version}"))
}

/// A build that occupies a slot.
pub(crate) struct StoppedBuild {
    cgi: Cgi,
    compiler: StoppedCompiler,
}

impl StoppedBuild {
    #[track_caller]
    pub(crate) fn finish(self) {
        drop(self.compiler);
        self.cgi.response().program();
    }
}

/// A store with one slot, and the build that occupies it.
pub(crate) fn store_with_busy_slot() -> (TestStore, StoppedBuild) {
    let store = TestStore::new().set("GOX_BUILDS", "1");
    let cgi = store.start(&Request::get("/tester/busy"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    (store, StoppedBuild { cgi, compiler })
}

/// The number of tickets: files named START-NUMBER-CLIENT.
fn queue_length(store: &TestStore) -> usize {
    let entries = fs::read_dir(store.dir.join("queue")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with(|letter: char| letter.is_ascii_digit()))
        .count()
}

fn wait_for_queue_length(store: &TestStore, count: usize) {
    eventually(&format!("{count} wait"), TIMEOUT, || queue_length(store) == count);
}

#[test]
fn queue_is_bounded() {
    let (store, first) = store_with_busy_slot();
    let store = store.set("GOX_QUEUE", "1");
    let second = store.start(&hello("v1.0.0"));
    wait_for_queue_length(&store, 1);
    let response = store.ask(&hello("v1.1.0"));
    assert!(
        response.refused("queue-full").header("retry-after").is_some(),
        "{response}"
    );
    first.finish();
    second.response().program();
    store.ask(&hello("v1.1.0")).program();
}

#[test]
fn slots_are_granted_in_order_of_arrival() {
    let (store, first) = store_with_busy_slot();
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
            let cgi = store.start(&Request::get(path));
            wait_for_queue_length(&store, place + 1);
            cgi
        })
        .collect();
    first.finish();
    for cgi in waiting {
        cgi.response().program();
    }
    assert_eq!(
        built_programs(&store),
        ["busy", "hello@v1.1.0", "generate", "hello@v1.0.0", "pgo-garbage"]
    );
}

/// Names of the programs built so far, in order, such as `busy`; with the version for `hello`.
fn built_programs(store: &TestStore) -> Vec<String> {
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    let lines = log.lines().filter_map(|line| line.split("built ").nth(1));
    let names = lines.map(|line| line.split(' ').next().unwrap().rsplit('/').next().unwrap());
    let names = names.map(|name| match name.starts_with("hello@") {
        true => name,
        false => name.split('@').next().unwrap(),
    });
    names.map(str::to_owned).collect()
}

/// The request of another client, as a trusted proxy reports it.
fn from_client(client: &str, request: Request) -> Request {
    request.header("X-Forwarded-For", client)
}

/// A new client waits for the running build, but not for builds that another client has queued.
#[test]
fn queue_of_one_client_does_not_delay_others() {
    let (store, first) = store_with_busy_slot();
    let store = store.set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let greedy = |number: usize| {
        from_client(
            "192.0.2.1",
            Request::get(&format!("/tester/hello@v1.1.0?tags=x{number}")),
        )
    };
    let mut waits = Vec::new();
    for number in 0..6 {
        waits.push(store.start(&greedy(number)));
        wait_for_queue_length(&store, number + 1);
    }
    let others = ["/tester/hello@v1.0.0", "/tester/generate"];
    for (path, place) in others.iter().zip(7..) {
        waits.push(store.start(&from_client("198.51.100.1", Request::get(path))));
        wait_for_queue_length(&store, place);
    }
    first.finish();
    for cgi in waits {
        cgi.response().program();
    }
    let built = built_programs(&store);
    let place = |name: &str| built.iter().position(|built| built == name);
    assert_eq!(
        [place("hello@v1.0.0"), place("generate")],
        [Some(2), Some(4)],
        "{built:?}"
    );
}

/// A program that two clients wait for is built at the earlier turn of the two.
#[test]
fn shared_program_is_built_at_its_earliest_turn() {
    let (store, first) = store_with_busy_slot();
    let store = store.set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let mut waits = Vec::new();
    for number in 0..5 {
        let path = match number {
            4 => "/tester/generate".to_owned(),
            other => format!("/tester/hello@v1.1.0?tags=x{other}"),
        };
        waits.push(store.start(&from_client("192.0.2.1", Request::get(&path))));
        wait_for_queue_length(&store, number + 1);
    }
    let other = store.start(&from_client("198.51.100.1", Request::get("/tester/generate")));
    wait_for_queue_length(&store, 6);
    first.finish();
    other.response().program();
    for cgi in waits {
        cgi.response().program();
    }
    let built = built_programs(&store);
    let place = built.iter().position(|built| built == "generate");
    assert_eq!((place, built.len()), (Some(2), 6), "{built:?}");
}

/// With two slots, a client that has one gets the other only while no other client waits.
#[test]
fn client_cannot_take_all_slots_while_another_waits() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILDS", "2")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let slow = |number: usize| {
        let path = format!("/tester/waits-for-dependency?tags=x{number}");
        from_client("192.0.2.1", Request::get(&path))
    };
    let mut waits: Vec<_> = (0..2).map(|number| store.start(&slow(number))).collect();
    eventually("both slots are taken", TIMEOUT, || {
        let running = processes::find(&store.dir);
        running.iter().filter(|process| process.is("builder")).count() == 2
    });
    waits.push(store.start(&slow(2)));
    wait_for_queue_length(&store, 1);
    for number in 3..6 {
        waits.push(store.start(&slow(number)));
    }
    let other = store.start(&from_client("198.51.100.1", hello("v1.0.0")));
    wait_for_queue_length(&store, 5);
    proxy.set_behavior(Behavior::Serve);
    other.response().program();
    for cgi in waits {
        cgi.response().program();
    }
    let built = built_programs(&store);
    let place = built.iter().position(|name| name == "hello@v1.0.0");
    assert!(place.is_some_and(|place| place <= 3), "{built:?}");
}

/// The budget counts the seconds for which builds hold slots.
#[test]
fn slot_seconds_per_client_are_limited() {
    let store = TestStore::new()
        .set("GOX_SLOT_SECONDS_PER_HOUR", "1")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    store.ask(&from_client("192.0.2.1", hello("v1.0.0"))).program();
    let next = hello("v1.1.0");
    store
        .ask(&from_client("192.0.2.9", next.clone()))
        .refused("too-many-builds");
    store.ask(&from_client("192.0.2.9", hello("v1.0.0"))).program();
    store.ask(&from_client("198.51.100.1", next)).program();
}

/// A failed build leaves modules and compiled packages in the caches, but no program that counts for its client.
#[test]
fn bytes_of_failed_builds_per_client_are_limited() {
    let store = TestStore::new()
        .set("GOX_SLOT_SECONDS_PER_HOUR", "3600")
        .set("GOX_CACHE_BYTES", "1MiB")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let broken = Request::get("/tester/does-not-compile?os=linux&arch=amd64");
    let by = |client: &str, request: &Request| store.ask(&from_client(client, request.clone()));
    by("192.0.2.1", &hello("v1.0.0")).program();
    by("192.0.2.1", &broken).refused("does-not-compile");
    by("192.0.2.9", &hello("v1.1.0")).refused("too-many-builds");
    // Another client builds, and the stored failure costs nothing.
    by("198.51.100.1", &broken).refused("does-not-compile");
    by("198.51.100.1", &hello("v1.1.0")).program();
}

/// One client may hold two of the lookup slots.
#[test]
fn slow_lookups_of_one_client_do_not_delay_others() {
    let proxy = Proxy::start(Behavior::Hold("/slow/@v/list"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    // Cache the version list that the hit needs.
    store.ask(&hello("v1.0.0")).program();
    let slow = |number: usize| from_client("192.0.2.1", Request::get(&format!("/slow{number}/slow")));
    let waits: Vec<_> = (0..12).map(|number| store.start(&slow(number))).collect();
    eventually("two lookups run, and ten wait", TIMEOUT, || {
        let queue = fs::read_dir(store.dir.join("locks/lookups/queue"))
            .into_iter()
            .flatten()
            .flatten();
        let tickets = queue.filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit());
        tickets.count() == 10
    });
    let other = store.ask(&from_client("198.51.100.1", Request::get("/tester/generate")));
    assert_eq!(other.status, 200, "{other}");
    // Only the list of the module itself; nested modules are looked up in the same slot, and two `go` request the list.
    let slow_asked = |path: &String| path.ends_with("/slow/@v/list") && path.matches('/').count() == 5;
    let asked: BTreeSet<String> = proxy.requests().into_iter().filter(slow_asked).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    proxy.set_behavior(Behavior::Serve);
    for cgi in waits {
        cgi.response();
    }
}

/// Refreshes of expired resolutions count against the client's lookup budget.
#[test]
fn refreshes_count_as_lookups() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1")
        .set("GOX_LOOKUPS_PER_HOUR", "1")
        .set("GOX_RESOLVE_SECONDS", "0");
    let request = Request::get("/tester/hello");
    let first = store.ask(&from_client("192.0.2.1", request.clone())).sha256();
    store.wait_until_idle();
    let before = proxy.requests().len();
    assert_eq!(
        store.ask(&from_client("192.0.2.1", request.clone())).sha256(),
        first
    );
    store.wait_until_idle();
    assert_eq!(proxy.requests().len(), before);
    let store = store.set("GOX_LOOKUPS_PER_HOUR", "2");
    for path in fs::read_dir(store.dir.join("locks/refreshes")).unwrap() {
        fs::remove_file(path.unwrap().path()).unwrap();
    }
    assert_eq!(store.ask(&from_client("192.0.2.1", request)).sha256(), first);
    eventually("it is refreshed", TIMEOUT, || proxy.requests().len() > before);
}

/// At most four processes refresh at a time, at most two for one client.
#[test]
fn concurrent_refreshes_are_bounded() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    let names = [
        "hello",
        "generate",
        "pgo-garbage",
        "planted-files",
        "root-and-library",
    ];
    let asks: Vec<_> = names
        .iter()
        .map(|name| Request::get(&format!("/tester/{name}")).method("HEAD"))
        .collect();
    for request in &asks {
        assert_eq!(store.ask(request).status, 200);
    }
    store.wait_until_idle();
    proxy.set_behavior(Behavior::Hang);
    for request in &asks {
        assert_eq!(store.ask(request).status, 200);
    }
    // A set: between fork and exec, the child process that becomes `go` has the command line of its parent.
    let refreshes: BTreeSet<String> = processes::find(&store.dir)
        .into_iter()
        .map(|process| process.command)
        .filter(|command| command.contains(" refresh "))
        .collect();
    assert!((1..=2).contains(&refreshes.len()), "{refreshes:?}");
    proxy.set_behavior(Behavior::Serve);
}

/// Lock files of builds are named by key and removed after the build.
#[test]
fn build_leaves_no_lock() {
    let store = TestStore::new().set("GOX_BUILDS_PER_HOUR", "1");
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.1.0")).refused("too-many-builds");
    store.wait_until_idle();
    let left = fs::read_dir(store.dir.join("locks/builds")).unwrap();
    assert_eq!(left.count(), 0);
}

/// For a client that leaves the queue nothing is built, and it does not delay others.
#[test]
fn disconnected_waiter_leaves_the_queue() {
    let (store, first) = store_with_busy_slot();
    let mut second = store.start(&Request::get("/tester/generate"));
    wait_for_queue_length(&store, 1);
    let third = store.start(&hello("v1.0.0"));
    wait_for_queue_length(&store, 2);
    second.child.kill().unwrap();
    second.child.wait().unwrap();
    first.finish();
    third.response().program();
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 2, "a program was built without a waiter");
    assert_eq!(queue_length(&store), 0);
}

#[test]
fn builds_per_client_are_limited() {
    let store = TestStore::new().set("GOX_BUILDS_PER_HOUR", "2");
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.1.0")).program();
    let next = Request::get("/tester/generate");
    let response = store.ask(&next);
    assert!(
        response
            .refused("too-many-builds")
            .header("retry-after")
            .is_some(),
        "{response}"
    );
    // Hits are free, and another client has its own budget.
    store.ask(&hello("v1.0.0")).program();
    store
        .ask(&Request::get("/tester/generate").header("X-Forwarded-For", "192.0.2.7"))
        .refused("too-many-builds");
    let store = store.set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    store
        .ask(&Request::get("/tester/generate").header("X-Forwarded-For", "192.0.2.7"))
        .program();
}

/// A request that gets no slot in time is refused without cost.
#[test]
fn request_without_a_slot_costs_no_budget() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILDS", "1")
        .set("GOX_BUILDS_PER_HOUR", "2")
        .set("GOX_FIRST_BYTE_SECONDS", "1");
    store
        .ask(&Request::get("/tester/waits-for-dependency"))
        .refused("still-building");
    for _ in 0..2 {
        store.ask(&hello("v1.0.0")).refused("queue-full");
    }
    proxy.set_behavior(Behavior::Serve);
    store.wait_until_idle();
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.1.0")).refused("too-many-builds");
}

/// An unknown name is looked up once a minute, and lookups of one client are limited.
#[test]
fn unknown_names_are_cached_and_limited() {
    let store = TestStore::new().set("GOX_LOOKUPS_PER_HOUR", "3");
    for number in 0..3 {
        store
            .ask(&Request::get(&format!("/nobody/nothing{number}")))
            .refused("no-such-module");
    }
    store
        .ask(&Request::get("/nobody/nothing4"))
        .refused("too-many-builds");
    // Cached, therefore free.
    store
        .ask(&Request::get("/nobody/nothing1"))
        .refused("no-such-module");
}

/// Programs just built are exempt from the cap; an evicted program is built again.
#[test]
fn least_recently_used_program_is_evicted() {
    let store = TestStore::with_image_cache();
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
    store.wait_until_idle();
    assert!(!old.exists(), "the old program was not evicted");
    assert_eq!(store.artifacts().len(), 1, "the new program was evicted");
    let again = store.ask(&hello("v1.0.0"));
    assert_eq!(
        again.sha256(),
        plain_go::install(&tester("hello", "v1.0.0").wanted).sha256
    );
}

/// Modules that were downloaded for lookups count too, and are evicted before compiled packages and programs.
#[test]
fn unbuilt_modules_are_evicted_first() {
    let store = TestStore::new().set("GOX_CACHE_BYTES", "1GiB");
    store.ask(&hello("v1.0.0")).program();
    store.wait_until_idle();
    let modules = store.dir.join("cache/modules");
    let cached_modules = || fs::read_dir(&modules).unwrap().count();
    assert!(cached_modules() > 0);
    let programs = store.artifacts();
    let store = store.set("GOX_CACHE_BYTES", "8KiB");
    // Make the last eviction look old.
    fs::remove_file(store.dir.join("locks/evict")).unwrap();
    let head = store.ask(&hello("v1.1.0").method("HEAD"));
    assert_eq!(head.status, 200, "{head}");
    store.wait_until_idle();
    assert_eq!(cached_modules(), 0);
    assert_eq!(store.artifacts(), programs, "a program was evicted");
}

/// An expired resolution is used at once, and one process refreshes it.
#[test]
fn expired_resolution_is_refreshed_in_background() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    let request = Request::get("/tester/hello");
    let first = store.ask(&request);
    proxy.set_behavior(Behavior::Page(500));
    let before = proxy.requests().len();
    assert_eq!(store.ask(&request).sha256(), first.sha256());
    eventually("the resolution is refreshed", TIMEOUT, || {
        proxy.requests().len() > before
    });
    store.wait_until_idle();
    assert_eq!(
        store.ask(&request).sha256(),
        first.sha256(),
        "a proxy failure replaced the cached resolution"
    );
}

/// If an unresponsive proxy blocks all lookup slots, a resolution of an hour ago is served.
#[test]
fn stale_resolution_is_served_when_no_lookup_slot_is_free() {
    let store = TestStore::new();
    let request = Request::get("/tester/hello");
    let first = store.ask(&request);
    first.program();
    store.ask(&hello("v1.0.0")).program();
    store.wait_until_idle();
    let hour_ago = SystemTime::now() - Duration::from_secs(60 * 60);
    let files = walk(&store.dir.join("resolutions"));
    for file in files.iter().filter(|path| path.is_file()) {
        File::open(file).unwrap().set_modified(hour_ago).unwrap();
    }
    let slots = (0..8).map(|slot| File::create(store.dir.join(format!("locks/lookups/{slot}"))).unwrap());
    let slots: Vec<_> = slots.inspect(|slot| slot.lock().unwrap()).collect();
    let store = store.set("GOX_FIRST_BYTE_SECONDS", "2");
    assert_eq!(store.ask(&request).sha256(), first.sha256());
    store.ask(&hello("v1.0")).refused("queue-full");
    drop(slots);
    store.ask(&hello("v1.0")).program();
}

/// R8, R30: a negative resolution expires like a positive one.
#[test]
fn new_release_is_seen_after_the_resolution_expires() {
    let proxy = Proxy::start(Behavior::Page(404));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let request = Request::get("/tester/hello");
    store.ask(&request).refused("no-such-module");
    proxy.set_behavior(Behavior::Serve);
    let before = proxy.requests();
    store.ask(&request).refused("no-such-module");
    assert_eq!(proxy.requests(), before, "looked up again within a minute");
    let store = store.set("GOX_RESOLVE_SECONDS", "0");
    eventually("the release is seen", TIMEOUT, || {
        store.ask(&request).status == 200
    });
    let exact = store.ask(&hello("v1.1.0"));
    assert_eq!(store.ask(&request).sha256(), exact.sha256());
}

#[test]
fn status_and_metrics_report_counts() {
    let store = TestStore::new();
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.0.0")).program();
    store
        .ask(&Request::get("/tester/does-not-compile"))
        .refused("does-not-compile");
    store.wait_until_idle();
    let status: serde_json::Value =
        serde_json::from_slice(&store.ask(&Request::get("/-/status")).body).unwrap();
    let counts = |name: &str| status["counts"][name].as_u64();
    assert_eq!(
        ["hits", "misses", "refusals", "builds", "failed_builds"].map(counts),
        [Some(1), Some(1), Some(1), Some(1), Some(1)],
        "{status:#}"
    );
    let metrics = store.ask(&Request::get("/-/metrics"));
    assert!(metrics.text().contains("\ngox_hits_total 1\n"), "{metrics}");
}
