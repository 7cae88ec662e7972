//! Provokes every failure of the closed list and compares its text with tests/data/failures.txt.
//!
//! FAILURES=write rewrites the file.

use crate::environment::start_modified;
use crate::queue::store_with_busy_slot;
use crate::support::attacks::hostile_toolchain;
use crate::support::missing_syscalls::{LANDLOCK, without_syscalls};
use crate::support::modproxy::archives;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::{REASONS, Response};
use crate::support::test_store::TestStore;
use crate::support::{plain_go, tmp};
use crate::{host, queue};
use gox_server::error::Reason;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn get(path: &str) -> Request {
    Request::get(path)
}

/// Sends a request to a store with this setting.
fn request_with_setting(name: &str, value: &str, path: &str) -> Response {
    TestStore::new().set(name, value).ask(&get(path))
}

fn forbidden_call() -> Response {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let store = TestStore::with_own_cache().set("GOX_GO", hostile_toolchain(folder.path()));
    store.ask(&get("/tester/forbidden-call?os=linux&arch=amd64"))
}

/// A response with this failure.
fn provoke(reason: &str) -> Response {
    let plain = |path: &str| TestStore::new().ask(&get(path));
    match reason {
        "several-commands" => plain("/tester/several-commands"),
        "bad-path" => plain("/junegunn/../fzf"),
        "bad-version" => plain("/junegunn/fzf@HEAD"),
        "bad-query" => plain("/junegunn/fzf?ldflags=-X"),
        "platform-untold" => request_with_agent("curl/8.5.0"),
        "unknown-platform" => request_with_agent("BeOS BePC"),
        "bad-host" => TestStore::new().ask(&get("/tester/hello").header("Host", "a b<c>")),
        "no-path-info" => {
            let server = [("PATH_INFO", ""), ("SERVER_SOFTWARE", "nginx/1.22.1")];
            let response = start_modified(&TestStore::new(), |command| {
                command.envs(server);
            });
            response.response()
        }
        "no-state-directory" => request_with_setting("GOX_DIR", "/dev/null/gox-server", "/tester/hello"),
        "denied" => request_with_setting("GOX_DENY", "github.com/tester", "/tester/hello"),
        "known-vulnerabilities" => {
            let store = TestStore::new().set("GOX_VULNERABLE", "refuse");
            assert!(store.command().arg("vulnerabilities").status().unwrap().success());
            store.ask(&get("/tester/hello@v1.0.0"))
        }
        "no-such-module" => plain("/tester/nosuch"),
        "no-such-version" => plain("/tester/hello@v9.9.9"),
        "no-such-package" => plain("/tester/hello/cmd/nosuch"),
        "no-command" => plain("/tester/library"),
        "not-built" => plain("/tester/hello.sha256"),
        "wrong-file-name" => plain("/-/bin/windows-amd64/tester/hello@v1.0.0/hello"),
        "no-such-page" => plain("/-/nothing"),
        "method-not-allowed" => TestStore::new().ask(&get("/tester/hello").method("PUT")),
        "too-large" => request_with_setting("GOX_ARTIFACT_BYTES", "1MiB", "/tester/hello"),
        "too-much-disk" => request_with_setting("GOX_WORK_FILES", "1000", "/tester/bomb-files"),
        "does-not-compile" => plain("/tester/does-not-compile"),
        "needs-cgo" => plain("/tester/needs-cgo"),
        "needs-newer-go" => plain("/tester/needs-newer-go"),
        "needs-tags" => plain("/tester/only-with-tags"),
        "system-too-old" => {
            TestStore::new().ask(&get("/tester/hello").header("User-Agent", "MINGW64_NT-6.1-7601 x86_64"))
        }
        "not-for-this-platform" => plain("/tester/windows-only"),
        "replace-directives" => plain("/tester/replace-outside"),
        "declares-another-path" => plain("/tester/declares-twice"),
        "no-release-recipe" => plain("/tester/hello?recipe=release"),
        "too-many-builds" => {
            let store = TestStore::new().set("GOX_BUILDS_PER_HOUR", "1");
            store.ask(&get("/tester/hello")).program();
            store.ask(&get("/tester/generate"))
        }
        "forbidden-call" => forbidden_call(),
        "internal" => request_with_setting("GOX_BUILDS", "many", "/tester/hello"),
        "proxy-failed" => request_with_setting("GOX_GOPROXY", "http://127.0.0.1:1", "/tester/hello"),
        "invalid-module" => plain("/tester/zip-windows-name"),
        "missing-embed" => plain("/tester/missing-embed"),
        "missing-replacement" => plain("/tester/missing-replacement"),
        "missing-dependency" => plain("/tester/dependency-missing"),
        "checksum-mismatch" => {
            let archive = &archives()["sumdb-lies"];
            let key = archive.lines().find(|line| line.starts_with("lying.example+"));
            request_with_setting("GOX_GOSUMDB", key.unwrap(), "/tester/hello@v1.0.0")
        }
        "queue-full" => {
            let (store, first) = store_with_busy_slot();
            let store = store.set("GOX_QUEUE", "0");
            let response = store.ask(&queue::hello("v1.0.0"));
            first.finish();
            response
        }
        "still-building" => {
            let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
            let store = TestStore::new()
                .set("GOX_GOPROXY", proxy.url())
                .set("GOX_FIRST_BYTE_SECONDS", "3");
            let response = store.ask(&get("/tester/waits-for-dependency"));
            proxy.set_behavior(Behavior::Serve);
            response
        }
        "no-such-go" => plain("/tester/hello?go=1.2.3"),
        "no-go" => request_with_setting("GOX_GO", "/nonexistent/go", "/tester/hello"),
        "no-sandbox" => without_syscalls(LANDLOCK, || {
            request_with_setting("GOX_SANDBOX", "require", "/tester/hello")
        }),
        "out-of-time" => request_with_setting("GOX_BUILD_SECONDS", "5", "/tester/bomb-types"),
        "out-of-memory" => request_with_setting("GOX_MEMORY_BYTES", "256MiB", "/tester/bomb-generics"),
        "disk-full" => host::ask_on_full_disk(&TestStore::new(), "work", "512k"),
        other => panic!("no request provokes {other}"),
    }
}

