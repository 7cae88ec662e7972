//! The install scripts, run by common shells with curl and wget.

use crate::support::case::tester;
use crate::support::front::Front;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{TIMEOUT, eventually, plain_go, sha256};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use tempfile::TempDir;

/// Shells with their arguments, and the download tool. busybox has its own wget.
const SHELLS: [(&[&str], &[&str]); 7] = [
    (&["dash"], &["curl"]),
    (&["dash"], &["wget"]),
    (&["bash"], &["curl"]),
    (&["bash", "--posix"], &["wget"]),
    (&["zsh"], &["curl"]),
    (&["zsh", "--emulate", "sh"], &["wget"]),
    (&["busybox", "sh"], &["wget=busybox"]),
];

/// The programs that the script uses besides the shell and the download tool.
const TOOLS: [&str; 10] = [
    "uname",
    "mkdir",
    "rm",
    "cut",
    "chmod",
    "mv",
    "sleep",
    "wc",
    "sha256sum",
    "cat",
];

/// A PATH with only these tools, and a home directory.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn with(tools: &[&str]) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        for below in ["tools", "home/.local/bin"] {
            fs::create_dir_all(folder.path().join(below)).unwrap();
        }
        for tool in tools {
            let (name, program) = tool.split_once('=').unwrap_or((tool, tool));
            symlink(which(program), folder.path().join("tools").join(name)).unwrap();
        }
        Machine { folder }
    }

    fn bin(&self) -> std::path::PathBuf {
        self.folder.path().join("home/.local/bin")
    }

    fn run(&self, shell: &[&str], script: &[u8]) -> Output {
        let mut command = Command::new(which(shell[0]));
        command.args(&shell[1..]).arg(self.script(script));
        self.output(command)
    }

    /// Runs the script on a terminal. All output is in `stdout`.
    fn run_on_terminal(&self, shell: &[&str], script: &[u8]) -> Output {
        let words = [which(shell[0]).to_str().unwrap(), &shell[1..].join(" ")].join(" ");
        let line = format!("{words} {}", self.script(script).display());
        let mut command = Command::new(which("script"));
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.stdin(Stdio::null());
        self.output(command)
    }

    fn script(&self, script: &[u8]) -> PathBuf {
        let file = self.folder.path().join("script");
        fs::write(&file, script).unwrap();
        file
    }

    fn output(&self, mut command: Command) -> Output {
        let tools = self.folder.path().join("tools");
        command.env_clear();
        command.env("HOME", self.folder.path().join("home"));
        command.env("PATH", format!("{}:{}", self.bin().display(), tools.display()));
        command.output().unwrap()
    }

    fn installed_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.bin()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// Runs `script` with dash, these tools and curl. Returns success, stderr and installed files.
fn run_with_curl(tools: &[&str], script: &str) -> (bool, String, Vec<String>) {
    run_script(&["dash"], &[tools, &["curl"]].concat(), script)
}

/// Runs `script` with this shell and these tools. Returns success, stderr and installed files.
fn run_script(shell: &[&str], tools: &[&str], script: &str) -> (bool, String, Vec<String>) {
    let machine = Machine::with(tools);
    let output = machine.run(shell, script.as_bytes());
    let output_text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), output_text, machine.installed_files())
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{program} is missing: run `make test-packages`"))
}

fn script(front: &Front, path: &str) -> String {
    let response = front.ask(&Request::get(path));
    assert_eq!(response.status, 200, "{response}");
    // `Host` of test requests has no port.
    response
        .text()
        .replace("http://127.0.0.1", &format!("http://{}", front.address))
}

