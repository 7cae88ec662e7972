//! Every failure of the closed list, provoked, and what a person then reads: tests/data/failures.txt, to be read through.
//!
//! FAILURES=write writes the file anew.

use crate::environment::spoilt;
use crate::queue::busy;
use crate::support::answer::{Answer, REASONS};
use crate::support::ask::Ask;
use crate::support::attacks::taken_over;
use crate::support::modproxy::archives;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::without::{LANDLOCK, without};
use crate::support::{plain, tmp};
use crate::{machine, queue};
use gox_server::answer::Reason;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn get(path: &str) -> Ask {
    Ask::get(path)
}

/// Asks a store with this setting.
fn with(name: &str, value: &str, path: &str) -> Answer {
    Scratch::new().set(name, value).ask(&get(path))
}

fn forbidden_call() -> Answer {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let store = Scratch::of_its_own().set("GOX_GO", taken_over(folder.path()));
    store.ask(&get("/tester/forbidden-call?os=linux&arch=amd64"))
}

/// The answer of whoever meets this failure.
fn provoke(reason: &str) -> Answer {
    let plain = |path: &str| Scratch::new().ask(&get(path));
    match reason {
        "several-commands" => plain("/tester/several-commands"),
        "bad-path" => plain("/junegunn/../fzf"),
        "bad-version" => plain("/junegunn/fzf@HEAD"),
        "bad-query" => plain("/junegunn/fzf?ldflags=-X"),
        "platform-untold" => plain_agent("curl/8.5.0"),
        "unknown-platform" => plain_agent("BeOS BePC"),
        "bad-host" => Scratch::new().ask(&get("/tester/hello").header("Host", "a b<c>")),
        "no-path-info" => {
            let server = [("PATH_INFO", ""), ("SERVER_SOFTWARE", "nginx/1.22.1")];
            let answer = spoilt(&Scratch::new(), |command| {
                command.envs(server);
            });
            answer.answer()
        }
        "no-state-directory" => with("GOX_DIR", "/dev/null/gox-server", "/tester/hello"),
        "denied" => with("GOX_DENY", "github.com/tester", "/tester/hello"),
        "known-vulnerabilities" => {
            let store = Scratch::new().set("GOX_VULNERABLE", "refuse");
            assert!(store.command().arg("vulnerabilities").status().unwrap().success());
            store.ask(&get("/tester/hello@v1.0.0"))
        }
        "no-such-module" => plain("/tester/nosuch"),
        "no-such-version" => plain("/tester/hello@v9.9.9"),
        "no-such-package" => plain("/tester/hello/cmd/nosuch"),
        "no-command" => plain("/tester/library"),
        "not-built" => plain("/tester/hello.sha256"),
        "no-such-page" => plain("/-/nothing"),
        "method-not-allowed" => Scratch::new().ask(&get("/tester/hello").method("POST")),
        "too-large" => with("GOX_ARTIFACT_BYTES", "1MiB", "/tester/hello"),
        "too-much-disk" => with("GOX_WORK_FILES", "1000", "/tester/bomb-files"),
        "does-not-compile" => plain("/tester/does-not-compile"),
        "needs-cgo" => plain("/tester/needs-cgo"),
        "needs-newer-go" => plain("/tester/needs-newer-go"),
        "needs-tags" => plain("/tester/only-with-tags"),
        "not-for-this-platform" => plain("/tester/windows-only"),
        "replace-directives" => plain("/tester/replace-outside"),
        "declares-another-path" => plain("/tester/declares-twice"),
        "no-release-recipe" => plain("/tester/hello?recipe=release"),
        "too-many-builds" => {
            let store = Scratch::new().set("GOX_BUILDS_PER_HOUR", "1");
            store.ask(&get("/tester/hello")).program();
            store.ask(&get("/tester/generate"))
        }
        "forbidden-call" => forbidden_call(),
        "internal" => with("GOX_BUILDS", "many", "/tester/hello"),
        "proxy-failed" => with("GOX_GOPROXY", "http://127.0.0.1:1", "/tester/hello"),
        "invalid-module" => plain("/tester/zip-windows-name"),
        "missing-embed" => plain("/tester/missing-embed"),
        "missing-replacement" => plain("/tester/missing-replacement"),
        "missing-dependency" => plain("/tester/dependency-missing"),
        "checksum-mismatch" => {
            let archive = &archives()["sumdb-lies"];
            let key = archive.lines().find(|line| line.starts_with("lying.example+"));
            with("GOX_GOSUMDB", key.unwrap(), "/tester/hello@v1.0.0")
        }
        "queue-full" => {
            let (store, first) = busy();
            let store = store.set("GOX_QUEUE", "0");
            let answer = store.ask(&queue::hello("v1.0.0"));
            first.answer().program();
            answer
        }
        "still-building" => {
            let proxy = Proxy::start(Manner::Hold("/arrives-late/@v/v1.0.0.zip"));
            let store = Scratch::new()
                .set("GOX_GOPROXY", proxy.url())
                .set("GOX_FIRST_BYTE_SECONDS", "3");
            let answer = store.ask(&get("/tester/waits-for-dependency"));
            proxy.change(Manner::Serve);
            answer
        }
        "no-such-go" => plain("/tester/hello?go=1.2.3"),
        "no-go" => with("GOX_GO", "/nonexistent/go", "/tester/hello"),
        "no-sandbox" => without(LANDLOCK, || with("GOX_SANDBOX", "require", "/tester/hello")),
        "out-of-time" => with("GOX_BUILD_SECONDS", "5", "/tester/bomb-types"),
        "out-of-memory" => with("GOX_MEMORY_BYTES", "256MiB", "/tester/bomb-generics"),
        "disk-full" => machine::full(&Scratch::new(), "work", "512k"),
        other => panic!("nothing provokes {other}"),
    }
}