fn request_with_agent(agent: &str) -> Response {
    TestStore::new().ask(&get("/tester/hello").header("User-Agent", agent))
}

/// Runs the response as a script and returns what it prints.
pub(crate) fn run_as_script(response: &Response) -> String {
    let mut sh = Command::new("/bin/sh");
    sh.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut sh = sh.spawn().unwrap();
    sh.stdin.take().unwrap().write_all(&response.body).unwrap();
    let output = sh.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{response}");
    let text = String::from_utf8(output.stderr).unwrap();
    // Replace what depends on the version of Go.
    let text = text.replace(plain_go::go_version(), "1.N.N");
    match text.split_once(" bytes; ") {
        Some((before, after)) => {
            let words = before.trim_end_matches(|digit: char| digit.is_ascii_digit());
            format!("{words}N bytes; {after}")
        }
        None => text,
    }
}

fn render_section(reason: &str) -> String {
    let response = provoke(reason);
    response.refused(reason);
    let retry = response.header("retry-after");
    let retry = retry.map_or(String::new(), |seconds| format!(", Retry-After {seconds}"));
    format!(
        "{reason} ({}{retry})\n\n{}\n\n",
        response.status,
        indent(&run_as_script(&response))
    )
}

fn indent(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn failure_texts_match_the_recorded_file() {
    let all: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| (reason.name(), reason.status()))
        .collect();
    let mut named = REASONS.to_vec();
    named.sort();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(
        named, sorted,
        "the list of reasons in tests/support/response.rs differs from src/"
    );

    let sections: Vec<String> = std::thread::scope(|scope| {
        // Three threads: some failures need much memory.
        all.chunks(all.len().div_ceil(3))
            .map(|part| {
                scope.spawn(|| {
                    part.iter()
                        .map(|(name, _)| render_section(name))
                        .collect::<Vec<_>>()
                })
            })
            .collect::<Vec<_>>()
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let text = format!(
        "The text of every failure (src/error/reason.rs), as a script prints it that was saved in place of the program and run.\n\
                 Written by tests/failures.rs.\n\n{}",
        sections.concat()
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/failures.txt");
    if std::env::var_os("FAILURES").is_some_and(|word| word == "write") {
        fs::write(&file, &text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == written,
        "the texts differ from tests/data/failures.txt; FAILURES=write rewrites it:\n{text}"
    );
}