/// On a terminal the script shows a progress line and removes it at the end, with every download tool.
#[test]
fn terminal_shows_progress() {
    for (shell, fetches) in SHELLS {
        let store = TestStore::new();
        let front = store.front();
        let script = script(&front, "/-/install/tester/busy");
        let machine = Machine::with(&[&TOOLS[..], fetches].concat());
        let output = thread::scope(|scope| {
            let running = scope.spawn(|| machine.run_on_terminal(shell, script.as_bytes()));
            let compiler = StoppedCompiler::wait_for(&store, "busy");
            // It has shown the first response when it sends the second request.
            eventually("the progress is requested twice", TIMEOUT, || {
                front.log().matches(".log status=200").count() >= 2
            });
            drop(compiler);
            running.join().unwrap()
        });
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{shell:?} {fetches:?}: {shown}");
        let shown: Vec<&str> = shown.split("\r\n").collect();
        assert!(
            shown[0].starts_with("Requesting "),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        // Overwritten each second, erased before the next line.
        let (progress, sum) = shown[1].rsplit_once("\r\x1b[K").unwrap();
        assert!(
            progress.contains(" s. Being compiled: "),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        assert!(
            sum.starts_with("The SHA-256 matches: "),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        assert!(
            shown[2].starts_with("Installed "),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        assert_eq!(shown[3..], [""], "{shell:?} {fetches:?}");
    }
}

impl Machine {
    /// Replaces a tool by a script.
    fn with_tool(self, name: &str, script: &str) -> Machine {
        let file = self.folder.path().join("tools").join(name);
        if file.exists() {
            fs::remove_file(&file).unwrap();
        }
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }
}

/// The platform that the script asks for on a machine with these outputs of `uname` and `sysctl`. It runs no program.
fn requested_platform(script: &str, uname: &str, sysctl: &str) -> (String, PathBuf) {
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat())
        .with_tool("uname", uname)
        .with_tool("sysctl", sysctl);
    let prefix = machine.folder.path().join("usr");
    let mut command = Command::new(which("env"));
    command.arg(format!("PREFIX={}", prefix.display()));
    command.arg(which("dash")).arg(machine.script(script.as_bytes()));
    let output = machine.output(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let installed = text.lines().find_map(|line| line.strip_prefix("Installed "));
    let installed = Path::new(installed.unwrap());
    let program = fs::read(installed).unwrap();
    let kind = match program.get(..20).unwrap_or_default() {
        [0xcf, 0xfa, 0xed, 0xfe, 0x0c, ..] => "darwin/arm64",
        [0xcf, 0xfa, 0xed, 0xfe, 0x07, ..] => "darwin/amd64",
        [0x7f, b'E', b'L', b'F', .., 0xb7, 0x00] => "ELF arm64",
        _ => "other",
    };
    let below = installed.strip_prefix(machine.folder.path()).unwrap();
    (kind.to_owned(), below.to_owned())
}

#[test]
fn script_detects_rosetta_and_termux() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let mac = "case $1 in -s) echo Darwin ;; -r) echo 23.1.0 ;; *) echo Darwin 23.1.0 x86_64 ;; esac";
    let termux = "case $1 in -s) echo Linux ;; -o) echo Android ;; -smo) echo Linux aarch64 Android ;; *) exit 1 ;; esac";
    let home = PathBuf::from("home/.local/bin/hello");
    for (uname, sysctl, kind, file) in [
        (mac, "echo 1", "darwin/arm64", home.clone()),
        (mac, "echo 0", "darwin/amd64", home.clone()),
        (mac, "exit 1", "darwin/amd64", home),
        (termux, "exit 1", "ELF arm64", PathBuf::from("usr/bin/hello")),
    ] {
        let expected = (kind.to_owned(), file);
        assert_eq!(
            requested_platform(&script, uname, sysctl),
            expected,
            "{uname} {sysctl}"
        );
    }
}

/// After the install, the script says what was left out of the program.
#[test]
fn script_says_what_was_left_out_without_cgo() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/partly-cgo@v1.0.0");
    for (shell, fetches) in SHELLS {
        let (success, text, _) = run_script(shell, &[&TOOLS[..], fetches].concat(), &script);
        assert!(success, "{text}");
        let line = "Compiled without cgo, so without a part of github.com/tester/Partly-cgo-library, github.com/tester/partly-cgo/fast.\n";
        assert!(text.contains(line), "{shell:?} {fetches:?}: {text}");
    }
}

#[test]
fn every_shell_installs_the_program() {
    let store = TestStore::new().set("GOX_VULNERABLE", "tell");
    assert!(store.command().arg("vulnerabilities").status().unwrap().success());
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let wanted = plain_go::install(&tester("hello", "v1.0.0").wanted).sha256;
    for (shell, fetches) in SHELLS {
        let machine = Machine::with(&[&TOOLS[..], fetches].concat());
        let output = machine.run(shell, script.as_bytes());
        let output_text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{shell:?} {fetches:?}: {output_text}");
        assert_eq!(machine.installed_files(), ["hello"], "{shell:?}: {output_text}");
        let file = machine.bin().join("hello");
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (sha256(&fs::read(&file).unwrap()), mode),
            (wanted.clone(), 0o755),
            "{shell:?}"
        );
        assert!(
            output_text.contains(&format!("The SHA-256 matches: {wanted}")),
            "{output_text}"
        );
        let known = "The program has known vulnerabilities: 2 (database of 2026-11-05).\nFor details, see ";
        let url = output_text
            .split_once(known)
            .and_then(|(_, url)| url.split_whitespace().next());
        let path = url.and_then(|url| url.strip_prefix(&format!("http://{}", front.address)));
        let details = Request::get(path.unwrap_or_else(|| panic!("{shell:?} {fetches:?}: {output_text}")));
        let details = front.ask(&details.header("User-Agent", "curl/8.5.0"));
        assert!(details.text().contains("\"vulnerabilities\""), "{details}");
    }
}

#[test]
fn checksum_mismatch_is_not_installed() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    // Compare with the file name instead of the checksum.
    let wrong = script.replace(
        "cut -d ' ' -f 1 \"$new.sha256\"",
        "cut -d ' ' -f 3 \"$new.sha256\"",
    );
    assert_ne!(script, wrong);
    let (succeeded, output_text, left) = run_with_curl(&TOOLS, &wrong);
    assert!(
        !succeeded && output_text.contains("the server sent") && left.is_empty(),
        "{output_text}"
    );
    // Without a checksum tool the program is installed with a warning.
    let bare: Vec<_> = TOOLS.into_iter().filter(|tool| *tool != "sha256sum").collect();
    let (succeeded, output_text, left) = run_with_curl(&bare, &script);
    assert!(
        succeeded && output_text.contains("not checked") && left == ["hello"],
        "{output_text}"
    );
}

