//! The scripts that install: run by the shells that people have, with curl and with wget.

use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::front::Front;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::web_server::WebServer;
use crate::support::{PATIENCE, eventually, plain, sha256};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use tempfile::TempDir;

/// How each is started. busybox brings its own wget.
const SHELLS: [(&[&str], &[&str]); 7] = [
    (&["dash"], &["curl"]),
    (&["dash"], &["wget"]),
    (&["bash"], &["curl"]),
    (&["bash", "--posix"], &["wget"]),
    (&["zsh"], &["curl"]),
    (&["zsh", "--emulate", "sh"], &["wget"]),
    (&["busybox", "sh"], &["wget=busybox"]),
];

/// What the script uses of a machine, beside a shell and something that fetches.
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

/// A machine that has these tools and no others, and a home.
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

    /// The same where standard input, output and error are a terminal: all that it shows is in `stdout`.
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

    fn installed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.bin()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// What `script` says on a machine with these tools and curl, run by dash: whether it ends well, and what it leaves.
fn with_curl(tools: &[&str], script: &str) -> (bool, String, Vec<String>) {
    by(&["dash"], &[tools, &["curl"]].concat(), script)
}

/// The same for any shell and tools.
fn by(shell: &[&str], tools: &[&str], script: &str) -> (bool, String, Vec<String>) {
    let machine = Machine::with(tools);
    let output = machine.run(shell, script.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said, machine.installed())
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("the tests need {program}: make test-packages"))
}

fn script(front: &Front, path: &str) -> String {
    let answer = front.ask(&Ask::get(path));
    assert_eq!(answer.status, 200, "{answer}");
    // The harness leaves the port out of Host.
    answer
        .text()
        .replace("http://127.0.0.1", &format!("http://{}", front.address))
}

