//! The environment of a CGI program: invalid variables get a clean response, and nothing of it reaches a build.

use crate::support::cgi::Cgi;
use crate::support::modproxy::modproxy;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, gox_server, processes, walk};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Starts a CGI request after `change` has modified its variables or arguments.
pub(crate) fn start_modified(store: &TestStore, change: impl FnOnce(&mut Command)) -> Cgi {
    let request = Request::get("/tester/hello");
    let mut command = Command::new(gox_server());
    command
        .env_clear()
        .envs(store.settings())
        .envs(request.variables());
    change(&mut command);
    Cgi::start_command(command, &request)
}

/// R19.
#[test]
fn missing_or_invalid_variables_get_one_clean_response() {
    let store = TestStore::new();
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
        let response = start_modified(&store, |command| {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        });
        let response = response.response();
        assert!(
            statuses.contains(&response.status),
            "{name}={value:?}: expected one of {statuses:?}: {response}"
        );
    }
}

/// RFC 3875 section 4.4: a server may pass the query as arguments.
#[test]
fn cgi_program_ignores_arguments() {
    let store = TestStore::new();
    for arguments in [
        &["--version"][..],
        &["build", "tester/library"],
        &["builder"],
        &["tool", "/bin/sh"],
        &["doctor"],
    ] {
        let response = start_modified(&store, |command| {
            command.args(arguments);
        });
        response.response().program();
    }
}

/// SCRIPT_NAME is the path of the mount; links must start with it.
#[test]
fn links_start_with_the_mount_path() {
    let store = TestStore::new();
    let response = start_modified(&store, |command| {
        command
            .env("SCRIPT_NAME", "/go")
            .env("REQUEST_URI", "/go/tester/hello");
    });
    let response = response.response();
    response.program();
    let location = response.header("content-location").unwrap_or_default();
    assert!(
        location.starts_with("/go/-/bin/linux-amd64/tester/hello@v1.1.0/hello?go="),
        "{response}"
    );
    for (accept, link) in [
        ("application/json", "\"type\":\"/go/-/reasons#platform-untold\""),
        ("text/html", "action=\"/go/tester/hello@v1.1.0\""),
    ] {
        let response = start_modified(&store, |command| {
            command
                .env("SCRIPT_NAME", "/go")
                .env("HTTP_USER_AGENT", "curl/8.5.0")
                .env("HTTP_ACCEPT", accept);
        });
        let response = response.response();
        assert!(response.text().contains(link), "{response}");
    }
}

/// R20, R21: no secret of the operator and no header of a client reaches `go` or a tool.
#[test]
fn build_does_not_see_the_server_environment() {
    let store = TestStore::new();
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
    let request = Request::get("/tester/busy").header("Proxy", "http://canary:9");
    let mut command = Command::new(gox_server());
    command
        .env_clear()
        .envs(store.settings())
        .envs(secrets)
        .envs(request.variables());
    let cgi = Cgi::start_command(command, &request);
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    let is_confined = |process: &&processes::Process| process.is("go") || process.is("compile");
    for process in compiler.running.iter().filter(is_confined) {
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment).replace('\0', "\n");
        assert!(!text.contains("canary"), "{}: {text}", process.command);
        let http: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("HTTP") || line.starts_with("REQUEST_"))
            .collect();
        assert!(http.is_empty(), "{}: {http:?}", process.command);
        // S8: no socket is inherited.
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
    drop(compiler);
    cgi.response().program();
}

