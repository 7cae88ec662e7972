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

/// Tickets are files named START-NUMBER-CLIENT.
fn waiting(store: &Scratch) -> usize {
    let entries = fs::read_dir(store.dir.join("queue")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with(|letter: char| letter.is_ascii_digit()))
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
    assert_eq!(
        built(&store),
        ["busy", "hello@v1.1.0", "generate", "hello@v1.0.0", "pgo-garbage"]
    );
}

/// What was built so far, in that order: `busy`, and `hello@v1.0.0` where there are several versions.
fn built(store: &Scratch) -> Vec<String> {
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    let lines = log.lines().filter_map(|line| line.split("built ").nth(1));
    let names = lines.map(|line| line.split(' ').next().unwrap().rsplit('/').next().unwrap());
    let names = names.map(|name| match name.starts_with("hello@") {
        true => name,
        false => name.split('@').next().unwrap(),
    });
    names.map(str::to_owned).collect()
}

/// The same for a client of its own, whom a trusted proxy saw.
fn by(client: &str, ask: Ask) -> Ask {
    ask.header("X-Forwarded-For", client)
}

/// A newcomer waits for the build that runs, and for none that another client has queued.
#[test]
fn a_client_that_queues_much_delays_no_other() {
    let (store, first) = busy();
    let store = store.set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let greedy = |number: usize| {
        by(
            "192.0.2.1",
            Ask::get(&format!("/tester/hello@v1.1.0?tags=x{number}")),
        )
    };
    let mut waits = Vec::new();
    for number in 0..6 {
        waits.push(store.start(&greedy(number)));
        until_waiting(&store, number + 1);
    }
    let others = ["/tester/hello@v1.0.0", "/tester/generate"];
    for (path, place) in others.iter().zip(7..) {
        waits.push(store.start(&by("198.51.100.1", Ask::get(path))));
        until_waiting(&store, place);
    }
    first.answer().program();
    for cgi in waits {
        cgi.answer().program();
    }
    let built = built(&store);
    let place = |name: &str| built.iter().position(|built| built == name);
    assert_eq!(
        [place("hello@v1.0.0"), place("generate")],
        [Some(2), Some(4)],
        "{built:?}"
    );
}

/// A program that another client has queued behind others comes when it is this client's turn.
#[test]
fn a_client_that_queues_a_program_delays_no_other_that_wants_it() {
    let (store, first) = busy();
    let store = store.set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let mut waits = Vec::new();
    for number in 0..5 {
        let path = match number {
            4 => "/tester/generate".to_owned(),
            other => format!("/tester/hello@v1.1.0?tags=x{other}"),
        };
        waits.push(store.start(&by("192.0.2.1", Ask::get(&path))));
        until_waiting(&store, number + 1);
    }
    let other = store.start(&by("198.51.100.1", Ask::get("/tester/generate")));
    // It has a ticket of its own, or the build is over before.
    eventually("it waits", PATIENCE, || {
        waiting(&store) == 6 || built(&store).len() == 6
    });
    first.answer().program();
    other.answer().program();
    for cgi in waits {
        cgi.answer().program();
    }
    let built = built(&store);
    let place = built.iter().position(|built| built == "generate");
    assert_eq!((place, built.len()), (Some(2), 6), "{built:?}");
}

/// With two slots, a client that has one gets the other only while nobody else waits.
#[test]
fn no_client_takes_all_slots_while_another_waits() {
    let proxy = Proxy::start(Manner::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILDS", "2")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let slow = |number: usize| {
        let path = format!("/tester/waits-for-dependency?tags=x{number}");
        by("192.0.2.1", Ask::get(&path))
    };
    let mut waits: Vec<_> = (0..2).map(|number| store.start(&slow(number))).collect();
    eventually("both slots are taken", PATIENCE, || {
        let running = processes::about(&store.dir);
        running.iter().filter(|process| process.is("builder")).count() == 2
    });
    waits.push(store.start(&slow(2)));
    until_waiting(&store, 1);
    for number in 3..6 {
        waits.push(store.start(&slow(number)));
    }
    let other = store.start(&by("198.51.100.1", hello("v1.0.0")));
    until_waiting(&store, 5);
    proxy.change(Manner::Serve);
    other.answer().program();
    for cgi in waits {
        cgi.answer().program();
    }
    let built = built(&store);
    let place = built.iter().position(|name| name == "hello@v1.0.0");
    assert!(place.is_some_and(|place| place <= 3), "{built:?}");
}