/// Who sits at a terminal is told how far the compile is, whatever fetches; and no line of it is left at the end.
#[test]
fn a_terminal_shows_how_far_it_is() {
    for (shell, fetches) in SHELLS {
        let store = Scratch::new();
        let front = store.front();
        let script = script(&front, "/-/install/tester/busy");
        let machine = Machine::with(&[&TOOLS[..], fetches].concat());
        let output = machine.run_on_terminal(shell, script.as_bytes());
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{shell:?} {fetches:?}: {shown}");
        let shown: Vec<&str> = shown.split("\r\n").collect();
        assert!(
            shown[0].starts_with("Asking http://"),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        // Overwritten each second, and gone before the next line.
        let (progress, sum) = shown[1].rsplit_once("\r\x1b[K").unwrap();
        assert!(
            progress.contains(" s. Being compiled: "),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        assert!(sum.starts_with("SHA-256 "), "{shell:?} {fetches:?}: {shown:?}");
        assert!(
            shown[2].starts_with("Installed "),
            "{shell:?} {fetches:?}: {shown:?}"
        );
        assert_eq!(shown[3..], [""], "{shell:?} {fetches:?}");
    }
}

#[test]
fn every_shell_installs_the_program() {
    let store = Scratch::new().set("GOX_VULNERABLE", "tell");
    assert!(store.command().arg("vulnerabilities").status().unwrap().success());
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let wanted = plain::install(&tester("hello", "v1.0.0").wanted).sha256;
    for (shell, fetches) in SHELLS {
        let machine = Machine::with(&[&TOOLS[..], fetches].concat());
        let output = machine.run(shell, script.as_bytes());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{shell:?} {fetches:?}: {said}");
        assert_eq!(machine.installed(), ["hello"], "{shell:?}: {said}");
        let file = machine.bin().join("hello");
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (sha256(&fs::read(&file).unwrap()), mode),
            (wanted.clone(), 0o755),
            "{shell:?}"
        );
        assert!(
            said.contains(&format!("SHA-256 {wanted}, as the server says")),
            "{said}"
        );
        assert!(
            said.contains("Known vulnerabilities in what is linked: 2 (database of 2026-11-05). http://"),
            "{shell:?} {fetches:?}: {said}"
        );
    }
}

#[test]
fn other_bytes_are_not_installed() {
    let store = Scratch::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    // The program's own name is no sum of it.
    let wrong = script.replace(
        "cut -d ' ' -f 1 \"$new.sha256\"",
        "cut -d ' ' -f 3 \"$new.sha256\"",
    );
    assert_ne!(script, wrong);
    let (well, said, left) = with_curl(&TOOLS, &wrong);
    assert!(
        !well && said.contains("the server says") && left.is_empty(),
        "{said}"
    );
    // Without a program that tells sums it is installed, and that is said.
    let bare: Vec<_> = TOOLS.into_iter().filter(|tool| *tool != "sha256sum").collect();
    let (well, said, left) = with_curl(&bare, &script);
    assert!(
        well && said.contains("not compared") && left == ["hello"],
        "{said}"
    );
}

/// A server that promises more than comes, and tells the SHA-256 of what it promised.
fn cut_off() -> SocketAddr {
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
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

/// Half a program is none, even where nothing tells its SHA-256.
#[test]
fn a_download_that_is_cut_off_is_not_installed() {
    let store = Scratch::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let script = script.replace(&front.address.to_string(), &cut_off().to_string());
    let without_sums: Vec<&str> = TOOLS.into_iter().filter(|tool| *tool != "sha256sum").collect();
    for (shell, fetches) in [("dash", "curl"), ("bash", "wget=busybox")] {
        for tools in [&without_sums[..], &TOOLS[..]] {
            let (is_well, said, left) = by(&[shell], &[tools, &[fetches]].concat(), &script);
            assert!(!is_well, "{said}");
            assert!(
                said.contains("the download was cut off. Run this again."),
                "{said}"
            );
            assert_eq!(left, [] as [&str; 0], "{said}");
        }
    }
}

/// Whoever fetches, at once: with the compiler's words, or, where a wget keeps no body of a failure, with its name.
#[test]
fn a_refusal_is_told_and_leaves_nothing() {
    let store = Scratch::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/does-not-compile");
    for (shell, fetches) in SHELLS {
        let (well, said, left) = by(shell, &[&TOOLS[..], fetches].concat(), &script);
        let words = match fetches {
            ["wget=busybox"] => "The server says 422. Why, it tells a browser: http://",
            _ => "cannot use",
        };
        assert!(
            !well && said.contains("was not installed") && said.contains(words) && left.is_empty(),
            "{shell:?} {fetches:?}: {said}"
        );
    }
    front
        .ask(&Ask::get("/-/install/tester/library"))
        .refused("no-command");
    front.ask(&Ask::get("/-/install/o/../r")).refused("bad-path");
    front.ask(&Ask::get("/-/installed")).refused("no-such-page");
}

/// What still compiles is waited for; what asks too much is told how long to wait, and is not kept.
#[test]
fn a_script_waits_for_what_comes_and_for_nothing_else() {
    let proxy = Proxy::start(Manner::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", "1");
    // The front begins its answers in time; a responder cannot, and says 503.
    let responder = store.responder();
    let nginx = WebServer::nginx(&store, &responder.socket);
    let server = format!("http://{}{}", nginx.mounts[0].address, nginx.mounts[0].prefix);
    let path = "/-/install/tester/waits-for-dependency@v1.0.0";
    let script = Command::new("curl")
        .args(["-sS", &format!("{server}{path}")])
        .output()
        .unwrap();
    let script = String::from_utf8(script.stdout).unwrap();
    // It does not matter how long it sleeps: it is there when it is there.
    let tools = TOOLS.map(|tool| if tool == "sleep" { "sleep=true" } else { tool });
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| with_curl(&tools, &script));
        eventually("it was told to wait", PATIENCE, || {
            responder.log().contains("still-building")
        });
        proxy.change(Manner::Serve);
        let (well, said, left) = waits.join().unwrap();
        assert!(well && said.contains("not ready yet (still-building)"), "{said}");
        assert_eq!(left, ["waits-for-dependency"], "{said}");
    });
    let poor = Scratch::new().set("GOX_BUILDS_PER_HOUR", "1");
    let front = poor.front();
    front.ask(&Ask::get("/tester/hello@v1.1.0")).program();
    let text = self::script(&front, "/-/install/tester/hello@v1.0.0");
    let without_sleep: Vec<_> = TOOLS.into_iter().filter(|tool| *tool != "sleep").collect();
    let (well, said, left) = with_curl(&without_sleep, &text);
    assert!(
        !well
            && said.contains("many new programs")
            && said.contains("Ask again in 600 seconds")
            && left.is_empty(),
        "{said}"
    );
}

