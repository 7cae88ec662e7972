//! Each layer of a cell switched off: what is left still holds what it can, the service goes on, and says what is missing.
//!
//! S6 of the catalogue. An older Landlock cannot be had here: the kernel tells its version itself, and a filter can only
//! refuse. What seccomp holds in its place is tried with no Landlock at all.

use crate::support::answer::Answer;
use crate::support::arena::{Arena, User};
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::scratch::Scratch;
use crate::support::without::{LANDLOCK, SECCOMP, without};
use crate::support::{PATIENCE, eventually, plain, walk};
use gox_server::golang::work;
use gox_server::store::Store;
use nix::libc;
use std::fs;
use std::thread;
use std::time::Duration;

/// Two programs whose standard library is compiled twice, on a machine under load.
const TWO_COLD_BUILDS: Duration = Duration::from_secs(300);

/// Enough to lose the race at least once in each run, where there is one.
const PROBES: usize = 40;

fn hello() -> Ask {
    Ask::get("/tester/hello@v1.0.0")
}

fn right(answer: &Answer, name: &'static str) {
    assert_eq!(
        answer.sha256(),
        plain::install(&tester(name, "v1.0.0").wanted).sha256,
        "{answer}"
    );
}

/// What `go` compiled and kept for others: archives, and no entries of its index of modules.
fn archives(store: &Scratch) -> usize {
    let files = walk(&store.dir.join("cache/compile")).into_iter();
    files
        .filter(|path| path.is_file() && fs::read(path).unwrap().starts_with(b"!<arch>"))
        .count()
}

#[test]
fn without_landlock_two_builds_share_no_cache() {
    let store = Scratch::cold().set("GOX_BUILDS", "2");
    without(LANDLOCK, || {
        let asks = [hello(), Ask::get("/tester/generate@v1.0.0")];
        let running = asks.map(|ask| store.start(&ask));
        let [hello, generate] = running.map(|cgi| cgi.answer_within(TWO_COLD_BUILDS));
        right(&hello, "hello");
        right(&generate, "generate");
    });
    assert_eq!(archives(&store), 0);
    let said = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert_eq!(
        said.matches("tools are not fully confined: files:").count(),
        2,
        "{said}"
    );
    // The control: with Landlock they do share.
    right(&store.ask(&hello()), "hello");
    assert_eq!(archives(&store), 0, "a hit compiles nothing");
    store.ask(&Ask::get("/tester/hello@v1.1.0")).program();
    assert!(archives(&store) > 10);
}

/// M1 and M2 without Landlock: the assembler's files are read before it starts, and PATH leads nowhere.
#[test]
fn without_landlock_the_known_leaks_stay_closed() {
    let store = Scratch::cold().set("GOX_BUILDS", "3");
    without(LANDLOCK, || {
        let running = [
            ("asm-include-escaped", "does-not-compile"),
            ("asm-include-macro", "does-not-compile"),
            ("syso-text", "needs-cgo"),
        ]
        .map(|(name, reason)| (store.start(&Ask::get(&format!("/tester/{name}"))), reason));
        for (answer, reason) in running.map(|(cgi, reason)| (cgi.answer_within(TWO_COLD_BUILDS), reason)) {
            let text = answer.refused(reason).text();
            assert!(!text.contains("found \"") && !text.contains("root:"), "{answer}");
        }
    });
}

