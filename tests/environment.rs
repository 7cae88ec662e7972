//! What a web server may do to a CGI program's environment, and what of it may reach a stranger's build: nothing.

use crate::support::ask::Ask;
use crate::support::cgi::Cgi;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, gox_server, processes, walk};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The program with a request whose variables `change` has spoilt.
pub(crate) fn spoilt(store: &Scratch, change: impl FnOnce(&mut Command)) -> Cgi {
    let ask = Ask::get("/tester/hello");
    let mut command = Command::new(gox_server());
    command.env_clear().envs(store.settings()).envs(ask.variables());
    change(&mut command);
    Cgi::start_command(command, &ask)
}

/// R19: whatever is missing or odd, there is one clean answer.
#[test]
fn variables_that_are_missing_or_odd() {
    let store = Scratch::new();
    let bytes = OsStr::from_bytes;
    for (name, value, statuses) in [
        ("REQUEST_METHOD", None, &[400, 405, 500][..]),
        ("PATH_INFO", None, &[500]),
        ("PATH_INFO", Some(bytes(b"tester/hello")), &[200, 400]),
        ("PATH_INFO", Some(bytes(b"/tester/\xff\xfe")), &[400]),
        ("PATH_INFO", Some(bytes(b"/tester/hello\n")), &[400]),
        ("SCRIPT_NAME", None, &[200]),
        ("QUERY_STRING", None, &[200]),
        ("QUERY_STRING", Some(bytes(b"\xff")), &[400]),
        ("REQUEST_URI", None, &[200]),
        ("REMOTE_ADDR", None, &[200]),
        ("REMOTE_ADDR", Some(bytes(b"not an address")), &[200]),
        ("SERVER_PROTOCOL", None, &[200]),
        ("HTTP_USER_AGENT", None, &[400]),
        ("HTTP_USER_AGENT", Some(bytes(b"Linux \xff")), &[400]),
        ("HTTP_ACCEPT", Some(bytes(b"\xff")), &[200]),
        ("CONTENT_LENGTH", Some(bytes(b"-1")), &[200, 400]),
        (
            "CONTENT_LENGTH",
            Some(bytes(b"99999999999999999999")),
            &[200, 400],
        ),
        ("CONTENT_LENGTH", Some(bytes(b"many")), &[200, 400]),
    ] {
        let answer = spoilt(&store, |command| {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        });
        let answer = answer.answer();
        assert!(
            statuses.contains(&answer.status),
            "{name}={value:?}: expected one of {statuses:?}: {answer}"
        );
    }
}

/// RFC 3875 section 4.4: a server may pass the query as arguments. They mean nothing here.
#[test]
fn arguments_mean_nothing_to_a_cgi_program() {
    let store = Scratch::new();
    for arguments in [
        &["--version"][..],
        &["build", "tester/library"],
        &["builder"],
        &["tool", "/bin/sh"],
        &["doctor"],
    ] {
        let answer = spoilt(&store, |command| {
            command.args(arguments);
        });
        answer.answer().program();
    }
}

/// A server that is mounted below a path says so in SCRIPT_NAME; links have to lead back through it.
#[test]
fn a_mount_below_a_path() {
    let store = Scratch::new();
    let answer = spoilt(&store, |command| {
        command
            .env("SCRIPT_NAME", "/go")
            .env("REQUEST_URI", "/go/tester/hello");
    });
    let answer = answer.answer();
    answer.program();
    let location = answer.header("content-location").unwrap_or_default();
    assert!(location.starts_with("/go/tester/hello@v1.1.0?"), "{answer}");
    for (accept, link) in [
        ("application/json", "\"type\":\"/go/-/reasons#platform-untold\""),
        ("text/html", "href=\"/go/-/reasons#platform-untold\""),
    ] {
        let answer = spoilt(&store, |command| {
            command
                .env("SCRIPT_NAME", "/go")
                .env("HTTP_USER_AGENT", "curl/8.5.0")
                .env("HTTP_ACCEPT", accept);
        });
        let answer = answer.answer();
        assert!(answer.text().contains(link), "{answer}");
    }
}

