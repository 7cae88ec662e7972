//! Deprecations and retractions by a module's author are reported with the program.

use crate::support::TIMEOUT;
use crate::support::eventually;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use serde_json::json;
use std::fs;
use std::time::{Duration, SystemTime};

const RETRACTED: &str = "/tester/retracted@v1.1.0";

/// The retraction of tests/modules/retracted.txtar as header value.
const WHY: Option<&str> = Some("published by mistake ?[31m");

/// Sets the notices of all cached resolutions.
fn set_notices(store: &TestStore, value: &serde_json::Value) {
    for entry in fs::read_dir(store.dir.join("resolutions")).unwrap() {
        let path = entry.unwrap().path();
        let mut cached: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let notices = &mut cached["value"]["Ok"]["notices"];
        assert!(notices.is_object(), "{notices}");
        notices.clone_from(value);
        fs::write(&path, cached.to_string()).unwrap();
    }
}

/// Sets the age of all cached resolutions.
fn age_resolutions(store: &TestStore, hours: u64) {
    let then = SystemTime::now() - Duration::from_secs(hours * 3600);
    for entry in fs::read_dir(store.dir.join("resolutions")).unwrap() {
        let file = fs::File::options().append(true).open(entry.unwrap().path());
        file.unwrap().set_modified(then).unwrap();
    }
}

fn retraction_of(response: &Response) -> Option<&str> {
    assert!(matches!(response.status, 200 | 304), "{response}");
    response.header("Gox-Retracted")
}

/// In HEAD, GET, 304 and the JSON sidecar.
#[test]
fn deprecation_is_reported_everywhere() {
    let store = TestStore::new();
    let path = "/tester/deprecated-with-escapes";
    let why = Some("use ?]0;pwned? <script>alert(1)</script> instead.");
    let request = Request::get(path);
    let announced = store.ask(&request.clone().method("HEAD"));
    assert_eq!(announced.header("Gox-Deprecated"), why, "{announced}");
    let program = store.ask(&request);
    assert_eq!(program.header("Gox-Deprecated"), why, "{program}");
    let again = request.header("If-None-Match", program.header("ETag").unwrap());
    let same = store.ask(&again);
    assert_eq!((same.status, same.header("Gox-Deprecated")), (304, why));
    let sidecar = store.ask(&Request::get(&format!("{path}.json")));
    let all: serde_json::Value = serde_json::from_slice(&sidecar.body).unwrap();
    let deprecated = all["deprecated"].as_str().unwrap();
    assert!(deprecated.starts_with("use \u{FFFD}]0;pwned"), "{all:#}");
}

/// Install scripts print the author's text, quoted for the shell.
#[test]
fn install_script_prints_notices() {
    let store = TestStore::new();
    let script = |path: &str| store.ask(&Request::get(path)).text();
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

/// `gox-server build` prints notices.
#[test]
fn build_command_prints_notices() {
    let store = TestStore::new();
    let output = store
        .command()
        .args(["build", "tester/retracted@v1.1.0", "-o", "-"])
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && output_text.contains("This version is retracted by its author: published"),
        "{output_text}"
    );
}

/// A retraction of a requested version is looked up again after a day, in the background. If the proxy fails, the version is still
/// served.
#[test]
fn later_retraction_is_reported() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let request = Request::get(RETRACTED);
    let first = store.ask(&request);
    assert_eq!(retraction_of(&first), WHY, "{first}");
    store.wait_until_idle();
    set_notices(&store, &json!({}));
    assert_eq!(
        retraction_of(&store.ask(&request)),
        None,
        "looked up again within a day"
    );
    store.wait_until_idle();
    assert_eq!(retraction_of(&store.ask(&request)), None);
    age_resolutions(&store, 72);
    assert_eq!(
        retraction_of(&store.ask(&request)),
        None,
        "the request waited for the lookup"
    );
    eventually("the retraction is reported", TIMEOUT, || {
        retraction_of(&store.ask(&request)) == WHY
    });
    store.wait_until_idle();
    proxy.set_behavior(Behavior::Page(500));
    age_resolutions(&store, 72);
    for _ in 0..2 {
        assert_eq!(retraction_of(&store.ask(&request)), WHY);
        store.wait_until_idle();
    }
    assert_eq!(store.ask(&request).sha256(), first.sha256());
}

/// If the proxy could not answer for an exact version, it is asked again within a day.
#[test]
fn unknown_notices_are_looked_up_again() {
    let store = TestStore::new();
    let request = Request::get(RETRACTED);
    assert_eq!(retraction_of(&store.ask(&request)), WHY);
    store.wait_until_idle();
    set_notices(&store, &json!(null));
    age_resolutions(&store, 1);
    eventually("the retraction is reported", TIMEOUT, || {
        retraction_of(&store.ask(&request)) == WHY
    });
}
