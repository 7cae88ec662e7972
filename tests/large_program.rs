//! A program of 100 MB through each transport: the whole, a range, and a truncated download that curl resumes. gox-server
//! uses no more memory than a few buffers. `make bench` measures speed.

use crate::support::case::tester;
use crate::support::fastcgi::Responder;
use crate::support::plain_go;
use crate::support::processes::peak_memory;
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{http, tmp};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;

const URL: &str = "/tester/large";

/// Allowed difference in peak memory between a large program and a small response: a few buffers of 64 KiB, and the code that only the
/// large program runs, which a build without optimization makes larger.
const TOLERANCE: u64 = 4 << 20;

fn assert_complete(name: &str, address: SocketAddr, plain: &[u8]) {
    let response = http::ask(address, &Request::get(URL)).unwrap_or_else(|what| panic!("{name}: {what}"));
    assert!(response.body == plain, "{name}: {response}");
}

fn assert_range(name: &str, address: SocketAddr, plain: &[u8]) {
    let (first, last) = (50_000_000, 59_999_999);
    let request = Request::get(URL).header("Range", &format!("bytes={first}-{last}"));
    let response = http::ask(address, &request).unwrap_or_else(|what| panic!("{name}: {what}"));
    assert_eq!(response.status, 206, "{name}: {response}");
    assert!(response.body == plain[first..=last], "{name}: {response}");
}

fn assert_resumed(name: &str, address: SocketAddr, plain: &[u8]) {
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let file = folder.path().join("large");
    let mut curl = Command::new("/bin/sh");
    curl.args([
        "-c",
        r#"curl -s -A 'Linux x86_64' "$1" | head -c 30000000 >"$2"; curl -sS -A 'Linux x86_64' -C - -o "$2" "$1""#,
        "sh",
    ]);
    let output = curl
        .arg(format!("http://{address}{URL}"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        std::fs::read(&file).unwrap() == plain,
        "{name}: the resumed download differs"
    );
}

#[test]
fn large_program_passes_every_transport() {
    let store = TestStore::new();
    store.ask(&Request::get(URL)).program();
    let plain = plain_go::install(&tester("large", "v1.0.0").wanted).read();
    let front = store.front();
    // These responders send the rest of resumed downloads.
    let sendfile_settings = ["X-Accel-Redirect:/-/files", "X-Sendfile", "X-Accel-Redirect:/"];
    let responders =
        sendfile_settings.map(|sendfile| Responder::start(&store, &[("GOX_SENDFILE", sendfile)]));
    let robots = Request::get("/robots.txt");
    let before = responders.each_ref().map(|responder| {
        responder.ask(&robots);
        peak_memory(responder.pid())
    });
    let [nginxs, apaches, caddys] = responders.each_ref().map(|responder| &responder.socket);
    let servers = [
        WebServer::nginx(&store, nginxs),
        WebServer::lighttpd(&store),
        WebServer::apache(&store, apaches),
        WebServer::caddy(&store, caddys),
    ];
    let mounts = servers.iter().flat_map(|server| &server.mounts);
    let at_root = mounts.filter(|mount| mount.prefix.is_empty());
    let ways = at_root.map(|mount| (mount.name, mount.address));
    for (name, address) in ways.chain([("front", front.address)]) {
        for check in [assert_complete, assert_range, assert_resumed] {
            check(name, address, &plain);
        }
    }
    for (responder, before) in responders.iter().zip(before) {
        let grown = peak_memory(responder.pid()) - before;
        assert!(grown < TOLERANCE, "{grown} bytes more than for a small response");
    }
}

/// By CGI: peak memory after half of the program was read from the pipe.
#[test]
fn large_program_is_streamed_through_a_pipe() {
    let store = TestStore::new();
    store.ask(&Request::get(URL)).program();
    let held = |request: &Request| {
        let mut cgi = store.start(request);
        let pid = cgi.child.id().try_into().unwrap();
        // The process exits when its last byte is read.
        let mut first = [0];
        cgi.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        let mut middle = vec![0; if request.path == URL { 50_000_000 } else { 0 }];
        cgi.child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut middle)
            .unwrap();
        let peak = peak_memory(pid);
        cgi.child.kill().unwrap();
        cgi.child.wait().unwrap();
        peak
    };
    // A range larger than the pipe, so that the process still runs.
    store.ask(&Request::get("/tester/hello")).program();
    let small = held(&Request::get("/tester/hello").header("Range", "bytes=0-200000"));
    let large = held(&Request::get(URL));
    assert!(
        large < small + TOLERANCE,
        "{large} bytes of memory, and {small} for a small response"
    );
}
