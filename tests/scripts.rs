//! Users save the output of curl and run it. A failure that is run by sh prints its reason to stderr and exits with 1, without
//! other effects. Also the commands `build` and `doctor`.

use crate::queue::store_with_busy_slot;
use crate::support::case::{Case, Expect};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, gox_server, sha256, tmp};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The shells that run a saved failure.
const SHELLS: [&str; 2] = ["/bin/sh", "/bin/bash"];

/// Whether the response to this row may be run as a script: a failure as text.
pub(crate) fn is_script(case: &Case) -> bool {
    let types = case
        .request
        .headers
        .iter()
        .find(|(name, _)| *name == "Accept")
        .map(|(_, types)| types.as_str());
    matches!(case.expect, Expect::Refused(_)) && types == Some("*/*") && case.request.method != "HEAD"
}

/// Runs a saved failure. Returns what is wrong; `transports` calls it for every row of the table.
pub(crate) fn faults(response: &Response) -> Vec<String> {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let saved = folder.path().join("repo");
    fs::write(&saved, &response.body).unwrap();
    let mut wrong = Vec::new();
    for shell in SHELLS {
        let output = Command::new(shell)
            .arg(&saved)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let output_text = String::from_utf8_lossy(&output.stderr);
        let mut unless = |fine: bool, what: &str| {
            if !fine {
                wrong.push(format!(
                    "{shell}: {what}\n{}",
                    describe_output(&output_text, &response.body)
                ));
            }
        };
        unless(output.status.code() == Some(1), &format!("{}", output.status));
        unless(output.stdout.is_empty(), "output on stdout");
        // A sentence, and no error of the shell itself.
        unless(
            output_text.split_whitespace().count() >= 4,
            "no sentence on stderr",
        );
        unless(
            !output_text.contains("syntax error") && !output_text.contains(": not found"),
            "the shell reports an error",
        );
        unless(has_one_file(folder.path()), "it left files behind");
    }
    wrong
}

fn describe_output(output_text: &str, body: &[u8]) -> String {
    let body: String = String::from_utf8_lossy(body).chars().take(600).collect();
    format!("  stderr: {output_text:.300}\n  saved: {body}")
}

fn has_one_file(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().count() == 1
}

/// `sh` runs a script line by line, so a truncated download must not run a part of it.
#[test]
fn truncated_failure_script_does_nothing() {
    let store = TestStore::new();
    let response = store.ask(&Request::get("/tester/several-commands"));
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let saved = folder.path().join("repo");
    for end in 0..response.body.len() {
        fs::write(&saved, &response.body[..end]).unwrap();
        let output = Command::new("/bin/sh")
            .arg(&saved)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.stdout.is_empty() && has_one_file(folder.path()),
            "cut at {end}: {output:?}"
        );
    }
}

/// `gox-server build`.
#[test]
fn build_command_writes_the_program_of_a_request() {
    let store = TestStore::new();
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
        store.ask(&Request::get("/tester/hello@v1.0.0")).sha256()
    );
    let run = Command::new(&file).output().unwrap();
    assert_eq!(
        (run.status.code(), String::from_utf8_lossy(&run.stderr).trim()),
        (Some(0), "hello v1.0.0")
    );
}

#[test]
fn failed_build_command_prints_reason_and_writes_nothing() {
    let store = TestStore::new();
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
        let output_text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{target}: {output_text}");
        assert!(
            output_text.contains(word) && output.stdout.is_empty(),
            "{target}: {output_text}"
        );
        assert!(!file.exists(), "{target}: a file was written");
    }
}

/// `-o` accepts a directory, `-` and existing pipes and devices.
#[test]
fn build_command_writes_to_directory_and_stdout() {
    let store = TestStore::new();
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
    assert!(has_one_file(folder.path()));

    // A pipe or device such as /dev/null is not replaced.
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let read = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    build(&pipe);
    assert!(!fs::metadata(&pipe).unwrap().is_file());
    assert_eq!(sha256(&read.join().unwrap()), sha256(&program));
}

#[test]
fn build_command_names_the_platforms_of_a_system() {
    let output = TestStore::new()
        .command()
        .args(["build", "tester/hello?os=windows&arch=arm"])
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(output_text.contains("arch=arm64"), "{output_text}");
    assert!(output_text.contains("unknown-platform"), "{output_text}");
}

/// Allow and deny lists apply to `build`, and its hints are arguments for `build`.
#[test]
fn build_command_enforces_allow_and_deny_lists() {
    let store = TestStore::new().set("GOX_DENY", "tester/hello");
    for (target, word) in [
        ("tester/hello", "GOX_DENY"),
        ("tester/several-commands", "\n  tester/several-commands/cmd/"),
    ] {
        let output = store.command().args(["build", target]).output().unwrap();
        let output_text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{output_text}");
        assert!(output_text.contains(word), "{output_text}");
    }
}

