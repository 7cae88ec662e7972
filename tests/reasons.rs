//! The reason of a failure depends only on `go`'s own messages, not on text in a module.

use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use std::fs::{self, File};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};

fn ask(store: &TestStore, path: &str) -> Response {
    store.ask(&Request::get(&format!("{path}?os=linux&arch=amd64")))
}

#[test]
fn text_in_a_module_does_not_change_the_reason() {
    let store = TestStore::new();
    for path in ["/tester/words", "/tester/words-in-imports"] {
        let response = ask(&store, path);
        response.refused("does-not-compile");
        let output_text = response.text();
        assert!(
            output_text.contains(&path[1..]) || output_text.contains("x.go"),
            "{response}"
        );
    }
}

#[test]
fn go_mod_is_parsed_like_go() {
    let store = TestStore::with_image_cache();
    // All of tests/modules/go-mod-shapes.txtar.
    for path in ["go-mod-latin", "go-mod-latin-alias", "go-mod-block"] {
        let response = ask(&store, &format!("/tester/{path}"));
        response.program();
        assert!(
            !response.header("gox-verify").unwrap().contains("alle"),
            "{response}"
        );
    }
    for path in ["", "/copy", "/dependency"] {
        let response = ask(&store, &format!("/tester/go-mod-malformed{path}"));
        response.refused("does-not-compile");
        assert!(response.text().contains("go.mod:"), "{response}");
        assert!(
            !response.text().contains(store.dir.to_str().unwrap()),
            "{response}"
        );
    }
    let response = ask(&store, "/tester/declares-no-host");
    response.refused("declares-another-path");
    assert!(response.text().contains("clx"), "{response}");
}

#[test]
fn host_only_module_is_found_by_repository_and_path() {
    let store = TestStore::new();
    let response = ask(&store, "/tester/declares-a-host/cmd/x");
    let program = response.sha256();
    let location = response.header("content-location").unwrap();
    assert!(
        location.starts_with("/-/bin/linux-amd64/vanity.example/cmd/x@v1.0.0/x?"),
        "{location}"
    );
    assert_eq!(store.ask(&Request::get(location)).sha256(), program);
}

#[test]
fn failure_names_the_missing_part() {
    let store = TestStore::new();
    for (name, reason, says) in [
        ("missing-embed", "missing-embed", "all:app/dist"),
        ("missing-replacement", "missing-replacement", "part"),
        // In tests/modules/names-behind-cgo.txtar the file that declares `open` is excluded without cgo.
        ("names-behind-cgo", "needs-cgo", "undefined: open"),
        (
            "zip-windows-name",
            "invalid-module",
            "\"con\" disallowed as path element component on Windows",
        ),
        (
            "zip-case-collision",
            "invalid-module",
            "case-insensitive file name collision",
        ),
    ] {
        let response = ask(&store, &format!("/tester/{name}"));
        response.refused(reason);
        assert!(response.text().contains(says), "{response}");
    }
    let release = "/tester/embed-left-out-by-tag?os=linux&arch=amd64&recipe=release";
    store.ask(&Request::get(release)).program();
    // Newer versions of Go enable this experiment by default.
    let response = ask(&store, "/tester/needs-experiment");
    if response.status != 200 {
        response.refused("needs-tags");
    }
}

/// The number of cached failures, and the time of the last one.
fn cached_failures(store: &TestStore) -> (usize, SystemTime) {
    let files = fs::read_dir(store.dir.join("failures")).unwrap();
    let times: Vec<_> = files
        .map(|file| file.unwrap().metadata().unwrap().modified().unwrap())
        .collect();
    (times.len(), times.into_iter().max().unwrap())
}

fn age_failures(store: &TestStore) {
    let then = SystemTime::now() - Duration::from_secs(3 * 86_400);
    for file in fs::read_dir(store.dir.join("failures")).unwrap() {
        let file = File::options().append(true).open(file.unwrap().path());
        file.unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn failure_with_newest_dependencies_expires_after_a_day() {
    for (path, is_built_again) in [
        ("/tester/untidy-fails@v1.0.0", true),
        ("/tester/untidy-fails/copy@v1.0.0", true),
        ("/tester/does-not-compile@v1.0.0", false),
    ] {
        let store = TestStore::with_image_cache();
        ask(&store, path).refused("does-not-compile");
        age_failures(&store);
        let before = cached_failures(&store);
        ask(&store, path).refused("does-not-compile");
        let after = cached_failures(&store);
        assert_eq!(after.0, before.0, "{path}");
        assert_eq!(after.1 > before.1, is_built_again, "{path}");
    }
}

#[test]
fn go_mod_bytes_do_not_reach_headers_files_or_log() {
    let store = TestStore::with_image_cache();
    let is_harmless = |text: &str| {
        let turns = |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        !text.contains("pwned")
            && !text.contains("Set-Cookie")
            && !text.chars().any(|c| turns(c) || c.is_control() && c != '\n')
    };
    let response = ask(&store, "/tester/go-mod-bytes@v1.0.0");
    response.program();
    assert!(
        response.headers.iter().all(|(_, value)| is_harmless(value)),
        "{:?}",
        response.headers
    );
    let json = store.ask(&Request::get(
        "/tester/go-mod-bytes@v1.0.0.json?os=linux&arch=amd64",
    ));
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert!(is_harmless(json["verify"].as_str().unwrap()), "{json:#}");
    for log in fs::read_dir(&store.dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if log.is_file() {
            assert!(
                is_harmless(&fs::read_to_string(&log).unwrap()),
                "{}",
                log.display()
            );
        }
    }
    assert!(is_harmless(&response.log), "{}", response.log);
}

fn doctor(proxy: &str) -> Output {
    let store = TestStore::new().set("GOX_GOPROXY", proxy);
    store.command().arg("doctor").output().unwrap()
}

fn output_of(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn doctor_probes_the_proxy_and_prints_no_secret() {
    // Go does not send credentials over http.
    let output = doctor("http://user:secret@127.0.0.1:1/");
    assert!(
        !output.status.success() && output_of(&output).contains("https"),
        "{}",
        output_of(&output)
    );
    assert!(!output_of(&output).contains("secret"), "{}", output_of(&output));
    let output = doctor("https://user:secret@127.0.0.1:1/");
    assert!(
        output_of(&output).contains("\u{2717} proxy"),
        "{}",
        output_of(&output)
    );
    assert!(!output_of(&output).contains("secret"), "{}", output_of(&output));
    let nowhere = Path::new("/nonexistent/proxy");
    let output = doctor(&format!("file://{}", nowhere.display()));
    assert!(
        output_of(&output).contains("\u{2717} proxy"),
        "{}",
        output_of(&output)
    );
    let works = TestStore::new().command().arg("doctor").output().unwrap();
    assert!(
        output_of(&works).contains("\u{2713} proxy"),
        "{}",
        output_of(&works)
    );
}
