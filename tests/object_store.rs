//! Several machines that share an object store (GOX_STORE): each machine is a state directory of its own, the store is one that
//! misbehaves on demand. `make stores` runs real stores.

use crate::support::case::tester;
use crate::support::object_store::{ACCESS_KEY, Fault, Object, ObjectStore, SECRET_KEY};
use crate::support::plain_go;
use crate::support::processes;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, walk};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

const HELLO: &str = "/tester/hello@v1.0.0";

/// A machine that uses the store. Its disk is empty, apart from the compiled packages of the standard library.
pub(crate) fn machine(settings: [(&'static str, String); 4]) -> TestStore {
    with_settings(TestStore::new(), settings)
}

fn with_settings(machine: TestStore, settings: [(&'static str, String); 4]) -> TestStore {
    settings
        .into_iter()
        .fold(machine, |store, (name, value)| store.set(name, value))
}

/// Requests a program and waits until its builder has ended.
fn ask(machine: &TestStore, url: &str) -> Response {
    let response = machine.ask(&Request::get(url));
    machine.wait_until_idle();
    response
}

fn hello() -> Vec<u8> {
    plain_go::install(&tester("hello", "v1.0.0").wanted).read()
}

#[track_caller]
pub(crate) fn assert_hello(machine: &TestStore) {
    let response = ask(machine, HELLO);
    assert!(response.program() == hello(), "{}", log(machine));
}

pub(crate) fn count(machine: &TestStore, counter: &str) -> u64 {
    status(machine)["counts"][counter].as_u64().unwrap()
}

/// The log of all builders.
pub(crate) fn log(machine: &TestStore) -> String {
    fs::read_to_string(machine.dir.join("builders.log")).unwrap_or_default()
}

fn status(machine: &TestStore) -> serde_json::Value {
    let response = machine.ask(&Request::get("/-/status").header("Accept", "application/json"));
    serde_json::from_slice(&response.body).unwrap()
}

/// A machine that has probed the store before, so that a fault meets its first request for a program.
fn probed_machine(objects: &ObjectStore, probe: &[u8]) -> TestStore {
    let machine = machine(objects.settings());
    let dir = machine.dir.join("object-store");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("probe.json"), probe).unwrap();
    machine
}

/// A store with the program, built by another machine, its content, and what that machine recorded about it.
fn filled_store() -> (ObjectStore, BTreeMap<String, Object>, Vec<u8>) {
    let objects = ObjectStore::start();
    let first = machine(objects.settings());
    assert_hello(&first);
    let content = objects.objects();
    assert_eq!(objects.keys("bytes/").len(), 1);
    let probe = fs::read(first.dir.join("object-store/probe.json")).unwrap();
    (objects, content, probe)
}

#[test]
fn second_machine_fetches_the_program() {
    let (objects, content, _) = filled_store();
    let proxy = Proxy::start(Behavior::Page(500));
    let second = machine(objects.settings()).set("GOX_GOPROXY", proxy.url());
    // It needs no module proxy.
    assert_hello(&second);
    assert_eq!(
        [count(&second, "builds"), count(&second, "store_fetches")],
        [0, 1],
        "{}",
        log(&second)
    );
    assert_eq!(
        objects.objects().len(),
        content.len(),
        "the second machine wrote something"
    );
    let [first, second_json] = [&machine(objects.settings()), &second].map(|machine| {
        assert_hello(machine);
        ask(machine, &format!("{HELLO}.json")).text()
    });
    assert_eq!(first, second_json);
    let metrics = second.ask(&Request::get("/-/metrics")).text();
    for line in [
        "gox_store_fetches_total 1",
        "gox_store_works 1",
        "gox_store_create_only 1",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{metrics}");
    }
    let bytes = hello().len();
    assert!(
        metrics.contains(&format!("\ngox_store_fetched_bytes_total {bytes}\n")),
        "{metrics}"
    );
    let page = second
        .ask(&Request::get("/-/status").header("Accept", "text/html"))
        .text();
    assert!(page.contains("create-only is kept"), "{page}");
    let doctor = second.command().arg("doctor").output().unwrap();
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        found.contains("✓ store") && found.contains("create-only is kept"),
        "{found}"
    );
    assert_eq!(
        objects.keys("probe/"),
        [] as [String; 0],
        "the probe left objects"
    );
}

/// What the client gets under each fault, within which time, and what remains.
#[test]
fn fault_of_the_store_costs_time_only() {
    let (objects, content, probe) = filled_store();
    let ms = Duration::from_millis;
    let empty = BTreeMap::new();
    // The fault, the time that it may add, whether the program is fetched in spite of it, and what the log says.
    for (fault, most, is_fetched, says) in [
        (
            Fault::Disconnect,
            ms(3000),
            false,
            "programs are built without it",
        ),
        (Fault::Hang, ms(6000), false, "timeout"),
        (
            Fault::Status(500, "InternalError"),
            ms(3000),
            false,
            "answers 500 InternalError",
        ),
        (
            Fault::Status(503, "SlowDown"),
            ms(3000),
            false,
            "answers 503 SlowDown",
        ),
        (
            Fault::Status(403, "InvalidAccessKeyId"),
            ms(1000),
            false,
            "answers 403 InvalidAccessKeyId",
        ),
        (
            Fault::Status(404, "NoSuchBucket"),
            ms(1000),
            false,
            "answers 404 NoSuchBucket",
        ),
        (Fault::Redirect, ms(1000), false, "answers 307"),
        (Fault::ExpireAfter(1), ms(1000), false, "answers 403 ExpiredToken"),
        (Fault::FlipBit, ms(1000), false, "the program is built here"),
        (Fault::CutBody, ms(3000), false, "programs are built without it"),
        (Fault::Trickle, ms(13_000), false, "timeout"),
        (Fault::Full, ms(1000), false, "the store is full"),
        (Fault::IgnoreCreateOnly, ms(1000), true, "create-only is ignored"),
        (Fault::RefuseCreateOnly, ms(1000), true, "create-only is ignored"),
        (
            Fault::KeepCutPuts,
            ms(1000),
            true,
            "interrupted uploads leave objects",
        ),
    ] {
        // A full store is one that lacks the program.
        let is_filled = fault != Fault::Full;
        objects.set_objects(if is_filled { &content } else { &empty });
        objects.set_fault(fault);
        let second = match is_fetched {
            // What it shows only to a probe.
            true => machine(objects.settings()),
            false => probed_machine(&objects, &probe),
        };
        let started = Instant::now();
        let response = second.ask(&Request::get(HELLO));
        let took = started.elapsed();
        assert!(response.program() == hello(), "{fault:?}: {}", log(&second));
        let fetched = [count(&second, "store_fetches"), count(&second, "builds")];
        assert_eq!(
            fetched,
            if is_fetched { [1, 0] } else { [0, 1] },
            "{fault:?}: {}",
            log(&second)
        );
        second.wait_until_idle();
        assert!(log(&second).contains(says), "{fault:?}: {}", log(&second));
        // The time of a build on a loaded machine, and what the fault adds.
        println!("{fault:?}: {took:?}");
        assert!(took < most + ms(8000), "{fault:?}: {took:?}");
        let has_outage = !is_fetched && fault != Fault::FlipBit;
        assert_eq!(
            status(&second)["store"]["error"].is_string(),
            has_outage,
            "{fault:?}: {}",
            status(&second)
        );
        if fault == Fault::Hang {
            // Other builds do not wait for the store.
            let requests = objects.requests().len();
            ask(&second, "/tester/hello@v1.1.0").program();
            assert_eq!(objects.requests().len(), requests, "another build used the store");
        }
        // Nothing wrong is kept: not here, and not in the store.
        assert_hello(&second);
        objects.set_fault(Fault::None);
        let kept = objects.objects();
        let is_right = |(key, object): (&String, &Object)| {
            content.get(key).is_some_and(|right| right.body == object.body)
        };
        let results = kept.iter().filter(|(key, _)| !key.starts_with("probe/"));
        assert!(results.into_iter().all(is_right), "{fault:?}: {:?}", kept.keys());
    }
}

/// An overloaded store may support what it could not do during the probe.
#[test]
fn transient_error_of_a_probe_is_not_recorded_as_its_result() {
    let objects = ObjectStore::start();
    objects.set_fault(Fault::DelayCreateOnly);
    let machine = machine(objects.settings());
    assert_hello(&machine);
    assert!(
        !machine.dir.join("object-store/probe.json").exists(),
        "{}",
        log(&machine)
    );
    let status = status(&machine);
    assert!(
        status["store"]["error"]
            .as_str()
            .unwrap()
            .contains("503 SlowDown"),
        "{status}"
    );
}

/// A PUT that the store acknowledges and forgets, and bytes that change at rest: the next machine builds the program and repairs the
/// store.
#[test]
fn lost_and_damaged_bytes_are_replaced() {
    let (objects, content, _) = filled_store();
    let key = objects.keys("bytes/").remove(0);
    for damage in ["lost", "changed", "shorter"] {
        objects.set_objects(&content);
        let mut bytes = content[&key].body.clone();
        match damage {
            "lost" => objects.remove("bytes/"),
            "changed" => {
                bytes[5000] ^= 1;
                objects.put(&key, &bytes);
            }
            _ => objects.put(&key, &bytes[..bytes.len() / 2]),
        }
        let second = machine(objects.settings());
        assert_hello(&second);
        assert_eq!(
            [count(&second, "builds"), count(&second, "store_conflicts")],
            [1, 0],
            "{damage}: {}",
            log(&second)
        );
        assert!(
            objects.only("bytes/") == content[&key].body,
            "{damage}: the object was not repaired"
        );
    }
    let objects = ObjectStore::start();
    objects.set_fault(Fault::LosePut);
    assert_hello(&machine(objects.settings()));
    assert_eq!(
        (objects.keys("result/").len(), objects.keys("bytes/").len()),
        (1, 0)
    );
    objects.set_fault(Fault::None);
    assert_hello(&machine(objects.settings()));
    assert!(objects.only("bytes/") == content[&key].body);
}

/// A result that names other bytes is never replaced, and its bytes are not served.
#[test]
fn differing_result_is_kept_and_reported() {
    let (objects, content, _) = filled_store();
    let result = String::from_utf8(objects.only("result/")).unwrap();
    let key = objects.keys("result/").remove(0);
    let sha256 = objects.keys("bytes/")[0].replace("bytes/", "");
    let other = "0".repeat(64);
    objects.put(&key, result.replace(&sha256, &other).as_bytes());
    let second = machine(objects.settings());
    assert_hello(&second);
    assert_eq!(count(&second, "store_conflicts"), 1, "{}", log(&second));
    assert!(
        log(&second).contains(" error ") && log(&second).contains(&sha256),
        "{}",
        log(&second)
    );
    let conflict = &status(&second)["store"]["conflict"];
    assert_eq!(
        [&conflict["built_sha256"], &conflict["stored_sha256"]],
        [&*sha256, &*other]
    );
    let metrics = second.ask(&Request::get("/-/metrics")).text();
    assert!(metrics.contains("\ngox_store_conflicts_total 1\n"), "{metrics}");
    assert!(
        String::from_utf8(objects.only("result/"))
            .unwrap()
            .contains(&other),
        "it was replaced"
    );
    // Objects of another program, copied to this key: the build information of the bytes is checked too.
    let busy = machine(objects.settings());
    ask(&busy, "/tester/hello@v1.1.0").program();
    let foreign = objects
        .objects()
        .into_iter()
        .filter(|(name, _)| !content.contains_key(name));
    let foreign: BTreeMap<_, _> = foreign.collect();
    let foreign_result = foreign
        .iter()
        .find(|(name, _)| name.starts_with("result/"))
        .unwrap();
    let foreign_key = foreign_result.0.trim_start_matches("result/");
    let copied = String::from_utf8(foreign_result.1.body.clone()).unwrap();
    let relabelled = copied
        .replace(foreign_key, key.trim_start_matches("result/"))
        .replace("v1.1.0", "v1.0.0");
    for stored in [
        copied.as_str(),
        relabelled.as_str(),
        "{",
        "[]",
        &result.replace("go install", "\\ngo install"),
    ] {
        objects.put(&key, stored.as_bytes());
        let victim = machine(objects.settings());
        assert_hello(&victim);
        assert_eq!(
            count(&victim, "store_rejections"),
            1,
            "{stored}: {}",
            log(&victim)
        );
        assert_eq!(objects.only(&key), stored.as_bytes());
    }
}

const BUSY: &str = "/tester/busy@v1.0.0";

/// Longer than the lifetime of a claim, 120 s.
const EXPIRED: Duration = Duration::from_secs(130);

#[test]
fn machines_build_a_program_once() {
    let objects = ObjectStore::start();
    // The store's clock differs from those of the machines.
    objects.set_clock_ahead(Duration::from_secs(600));
    let machines = [
        machine(objects.settings()),
        machine(objects.settings()),
        machine(objects.settings()),
    ];
    let running: Vec<_> = machines
        .iter()
        .map(|machine| machine.start(&Request::get(BUSY)))
        .collect();
    let plain = plain_go::install(&tester("busy", "v1.0.0").wanted).read();
    for cgi in running {
        assert!(cgi.response().program() == plain);
    }
    machines.iter().for_each(TestStore::wait_until_idle);
    let total = |counter| {
        machines
            .iter()
            .map(|machine| count(machine, counter))
            .sum::<u64>()
    };
    assert_eq!([total("builds"), total("store_fetches")], [1, 2]);
    assert_eq!(objects.keys("claim/"), [] as [String; 0], "claims are left");
}

/// A machine that was killed leaves its claim. Another one takes over when the claim has expired by the clock of the store.
#[test]
fn claim_of_a_killed_machine_expires() {
    let (objects, content, _) = filled_store();
    let claim = objects.keys("result/").remove(0).replace("result/", "claim/") + "/1";
    objects.set_objects(&BTreeMap::new());
    objects.put(&claim, b"killed");
    objects.set_clock_ahead(Duration::from_secs(600));
    let second = machine(objects.settings());
    let cgi = second.start(&Request::get(HELLO));
    objects.wait_for_request(&format!("GET {claim}"));
    assert_eq!(objects.keys("result/"), [] as [String; 0]);
    objects.age("claim/", EXPIRED);
    assert!(cgi.response().program() == hello(), "{}", log(&second));
    second.wait_until_idle();
    assert_eq!(count(&second, "builds"), 1, "{}", log(&second));
    assert!(
        objects
            .requests()
            .contains(&format!("PUT {}2", claim.trim_end_matches('1'))),
        "{:?}",
        objects.requests()
    );
    assert_eq!(
        objects.objects().keys().collect::<Vec<_>>(),
        content.keys().collect::<Vec<_>>(),
        "something is left"
    );
}

/// A machine that was stopped past the end of its claim changes nothing that another machine has published.
#[test]
fn stopped_machine_changes_nothing() {
    let objects = ObjectStore::start();
    let [first, second] = [machine(objects.settings()), machine(objects.settings())];
    let stopped = first.start(&Request::get(BUSY));
    objects.wait_for_request("PUT claim/");
    let builder = || {
        processes::find(&first.dir)
            .into_iter()
            .find(|process| process.is("builder"))
    };
    let mut pid = None;
    eventually("a builder", TIMEOUT, || {
        pid = builder().map(|builder| Pid::from_raw(builder.pid));
        pid.is_some() && !objects.keys("claim/").is_empty()
    });
    kill(pid.unwrap(), Signal::SIGSTOP).unwrap();
    assert_eq!(
        objects.keys("result/"),
        [] as [String; 0],
        "the builder was faster than this test"
    );
    objects.age("claim/", EXPIRED);
    ask(&second, BUSY).program();
    let published = objects
        .objects()
        .into_iter()
        .map(|(key, object)| (key, object.body));
    let published: BTreeMap<_, _> = published.collect();
    kill(pid.unwrap(), Signal::SIGCONT).unwrap();
    stopped.response().program();
    first.wait_until_idle();
    let after = objects
        .objects()
        .into_iter()
        .map(|(key, object)| (key, object.body));
    assert!(published == after.collect(), "{:?}", objects.requests());
    assert_eq!(
        [count(&second, "builds"), count(&first, "store_conflicts")],
        [1, 0]
    );
}

/// A machine that builds for longer than a claim is valid renews it, so that no other machine builds.
#[test]
fn claim_is_renewed_during_a_build() {
    let objects = ObjectStore::start();
    let [first, second] = [machine(objects.settings()), machine(objects.settings())];
    let building = first.start(&Request::get(BUSY));
    let compiler = StoppedCompiler::wait_for(&first, "busy");
    assert_eq!(
        objects.keys("claim/").len(),
        1,
        "the build was faster than this test"
    );
    objects.age("claim/", EXPIRED);
    // Clears the requests.
    objects.set_fault(Fault::None);
    objects.wait_for_request("PUT claim/");
    let waiting = second.start(&Request::get(BUSY));
    objects.wait_for_request("GET claim/");
    assert_eq!(objects.keys("claim/").len(), 1, "the second machine has a claim");
    drop(compiler);
    let programs = [building, waiting].map(|cgi| cgi.response().program().to_vec());
    assert!(programs[0] == programs[1]);
    [&first, &second].into_iter().for_each(TestStore::wait_until_idle);
    assert_eq!([count(&first, "builds"), count(&second, "builds")], [1, 0]);
    assert_eq!(objects.keys("claim/"), [] as [String; 0], "claims are left");
}

/// An empty machine compiles only what no other machine has compiled, and what the store has lost or damaged. It fetches no more than one
/// build may add to its disk, and keeps no more than its disk may have.
#[test]
fn empty_machine_fetches_compiled_packages() {
    let (objects, content, _) = filled_store();
    let next_version = plain_go::install(&tester("hello", "v1.1.0").wanted).read();
    let body = |key: &String| &content[key].body;
    let mut lists = objects.keys("packages/");
    lists.sort_by_key(|key| body(key).len());
    let [standard_list, program_list] = &lists[..] else {
        panic!("{lists:?}");
    };
    let listed = String::from_utf8(body(program_list).clone()).unwrap();
    let mut outputs = objects.keys("out/");
    assert_eq!(outputs.len(), listed.lines().count(), "{listed}");
    // Small packages of the standard library: those that import them need not be compiled again.
    outputs.retain(|key| String::from_utf8_lossy(body(standard_list)).contains(&key[4..]));
    outputs.sort_by_key(|key| body(key).len());
    let [lost, damaged, swapped, with, ..] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let is_new = |key: &&String| !content.contains_key(*key);
    const MIB: u64 = 1 << 20;
    // A package that exceeds GOX_WORK_BYTES together with the others.
    let work_bytes = 256 * MIB;
    let sizes = listed
        .lines()
        .map(|line| line.split_ascii_whitespace().nth(3).unwrap());
    let sizes = sizes.map(|size| size.parse::<u64>().unwrap());
    let too_much = work_bytes - sizes.sum::<u64>() / 2;
    let too_much = format!("v1 {} {} {too_much} 0\n", "a".repeat(64), "b".repeat(64));
    let cache_bytes = 4 * MIB;
    for (damage, compiled, rejected) in [("none", 1, 0), ("no list", 1, 0), ("bytes", 5, 3)] {
        objects.set_objects(&content);
        match damage {
            "none" => objects.put(program_list, (too_much.clone() + &listed).as_bytes()),
            "no list" => {
                objects.remove(program_list);
                let standard = String::from_utf8(body(standard_list).clone()).unwrap();
                objects.put(standard_list, (standard + &too_much).as_bytes());
            }
            _ => {
                objects.remove(lost);
                let mut bytes = body(damaged).clone();
                bytes[500] ^= 1;
                objects.put(damaged, &bytes);
                let list = listed
                    .replace(&swapped[4..], "?")
                    .replace(&with[4..], &swapped[4..])
                    .replace('?', &with[4..]);
                objects.put(program_list, list.as_bytes());
            }
        }
        objects.set_fault(Fault::None);
        let empty = with_settings(TestStore::empty(), objects.settings());
        let empty = match damage {
            "none" => empty.set("GOX_CACHE_BYTES", cache_bytes.to_string()),
            "no list" => empty.set("GOX_WORK_BYTES", work_bytes.to_string()),
            _ => empty,
        };
        let response = ask(&empty, "/tester/hello@v1.1.0");
        assert!(response.program() == next_version, "{damage}: {}", log(&empty));
        let is_too_much = |request: &String| request.ends_with(&"b".repeat(64));
        assert_eq!(objects.requests().iter().any(is_too_much), damage == "none");
        let files = walk(&empty.dir)
            .into_iter()
            .filter_map(|path| path.metadata().ok());
        let on_disk: u64 = files
            .filter(fs::Metadata::is_file)
            .map(|file| file.blocks() * 512)
            .sum();
        // Locks and records of the store do not count.
        assert_eq!(
            on_disk <= cache_bytes / 4 * 5,
            damage == "none",
            "{damage}: {on_disk} bytes"
        );
        // The builder asks for each package that it has compiled: `go` may have overtaken the fetch.
        let asked = objects
            .requests()
            .into_iter()
            .filter(|request| request.starts_with("HEAD out/"));
        let asked = asked.count();
        assert!(
            (compiled..outputs.len() / 2).contains(&asked),
            "{damage}: {asked}: {}",
            log(&empty)
        );
        assert_eq!(
            count(&empty, "store_rejections"),
            rejected,
            "{damage}: {}",
            log(&empty)
        );
        let fetched = count(&empty, "store_fetched_packages") as usize;
        assert!(
            fetched > outputs.len() / 2,
            "{damage}: {fetched}: {}",
            log(&empty)
        );
        // Its own packages, and those that were lost or damaged, are in the store afterwards.
        let after = objects.objects();
        assert_eq!(
            after
                .keys()
                .filter(|key| key.starts_with("out/"))
                .filter(is_new)
                .count(),
            1,
            "{damage}"
        );
        for key in content.keys().filter(|key| key.starts_with("out/")) {
            assert!(after[key].body == content[key].body, "{damage}: {key}");
        }
    }
}

/// Asks for the headers of a program, which is not built, and waits until nothing runs.
fn look_up(machine: &TestStore, url: &str) -> Response {
    let response = machine.ask(&Request::get(url).method("HEAD"));
    machine.wait_until_idle();
    response
}

/// A resolution of another machine is used like one in the own cache: as long as it is fresh, while it is refreshed, and if the module
/// proxy is away.
#[test]
fn resolution_is_shared_with_its_age() {
    const NAMES: [&str; 3] = ["/tester/hello", HELLO, "/tester/nosuch"];
    let objects = ObjectStore::start();
    // The store's clock differs from those of the machines.
    objects.set_clock_ahead(Duration::from_secs(600));
    let first = machine(objects.settings());
    let found = NAMES.map(|name| look_up(&first, name));
    let content = objects.objects();
    assert_eq!(objects.keys("resolution/").len(), NAMES.len());
    let proxy = Proxy::start(Behavior::Page(500));
    // The age of the resolutions in minutes, and which of them are used without a module proxy.
    for (minutes, used) in [
        (0, [true, true, true]),
        (15, [true, true, false]),
        (120, [true, true, false]),
        (3000, [false, true, false]),
    ] {
        objects.set_objects(&content);
        objects.age("resolution/", Duration::from_secs(minutes * 60));
        let second = machine(objects.settings())
            .set("GOX_GOPROXY", proxy.url())
            .set("GOX_RESOLVE_SECONDS", "600");
        for ((name, found), used) in NAMES.iter().zip(&found).zip(used) {
            // What a lookup starts, without the limit of a second.
            let shared = second.command().args(["share-resolution", name]).status();
            assert!(shared.unwrap().success());
            let response = look_up(&second, name);
            let log = log(&second);
            match used {
                true => {
                    let facts = |of: &Response| (of.status, of.reason_phrase.clone());
                    assert_eq!(facts(&response), facts(found), "{name}, {minutes} min: {log}");
                    for header in ["Gox-Version", "Gox-Command"] {
                        assert_eq!(response.header(header), found.header(header));
                    }
                }
                false => assert_eq!(response.status, 502, "{name}, {minutes} min: {log}"),
            }
        }
        // Only a fresh one needs no query, not even in the background.
        assert_eq!(
            proxy.requests().is_empty(),
            minutes == 0,
            "{:?}",
            proxy.requests()
        );
        assert_eq!(count(&second, "store_fetched_resolutions"), NAMES.len() as u64);
        assert_eq!(objects.objects().len(), content.len());
    }
}

/// A resolution that is damaged, or of another name, version or form, is looked up and replaced.
#[test]
fn damaged_resolution_is_replaced() {
    let objects = ObjectStore::start();
    look_up(&machine(objects.settings()), "/tester/hello@v1.1.0");
    let other = String::from_utf8(objects.only("resolution/")).unwrap();
    objects.remove("resolution/");
    look_up(&machine(objects.settings()), HELLO);
    let key = objects.keys("resolution/").remove(0);
    let right = String::from_utf8(objects.only("resolution/")).unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(right.contains(from), "{right}");
        right.replace(from, to)
    };
    let named = r#"{"project":"","binary":"a\nb","goos":[],"ldflags":[],"flags":[],"tags":[],"env":[]}"#;
    for stored in [
        right[..right.len() / 2].to_owned(),
        other,
        replaced("\"by\":\"", "\"by\":\"0."),
        replaced("\"licence_file\":null", "\"licence_file\":\"\\u001b[31m\""),
        replaced(
            "\"package\":\"github.com/tester/hello\"",
            "\"package\":\"github.com/tester/busy\"",
        ),
        replaced("\"version\":\"v1.0.0\"", "\"version\":\"-x\""),
        replaced(
            r#"{"Err":"The module has no release configuration (.goreleaser.yaml)."}"#,
            &format!(r#"{{"Ok":[{named}]}}"#),
        ),
    ] {
        objects.put(&key, stored.as_bytes());
        let third = machine(objects.settings());
        assert_eq!(
            look_up(&third, HELLO).header("Gox-Version"),
            Some("v1.0.0"),
            "{stored}"
        );
        assert_eq!(count(&third, "store_fetched_resolutions"), 0, "{stored}");
        assert!(
            objects.only("resolution/") == right.as_bytes(),
            "{stored}: {}",
            log(&third)
        );
    }
}

/// A lookup waits for the store for a second, and not at all while the store is known to be away.
#[test]
fn lookup_does_not_wait_for_a_store_that_is_away() {
    let objects = ObjectStore::start();
    objects.set_fault(Fault::Hang);
    let machine = machine(objects.settings());
    let response = machine.ask(&Request::get(HELLO).method("HEAD"));
    assert_eq!(response.status, 200, "{response}");
    let waiting = processes::find(&machine.dir);
    assert!(
        waiting.iter().any(|process| process.is("share-resolution")),
        "the lookup has waited for the timeout of the store: {waiting:?}"
    );
    machine.wait_until_idle();
    let requests = objects.requests();
    assert_eq!(look_up(&machine, "/tester/hello@v1.1.0").status, 200);
    assert_eq!(objects.requests(), requests);
}

/// A permanent failure is shared, as long as the limits and the version are the same.
#[test]
fn permanent_failure_is_shared() {
    let objects = ObjectStore::start();
    let url = "/tester/does-not-compile@v1.0.0";
    let [first, second] = [machine(objects.settings()), machine(objects.settings())].map(|machine| {
        let response = ask(&machine, url);
        (response.text(), count(&machine, "failed_builds"))
    });
    assert_eq!([first.1, second.1], [1, 0]);
    assert!(
        first.0.contains("does-not-compile") && first.0 == second.0,
        "{} {}",
        first.0,
        second.0
    );
    let key = objects.keys("failure/").remove(0);
    let failure = String::from_utf8(objects.only("failure/")).unwrap();
    for (from, to) in [
        ("does-not-compile", "out-of-time"),
        ("cannot use", "\\u001b[31m"),
        ("\"wall\"", "\"walls\""),
        ("{", "["),
    ] {
        assert!(failure.contains(from), "{failure}");
        objects.put(&key, failure.replacen(from, to, 1).as_bytes());
        let third = machine(objects.settings());
        assert!(ask(&third, url).text() == first.0);
        assert_eq!(count(&third, "failed_builds"), 1, "{to}: {}", log(&third));
    }
    assert_eq!(objects.keys("claim/"), [] as [String; 0], "claims are left");
}

/// The store's credentials are in the environment of the processes that use it only: not in that of `go` and tools, and nowhere else.
#[test]
fn store_credentials_reach_only_builders() {
    let objects = ObjectStore::start();
    let store = machine(objects.settings());
    let cgi = store.start(&Request::get("/tester/busy@v1.0.0"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    let canaries = ["canary", "CANARY"];
    let knows = |text: &str| canaries.iter().any(|canary| text.contains(canary));
    let mut kinds = [false; 3];
    for process in &compiler.running {
        assert!(!knows(&process.command), "{}", process.command);
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        if process.is("go") || process.is("compile") || process.is("tool") {
            kinds[0] = true;
            assert!(
                !environment.contains("AWS_") && !knows(&environment),
                "{}: {environment}",
                process.command
            );
        } else if process.is("builder") && !environment.is_empty() {
            kinds[1] = true;
            assert!(
                knows(&environment),
                "the builder has no credentials, so the test proves nothing"
            );
            // Only root may read it: the process is not dumpable, so it leaves no core dump either.
            let owner = fs::metadata(format!("/proc/{}/environ", process.pid)).unwrap();
            kinds[2] = std::os::unix::fs::MetadataExt::uid(&owner) == 0;
        }
    }
    assert_eq!(kinds, [true; 3], "go or a tool, the builder, and its owner");
    drop(compiler);
    let mut texts = vec![cgi.response().to_string()];
    store.wait_until_idle();
    for path in [
        "/tester/busy@v1.0.0.json",
        "/tester/busy@v1.0.0.log",
        "/-/status",
        "/-/metrics",
        "/tester/does-not-compile",
    ] {
        texts.push(store.ask(&Request::get(path)).to_string());
    }
    store.wait_until_idle();
    let doctor = |command: &mut std::process::Command| {
        let output = command.arg("doctor").env("RUST_LOG", "debug").output().unwrap();
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat()
    };
    texts.push(doctor(&mut store.command()));
    objects.set_fault(Fault::Status(403, "SignatureDoesNotMatch"));
    texts.push(doctor(&mut store.command()));
    assert!(
        texts.last().unwrap().contains("✗ store"),
        "{}",
        texts.last().unwrap()
    );
    let files = walk(&store.dir).into_iter().filter(|path| path.is_file());
    texts.extend(files.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()));
    for text in &texts {
        assert!(!knows(text), "{text}");
    }
    // Control: the store received the name of the key, never the secret.
    let heads = objects.heads();
    assert!(
        heads
            .iter()
            .all(|head| head.contains(ACCESS_KEY) && !head.contains(SECRET_KEY))
    );
}

/// Without GOX_STORE the variables of another program are passed to no process.
#[test]
fn credentials_without_store_are_not_passed_on() {
    let store = TestStore::new()
        .set("AWS_SECRET_ACCESS_KEY", "canary")
        .set("GOX_STORE", "");
    let cgi = store.start(&Request::get("/tester/busy"));
    let mut builders = Vec::new();
    eventually("a builder", TIMEOUT, || {
        builders = processes::find(&store.dir)
            .into_iter()
            .filter(|process| process.is("builder"))
            .collect();
        !builders.is_empty()
    });
    for builder in builders {
        let environment = fs::read(format!("/proc/{}/environ", builder.pid)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains("canary"));
    }
    cgi.response().program();
}

/// The front does not connect to the store; a process that it starts checks the store.
#[test]
fn front_reports_the_store_at_its_start() {
    let objects = ObjectStore::start();
    objects.set_fault(Fault::IgnoreCreateOnly);
    let store = machine(objects.settings());
    let front = store.front();
    eventually("the check of the store", TIMEOUT, || {
        log(&store).contains("create-only is ignored")
    });
    assert_eq!(status(&store)["store"]["probed"]["is_create_only"], false);
    drop(front);
}