/// A budget counts the seconds for which builds hold slots.
#[test]
fn slot_seconds_of_a_client_and_hour() {
    let store = Scratch::new()
        .set("GOX_SLOT_SECONDS_PER_HOUR", "1")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    store.ask(&by("192.0.2.1", hello("v1.0.0"))).program();
    let next = hello("v1.1.0");
    store
        .ask(&by("192.0.2.9", next.clone()))
        .refused("too-many-builds");
    store.ask(&by("192.0.2.9", hello("v1.0.0"))).program();
    store.ask(&by("198.51.100.1", next)).program();
}

/// A client whose names the module proxy answers slowly holds two of the turns to ask it, and no more.
#[test]
fn slow_names_of_one_client_delay_no_other() {
    let proxy = Proxy::start(Manner::Hold("/slow/@v/list"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    // What it needs is known: its list of versions is not asked for.
    store.ask(&hello("v1.0.0")).program();
    let slow = |number: usize| by("192.0.2.1", Ask::get(&format!("/slow{number}/slow")));
    let waits: Vec<_> = (0..12).map(|number| store.start(&slow(number))).collect();
    eventually("two ask, and ten wait", PATIENCE, || {
        let queue = fs::read_dir(store.dir.join("locks/lookups/queue"))
            .into_iter()
            .flatten()
            .flatten();
        let tickets = queue.filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit());
        tickets.count() == 10
    });
    let other = store.ask(&by("198.51.100.1", Ask::get("/tester/generate")));
    assert_eq!(other.status, 200, "{other}");
    // The list of the module itself: modules inside it are asked for in the same turn.
    let slow_asked = |path: &&String| path.ends_with("/slow/@v/list") && path.matches('/').count() == 5;
    assert_eq!(proxy.asked().iter().filter(slow_asked).count(), 2);
    proxy.change(Manner::Serve);
    for cgi in waits {
        cgi.answer();
    }
}

/// Old answers are refreshed within the client's budget of look-ups.
#[test]
fn refreshes_count() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1")
        .set("GOX_LOOKUPS_PER_HOUR", "1")
        .set("GOX_RESOLVE_SECONDS", "0");
    let ask = Ask::get("/tester/hello");
    let first = store.ask(&by("192.0.2.1", ask.clone())).sha256();
    store.quiet();
    let before = proxy.asked().len();
    assert_eq!(store.ask(&by("192.0.2.1", ask.clone())).sha256(), first);
    store.quiet();
    assert_eq!(proxy.asked().len(), before);
    let store = store.set("GOX_LOOKUPS_PER_HOUR", "2");
    for path in fs::read_dir(store.dir.join("locks/refreshes")).unwrap() {
        fs::remove_file(path.unwrap().path()).unwrap();
    }
    assert_eq!(store.ask(&by("192.0.2.1", ask)).sha256(), first);
    eventually("it is refreshed", PATIENCE, || proxy.asked().len() > before);
}

/// However many old answers are served, four processes refresh at most, two of them for one client.
#[test]
fn refreshes_are_few_at_a_time() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new()
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
        .map(|name| Ask::get(&format!("/tester/{name}")).method("HEAD"))
        .collect();
    for ask in &asks {
        assert_eq!(store.ask(ask).status, 200);
    }
    store.quiet();
    proxy.change(Manner::Hang);
    for ask in &asks {
        assert_eq!(store.ask(ask).status, 200);
    }
    let running = processes::about(&store.dir);
    let refreshes = running
        .iter()
        .filter(|process| process.command.contains(" refresh "))
        .count();
    assert!((1..=2).contains(&refreshes), "{refreshes}");
    proxy.change(Manner::Serve);
}

/// Locks of builds are named by whole keys, and removed with their builds.
#[test]
fn a_build_leaves_no_lock() {
    let store = Scratch::new().set("GOX_BUILDS_PER_HOUR", "1");
    store.ask(&hello("v1.0.0")).program();
    store.ask(&hello("v1.1.0")).refused("too-many-builds");
    store.quiet();
    let left = fs::read_dir(store.dir.join("locks/builds")).unwrap();
    assert_eq!(left.count(), 0);
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
    let store = Scratch::in_image();
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
