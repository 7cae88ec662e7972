//! A web server that is reloaded, restarted or killed during a build: the program is built once, and the next request gets it.
//!
//! For each way in which a web server starts gox-server or connects to it, without mounts below a path. Caddy is omitted, since it
//! only connects to a running responder, like nginx.

use crate::support::case::tester;
use crate::support::fastcgi::Responder;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::web_server::{Mount, WebServer};
use crate::support::{TIMEOUT, eventually, plain_go};
use std::os::unix::fs::MetadataExt;
use std::thread::{self, JoinHandle};

/// A web server with its store.
struct Site {
    server: WebServer,
    mount: Mount,
    _responder: Responder,
    store: TestStore,
}

impl Site {
    fn new(way: &str) -> Site {
        let store = TestStore::new();
        let responder = store.responder();
        let server = match way {
            "nginx" => WebServer::nginx(&store, &responder.socket),
            "lighttpd's FastCGI" | "lighttpd's CGI" => WebServer::lighttpd(&store),
            _ => WebServer::apache(&store, &responder.socket),
        };
        let mut mounts = server.mounts.iter();
        let mount = mounts.find(|mount| mount.name == way).unwrap().clone();
        Site {
            server,
            mount,
            _responder: responder,
            store,
        }
    }

    /// Sends a request for `busy`, and stops the compiler.
    #[track_caller]
    fn start_build(&self) -> (JoinHandle<Result<Response, String>>, StoppedCompiler) {
        let mount = self.mount.clone();
        let waiting = thread::spawn(move || mount.ask(&Request::get("/tester/busy")));
        (waiting, StoppedCompiler::wait_for(&self.store, "busy"))
    }

    /// Asserts that the build finishes without a waiter, and that the next request is a hit.
    #[track_caller]
    fn assert_next_request_hits(&self) {
        eventually("the artifact is published", TIMEOUT, || {
            !self.store.artifacts().is_empty()
        });
        let made = || {
            self.store
                .artifacts()
                .iter()
                .map(|path| path.metadata().unwrap().ino())
                .collect::<Vec<_>>()
        };
        let before = made();
        // lighttpd reopens its sockets; a connection in between fails.
        let mut response = None;
        eventually("a request succeeds", TIMEOUT, || {
            response = self.mount.ask(&Request::get("/tester/busy")).ok();
            response.is_some()
        });
        assert_busy(&response.unwrap());
        assert_eq!(made(), before, "it was built again");
    }
}

#[track_caller]
fn assert_busy(response: &Response) {
    response.program();
    let plain = plain_go::install(&tester("busy", "v1.0.0").wanted);
    assert_eq!(response.sha256(), plain.sha256);
}

const WAYS: [&str; 6] = [
    "nginx",
    "lighttpd's FastCGI",
    "lighttpd's CGI",
    "mod_cgid",
    "mod_proxy_fcgi",
    "mod_fcgid",
];

/// The waiting request is served, by lighttpd only if the build ends within its graceful shutdown timeout.
#[test]
fn reload_during_build_loses_no_build() {
    for way in WAYS {
        let site = Site::new(way);
        let (waiting, compiler) = site.start_build();
        site.server.reload();
        drop(compiler);
        match waiting.join().unwrap() {
            Err(_) if way.starts_with("lighttpd") => {}
            response => assert_busy(&response.unwrap()),
        }
        site.assert_next_request_hits();
    }
}

/// The waiting request gets the right program, an error, or a truncated response.
fn assert_busy_or_failed(response: Result<Response, String>) {
    match response {
        Ok(response) if response.status == 200 => assert_busy(&response),
        Ok(_) | Err(_) => {}
    }
}

#[test]
fn restart_during_build_loses_no_build() {
    for way in WAYS {
        let mut site = Site::new(way);
        let (waiting, compiler) = site.start_build();
        site.server.stop();
        site.server.restart();
        drop(compiler);
        assert_busy_or_failed(waiting.join().unwrap());
        site.assert_next_request_hits();
    }
}

#[test]
fn kill_during_build_loses_no_build() {
    for way in WAYS {
        let mut site = Site::new(way);
        let (waiting, compiler) = site.start_build();
        site.server.kill();
        drop(compiler);
        assert_busy_or_failed(waiting.join().unwrap());
        site.server.restart();
        site.assert_next_request_hits();
    }
}
