//! Known vulnerabilities of linked modules, from a database that the module proxy serves, and bills of materials.
//! The database is tests/modules/vulndb.txtar.

use crate::support::http;
use crate::support::modproxy::modproxy;
use crate::support::processes::{self, Process};
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{go, tmp};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const HELLO: &str = "/tester/hello@v1.0.0?os=linux&arch=amd64";
const REPAIRED: &str = "/tester/hello@v1.1.0?os=linux&arch=amd64";
const ON_WINDOWS: &str = "/tester/hello@v1.1.0?os=windows&arch=amd64";

/// A store that reports vulnerabilities and has no database yet.
fn reporting_store() -> TestStore {
    TestStore::new().set("GOX_VULNERABLE", "tell")
}

/// Fetches the database in the foreground.
fn fetch(store: &TestStore) -> bool {
    store
        .command()
        .arg("vulnerabilities")
        .output()
        .unwrap()
        .status
        .success()
}

fn index(store: &TestStore) -> PathBuf {
    store.dir.join("go/vulnerabilities.index")
}

/// Sets the age of the database and of its last fetch to three days.
fn age_database(store: &TestStore) {
    let then = SystemTime::now() - Duration::from_secs(3 * 86_400);
    for path in [index(store), index(store).with_extension("lock")] {
        let file = fs::File::options().create(true).append(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    }
}

fn ask(store: &TestStore, url: &str) -> Response {
    store.ask(&Request::get(url))
}

#[track_caller]
fn assert_reported(store: &TestStore, url: &str, header: &str) {
    let response = ask(store, url);
    response.program();
    assert_eq!(response.header("Gox-Vulnerabilities"), Some(header), "{response}");
}

fn json(store: &TestStore, url: &str) -> serde_json::Value {
    let (path, query) = url.split_once('?').unwrap();
    let response = ask(store, &format!("{path}.json?{query}"));
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn response_reports_known_vulnerabilities_of_program() {
    let store = reporting_store();
    // The first build starts a fetch in the background.
    ask(&store, HELLO).program();
    store.wait_until_idle();
    assert_reported(&store, HELLO, "2; db=2026-11-05");
    assert_reported(&store, REPAIRED, "0; db=2026-11-05");
    assert_reported(&store, ON_WINDOWS, "1; db=2026-11-05");

    let report = &json(&store, HELLO)["vulnerabilities"];
    assert_eq!(
        report["database"]["version"], "v0.0.0-20261105234957-e22db6528018",
        "{report:#}"
    );
    let known = report["known"].as_array().unwrap();
    let known: Vec<_> = known
        .iter()
        .map(|one| {
            (
                one["id"].as_str(),
                one["fixed"].as_str(),
                one["reviewed"].as_bool(),
            )
        })
        .collect();
    let id = |number| Some(["GO-2026-0001", "GO-2026-0004"][number]);
    assert_eq!(
        known,
        [
            (id(0), Some("v1.0.9"), Some(true)),
            (id(1), Some("v1.1.0"), Some(false))
        ]
    );
    assert_eq!(
        report["repaired_by"],
        serde_json::json!({ "github.com/tester/hello": "v1.1.0" })
    );
    assert_eq!(
        json(&store, ON_WINDOWS)["vulnerabilities"]["repaired_by"]["stdlib"],
        "go1.99.0"
    );

    // Install scripts read the header from the checksum, since the program's response may have started before it was known.
    let sums = ask(&store, "/tester/hello@v1.0.0.sha256?os=linux&arch=amd64");
    assert_eq!(sums.header("Gox-Vulnerabilities"), Some("2; db=2026-11-05"));
    let output = store
        .command()
        .args(["build", "tester/hello@v1.0.0?os=linux&arch=amd64", "-o", "-"])
        .output()
        .unwrap();
    let output_text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output_text.contains(
            "Known vulnerabilities in the linked code: 2 (Go vulnerability database of 2026-11-05)"
        ),
        "{output_text}"
    );
    assert!(
        output_text.contains(
            "GO-2026-0001 github.com/tester/hello v1.0.0, fixed in v1.0.9: Greets\u{FFFD}[31m strangers"
        ),
        "{output_text}"
    );
    assert!(
        output_text.contains("fixed in v1.1.0, unreviewed: Not reviewed yet"),
        "{output_text}"
    );
    let output = store.command().arg("doctor").output().unwrap();
    let output_text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output_text.contains(" in its standard library, 1 in its go command"),
        "{output_text}"
    );
    assert!(
        output.status.success(),
        "known vulnerabilities must not fail doctor: {output_text}"
    );
}