/// R20, R21: of the operator's secrets and a client's headers nothing reaches `go` or a tool.
#[test]
fn a_build_sees_nothing_of_the_servers_environment() {
    let store = Scratch::new();
    let secrets = [
        ("DATABASE_URL", "postgres://canary"),
        ("AWS_SECRET_ACCESS_KEY", "canary"),
        ("GOFLAGS", "-toolexec=/canary"),
        ("GODEBUG", "embedfollowsymlinks=1,canary=1"),
        ("GOEXPERIMENT", "canary"),
        ("GOCACHEPROG", "/canary"),
        ("GIT_SSH_COMMAND", "/canary"),
        ("LD_PRELOAD", ""),
        ("HTTP_PROXY", "http://canary:9"),
        ("CC", "/canary"),
        ("GOENV", "/canary"),
        ("HTTP_COOKIE", "canary"),
    ];
    let ask = Ask::get("/tester/busy").header("Proxy", "http://canary:9");
    let mut command = Command::new(gox_server());
    command
        .env_clear()
        .envs(store.settings())
        .envs(secrets)
        .envs(ask.variables());
    let cgi = Cgi::start_command(command, &ask);
    let mut seen = Vec::new();
    eventually("a compile of busy", PATIENCE, || {
        let running = processes::about(&store.dir);
        seen = running
            .iter()
            .filter(|process| process.is("go") || process.is("compile"))
            .cloned()
            .collect();
        seen.iter()
            .any(|process| process.is("compile") && process.command.contains("busy"))
    });
    for process in seen {
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment).replace('\0', "\n");
        assert!(!text.contains("canary"), "{}: {text}", process.command);
        let http: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("HTTP") || line.starts_with("REQUEST_"))
            .collect();
        assert!(http.is_empty(), "{}: {http:?}", process.command);
        // S8: no descriptor of ours beyond what a build has to write to; above all, no socket.
        let sockets: Vec<_> = open_files(process.pid)
            .into_iter()
            .filter(|file| file.starts_with("socket:"))
            .collect();
        assert!(
            sockets.is_empty() || process.is("go"),
            "{}: {sockets:?}",
            process.command
        );
    }
    cgi.answer().program();
}

/// R21: the credentials of the module proxy are `go`'s alone. No tool, command line, answer, log, page or file has them.
#[test]
fn the_credentials_of_the_module_proxy_stay_with_go() {
    let proxy = Proxy::start(Manner::Serve);
    // Go sends credentials over TLS only, and asks the second proxy for what the first one does not have.
    let second = proxy.url().replace("http://", "https://canary-user:canary-word@");
    let store = Scratch::new().set("GOX_GOPROXY", format!("{},{second}", proxy.url()));
    let cgi = store.start(&Ask::get("/tester/busy@v1.0.0"));
    let mut seen = Vec::new();
    eventually("a compile of busy", PATIENCE, || {
        seen = processes::about(&store.dir);
        let is_compiled =
            |process: &processes::Process| process.is("compile") && process.command.contains("busy");
        seen.iter().any(is_compiled)
    });
    for process in seen {
        assert!(!process.command.contains("canary"), "{}", process.command);
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let knows = String::from_utf8_lossy(&environment).contains("canary");
        if process.is("compile") {
            assert!(!knows, "{}", process.command);
        } else if process.is("go") && !environment.is_empty() {
            assert!(knows, "{}: this is no test", process.command);
        }
    }
    let answer = cgi.answer();
    answer.program();
    let mut said = vec![answer.to_string()];
    for path in [
        "/tester/busy@v1.0.0.json",
        "/tester/busy@v1.0.0.log",
        "/tester/does-not-compile@v1.0.0",
        "/",
    ] {
        said.push(store.ask(&Ask::get(path)).to_string());
    }
    let store = store.set("GOX_GOPROXY", &second);
    let answer = store.ask(&Ask::get("/tester/library"));
    answer.refused("proxy-failed");
    assert!(answer.log.contains("Get \"https://127.0.0.1:"), "{answer}");
    said.push(answer.to_string());
    let doctor = |proxy: &str| {
        let output = store
            .command()
            .arg("doctor")
            .env("GOX_GOPROXY", proxy)
            .output()
            .unwrap();
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat()
    };
    said.push(doctor("https://canary-user:canary-word@proxy.example.org"));
    assert!(
        said.last().unwrap().contains("https://proxy.example.org"),
        "{said:?}"
    );
    said.push(doctor("ftp://canary-user:can/canary-word@proxy.example.org"));
    let files = walk(&store.dir).into_iter().filter(|path| path.is_file());
    said.extend(files.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()));
    for text in said {
        assert!(!text.contains("canary"), "{text}");
    }
}