/// A server that truncates the program and sends the SHA-256 of the complete one.
fn start_truncating_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let asked = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let sum = format!("{}  hello\n", sha256(b"whole"));
            let (length, body) = match asked.contains(".sha256") {
                true => (sum.len(), sum.as_str()),
                false => (5, "who"),
            };
            let response =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            stream.write_all(response.as_bytes()).unwrap();
        }
    });
    address
}

/// Truncation is detected even without a checksum tool.
#[test]
fn truncated_download_is_not_installed() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let script = script.replace(&front.address.to_string(), &start_truncating_server().to_string());
    let without_sums: Vec<&str> = TOOLS.into_iter().filter(|tool| *tool != "sha256sum").collect();
    for (shell, fetches) in [("dash", "curl"), ("bash", "wget=busybox")] {
        for tools in [&without_sums[..], &TOOLS[..]] {
            let (succeeded, output_text, left) = run_script(&[shell], &[tools, &[fetches]].concat(), &script);
            assert!(!succeeded, "{output_text}");
            assert!(
                output_text.contains("the download was incomplete. Run this command again."),
                "{output_text}"
            );
            assert_eq!(left, [] as [&str; 0], "{output_text}");
        }
    }
}

/// The script prints the compiler's error; with a wget that discards the body of an error, the status.
#[test]
fn error_is_printed_and_leaves_no_file() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/does-not-compile");
    for (shell, fetches) in SHELLS {
        let (succeeded, output_text, left) = run_script(shell, &[&TOOLS[..], fetches].concat(), &script);
        let words = match fetches {
            ["wget=busybox"] => "The server responded with 422. For details, open http://",
            _ => "cannot use",
        };
        assert!(
            !succeeded
                && output_text.contains("was not installed")
                && output_text.contains(words)
                && left.is_empty(),
            "{shell:?} {fetches:?}: {output_text}"
        );
    }
    front
        .ask(&Request::get("/-/install/tester/library"))
        .refused("no-command");
    front.ask(&Request::get("/-/install/o/../r")).refused("bad-path");
    front.ask(&Request::get("/-/installed")).refused("no-such-page");
}