/// What `gox-server build` draws on a terminal while `meanwhile` runs.
fn drawn_on_terminal(store: &TestStore, target: &str, meanwhile: impl FnOnce(&dyn Fn() -> String)) -> String {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let file = folder.path().join("typescript");
    let mut command = Command::new("/usr/bin/script");
    command.args(["--quiet", "--flush", "--command"]);
    // A terminal of no size draws nothing.
    command.arg(format!(
        "stty columns 200 rows 24; {} build {target} -o program",
        gox_server().display()
    ));
    command.arg(&file).env_clear().envs(store.settings());
    command.env("TERM", "xterm").env("SHELL", "/bin/sh");
    let mut child = command
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It does not exist before the terminal does.
    let drawn = || fs::read_to_string(&file).unwrap_or_default();
    meanwhile(&drawn);
    child.wait().unwrap();
    drawn()
}

/// The progress bar is empty before the number of steps is known.
#[test]
fn progress_bar_starts_empty() {
    let store = TestStore::new();
    let drawn = drawn_on_terminal(&store, "tester/hello", |_| ());
    let (first, _) = drawn.split_once("Resolving /tester/hello.").unwrap();
    assert!(!first.contains('█'), "{drawn}");
    let (bar, _) = drawn[first.len()..].split_once("0s").unwrap();
    assert!(!bar.contains('█'), "{drawn}");
    assert!(drawn.contains("sha256 "), "{drawn}");
}

/// The same stages as on the page of the program.
#[test]
fn terminal_shows_the_stages_of_a_build() {
    let (store, first) = store_with_busy_slot();
    let shows = |drawn: &dyn Fn() -> String, text: &str| {
        eventually(text, TIMEOUT, || drawn().contains(text));
    };
    let drawn = drawn_on_terminal(&store, "tester/hello@v1.0.0", |drawn| {
        shows(drawn, "github.com/tester/hello@v1.0.0: Waiting for a build slot");
        first.finish();
    });
    assert!(!drawn.contains("the last build took"), "{drawn}");
    let drawn = drawn_on_terminal(&store, "'tester/busy?strip=1'", |drawn| {
        shows(drawn, "the last build took");
        shows(drawn, "packages, now github.com/tester/busy.");
    });
    assert!(drawn.contains("sha256 "), "{drawn}");
}

/// `doctor` prints its findings even if nothing works.
#[test]
fn doctor_reports_missing_go() {
    let store = TestStore::empty();
    let well = store.command().arg("doctor").output().unwrap();
    let output_text = [well.stdout, well.stderr].concat();
    let output_text = String::from_utf8_lossy(&output_text);
    assert!(
        well.status.success() && output_text.contains("go1.") && output_text.contains("Landlock"),
        "{output_text}"
    );
    let store = store.set("GOX_GO", "/nonexistent/go");
    let ill = store.command().arg("doctor").output().unwrap();
    let output_text = [ill.stdout, ill.stderr].concat();
    assert!(
        !ill.status.success() && String::from_utf8_lossy(&output_text).contains("/nonexistent/go"),
        "{}",
        String::from_utf8_lossy(&output_text)
    );
}

/// What `gox-server OPTION…` prints.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(gox_server()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn manual_page_is_complete_and_formats_without_warnings() {
    let page = printed(&["--man"]);
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap();
    fs::write(file.path(), &page).unwrap();
    let formatted = Command::new("groff")
        .args(["-ww", "-man", "-Tutf8", "-P-cbou"])
        .arg(file.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&formatted.stderr), "");
    let text = String::from_utf8(formatted.stdout).unwrap();
    let settings = gox_server::config::SETTINGS.iter().map(|setting| setting.name);
    let commands = [
        "gox-server build",
        "gox-server verify",
        "--completions SHELL",
        "/etc/gox-server.env",
        "EXIT STATUS",
        "EXAMPLES",
    ];
    for expected in settings.chain(commands) {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(!text.contains("enqueue"), "a hidden command: {text}");
}

/// Each shell completes a command and an option of it.
#[test]
fn completions_work_in_each_shell() {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    for (shell, ask) in [
        ("bash", "source ./bash; COMP_WORDS=(gox-server ver); COMP_CWORD=1; _gox__server gox-server ver gox-server; echo ${COMPREPLY[@]}
            COMP_WORDS=(gox-server verify --j); COMP_CWORD=2; _gox__server gox-server --j verify; echo ${COMPREPLY[@]}"),
        ("fish", "source ./fish; complete -C'gox-server ver'; complete -C'gox-server verify --j'"),
    ] {
        let script = printed(&["--completions", shell]);
        assert!(!script.contains("enqueue"), "a hidden command: {shell}");
        fs::write(folder.path().join(shell), script).unwrap();
        let output = Command::new(shell)
            .args(["-c", ask])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{shell}: {error}"));
        let completed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(completed.contains("verify") && completed.contains("--json"), "{shell}: {completed}{output:?}");
    }
    // zsh completes only in a terminal.
    fs::write(
        folder.path().join("_gox-server"),
        printed(&["--completions", "zsh"]),
    )
    .unwrap();
    let output = Command::new("/usr/bin/python3")
        .args(["-c", include_str!("clients/complete_in_zsh.py")])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let completed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        completed.contains("verify") && completed.contains("--json"),
        "zsh: {output:?}"
    );
}