#[test]
fn what_is_missing_is_said() {
    let store = Scratch::cold();
    let doctor = |policy| {
        let mut command = store.command();
        let output = command.arg("doctor").env("GOX_SANDBOX", policy).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (well, said) = doctor("require");
    assert!(well && said.contains("builds share one compile cache"), "{said}");
    for (missing, layer) in [
        (LANDLOCK, "✗ tool         files: "),
        (SECCOMP, "✗ tool         network: "),
    ] {
        assert!(!without(missing, || doctor("require")).0);
        // An image is built on other kernels than it runs on: there it is said, and no reason to stop.
        let (well, said) = without(missing, || doctor("auto"));
        assert!(
            well && said.contains(layer) && said.contains("a compile cache of its own"),
            "{said}"
        );
        let mut front = without(missing, || store.front());
        front.signal(nix::sys::signal::Signal::SIGTERM);
        front.ended();
        eventually("the log says what a tool's cell lacks", PATIENCE, || {
            front.log().contains("warn cell of a tool: ")
        });
    }
}

#[test]
fn require_refuses_where_a_layer_is_missing() {
    let store = Scratch::new().set("GOX_SANDBOX", "require");
    for missing in [LANDLOCK, SECCOMP] {
        without(missing, || store.ask(&hello()).refused("no-sandbox").clone());
    }
    // What could not be tried is not remembered.
    store.ask(&hello()).program();
    // A resolution that is known starts no `go`: then it is the builder that refuses.
    without(LANDLOCK, || {
        store
            .ask(&Ask::get("/tester/hello@v1.0.0?strip=1"))
            .refused("no-sandbox")
            .clone()
    });
}

/// These two are no layer that a kernel may lack: where they are refused, nothing is built, whatever the setting.
#[test]
fn no_cell_is_entered_with_a_capability_or_with_privileges_to_gain() {
    let store = Scratch::new();
    if User::all().contains(&User::Root) {
        without(&[libc::SYS_capset], || {
            store.ask(&hello()).refused("no-sandbox").clone()
        });
    }
    without(&[libc::SYS_prctl], || {
        store.ask(&hello()).refused("no-sandbox").clone()
    });
}

/// Before Linux 5.9 descriptors are closed one by one.
#[test]
fn without_close_range_nothing_more_is_open() {
    for user in User::all() {
        let arena = Arena::new(user);
        let open = without(&[libc::SYS_close_range], || arena.tool("descriptors").says);
        assert_eq!(open, "0 1 2");
    }
}

/// What holds a compiler when one of the two big layers is gone.
#[test]
fn the_other_layer_still_holds() {
    let held_by_seccomp = [
        "tcp FORBIDDEN-PORT",
        "udp FORBIDDEN-PORT",
        "unix @ARENA",
        "fork",
        "setsid",
        "kill",
        "pidfd-kill",
        "owner",
        "signal-of-pipe",
        "lock stage/cache/aa/dep-d",
        "parents-limits",
        "trace",
        "read-memory",
        "chmod stage/cache",
        "age stage/cache/aa/dep-d",
        "truncate stage/cache/aa/dep-d",
        "truncate-by-reading stage/cache/aa/dep-d",
        "truncate-by-mode-3 stage/cache/aa/dep-d",
        "io-uring",
    ];
    let held_by_landlock = [
        "tcp FORBIDDEN-PORT",
        "unix @ARENA",
        "kill",
        "parents-environment",
        "read outside/canary",
        "append stage/work/b002/_pkg_.a",
        "append stage/cache/aa/dep-d",
        "create stage/cache/aa/new-a",
        "truncate stage/cache/aa/dep-d",
        "truncate-by-reading stage/cache/aa/dep-d",
        "remove stage/cache/aa/dep-d",
        "hard-link stage/cache/aa/dep-d stage/work/b001/linked",
        "symlink /etc/passwd stage/work/b001/link",
    ];
    for user in User::all() {
        let arena = Arena::new(user);
        let denied = |missing, attacks: &[&str]| {
            for attack in attacks {
                let verdict = without(missing, || arena.tool(&arena.filled_in(attack)));
                assert!(!verdict.through, "{attack}, as {user:?}: {verdict:?}");
            }
        };
        denied(LANDLOCK, &held_by_seccomp);
        denied(SECCOMP, &held_by_landlock);
        // The controls: each of the two is really gone.
        assert!(without(LANDLOCK, || arena.tool("read outside/canary")).through);
        assert!(without(SECCOMP, || arena.tool("fork")).through);
    }
}

/// Each builder sweeps GOX_DIR/work when it starts: here a sweep follows the other. A probe's directory is in use all the same.
#[test]
fn probes_beside_sweeps_report_every_layer() {
    let store = Scratch::new();
    let opened = Store::open(&store.dir).unwrap();
    thread::scope(|scope| {
        let probing = scope.spawn(|| {
            for _ in 0..PROBES {
                let status = store.ask(&Ask::get("/-/status"));
                let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
                assert_eq!(status["cells"]["missing"].to_string(), "[]");
                let doctor = store.command().arg("doctor").output().unwrap();
                assert!(doctor.status.success(), "doctor failed");
            }
        });
        while !probing.is_finished() {
            work::sweep(&opened).unwrap();
        }
    });
}
