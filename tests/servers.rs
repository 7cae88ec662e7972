//! A web server that is reloaded, restarted or killed in the middle of a build: the build is not lost, it is made once, and the
//! next request gets it.
//!
//! Through each way in which a web server starts gox-server or speaks to it; what a mount's path is changes nothing here. Caddy
//! is left out: as nginx, it only speaks to a responder that somebody else started.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::fastcgi::Responder;
use crate::support::processes::{self, Process};
use crate::support::scratch::Scratch;
use crate::support::web_server::{Mount, WebServer};
use crate::support::{PATIENCE, eventually, plain};
use std::os::unix::fs::MetadataExt;
use std::thread::{self, JoinHandle};

/// A web server with its store.
struct Site {
    server: WebServer,
    mount: Mount,
    _responder: Responder,
    store: Scratch,
}

impl Site {
    fn new(way: &str) -> Site {
        let store = Scratch::new();
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

    /// A request for `busy`, whose compile takes seconds, when it has come to that.
    #[track_caller]
    fn building(&self) -> JoinHandle<Result<Answer, String>> {
        let mount = self.mount.clone();
        let waiting = thread::spawn(move || mount.ask(&Ask::get("/tester/busy")));
        eventually("a compile of busy", PATIENCE, || {
            let running = processes::about(&self.store.dir);
            let compiles = |process: &Process| process.is("compile") && process.command.contains("busy");
            running.iter().any(compiles)
        });
        waiting
    }

    /// The build ends well, without a request that waits for it; the next one finds what it made.
    #[track_caller]
    fn next_request_gets_it(&self) {
        eventually("the artifact is published", PATIENCE, || {
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
        // lighttpd closes its sockets and opens them anew: who has connected in between has to do it again.
        let mut answer = None;
        eventually("a request is taken", PATIENCE, || {
            answer = self.mount.ask(&Ask::get("/tester/busy")).ok();
            answer.is_some()
        });
        is_busy(&answer.unwrap());
        assert_eq!(made(), before, "it was built again");
    }
}

#[track_caller]
fn is_busy(answer: &Answer) {
    answer.program();
    let plain = plain::install(&tester("busy", "v1.0.0").wanted);
    assert_eq!(answer.sha256(), plain.sha256);
}

const WAYS: [&str; 6] = [
    "nginx",
    "lighttpd's FastCGI",
    "lighttpd's CGI",
    "mod_cgid",
    "mod_proxy_fcgi",
    "mod_fcgid",
];

/// Who asked is served, by the server that it asked; by lighttpd if the build ends within the seconds that it gives.
#[test]
fn a_server_that_is_reloaded() {
    for way in WAYS {
        let site = Site::new(way);
        let waiting = site.building();
        site.server.reload();
        match waiting.join().unwrap() {
            Err(_) if way.starts_with("lighttpd") => {}
            answer => is_busy(&answer.unwrap()),
        }
        site.next_request_gets_it();
    }
}

/// Who asked is told the truth, or nothing that looks whole.
fn served_or_not(answer: Result<Answer, String>) {
    match answer {
        Ok(answer) if answer.status == 200 => is_busy(&answer),
        Ok(_) | Err(_) => {}
    }
}

#[test]
fn a_server_that_is_restarted() {
    for way in WAYS {
        let mut site = Site::new(way);
        let waiting = site.building();
        site.server.stop();
        site.server.start_again();
        served_or_not(waiting.join().unwrap());
        site.next_request_gets_it();
    }
}

#[test]
fn a_server_that_is_killed() {
    for way in WAYS {
        let mut site = Site::new(way);
        let waiting = site.building();
        site.server.kill();
        served_or_not(waiting.join().unwrap());
        site.server.start_again();
        site.next_request_gets_it();
    }
}