/// R21: no tool, command line, response, log, page or file contains the credentials of the module proxy.
#[test]
fn proxy_credentials_reach_only_go() {
    let proxy = Proxy::start(Behavior::Serve);
    // Go sends credentials over TLS only, and uses the second proxy for what the first does not have.
    let second = proxy.url().replace("http://", "https://canary-user:canary-word@");
    let store = TestStore::new().set("GOX_GOPROXY", format!("{},{second}", proxy.url()));
    let cgi = store.start(&Request::get("/tester/busy@v1.0.0"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    for process in &compiler.running {
        assert!(!process.command.contains("canary"), "{}", process.command);
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let knows = String::from_utf8_lossy(&environment).contains("canary");
        if process.is("compile") {
            assert!(!knows, "{}", process.command);
        } else if process.is("go") && !environment.is_empty() {
            assert!(
                knows,
                "{}: go has no credentials, so the test proves nothing",
                process.command
            );
        }
    }
    drop(compiler);
    let response = cgi.response();
    response.program();
    let mut output_text = vec![response.to_string()];
    for path in [
        "/tester/busy@v1.0.0.json",
        "/tester/busy@v1.0.0.log",
        "/tester/does-not-compile@v1.0.0",
        "/",
    ] {
        output_text.push(store.ask(&Request::get(path)).to_string());
    }
    let store = store.set("GOX_GOPROXY", &second);
    let response = store.ask(&Request::get("/tester/library"));
    response.refused("proxy-failed");
    assert!(response.log.contains("Get \"https://127.0.0.1:"), "{response}");
    output_text.push(response.to_string());
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
    output_text.push(doctor("https://canary-user:canary-word@proxy.example.org"));
    assert!(
        output_text.last().unwrap().contains("https://proxy.example.org"),
        "{output_text:?}"
    );
    output_text.push(doctor("ftp://canary-user:can/canary-word@proxy.example.org"));
    let files = walk(&store.dir).into_iter().filter(|path| path.is_file());
    output_text.extend(files.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()));
    for text in output_text {
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

/// The service stops and names the setting; a CGI program returns one clean response.
#[test]
fn invalid_setting_is_reported_by_name() {
    let store = TestStore::empty().set("GOX_BUILDS", "many");
    let response = store.ask(&Request::get("/tester/hello"));
    response.refused("internal");
    assert!(
        response.log.contains("GOX_BUILDS") && !response.text().contains("many"),
        "{response}"
    );
    let store = TestStore::empty();
    for (name, value) in [
        ("GOX_STORE", "https://example.org/bucket"),
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
        let output_text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && output_text.contains(&format!("{name}={value:?}")),
            "{output:?}"
        );
    }
}

/// Behind `|`, Go tries the next proxy after any error; behind `,`, only if the proxy does not have the module.
#[test]
fn bar_between_module_proxies_is_passed_on() {
    let ask = |separator: &str| {
        let proxies = format!("http://127.0.0.1:1{separator}{}", modproxy().url());
        let store = TestStore::new().set("GOX_GOPROXY", proxies);
        store.ask(&Request::get("/tester/hello@v1.0.0"))
    };
    ask("|").program();
    ask(",").refused("proxy-failed");
}

#[test]
fn variables_of_go_are_not_read_where_a_setting_replaces_them() {
    let store = TestStore::new()
        .set("GOPROXY", "direct")
        .set("GOSUMDB", "sum.example.org");
    store.ask(&Request::get("/tester/hello")).program();
}

/// A misspelt name is reported by `doctor` and at the start of the front, not with every request.
#[test]
fn unknown_setting_is_reported() {
    let store = TestStore::empty()
        .set("GOX_DENNY", "tester/hello")
        .set("GOX_GOPROXY", "off");
    let message = "GOX_DENNY is not a setting; did you mean GOX_DENY?";
    let doctor = store.command().arg("doctor").output().unwrap();
    let output_text = String::from_utf8_lossy(&doctor.stdout);
    assert!(output_text.contains(message), "{output_text}");
    let front = store.front();
    eventually("the front logs both", TIMEOUT, || {
        front.log().contains(message) && front.log().contains("module proxy: none")
    });
    drop(front);
    let response = store.ask(&Request::get("/tester/hello"));
    assert!(!response.log.contains("GOX_DENNY"), "{response}");
    let store = TestStore::empty().set("GOX_DENNY", "tester/hello");
    let doctor = store.command().arg("doctor").output().unwrap();
    assert!(
        doctor.status.success(),
        "an unknown setting must not fail doctor: {doctor:?}"
    );
}

/// Programs are searched for this path, so it must be in the form in which Go records it.
#[test]
fn state_directory_path_is_normalized() {
    let store = TestStore::new();
    let odd = format!("/.{}//.", store.dir.display());
    let store = store.set("GOX_DIR", odd);
    store.ask(&Request::get("/tester/hello")).program();
    let climbs = store.dir.join("../here");
    let response = store.set("GOX_DIR", &climbs).ask(&Request::get("/tester/hello"));
    response.refused("internal");
    assert!(
        response.log.contains("GOX_DIR") && response.log.contains("without .."),
        "{response}"
    );
}

/// Closing a socket with unread bytes resets the connection. Apache's mod_cgid passes a body through a socket, and a chunked one without
/// CONTENT_LENGTH.
#[test]
fn request_body_is_read_to_its_end() {
    let store = TestStore::empty();
    let body = vec![b'x'; 4 << 20];
    for (name, value) in [
        ("CONTENT_LENGTH", body.len().to_string()),
        ("HTTP_TRANSFER_ENCODING", "chunked".to_owned()),
    ] {
        let (mut web_server, stdin) = UnixStream::pair().unwrap();
        let program = Command::new(gox_server())
            .env_clear()
            .envs(store.settings())
            .envs(Request::get("/robots.txt").variables())
            .env(name, value)
            .stdin(OwnedFd::from(stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        web_server.write_all(&body).unwrap();
        web_server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(web_server.read(&mut [0]).unwrap(), 0);
        let output = program.wait_with_output().unwrap();
        assert!(output.stdout.starts_with(b"Status: 200 "), "{name}: {output:?}");
    }
}

/// Headers become variables with the prefix HTTP_.
#[test]
fn request_header_cannot_change_a_setting() {
    let store = TestStore::new();
    let response = start_modified(&store, |command| {
        let headers: [(&str, OsString); 2] = [
            ("HTTP_GOX_DIR", "/nonexistent".into()),
            ("HTTP_GOX_DENY", "github.com".into()),
        ];
        command.envs(headers);
    });
    response.response().program();
}

/// A proxy that changes Host and path hides the address of the service.
#[test]
fn gox_url_replaces_the_address_of_requests() {
    let store = TestStore::new().set("GOX_URL", "https://www.example.org/go/");
    let front = store.front();
    let get = |path: &str| front.ask(&Request::get(path));
    let program = get("/tester/hello@v1.0.0");
    program.program();
    let location = program.header("content-location").unwrap_or_default();
    assert!(
        location.starts_with("/go/-/bin/linux-amd64/tester/hello@v1.0.0/hello?"),
        "{location}"
    );
    let metadata = get("/tester/hello@v1.0.0.json");
    assert!(metadata.text().contains("\"/go/-/bin/"), "{metadata}");
    for (path, text) in [
        ("/", "curl -sS https://www.example.org/go/-/install/junegunn/fzf"),
        ("/-/install/tester/hello", "server='https://www.example.org/go'"),
        (
            "/-/install.ps1/tester/hello",
            "irm 'https://www.example.org/go/-/install.ps1/tester/hello'",
        ),
        (
            "/tester/several-commands",
            "  /go/tester/several-commands/cmd/one",
        ),
    ] {
        let response = get(path);
        assert!(response.text().contains(text), "{path}: {response}");
        assert!(!response.text().contains("127.0.0.1"), "{path}: {response}");
    }
    let untold = front.ask(&Request::get("/tester/hello").header("User-Agent", "curl/8.5.0"));
    let line = "curl -A \"$(uname -sm)\" https://www.example.org/go/tester/hello > hello";
    assert!(untold.text().contains(line), "{untold}");
    let page = front.ask(&Request::get("/-/nothing").header("Accept", "text/html"));
    assert!(
        page.text().contains("href=\"/go/-/reasons#no-such-page\""),
        "{page}"
    );
    let invalid = start_modified(&store, |command| {
        command.env("HTTP_HOST", "a b");
    });
    invalid.response().refused("bad-host");
    // A web server that reports a mount point of its own.
    let mounted = start_modified(&store, |command| {
        command
            .env("SCRIPT_NAME", "/cgi-bin/gox")
            .env("REQUEST_URI", "/cgi-bin/gox/tester/hello");
    });
    let mounted = mounted.response();
    mounted.program();
    let location = mounted.header("content-location").unwrap_or_default();
    assert!(location.starts_with("/go/-/bin/"), "{mounted}");
}

#[test]
fn invalid_gox_url_prevents_the_start() {
    for url in [
        "www.example.org",
        "https://example.org/?x",
        "https://user@example.org",
        "https://example.org/'",
    ] {
        let store = TestStore::empty().set("GOX_URL", url);
        let output = store.command().output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && errors.contains("GOX_URL="),
            "{url}: {errors}"
        );
    }
}
