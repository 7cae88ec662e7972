//! Real HTTP clients, directly and through real caches and proxies: each gets the program, or the requested range of it.
//! `make clients` prints the table.

use crate::support::case::tester;
use crate::support::plain_go::{self, Installed};
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{go, sha256, tmp};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const HELLO: &str = "/tester/hello@v1.0.0?os=linux&arch=amd64";
/// Large enough for eight connections of aria2 with at least 1 MiB each.
const LARGE: &str = "/tester/large@v1.0.0?os=linux&arch=amd64";

/// A range within the compressed copies, and one beyond their ends.
const PARTS: [(usize, usize); 2] = [(0, 99), (1_200_000, 1_200_999)];

/// What the file `got` must contain at the end.
#[derive(Clone, Copy)]
enum Wanted {
    Whole,
    Part(usize, usize),
    /// The whole program, of which the first half exists already.
    Rest,
}

/// Clients and their shell commands: `$1` is the URL, `$2` the optional range.
const CLIENTS: [(&str, &str); 7] = [
    (
        "requests",
        "/usr/bin/python3 \"$TESTS/get.py\" requests \"$@\" >got",
    ),
    (
        "requests, raw",
        "/usr/bin/python3 \"$TESTS/get.py\" raw \"$@\" >got",
    ),
    ("httpx", "/usr/bin/python3 \"$TESTS/get.py\" httpx \"$@\" >got"),
    ("Node fetch", "node \"$TESTS/get.mjs\" \"$@\" >got"),
    ("Go", "\"$GO_CLIENT\" \"$@\" >got"),
    ("curl", "curl -fsS ${2:+-H \"Range: $2\"} -o got \"$1\""),
    (
        "curl --compressed",
        "curl -fsS --compressed ${2:+-H \"Range: $2\"} -o got \"$1\"",
    ),
];

/// Commands that resume a download.
const RESUMED: [(&str, &str); 4] = [
    ("curl -C -", "curl -fsS -C - -o got \"$1\""),
    (
        "curl --compressed -C -",
        "curl -fsS --compressed -C - -o got \"$1\"",
    ),
    ("wget -c", "wget -q -c -O got \"$1\""),
    ("aria2c -c", "aria2c -q -c --allow-overwrite=false -o got \"$1\""),
];

/// wget requests ranges only to resume.
const WGET: (&str, &str) = ("wget", "wget -q -O got \"$1\"");

const ARIA2: (&str, &str) = ("aria2c -x8", "aria2c -q -x8 -s8 -k1M -o got \"$1\"");

const NGINX: &str = "daemon off; USER pid DIR/pid; error_log DIR/error.log; events {}
http {
    access_log off;
    client_body_temp_path DIR/body; fastcgi_temp_path DIR/fastcgi; proxy_temp_path DIR/proxy; scgi_temp_path DIR/scgi;
    uwsgi_temp_path DIR/uwsgi;
    proxy_cache_path DIR/cache keys_zone=programs:1m;
    server { listen HOST:PORT; location / { proxy_pass http://FRONT; proxy_cache programs; VERSION } }
}";

/// Caches and proxies in front of this address, with minimal configurations.
fn proxies(front: SocketAddr) -> Vec<WebServer> {
    let front = front.to_string();
    let nginx = |name, version| {
        let config = NGINX.replace("FRONT", &front).replace("VERSION", version);
        WebServer::configured(
            name,
            &["/usr/sbin/nginx", "-c", "CONFIG", "-p", "DIR"],
            &config,
            "",
        )
    };
    let varnish =
        format!("/usr/sbin/varnishd -F -j none -n DIR/varnish -s malloc,256m -a HOST:PORT -b {front}");
    let varnish: Vec<_> = varnish.split(' ').collect();
    let caddy = format!(
        "{{\n\tadmin unix/DIR/admin.sock\n}}\nhttp://:PORT {{\n\tbind HOST\n\treverse_proxy {front}\n}}\n"
    );
    vec![
        WebServer::configured("Varnish", &varnish, "", ""),
        nginx("nginx proxy_cache", ""),
        nginx("nginx proxy_cache, HTTP/1.1", "proxy_http_version 1.1;"),
        WebServer::configured(
            "Caddy",
            &[
                "/usr/bin/caddy",
                "run",
                "--adapter",
                "caddyfile",
                "--config",
                "CONFIG",
            ],
            &caddy,
            "",
        ),
    ]
}

/// Compiles tests/clients/get.go.
fn go_client() -> PathBuf {
    let client = tmp().join("get-by-go");
    let _lock = crate::support::lock("get-by-go");
    let mut command = Command::new(go());
    command.args(["build", "-o"]).arg(&client).arg("get.go");
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"))
        .env_clear()
        .envs([
            ("PATH", "/nonexistent"),
            ("CGO_ENABLED", "0"),
            ("GOENV", "off"),
            ("GOTOOLCHAIN", "local"),
        ])
        .env("GOCACHE", tmp().join("plain-compile"))
        .env("GOPATH", tmp().join("attack-gopath"));
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    client
}

/// Runs a client. Returns the row of the table, and whether the result is right.
fn run_client(
    way: &str,
    client: (&str, &str),
    url: &str,
    wanted: Wanted,
    plain: &Installed,
    go_client: &Path,
) -> (String, bool) {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let program = plain.read();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", client.1, "sh", url])
        .current_dir(folder.path());
    let (asked, expected) = match wanted {
        Wanted::Whole => ("whole".to_owned(), &program[..]),
        Wanted::Part(first, last) => {
            let range = format!("bytes={first}-{last}");
            command.arg(&range);
            (range, &program[first..=last])
        }
        Wanted::Rest => {
            fs::write(folder.path().join("got"), &program[..program.len() / 2]).unwrap();
            ("the rest".to_owned(), &program[..])
        }
    };
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder.path())
        .env("GO_CLIENT", go_client)
        .env(
            "TESTS",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"),
        );
    let output = command.output().unwrap();
    let got = fs::read(folder.path().join("got")).unwrap_or_default();
    let is_right = output.status.success() && got == expected;
    let line = format!(
        "| {way} | {} | {asked} | {} | {} | {:.12} | {} |",
        client.0,
        output.status.code().unwrap_or(-1),
        got.len(),
        sha256(&got),
        if is_right { "✓" } else { "✗" }
    );
    let output_text = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        if is_right {
            line
        } else {
            format!("{line}\n{output_text}")
        },
        is_right,
    )
}

