//! People save what curl prints and run it. A failure, saved and run by sh, says why on stderr and exits 1: no more, no less.

use crate::cases::cases;
use crate::support::ask::Ask;
use crate::support::case::{Case, Expect};
use crate::support::scratch::Scratch;
use crate::support::{gox_server, sha256, tmp};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The shells that a saved answer meets. Debian and the README's machine have both.
const SHELLS: [&str; 2] = ["/bin/sh", "/bin/bash"];

#[test]
fn every_failure_saved_and_run_says_why_and_exits_1() {
    let store = Scratch::new();
    let wrong: Vec<String> = cases()
        .iter()
        .filter(|case| is_text(case))
        .flat_map(|case| run_saved(case, &store))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn is_text(case: &Case) -> bool {
    let types = case
        .ask
        .headers
        .iter()
        .find(|(name, _)| *name == "Accept")
        .map(|(_, types)| types.as_str());
    matches!(case.expect, Expect::Refused(_)) && types == Some("*/*") && case.ask.method != "HEAD"
}

fn run_saved(case: &Case, store: &Scratch) -> Vec<String> {
    let answer = store.ask(&case.request());
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let saved = folder.path().join("repo");
    fs::write(&saved, &answer.body).unwrap();
    let mut wrong = Vec::new();
    for shell in SHELLS {
        let output = Command::new(shell)
            .arg(&saved)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let mut unless = |fine: bool, what: &str| {
            if !fine {
                wrong.push(format!(
                    "cases.rs:{}: {}: {shell}: {what}\n{}",
                    case.line,
                    case.shows,
                    output_shown(&said, &answer.body)
                ));
            }
        };
        unless(output.status.code() == Some(1), &format!("{}", output.status));
        unless(output.stdout.is_empty(), "something on stdout");
        // A sentence for a person, and no complaint of the shell about the script.
        unless(said.split_whitespace().count() >= 4, "no sentence on stderr");
        unless(
            !said.contains("syntax error") && !said.contains(": not found"),
            "the shell complains",
        );
        unless(only_file(folder.path()), "it left files behind");
    }
    wrong
}

fn output_shown(said: &str, body: &[u8]) -> String {
    let body: String = String::from_utf8_lossy(body).chars().take(600).collect();
    format!("  stderr: {said:.300}\n  saved: {body}")
}

fn only_file(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().count() == 1
}

/// `sh` runs a script line by line: a download that is cut in the middle must not run half of it.
#[test]
fn a_failure_that_is_cut_anywhere_does_nothing() {
    let store = Scratch::new();
    let answer = store.ask(&Ask::get("/tester/several-commands"));
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let saved = folder.path().join("repo");
    for end in 0..answer.body.len() {
        fs::write(&saved, &answer.body[..end]).unwrap();
        let output = Command::new("/bin/sh")
            .arg(&saved)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.stdout.is_empty() && only_file(folder.path()),
            "cut at {end}: {output:?}"
        );
    }
}

/// The same story without HTTP.
#[test]
fn build_writes_the_program_that_a_request_gets() {
    let store = Scratch::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let file = folder.path().join("hello");
    let output = store
        .command()
        .args(["build", "tester/hello@v1.0.0", "-o"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        sha256(&fs::read(&file).unwrap()),
        store.ask(&Ask::get("/tester/hello@v1.0.0")).sha256()
    );
    let run = Command::new(&file).output().unwrap();
    assert_eq!(
        (run.status.code(), String::from_utf8_lossy(&run.stderr).trim()),
        (Some(0), "hello v1.0.0")
    );
}

#[test]
fn build_that_fails_says_why_and_writes_nothing() {
    let store = Scratch::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    for (target, word) in [
        ("tester/library", "library"),
        ("tester/nosuch", "module"),
        ("tester/../x", "path"),
        ("tester/does-not-compile", "cannot use"),
    ] {
        let file = folder.path().join("out");
        let output = store
            .command()
            .args(["build", target, "-o"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{target}: {said}");
        assert!(
            said.contains(word) && output.stdout.is_empty(),
            "{target}: {said}"
        );
        assert!(!file.exists(), "{target}: a file was made");
    }
}

/// As `cp` and curl do.
#[test]
fn build_writes_to_a_directory_and_to_stdout() {
    let store = Scratch::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let build = |output: &Path| {
        let mut command = store.command();
        command.args(["build", "tester/hello@v1.0.0", "-o"]).arg(output);
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(build(folder.path()), b"");
    let program = fs::read(folder.path().join("hello")).unwrap();
    assert_eq!(sha256(&build(Path::new("-"))), sha256(&program));
    assert!(only_file(folder.path()));
}

/// The operator's lists hold for the operator too, and what is advised can be done at a terminal.
#[test]
fn build_serves_what_the_operator_serves() {
    let store = Scratch::new().set("GOX_DENY", "tester/hello");
    for (target, word) in [
        ("tester/hello", "GOX_DENY"),
        ("tester/several-commands", "\n  tester/several-commands/cmd/"),
    ] {
        let output = store.command().args(["build", target]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(word), "{said}");
    }
}

/// A bar that is drawn before anything is known of the steps is empty.
#[test]
fn the_bar_does_not_start_full() {
    let store = Scratch::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let file = folder.path().join("typescript");
    let mut command = Command::new("/usr/bin/script");
    command.args(["--quiet", "--command"]);
    command.arg(format!("{} build tester/hello -o hello", gox_server().display()));
    command.arg(&file).env_clear().envs(store.settings());
    command.env("TERM", "xterm").env("SHELL", "/bin/sh");
    let output = command
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let drawn = fs::read_to_string(&file).unwrap();
    let first = drawn.split('\r').find(|line| line.contains("asking for"));
    let first = first.unwrap_or_else(|| panic!("{output:?} {drawn}"));
    assert!(!first.contains('█'), "{first}");
}

/// `doctor` is for an operator in trouble: it must say what it found, also where nothing works.
#[test]
fn doctor_names_what_is_missing() {
    let store = Scratch::cold();
    let well = store.command().arg("doctor").output().unwrap();
    let said = [well.stdout, well.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        well.status.success() && said.contains("go1.") && said.contains("Landlock"),
        "{said}"
    );
    let store = store.set("GOX_GO", "/nonexistent/go");
    let ill = store.command().arg("doctor").output().unwrap();
    let said = [ill.stdout, ill.stderr].concat();
    assert!(
        !ill.status.success() && String::from_utf8_lossy(&said).contains("/nonexistent/go"),
        "{}",
        String::from_utf8_lossy(&said)
    );
}