fn plain_agent(agent: &str) -> Answer {
    Scratch::new().ask(&get("/tester/hello").header("User-Agent", agent))
}

/// What the saved answer prints when it is run.
fn read(answer: &Answer) -> String {
    let mut sh = Command::new("/bin/sh");
    sh.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut sh = sh.spawn().unwrap();
    sh.stdin.take().unwrap().write_all(&answer.body).unwrap();
    let output = sh.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{answer}");
    let text = String::from_utf8(output.stderr).unwrap();
    // What differs from Go to Go.
    let text = text.replace(plain::go_version(), "1.N.N");
    match text.split_once(" bytes; ") {
        Some((before, after)) => {
            let words = before.trim_end_matches(|digit: char| digit.is_ascii_digit());
            format!("{words}N bytes; {after}")
        }
        None => text,
    }
}

fn section(reason: &str) -> String {
    let answer = provoke(reason);
    answer.refused(reason);
    let retry = answer.header("retry-after");
    let retry = retry.map_or(String::new(), |seconds| format!(", Retry-After {seconds}"));
    format!(
        "{reason} ({}{retry})\n\n{}\n\n",
        answer.status,
        indented(&read(&answer))
    )
}

fn indented(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn what_a_person_reads_is_written_down() {
    let all: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| (reason.name(), reason.status()))
        .collect();
    let mut named = REASONS.to_vec();
    named.sort();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(named, sorted, "the suite's list of reasons is not the program's");

    let sections: Vec<String> = std::thread::scope(|scope| {
        // A few at once: each starts a store, and some a bomb.
        all.chunks(all.len().div_ceil(3))
            .map(|part| scope.spawn(|| part.iter().map(|(name, _)| section(name)).collect::<Vec<_>>()))
            .collect::<Vec<_>>()
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let text = format!(
        "What a person reads when there is no program: each failure of the closed list (src/answer/reason.rs), provoked by\n\
         tests/failures.rs, saved as the program, and run.\n\n{}",
        sections.concat()
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/failures.txt");
    if std::env::var_os("FAILURES").is_some_and(|word| word == "write") {
        fs::write(&file, &text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == written,
        "tests/data/failures.txt is not what people read; FAILURES=write makes it so:\n{text}"
    );
}
