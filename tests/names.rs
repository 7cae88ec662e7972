//! Every failure has its right name: it comes from `go`'s own lines, and no text of an author's changes it.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::scratch::Scratch;
use std::fs::{self, File};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};

fn asked(store: &Scratch, path: &str) -> Answer {
    store.ask(&Ask::get(&format!("{path}?os=linux&arch=amd64")))
}

#[test]
fn words_of_an_author_name_no_reason() {
    let store = Scratch::new();
    for path in ["/tester/words", "/tester/words-in-imports"] {
        let answer = asked(&store, path);
        answer.refused("does-not-compile");
        let said = answer.text();
        assert!(said.contains(&path[1..]) || said.contains("x.go"), "{answer}");
    }
}

#[test]
fn go_mod_is_read_as_go_reads_it() {
    let store = Scratch::new();
    // All of tests/modules/go-mod-shapes.txtar.
    for path in ["go-mod-latin", "go-mod-latin-alias", "go-mod-block"] {
        let answer = asked(&store, &format!("/tester/{path}"));
        answer.program();
        assert!(!answer.header("gox-verify").unwrap().contains("alle"), "{answer}");
    }
    for path in ["", "/copy", "/dependency"] {
        let answer = asked(&store, &format!("/tester/go-mod-malformed{path}"));
        answer.refused("does-not-compile");
        assert!(answer.text().contains("go.mod:"), "{answer}");
        assert!(!answer.text().contains(store.dir.to_str().unwrap()), "{answer}");
    }
    let answer = asked(&store, "/tester/declares-no-host");
    answer.refused("declares-another-path");
    assert!(answer.text().contains("clx"), "{answer}");
}

#[test]
fn a_module_of_a_host_alone_is_found_by_its_repository_and_its_path() {
    let store = Scratch::new();
    let answer = asked(&store, "/tester/declares-a-host/cmd/x");
    let program = answer.sha256();
    let location = answer.header("content-location").unwrap();
    assert!(location.starts_with("/vanity.example/cmd/x@v1.0.0"), "{location}");
    assert_eq!(store.ask(&Ask::get(location)).sha256(), program);
}

#[test]
fn a_failure_says_what_is_missing() {
    let store = Scratch::new();
    for (name, reason, says) in [
        ("missing-embed", "missing-embed", "all:app/dist"),
        ("missing-replacement", "missing-replacement", "part"),
        // Of tests/modules/names-behind-cgo.txtar a file is left out that declares a name.
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
        let answer = asked(&store, &format!("/tester/{name}"));
        answer.refused(reason);
        assert!(answer.text().contains(says), "{answer}");
    }
    // A newer Go has it on by default.
    let answer = asked(&store, "/tester/needs-experiment");
    if answer.status != 200 {
        answer.refused("needs-tags");
    }
}

/// How many failures are stored, and when the last one was.
fn stored(store: &Scratch) -> (usize, SystemTime) {
    let files = fs::read_dir(store.dir.join("failures")).unwrap();
    let times: Vec<_> = files
        .map(|file| file.unwrap().metadata().unwrap().modified().unwrap())
        .collect();
    (times.len(), times.into_iter().max().unwrap())
}

fn days_later(store: &Scratch) {
    let then = SystemTime::now() - Duration::from_secs(3 * 86_400);
    for file in fs::read_dir(store.dir.join("failures")).unwrap() {
        let file = File::options().append(true).open(file.unwrap().path());
        file.unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn a_failure_of_the_days_newest_versions_expires_after_a_day() {
    for (path, is_built_again) in [
        ("/tester/untidy-fails@v1.0.0", true),
        ("/tester/untidy-fails/copy@v1.0.0", true),
        ("/tester/does-not-compile@v1.0.0", false),
    ] {
        let store = Scratch::new();
        asked(&store, path).refused("does-not-compile");
        days_later(&store);
        let before = stored(&store);
        asked(&store, path).refused("does-not-compile");
        let after = stored(&store);
        assert_eq!(after.0, before.0, "{path}");
        assert_eq!(after.1 > before.1, is_built_again, "{path}");
    }
}

#[test]
fn bytes_of_a_go_mod_reach_no_header_no_file_and_no_log() {
    let store = Scratch::new();
    let is_harmless = |text: &str| {
        let turns = |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        !text.contains("pwned")
            && !text.contains("Set-Cookie")
            && !text.chars().any(|c| turns(c) || c.is_control() && c != '\n')
    };
    let answer = asked(&store, "/tester/go-mod-bytes@v1.0.0");
    answer.program();
    assert!(
        answer.headers.iter().all(|(_, value)| is_harmless(value)),
        "{:?}",
        answer.headers
    );
    let json = store.ask(&Ask::get("/tester/go-mod-bytes@v1.0.0.json?os=linux&arch=amd64"));
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
    assert!(is_harmless(&answer.log), "{}", answer.log);
}

fn doctor(proxy: &str) -> Output {
    let store = Scratch::new().set("GOX_GOPROXY", proxy);
    store.command().arg("doctor").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn doctor_tries_the_proxy_and_prints_no_secret() {
    // Go sends no credentials by http.
    let output = doctor("http://user:secret@127.0.0.1:1/");
    assert!(
        !output.status.success() && said(&output).contains("https"),
        "{}",
        said(&output)
    );
    assert!(!said(&output).contains("secret"), "{}", said(&output));
    let output = doctor("https://user:secret@127.0.0.1:1/");
    assert!(said(&output).contains("\u{2717} proxy"), "{}", said(&output));
    assert!(!said(&output).contains("secret"), "{}", said(&output));
    let nowhere = Path::new("/nonexistent/proxy");
    let output = doctor(&format!("file://{}", nowhere.display()));
    assert!(said(&output).contains("\u{2717} proxy"), "{}", said(&output));
    let works = Scratch::new().command().arg("doctor").output().unwrap();
    assert!(said(&works).contains("\u{2713} proxy"), "{}", said(&works));
}