/// The script retries while a build runs. After a failure and over a budget it prints Retry-After and exits.
#[test]
fn script_retries_running_builds_only() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", "1");
    // A responder cannot start responses early and sends 503.
    let responder = store.responder();
    let nginx = WebServer::nginx(&store, &responder.socket);
    let server = format!("http://{}{}", nginx.mounts[0].address, nginx.mounts[0].prefix);
    let path = "/-/install/tester/waits-for-dependency@v1.0.0";
    let script = Command::new("curl")
        .args(["-sS", &format!("{server}{path}")])
        .output()
        .unwrap();
    let script = String::from_utf8(script.stdout).unwrap();
    // No real sleep between retries.
    let tools = TOOLS.map(|tool| if tool == "sleep" { "sleep=true" } else { tool });
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| run_with_curl(&tools, &script));
        eventually("the script got 503", TIMEOUT, || {
            responder.log().contains("still-building")
        });
        proxy.set_behavior(Behavior::Serve);
        let (succeeded, output_text, left) = waits.join().unwrap();
        assert!(
            succeeded && output_text.contains("not ready yet (still-building)"),
            "{output_text}"
        );
        assert_eq!(left, ["waits-for-dependency"], "{output_text}");
    });
    let without_sleep: Vec<_> = TOOLS.into_iter().filter(|tool| *tool != "sleep").collect();
    proxy.set_behavior(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let hasty = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILD_SECONDS", "1");
    let front = hasty.front();
    let text = self::script(&front, path);
    let (succeeded, output_text, left) = run_with_curl(&without_sleep, &text);
    assert!(
        !succeeded && output_text.contains("exceeded the time limit") && left.is_empty(),
        "{output_text}"
    );
    let poor = TestStore::new().set("GOX_BUILDS_PER_HOUR", "1");
    let front = poor.front();
    front.ask(&Request::get("/tester/hello@v1.1.0")).program();
    let text = self::script(&front, "/-/install/tester/hello@v1.0.0");
    let (succeeded, output_text, left) = run_with_curl(&without_sleep, &text);
    assert!(
        !succeeded
            && output_text.contains("many new programs")
            && output_text.contains("Try again in 600 seconds")
            && left.is_empty(),
        "{output_text}"
    );
}

/// The query of the script is checked, and passed on to the request for the program.
#[test]
fn build_options_apply_to_the_installed_program() {
    let store = TestStore::new();
    let front = store.front();
    let path = "/-/install/tester/hello@v1.0.0";
    for (query, reason) in [
        ("versoin=1", "bad-query"),
        ("os=windows&arch=mips", "unknown-platform"),
    ] {
        front
            .ask(&Request::get(&format!("{path}?{query}")))
            .refused(reason);
    }
    let program = front.ask(&Request::get(
        "/tester/hello@v1.0.0?os=windows&arch=arm64&strip=1",
    ));
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat());
    let script = script(&front, &format!("{path}?strip=1&goos=windows&arch=aarch64"));
    let output = machine.run(&["dash"], script.as_bytes());
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(machine.installed_files(), ["hello.exe"], "{output_text}");
    let options = " (os=windows&arch=arm64&strip=1) from http://";
    assert!(
        output_text.contains(options) && output_text.contains(" for Linux "),
        "{output_text}"
    );
    assert_eq!(
        sha256(&fs::read(machine.bin().join("hello.exe")).unwrap()),
        program.sha256()
    );
}

