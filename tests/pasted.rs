//! The answer that a person reads to each URL that people paste or type in another notation, compared with tests/data/pasted.txt.
//!
//! PASTED=write rewrites the file.

use crate::failures::run_as_script;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{http, plain_go};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What was pasted behind the host, in the order of the file. `hello` and `nested-majors` are modules of tests/modules.
const PASTED: [&str; 60] = [
    "/tester/hello/releases/tag/v1.0.0",
    "/tester/hello/releases/download/v1.0.0/hello_1.0.0_darwin_arm64.tar.gz",
    "/tester/hello/releases/latest",
    "/tester/hello/tree/main/cmd/x",
    "/tester/hello/blob/main/README.md",
    "/tester/nested-majors/releases/tag/nested-majors%2Fv5.8.1",
    "/tester/nested-majors@nested-majors/v5.8.1",
    "/git@github.com:tester/hello.git",
    "/https://github.com/tester/hello",
    "/http:/www.github.com/tester/hello/?tab=readme-ov-file",
    "/https://codeberg.org/tester/hello/releases/tag/v1.0.0",
    "/https://pkg.go.dev/github.com/tester/hello@v1.0.0",
    "/tester/hello.git",
    "/GitHub.com/tester/hello",
    "/tester/hello/",
    "/tester/hello)",
    "/tester/hello,",
    "/tester/hello.",
    "/tester/hello;",
    "/%22tester/hello%22",
    "/tester/hello%60",
    "/tester/hello:v1.0.0",
    "/tester/hello==1.0.0",
    "/tester/hello/v1.0.0",
    "/tester/hello/v1.0.0?os=windows&arch=arm64&strip=1",
    "/tester/hello/v1",
    "/tester/hello%40v1.0.0",
    "/tester/incompatible%40v2.0.0%2Bincompatible",
    "/tester/hello@%5E1.0",
    "/tester/hello@v1.0.x",
    "/go%20install%20github.com/tester/hello@v1.0.0",
    "/tester/hello/...",
    "/tester/hello/linux/arm64",
    "/tester/hello/linux-amd64",
    "/tester/hello/darwin/arm64",
    "/tester/hello.exe",
    "/tester/hello.tar.gz",
    "/tester/hello.zip",
    "/tester/hello@v1.0.0.zip",
    "/tester/hello?GOOS=windows&GOARCH=amd64",
    "/tester/hello?OS=linux&ARCH=amd64",
    "/tester/hello?platform=linux/arm/v7",
    "/tester/hello?os=linux&arch=arm&arm=v7",
    "/tester/hello?os=linux&arch=amd64&arm=",
    "/tester/hello?TARGETOS=linux&TARGETARCH=arm&TARGETVARIANT=v6",
    "/tester/hello?os=linux&amp;arch=arm64",
    "/tester/hello?os=linux&arch=amd64.sha256",
    "/tester/hello@v1.0.0?os=linux&arch=amd64.json",
    "/tester/hello?version=v1.0.0&os=linux&arch=amd64",
    "/tester/hello?os=linux&arch=arm64&ldflags=-s",
    "/tester/hello?os=linux&os=windows&arch=amd64",
    "/tester/hello?os=linux&arch=amd64&strip=yes",
    "/tester/nosuch",
    "/tester/hello/info/refs?service=git-upload-pack",
    "/tester/hello.git/info/refs?service=git-upload-pack",
    "/gopkg.in/tester",
    "/-/install/tester/hello:v1.0.0?os=linux",
    "/-/bin/linux/amd64/tester/hello@v1.0.0/hello",
    "/-/bin/linux_amd64/tester/hello@v1.0.0/hello",
    "/-/bin/linux-amd64",
];

/// The response as a person reads it: the status line, and the text or the program.
fn render(url: &str, response: &Response) -> String {
    let answer = match (response.status, response.header("content-location")) {
        (200, Some(location)) => {
            let location = location.replace(&format!("?go={}", plain_go::go_version()), "");
            format!("the program {location}\n")
        }
        _ => run_as_script(response),
    };
    let lines: String = answer.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "{url}\n  {} {}\n{lines}\n",
        response.status, response.reason_phrase
    )
}

#[test]
fn answers_to_pasted_urls_match_the_recorded_file() {
    let store = TestStore::new();
    let answers: String = PASTED
        .iter()
        .map(|url| render(url, &store.ask(&Request::get(url))))
        .collect();
    let text = format!(
        "What people paste or type behind the host, the status line, and the answer as a script prints it that was saved in place of\n\
         the program and run. Written by tests/pasted.rs.\n\n{answers}"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pasted.txt");
    if std::env::var_os("PASTED").is_some_and(|word| word == "write") {
        fs::write(&file, &text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == written,
        "the answers differ from tests/data/pasted.txt; PASTED=write rewrites it:\n{text}"
    );
}

const UNDETECTED: &str = "Cannot detect your platform from this request. Specify the platform: curl -A \"$(uname -sm)\" \
     127.0.0.1/tester/hello > hello or /tester/hello?os=linux&arch=amd64";

/// lighttpd and Caddy send their own phrase for the status.
#[test]
fn reason_phrase_carries_the_advice() {
    let store = TestStore::new();
    let responder = store.responder();
    let front = store.front();
    let undetected = Request::get("/tester/hello").header("User-Agent", "curl/8.5.0");
    assert_eq!(store.ask(&undetected).reason_phrase, UNDETECTED);
    let through_front = http::ask(front.address, &undetected).unwrap();
    assert_eq!(through_front.reason_phrase, UNDETECTED);
    let servers = [
        (WebServer::nginx(&store, &responder.socket), true),
        (WebServer::apache(&store, &responder.socket), true),
        (WebServer::lighttpd(&store), false),
        (WebServer::caddy(&store, &responder.socket), false),
    ];
    for (server, passes) in &servers {
        for mount in &server.mounts {
            let response = mount.ask(&undetected).unwrap();
            let has_advice = response.reason_phrase.contains("Specify the platform: curl -A");
            assert_eq!(has_advice, *passes, "{}: {}", mount.name, response.reason_phrase);
        }
    }
    // A program has the phrase of its status.
    let program = http::ask(front.address, &Request::get("/tester/hello@v1.0.0")).unwrap();
    assert_eq!((program.status, &*program.reason_phrase), (200, "OK"));
    // Bytes of the client are not copied into the status line.
    for path in [
        "/o/r%0d%0aX:y",
        "/o/%1b[31m",
        "/%c3%b6/r",
        "/tester/hello?a%0d%0ab=1",
    ] {
        let phrase = http::ask(front.address, &Request::get(path))
            .unwrap()
            .reason_phrase;
        assert!(
            phrase.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{phrase}"
        );
        assert!(
            phrase.len() <= 240 && !phrase.contains("X:y") && !phrase.contains("31m"),
            "{phrase}"
        );
    }
}

#[test]
fn wget_and_git_print_what_to_do() {
    let store = TestStore::new();
    let front = store.front();
    let printed = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let url = format!("http://{}/tester/hello", front.address);
    let wget = printed("wget", &["--tries=1", "-O/dev/null", &url]);
    let advice = format!("wget -U \"$(uname -sm)\" {}/tester/hello -O hello", front.address);
    assert!(wget.contains(&advice), "{wget}");
    let git = printed("git", &["clone", &url, "/nonexistent/clone"]);
    assert!(
        git.contains("no git repository: git clone https://github.com/tester/hello"),
        "{git}"
    );
}