#[test]
fn vulnerable_program_is_refused_if_operator_requires_it() {
    let store = reporting_store().set("GOX_VULNERABLE", "refuse");
    assert!(fetch(&store));
    let refused = ask(&store, HELLO);
    refused.refused("known-vulnerabilities");
    assert!(
        refused
            .text()
            .contains("GO-2026-0001 github.com/tester/hello v1.0.0, fixed in v1.0.9"),
        "{refused}"
    );
    // Refused although it is built.
    ask(&store, HELLO).refused("known-vulnerabilities");
    assert!(json(&store, HELLO)["vulnerabilities"]["known"].is_array());
    assert_reported(&store, REPAIRED, "0; db=2026-11-05");
    // An unknown state is no reason to refuse.
    fs::remove_file(index(&store)).unwrap();
    assert_reported(&store, HELLO, "unknown");
}

/// Without a usable database programs are served, and a newer database is fetched in the background.
#[test]
fn missing_damaged_or_old_database_does_not_fail_requests() {
    let empty = tempfile::tempdir_in(tmp()).unwrap();
    let proxies = format!("file://{}", empty.path().display());
    let store = TestStore::new();
    ask(&store, HELLO).program();

    // Never fetched.
    let store = store.set("GOX_VULNERABLE", "tell").set("GOX_GOPROXY", &proxies);
    assert_reported(&store, HELLO, "unknown");
    assert_eq!(json(&store, HELLO)["vulnerabilities"], serde_json::Value::Null);
    store.wait_until_idle();

    // Unreachable: the previous database is used, with its date.
    let store = store.set("GOX_GOPROXY", modproxy().url());
    assert!(fetch(&store));
    let store = store.set("GOX_GOPROXY", proxies);
    age_database(&store);
    assert_reported(&store, HELLO, "2; db=2026-11-05");
    store.wait_until_idle();
    assert_reported(&store, HELLO, "2; db=2026-11-05");
    assert!(!fetch(&store));

    // Damaged: unknown, and the program is served.
    let store = store.set("GOX_GOPROXY", modproxy().url());
    fs::write(index(&store), "{\"version\": \"v0").unwrap();
    assert_reported(&store, HELLO, "unknown");

    // A year old: used with its date, then replaced.
    let whole = "{\"version\":\"v0\",\"date\":\"2025-11-05\"}\n";
    fs::write(index(&store), whole).unwrap();
    age_database(&store);
    assert_reported(&store, HELLO, "0; db=2025-11-05");
    store.wait_until_idle();
    assert_reported(&store, HELLO, "2; db=2026-11-05");
}

/// If the checksum database does not confirm the download, the previous database stays.
#[test]
fn unverified_database_is_not_used() {
    let proxy = tempfile::tempdir_in(tmp()).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(modproxy().root.join("golang.org"))
        .arg(proxy.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let store = reporting_store();
    assert!(fetch(&store));
    // The key of tests/modules/sumdb-lies.txtar, which knows only hello.
    let lying = "lying.example+17940331+AW+0svAuIZ9tns9QQHeom1KkZwKQj93AlDU+ZKqN9TqX";
    let store = store
        .set("GOX_GOPROXY", format!("file://{}", proxy.path().display()))
        .set("GOX_GOSUMDB", lying);
    let before = fs::read(index(&store)).unwrap();
    assert!(!fetch(&store));
    assert_eq!(fs::read(index(&store)).unwrap(), before);
}

/// Path, version and hash of each module in a bill of materials.
fn components(bill: &serde_json::Value) -> Vec<String> {
    let components = bill["components"].as_array().unwrap().iter();
    let text = |component: &serde_json::Value| {
        let hash = component["properties"][0]["value"].as_str().unwrap_or_default();
        format!(
            "{}\t{}\t{hash}",
            component["name"].as_str().unwrap(),
            component["version"].as_str().unwrap()
        )
    };
    components.map(text).collect()
}

/// The modules that `go version -m` finds in a program.
fn modules(program: &Path) -> Vec<String> {
    let output = Command::new(go())
        .args(["version", "-m"])
        .arg(program)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("dep\t").map(str::to_owned))
        .collect()
}

