//! Known vulnerabilities of what is linked into a program, by a database that comes from the module proxy; and its bill of materials.
//! The database is tests/modules/vulndb.txtar.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::modproxy::modproxy;
use crate::support::scratch::Scratch;
use crate::support::{go, tmp};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const HELLO: &str = "/tester/hello@v1.0.0?os=linux&arch=amd64";
const REPAIRED: &str = "/tester/hello@v1.1.0?os=linux&arch=amd64";
const ON_WINDOWS: &str = "/tester/hello@v1.1.0?os=windows&arch=amd64";

/// A store that tells what is known, and has no database yet.
fn telling() -> Scratch {
    Scratch::new().set("GOX_VULNERABLE", "tell")
}

/// Fetches the database as the server does, but not beside an answer.
fn fetch(store: &Scratch) -> bool {
    store
        .command()
        .arg("vulnerabilities")
        .output()
        .unwrap()
        .status
        .success()
}

fn index(store: &Scratch) -> PathBuf {
    store.dir.join("go/vulnerabilities.index")
}

/// As if it had been written days ago, and nothing asked for since.
fn days_later(store: &Scratch) {
    let then = SystemTime::now() - Duration::from_secs(3 * 86_400);
    for path in [index(store), index(store).with_extension("lock")] {
        let file = fs::File::options().create(true).append(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    }
}

fn ask(store: &Scratch, url: &str) -> Answer {
    store.ask(&Ask::get(url))
}

#[track_caller]
fn is_known(store: &Scratch, url: &str, header: &str) {
    let answer = ask(store, url);
    answer.program();
    assert_eq!(answer.header("Gox-Vulnerabilities"), Some(header), "{answer}");
}

fn json(store: &Scratch, url: &str) -> serde_json::Value {
    let (path, query) = url.split_once('?').unwrap();
    let answer = ask(store, &format!("{path}.json?{query}"));
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn known_vulnerabilities_are_told_beside_a_program() {
    let store = telling();
    // The first request has the database fetched, and does not wait for it.
    is_known(&store, HELLO, "unknown");
    store.quiet();
    is_known(&store, HELLO, "2; db=2026-11-05");
    is_known(&store, REPAIRED, "0; db=2026-11-05");
    is_known(&store, ON_WINDOWS, "1; db=2026-11-05");

    let told = &json(&store, HELLO)["vulnerabilities"];
    assert_eq!(
        told["database"]["version"], "v0.0.0-20261105234957-e22db6528018",
        "{told:#}"
    );
    let known = told["known"].as_array().unwrap();
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
        told["repaired_by"],
        serde_json::json!({ "github.com/tester/hello": "v1.1.0" })
    );
    assert_eq!(
        json(&store, ON_WINDOWS)["vulnerabilities"]["repaired_by"]["stdlib"],
        "go1.99.0"
    );

    // The script reads it where the program's own answer may have begun too early.
    let sums = ask(&store, "/tester/hello@v1.0.0.sha256?os=linux&arch=amd64");
    assert_eq!(sums.header("Gox-Vulnerabilities"), Some("2; db=2026-11-05"));
    let output = store
        .command()
        .args([
            "build",
            "tester/hello@v1.0.0?os=linux&arch=amd64",
            "-o",
            "/dev/null",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("2 known vulnerabilities in what is linked (Go vulnerability database of 2026-11-05)"),
        "{said}"
    );
    assert!(
        said.contains(
            "GO-2026-0001 github.com/tester/hello v1.0.0, repaired by v1.0.9: Greets\u{FFFD}[31m strangers"
        ),
        "{said}"
    );
    assert!(
        said.contains("repaired by v1.1.0, unreviewed: Not reviewed yet"),
        "{said}"
    );
    let output = store.command().arg("doctor").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("1 known vulnerabilities in its go command")
            || said.contains("and 1 in its go command"),
        "{said}"
    );
    assert!(
        output.status.success(),
        "what became known overnight stops no server: {said}"
    );
}

#[test]
fn a_program_is_refused_where_the_operator_wants_that() {
    let store = telling().set("GOX_VULNERABLE", "refuse");
    assert!(fetch(&store));
    let refused = ask(&store, HELLO);
    refused.refused("known-vulnerabilities");
    assert!(
        refused
            .text()
            .contains("GO-2026-0001 github.com/tester/hello v1.0.0, repaired by v1.0.9"),
        "{refused}"
    );
    // It is there, and stays refused.
    ask(&store, HELLO).refused("known-vulnerabilities");
    assert!(json(&store, HELLO)["vulnerabilities"]["known"].is_array());
    is_known(&store, REPAIRED, "0; db=2026-11-05");
    // What is not known is no reason.
    fs::remove_file(index(&store)).unwrap();
    is_known(&store, HELLO, "unknown");
}

/// Nothing fails for a database that is away, damaged or old, and what is newer is found while it serves.
#[test]
fn the_database_may_be_away_damaged_or_old() {
    let empty = tempfile::tempdir_in(tmp()).unwrap();
    let proxies = format!("file://{}", empty.path().display());
    let store = Scratch::new();
    ask(&store, HELLO).program();

    // Away, and never there.
    let store = store.set("GOX_VULNERABLE", "tell").set("GOX_GOPROXY", &proxies);
    is_known(&store, HELLO, "unknown");
    assert_eq!(json(&store, HELLO)["vulnerabilities"], serde_json::Value::Null);
    store.quiet();

    // Away: what was there is used, and says its date.
    let store = store.set("GOX_GOPROXY", modproxy().url());
    assert!(fetch(&store));
    let store = store.set("GOX_GOPROXY", proxies);
    days_later(&store);
    is_known(&store, HELLO, "2; db=2026-11-05");
    store.quiet();
    is_known(&store, HELLO, "2; db=2026-11-05");
    assert!(!fetch(&store));

    // Damaged: nothing is known, and the program is served.
    let store = store.set("GOX_GOPROXY", modproxy().url());
    fs::write(index(&store), "{\"version\": \"v0").unwrap();
    is_known(&store, HELLO, "unknown");

    // A year old: it says so, and is replaced.
    let whole = "{\"version\":\"v0\",\"date\":\"2025-11-05\"}\n";
    fs::write(index(&store), whole).unwrap();
    days_later(&store);
    is_known(&store, HELLO, "0; db=2025-11-05");
    store.quiet();
    is_known(&store, HELLO, "2; db=2026-11-05");
}

/// Without the checksum database's word on it, the database before stays.
#[test]
fn an_unverified_database_is_not_used() {
    let proxy = tempfile::tempdir_in(tmp()).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(modproxy().root.join("golang.org"))
        .arg(proxy.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let store = telling();
    assert!(fetch(&store));
    // The key of tests/modules/sumdb-lies.txtar, whose tree has nothing but hello.
    let lying = "lying.example+17940331+AW+0svAuIZ9tns9QQHeom1KkZwKQj93AlDU+ZKqN9TqX";
    let store = store
        .set("GOX_GOPROXY", format!("file://{}", proxy.path().display()))
        .set("GOX_GOSUMDB", lying);
    let before = fs::read(index(&store)).unwrap();
    assert!(!fetch(&store));
    assert_eq!(fs::read(index(&store)).unwrap(), before);
}

/// `PATH VERSION` of each module in a bill of materials, and its hash.
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

/// Which modules Go's own tool finds in a program.
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
fn a_bill_of_materials_lists_what_is_linked() {
    let store = Scratch::new();
    let url = "/tester/planted-files?os=linux&arch=amd64";
    let sbom = |path: &str| ask(&store, path);
    sbom("/tester/planted-files.cdx.json?os=linux&arch=amd64").refused("not-built");
    let program = tmp().join(format!("linked-{}", std::process::id()));
    let answer = ask(&store, url);
    fs::write(&program, &answer.body).unwrap();
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
        answer.sha256()
    );
    // WebAssembly has no build information that Go reads, and a copy's main module no version.
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