/// Its query is the program's: what is not understood is refused, the rest is asked for.
#[test]
fn what_else_was_asked_for_is_installed() {
    let store = Scratch::new();
    let front = store.front();
    let path = "/-/install/tester/hello@v1.0.0";
    for (query, reason) in [
        ("versoin=1", "bad-query"),
        ("os=windows&arch=mips", "unknown-platform"),
    ] {
        front.ask(&Ask::get(&format!("{path}?{query}"))).refused(reason);
    }
    let program = front.ask(&Ask::get("/tester/hello@v1.0.0?os=windows&arch=arm64&strip=1"));
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat());
    let script = script(&front, &format!("{path}?strip=1&goos=windows&arch=aarch64"));
    let output = machine.run(&["dash"], script.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(machine.installed(), ["hello.exe"], "{said}");
    assert_eq!(
        sha256(&fs::read(machine.bin().join("hello.exe")).unwrap()),
        program.sha256()
    );
}

/// A list is one of what can be installed, and a failure is one in the language of who asked.
#[test]
fn a_list_leads_to_what_can_be_installed() {
    let store = Scratch::new();
    let ask = |path: &str| store.ask(&Ask::get(path));
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

/// Where it cannot go, that is said in words.
#[test]
fn a_place_that_is_none_is_told() {
    let store = Scratch::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat());
    fs::create_dir(machine.bin().join("hello")).unwrap();
    let output = machine.run(&["dash"], script.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("hello is a directory"),
        "{said}"
    );
    let homeless = script.replace("set -eu\n", "set -eu\nunset HOME\n");
    let (well, said, left) = with_curl(&TOOLS, &homeless);
    assert!(
        !well && said.contains("there is no HOME") && left.is_empty(),
        "{said}"
    );
}

#[test]
fn a_script_that_was_cut_does_nothing() {
    let store = Scratch::new();
    let front = store.front();
    let script = script(&front, "/-/install/tester/hello@v1.0.0");
    let machine = Machine::with(&[&TOOLS[..], &["curl"]].concat());
    let whole = script.trim_end().len();
    for end in (0..whole).step_by(61).chain([whole - 1]) {
        machine.run(&["dash"], &script.as_bytes()[..end]);
        assert_eq!(machine.installed(), [] as [&str; 0], "cut at {end}");
    }
}

#[test]
fn the_scripts_are_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/answer/install");
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
    // The control: the parser does refuse.
    assert!(!is_powershell(&text.replacen("try {", "try ", 1)));
}

fn is_powershell(text: &str) -> bool {
    let mut parser = tree_sitter::Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .unwrap();
    !parser.parse(text, None).unwrap().root_node().has_error()
}

#[test]
fn sidecars_tell_and_never_build() {
    let store = Scratch::new();
    let get = |path: &str| store.ask(&Ask::get(path));
    for sidecar in ["sha256", "json", "log"] {
        get(&format!("/tester/hello@v1.0.0.{sidecar}")).refused("not-built");
    }
    assert!(store.artifacts().is_empty());
    let program = get("/tester/hello@v1.0.0");
    let sum = program.sha256();
    assert_eq!(
        get("/tester/hello@v1.0.0.sha256").text(),
        format!("{sum}  hello\n")
    );
    let all: serde_json::Value = serde_json::from_str(&get("/tester/hello@v1.0.0.json").text()).unwrap();
    assert_eq!(all["sha256"], sum.as_str());
    assert_eq!(all["verify"], program.header("gox-verify").unwrap());
    assert_eq!(all["url"], program.header("content-location").unwrap());
    assert!(get("/tester/hello@v1.0.0.log").text().contains("without a word"));
    get("/tester/does-not-compile").refused("does-not-compile");
    get("/tester/does-not-compile.sha256").refused("does-not-compile");
    get("/tester/does-not-compile.json").refused("does-not-compile");
    assert!(get("/tester/does-not-compile.log").text().contains("cannot use"));
}

/// Asked for by TLS, which ends at a proxy, the script goes back by TLS: what it compares came the same way.
#[test]
fn the_script_comes_back_the_way_that_it_was_asked_for() {
    let store = Scratch::new();
    for (scheme, expected) in [("https", "server='https://"), ("http", "server='http://")] {
        let ask = Ask::get("/-/install/tester/hello").header("X-Forwarded-Proto", scheme);
        let script = store.ask(&ask).text();
        assert!(script.contains(expected), "{script:.400}");
    }
}

/// The same where TLS ends at the web server, which says so.
#[test]
fn the_script_comes_back_by_tls_that_ends_at_nginx() {
    let store = Scratch::new();
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