#[test]
fn bill_of_materials_lists_linked_modules() {
    let store = TestStore::new();
    let url = "/tester/planted-files?os=linux&arch=amd64";
    let sbom = |path: &str| ask(&store, path);
    sbom("/tester/planted-files.cdx.json?os=linux&arch=amd64").refused("not-built");
    let program = tmp().join(format!("linked-{}", std::process::id()));
    let response = ask(&store, url);
    fs::write(&program, &response.body).unwrap();
    let bill = sbom("/tester/planted-files.cdx.json?os=linux&arch=amd64");
    assert_eq!(
        bill.header("Content-Type"),
        Some("application/vnd.cyclonedx+json; version=1.6")
    );
    assert_eq!(
        bill.body,
        sbom("/tester/planted-files.cdx.json?os=linux&arch=amd64").body
    );
    let bill: serde_json::Value = serde_json::from_slice(&bill.body).unwrap();
    let mut listed = components(&bill);
    assert!(listed.pop().unwrap().starts_with("std\t"));
    let linked = modules(&program);
    fs::remove_file(&program).unwrap();
    assert!(!linked.is_empty());
    assert_eq!(listed, linked);
    assert_eq!(
        bill["metadata"]["component"]["hashes"][0]["content"],
        response.sha256()
    );
    // `go version -m` reads no build information from WebAssembly, and the main module of a copied build has no version there.
    for path in ["/tester/hello", "/tester/exclude-directive"] {
        ask(&store, &format!("{path}?os=wasip1&arch=wasm")).program();
        let bill = sbom(&format!("{path}.cdx.json?os=wasip1&arch=wasm"));
        let bill: serde_json::Value = serde_json::from_slice(&bill.body).unwrap();
        assert_eq!(
            bill["metadata"]["component"]["version"]
                .as_str()
                .unwrap()
                .chars()
                .next(),
            Some('v'),
            "{bill:#}"
        );
    }
}

#[test]
fn database_is_fetched_at_the_lowest_priority() {
    const LIST: &str = "/golang.org/x/vulndb/@v/list";
    let proxy = Proxy::start(Behavior::Hold(LIST));
    let store = reporting_store().set("GOX_GOPROXY", proxy.url());
    ask(&store, HELLO).program();
    proxy.wait_for_request(LIST);
    let running = processes::find(&store.dir);
    let is_go = |process: &&Process| process.is("go") && process.command.contains("vulndb");
    let go = running.iter().find(is_go).unwrap();
    let parent = running
        .iter()
        .find(|process| process.is("vulnerabilities"))
        .unwrap();
    for process in [parent, go] {
        assert_eq!(processes::nice_value(process.pid), 19);
        // A kernel may have no priority of a session.
        if let Some(session) = processes::session_nice_value(process.pid) {
            assert_eq!(session, 19);
        }
    }
    proxy.set_behavior(Behavior::Serve);
    store.wait_until_idle();
}

#[test]
fn database_is_fetched_when_the_modules_are_downloaded() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = reporting_store()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", "1");
    let front = store.front();
    let mut stream = front.connect();
    let request = Request::get("/tester/waits-for-dependency?os=linux&arch=amd64");
    stream.write_all(&http::encode_request(&request)).unwrap();
    let asked_for_database = || proxy.requests().iter().any(|path| path.contains("/vulndb/"));
    // The response starts after the build has waited for a second.
    stream.read_exact(&mut [0]).unwrap();
    assert!(!asked_for_database(), "{:?}", proxy.requests());
    proxy.set_behavior(Behavior::Serve);
    stream.read_to_end(&mut Vec::new()).unwrap();
    drop(front);
    store.wait_until_idle();
    assert!(asked_for_database(), "{:?}", proxy.requests());
}