/// A list of commands links to install scripts, and a failure is a script for the requested shell.
#[test]
fn list_of_commands_links_to_install_scripts() {
    let store = TestStore::new();
    let ask = |path: &str| store.ask(&Request::get(path));
    let list = ask("/-/install/tester/several-commands?strip=1");
    list.refused("several-commands");
    assert!(
        list.text()
            .contains("/-/install/tester/several-commands/cmd/one?strip=1"),
        "{list}"
    );
    let list = ask("/-/install.ps1/tester/several-commands");
    let text = list.text();
    assert!(
        text.contains("\nthrow @'\nThis repository") && text.ends_with("\n'@\n"),
        "{list}"
    );
    assert!(
        text.contains("  /-/install.ps1/tester/several-commands/cmd/one\n"),
        "{list}"
    );
    assert!(is_powershell(&text), "{list}");
}

/// A directory in place of the file, or no HOME.
#[test]
fn unusable_install_path_is_reported() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat());
    fs::create_dir(machine.bin().join("hello")).unwrap();
    let output = machine.run(&["dash"], script.as_bytes());
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && output_text.contains("hello is a directory"),
        "{output_text}"
    );
    let homeless = script.replace("set -eu\n", "set -eu\nunset HOME\n");
    let (succeeded, output_text, left) = run_with_curl(&TOOLS, &homeless);
    assert!(
        !succeeded && output_text.contains("HOME is not set") && left.is_empty(),
        "{output_text}"
    );
}

#[test]
fn truncated_script_does_nothing() {
    let store = TestStore::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat());
    let whole = script.trim_end().len();
    for end in (0..whole).step_by(61).chain([whole - 1]) {
        machine.run(&["dash"], &script.as_bytes()[..end]);
        assert_eq!(machine.installed_files(), [] as [&str; 0], "cut at {end}");
    }
}

#[test]
fn script_for_windows_names_the_other_script_elsewhere() {
    let store = TestStore::new();
    let script = store
        .ask(&Request::get("/-/install.ps1/tester/hello?strip=1"))
        .text();
    let line = "run: curl -sS '$server/-/install/tester/hello?strip=1' | sh\"";
    assert!(script.contains(line), "{script}");
}

#[test]
fn scripts_pass_static_checks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/response/install");
    let output = Command::new(which("shellcheck"))
        .args(["--shell=sh", "--severity=style"])
        .arg(folder.join("install.sh"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let text = fs::read_to_string(folder.join("install.ps1")).unwrap();
    assert!(is_powershell(&text), "install.ps1 does not parse");
    // The control: the parser rejects an error.
    assert!(!is_powershell(&text.replacen("try {", "try ", 1)));
}

fn is_powershell(text: &str) -> bool {
    let mut parser = tree_sitter::Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .unwrap();
    !parser.parse(text, None).unwrap().root_node().has_error()
}

/// A script that was requested by TLS uses https for its own requests. `front` tests the headers of proxies.
#[test]
fn script_uses_https_behind_nginx_with_tls() {
    let store = TestStore::new();
    let responder = store.responder();
    let nginx = WebServer::nginx_by_tls(&store, &responder.socket);
    for mount in &nginx.mounts {
        let server = format!("https://{}{}", mount.address, mount.prefix);
        let mut curl = Command::new("curl");
        curl.args(["-fsS", "--insecure", &format!("{server}/-/install/tester/hello")]);
        let output = curl.output().unwrap();
        let script = String::from_utf8_lossy(&output.stdout);
        assert!(script.contains(&format!("server='{server}'")), "{output:?}");
    }
}

#[test]
fn script_for_a_minimum_age_has_the_exact_version() {
    let store = TestStore::new();
    let script = store.ask(&Request::get("/-/install/tester/aged?min-age=7d"));
    for line in ["program='/tester/aged@v1.10.0'\n", "query=''\n"] {
        assert!(script.text().contains(line), "{script}");
    }
}