fn open_files(pid: i32) -> BTreeSet<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// A setting that cannot be meant stops the service and says its name; a CGI program gives one clean answer.
#[test]
fn a_setting_that_cannot_be_used() {
    let store = Scratch::cold().set("GOX_BUILDS", "many");
    let answer = store.ask(&Ask::get("/tester/hello"));
    answer.refused("internal");
    assert!(
        answer.log.contains("GOX_BUILDS") && !answer.text().contains("many"),
        "{answer}"
    );
    let store = Scratch::cold();
    for (name, value) in [
        ("GOX_BUILDS", "many"),
        ("GOX_MEMORY_BYTES", "iB"),
        ("GOX_BUILD_SECONDS", "18446744073709551615"),
        ("GOX_DENY", "https://github.com/tester/hello"),
        ("GOX_DENY", "github.com/tester/*"),
        ("GOX_DENY", "hello"),
        ("GOX_ALLOW", ","),
        ("GOX_BUILDS", "0"),
        ("GOX_BUILD_SECONDS", "0"),
        ("GOX_CPU_SECONDS", "0"),
        ("GOX_MEMORY_BYTES", "1"),
        ("GOX_FILE_BYTES", "1"),
        ("GOX_OPEN_FILES", "1"),
        ("GOX_TASKS", "1"),
        ("GOX_WORK_BYTES", "1"),
        ("GOX_WORK_FILES", "1"),
        ("GOX_LOG_BYTES", "0"),
        ("GOX_ARTIFACT_BYTES", "0"),
        ("GOX_FIRST_BYTE_SECONDS", "0"),
        ("GOX_GOSUMDB", "sum.example.org"),
        ("GOX_GOPROXY", "direct"),
        ("GOX_GOPROXY", "proxy.golang.org"),
        ("GOX_GO", "/nonexistent/go"),
        ("GOX_GO", "go"),
        ("GOX_DIR", "/nonexistent/a:b"),
        ("GOX_DIR", "/nonexistent/a;b"),
        ("GOX_DIR", "/nonexistent/a=>b"),
        ("GOX_DIR", "/nonexistent/a\nb"),
        ("GOX_DIR", "/nonexistent/it's \"b\""),
    ] {
        let output = store
            .command()
            .env("GOX_LISTEN", "127.0.0.1:0")
            .env(name, value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && said.contains(&format!("{name}={value:?}")),
            "{output:?}"
        );
    }
}

/// A slip of the finger in a name is told where an operator looks, and not with every request.
#[test]
fn a_name_that_is_no_setting_is_told() {
    let store = Scratch::cold()
        .set("GOX_DENNY", "tester/hello")
        .set("GOX_GOPROXY", "off");
    let told = "GOX_DENNY is no setting; GOX_DENY is one";
    let doctor = store.command().arg("doctor").output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains(told), "{said}");
    let front = store.front();
    eventually("the front tells both", PATIENCE, || {
        front.log().contains(told) && front.log().contains("module proxy: none")
    });
    drop(front);
    let answer = store.ask(&Ask::get("/tester/hello"));
    assert!(!answer.log.contains("GOX_DENNY"), "{answer}");
    let store = Scratch::cold().set("GOX_DENNY", "tester/hello");
    let doctor = store.command().arg("doctor").output().unwrap();
    assert!(
        doctor.status.success(),
        "it is no reason not to serve: {doctor:?}"
    );
}

/// A program is searched for this path: it has to be the one that Go makes of it.
#[test]
fn the_state_directory_is_named_plainly() {
    let store = Scratch::new();
    let odd = format!("/.{}//.", store.dir.display());
    let store = store.set("GOX_DIR", odd);
    store.ask(&Ask::get("/tester/hello")).program();
    let climbs = store.dir.join("../here");
    let answer = store.set("GOX_DIR", &climbs).ask(&Ask::get("/tester/hello"));
    answer.refused("internal");
    assert!(
        answer.log.contains("GOX_DIR") && answer.log.contains("without .."),
        "{answer}"
    );
}

/// What a client sends can never become a setting.
#[test]
fn a_header_is_no_setting() {
    let store = Scratch::new();
    let answer = spoilt(&store, |command| {
        let headers: [(&str, OsString); 2] = [
            ("HTTP_GOX_DIR", "/nonexistent".into()),
            ("HTTP_GOX_DENY", "github.com".into()),
        ];
        command.envs(headers);
    });
    answer.answer().program();
}