#[test]
fn every_client_gets_the_program_through_every_cache() {
    let store = TestStore::new();
    let front = store.front();
    let [hello, large] = [(HELLO, "hello"), (LARGE, "large")].map(|(url, name)| {
        front.ask(&Request::get(url)).program();
        plain_go::install(&tester(name, "v1.0.0").wanted)
    });
    let proxies = proxies(front.address);
    let go_client = go_client();
    let mut ways = vec![("direct", front.address)];
    ways.extend(
        proxies
            .iter()
            .map(|server| (server.mounts[0].name, server.mounts[0].address)),
    );
    let mut rows = Vec::new();
    for (way, address) in ways {
        let url = |path: &str| format!("http://{address}{path}");
        // nginx drops Range for cacheable responses, and compressed copies are not cacheable.
        let drops_range = |client: &str| way.ends_with("HTTP/1.1") && client.contains("--compressed");
        for client in CLIENTS {
            rows.push(run_client(
                way,
                client,
                &url(HELLO),
                Wanted::Whole,
                &hello,
                &go_client,
            ));
            for (first, last) in PARTS {
                if !drops_range(client.0) {
                    let part = Wanted::Part(first, last);
                    rows.push(run_client(way, client, &url(HELLO), part, &hello, &go_client));
                }
            }
        }
        rows.push(run_client(
            way,
            WGET,
            &url(HELLO),
            Wanted::Whole,
            &hello,
            &go_client,
        ));
        for client in RESUMED {
            if !drops_range(client.0) {
                rows.push(run_client(
                    way,
                    client,
                    &url(HELLO),
                    Wanted::Rest,
                    &hello,
                    &go_client,
                ));
            }
        }
        rows.push(run_client(
            way,
            ARIA2,
            &url(LARGE),
            Wanted::Whole,
            &large,
            &go_client,
        ));
    }
    let table: Vec<_> = rows.iter().map(|(line, _)| line.as_str()).collect();
    let table = format!(
        "| way | client | asked for | exit status | bytes | SHA-256 | right |\n|---|---|---|---|---|---|---|\n{}",
        table.join("\n")
    );
    println!("{table}");
    assert!(rows.iter().all(|(_, is_right)| *is_right), "{table}");
}

/// Some proxies add `Accept-Encoding: gzip` to GET only, as Go's HTTP transport does.
#[test]
fn head_and_get_agree_behind_every_proxy() {
    let store = TestStore::new();
    let front = store.front();
    front.ask(&Request::get(HELLO)).program();
    for server in proxies(front.address) {
        let mount = &server.mounts[0];
        for codings in [
            None,
            Some("gzip"),
            Some("gzip, deflate"),
            Some("gzip, deflate, br, zstd"),
        ] {
            let mut request = Request::get(HELLO);
            if let Some(codings) = codings {
                request = request.header("Accept-Encoding", codings);
            }
            let get = mount.ask(&request).unwrap();
            let head = mount.ask(&request.method("HEAD")).unwrap();
            for name in [
                "etag",
                "content-length",
                "content-encoding",
                "repr-digest",
                "gox-sha256",
            ] {
                assert_eq!(
                    head.header(name),
                    get.header(name),
                    "{}: {name}: {codings:?}",
                    mount.name
                );
            }
            let digest = format!("\"{}\"", get.sha256());
            assert_eq!(
                get.header("etag"),
                Some(&*digest),
                "{}: {codings:?}: {get}",
                mount.name
            );
            let program = plain_go::install(&tester("hello", "v1.0.0").wanted).sha256;
            assert_eq!(
                get.header("gox-sha256"),
                Some(&*program),
                "{}: {codings:?}",
                mount.name
            );
        }
    }
}

/// A client that decodes a range of a compressed copy gets 0 bytes and no error.
#[test]
fn shared_cache_serves_no_range_of_compressed_copy() {
    let store = TestStore::new();
    let front = store.front();
    front.ask(&Request::get(HELLO)).program();
    for server in proxies(front.address) {
        let mount = &server.mounts[0];
        let request = Request::get(HELLO).header("Accept-Encoding", "gzip, deflate, br, zstd");
        // The proxy may cache this response.
        mount.ask(&request).unwrap().program();
        let part = mount.ask(&request.header("Range", "bytes=0-99")).unwrap();
        let is_coded = part.header("content-encoding").is_some();
        assert!(part.status == 200 || !is_coded, "{}: {part}", mount.name);
    }
}
