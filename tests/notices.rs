//! What a module's author says of it stands beside the program: deprecated modules, versions that were taken back.

use crate::support::PATIENCE;
use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::eventually;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use std::fs;
use std::time::{Duration, SystemTime};

const RETRACTED: &str = "/tester/retracted@v1.1.0";

/// What tests/modules/retracted.txtar says, in a header.
const WHY: Option<&str> = Some("published by mistake ?[31m");

/// As if nothing had been retracted yet when it was asked what things mean.
fn not_yet_retracted(store: &Scratch) {
    for entry in fs::read_dir(store.dir.join("resolutions")).unwrap() {
        let path = entry.unwrap().path();
        let mut remembered: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let notices = &mut remembered["value"]["Ok"]["notices"];
        assert!(notices.is_object(), "{notices}");
        *notices = serde_json::json!({});
        fs::write(&path, remembered.to_string()).unwrap();
    }
}

/// As if it were days since anybody asked what things mean.
fn days_later(store: &Scratch) {
    let then = SystemTime::now() - Duration::from_secs(3 * 86_400);
    for entry in fs::read_dir(store.dir.join("resolutions")).unwrap() {
        let file = fs::File::options().append(true).open(entry.unwrap().path());
        file.unwrap().set_modified(then).unwrap();
    }
}

fn retracted(answer: &Answer) -> Option<&str> {
    assert!(matches!(answer.status, 200 | 304), "{answer}");
    answer.header("Gox-Retracted")
}

/// Whoever tells of a program tells it.
#[test]
fn a_deprecated_module_is_told_everywhere() {
    let store = Scratch::new();
    let path = "/tester/deprecated-with-escapes";
    let why = Some("use ?]0;pwned? <script>alert(1)</script> instead.");
    let ask = Ask::get(path);
    let announced = store.ask(&ask.clone().method("HEAD"));
    assert_eq!(announced.header("Gox-Deprecated"), why, "{announced}");
    let program = store.ask(&ask);
    assert_eq!(program.header("Gox-Deprecated"), why, "{program}");
    let again = ask.header("If-None-Match", program.header("ETag").unwrap());
    let same = store.ask(&again);
    assert_eq!((same.status, same.header("Gox-Deprecated")), (304, why));
    let sidecar = store.ask(&Ask::get(&format!("{path}.json")));
    let all: serde_json::Value = serde_json::from_slice(&sidecar.body).unwrap();
    let deprecated = all["deprecated"].as_str().unwrap();
    assert!(deprecated.starts_with("use \u{FFFD}]0;pwned"), "{all:#}");
}

/// Whoever has a program installed is told too, in the author's words, which no shell reads as its own.
#[test]
fn who_installs_is_told() {
    let store = Scratch::new();
    let script = |path: &str| store.ask(&Ask::get(path)).text();
    let posix = script("/-/install/tester/deprecated-with-escapes");
    let line = posix
        .lines()
        .find(|line| line.contains("deprecated by its author"))
        .unwrap();
    assert!(
        line.starts_with("    say 'This module") && line.contains("pwned"),
        "{line}"
    );
    let powershell = script("/-/install.ps1/tester/retracted@v1.1.0");
    assert!(
        powershell.contains("Write-Host 'This version is retracted by its author: published by mistake"),
        "{powershell}"
    );
    assert!(!powershell.contains("{{") && !posix.contains("{{"));
}

/// At a terminal too.
#[test]
fn who_builds_is_told() {
    let store = Scratch::new();
    let output = store
        .command()
        .args(["build", "tester/retracted@v1.1.0", "-o", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("This version is retracted by its author: published"),
        "{said}"
    );
}

/// A version that was asked for by name may be taken back later: who asks days after that is told, without waiting for it; and
/// an exact version stays what it is though the proxy fails.
#[test]
fn what_is_retracted_later_is_told() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let ask = Ask::get(RETRACTED);
    let first = store.ask(&ask);
    assert_eq!(retracted(&first), WHY, "{first}");
    store.quiet();
    not_yet_retracted(&store);
    assert_eq!(retracted(&store.ask(&ask)), None, "once a day is enough");
    store.quiet();
    assert_eq!(retracted(&store.ask(&ask)), None);
    days_later(&store);
    assert_eq!(retracted(&store.ask(&ask)), None, "nobody waits for it");
    eventually("it is told", PATIENCE, || retracted(&store.ask(&ask)) == WHY);
    store.quiet();
    proxy.change(Manner::Page(500));
    days_later(&store);
    for _ in 0..2 {
        assert_eq!(retracted(&store.ask(&ask)), WHY);
        store.quiet();
    }
    assert_eq!(store.ask(&ask).sha256(), first.sha256());
}
