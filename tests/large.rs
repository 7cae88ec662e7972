//! A program of a hundred megabytes through each way in: its bytes, a part of them, a download that was cut and is resumed by
//! curl; and that gox-server holds no more of it than a buffer. How fast it is, `make bench` tells.

use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::fastcgi::Responder;
use crate::support::plain;
use crate::support::processes::peak_memory;
use crate::support::scratch::Scratch;
use crate::support::web_server::WebServer;
use crate::support::{http, tmp};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;

const URL: &str = "/tester/large";

/// What a process may have more of after a large program than after a small answer: a few buffers of 64 KiB.
const ROOM: u64 = 2 << 20;

fn is_whole(name: &str, address: SocketAddr, plain: &[u8]) {
    let answer = http::ask(address, &Ask::get(URL)).unwrap_or_else(|what| panic!("{name}: {what}"));
    assert!(answer.body == plain, "{name}: {answer}");
}

fn has_parts(name: &str, address: SocketAddr, plain: &[u8]) {
    let (first, last) = (50_000_000, 59_999_999);
    let ask = Ask::get(URL).header("Range", &format!("bytes={first}-{last}"));
    let answer = http::ask(address, &ask).unwrap_or_else(|what| panic!("{name}: {what}"));
    assert_eq!(answer.status, 206, "{name}: {answer}");
    assert!(answer.body == plain[first..=last], "{name}: {answer}");
}

fn is_resumed(name: &str, address: SocketAddr, plain: &[u8]) {
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
        "{name}: resumed, and not the same"
    );
}

#[test]
fn a_large_program_through_every_way() {
    let store = Scratch::new();
    store.ask(&Ask::get(URL)).program();
    let plain = plain::install(&tester("large", "v1.0.0").wanted).read();
    let front = store.front();
    // What is left of a resumed download comes through them.
    let told = ["X-Accel-Redirect:/-/files", "X-Sendfile", "X-Accel-Redirect:/"];
    let responders = told.map(|sendfile| Responder::start(&store, &[("GOX_SENDFILE", sendfile)]));
    let robots = Ask::get("/robots.txt");
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
        for holds in [is_whole, has_parts, is_resumed] {
            holds(name, address, &plain);
        }
    }
    for (responder, before) in responders.iter().zip(before) {
        let grown = peak_memory(responder.pid()) - before;
        assert!(grown < ROOM, "{grown} bytes more than for a small answer");
    }
}

/// As every web server has it that reads a CGI program's pipe: in its middle, the program holds a buffer.
#[test]
fn a_large_program_through_a_pipe() {
    let store = Scratch::new();
    store.ask(&Ask::get(URL)).program();
    let held = |ask: &Ask| {
        let mut cgi = store.start(ask);
        let pid = cgi.child.id().try_into().unwrap();
        // It ends when its last byte is read.
        let mut first = [0];
        cgi.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        let mut middle = vec![0; if ask.path == URL { 50_000_000 } else { 0 }];
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
    // A part of a program that fills the pipe, so that its process is seen as well.
    store.ask(&Ask::get("/tester/hello")).program();
    let small = held(&Ask::get("/tester/hello").header("Range", "bytes=0-200000"));
    let large = held(&Ask::get(URL));
    assert!(
        large < small + ROOM,
        "{large} bytes of memory, and {small} for a small answer"
    );
}
