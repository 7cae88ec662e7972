//! Cells with one layer switched off: the other layer still denies attacks, the service continues, and reports what is missing.
//! S6 in SECURITY.md.
//!
//! Older Landlock versions cannot be simulated: a seccomp filter can make system calls fail, but not change the version that
//! the kernel returns. Tests run without Landlock instead.

use crate::support::arena::{Arena, User};
use crate::support::case::tester;
use crate::support::missing_syscalls::{LANDLOCK, SECCOMP, without_syscalls};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, plain_go, walk};
use gox_server::store::Store;
use gox_server::store::work_dir;
use nix::libc;
use std::fs;
use std::thread;
use std::time::Duration;

/// Two builds that each compile the standard library, on a loaded host.
const TWO_COLD_BUILDS: Duration = Duration::from_secs(300);

/// Enough to lose a race at least once in each run, if there is one.
const PROBES: usize = 40;

fn hello() -> Request {
    Request::get("/tester/hello@v1.0.0")
}

fn assert_program(response: &Response, name: &'static str) {
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester(name, "v1.0.0").wanted).sha256,
        "{response}"
    );
}

/// The number of archives in the shared compile cache.
fn count_archives(store: &TestStore) -> usize {
    let files = walk(&store.dir.join("cache/compile")).into_iter();
    files
        .filter(|path| path.is_file() && fs::read(path).unwrap().starts_with(b"!<arch>"))
        .count()
}

#[test]
fn builds_share_no_cache_without_landlock() {
    let store = TestStore::empty().set("GOX_BUILDS", "2");
    without_syscalls(LANDLOCK, || {
        let asks = [hello(), Request::get("/tester/generate@v1.0.0")];
        let running = asks.map(|request| store.start(&request));
        let [hello, generate] = running.map(|cgi| cgi.response_within(TWO_COLD_BUILDS));
        assert_program(&hello, "hello");
        assert_program(&generate, "generate");
    });
    assert_eq!(count_archives(&store), 0);
    let output_text = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    // From each build, and from the process that would compile packages for both.
    assert_eq!(
        output_text
            .matches("tools are not fully confined: files:")
            .count(),
        3,
        "{output_text}"
    );
    // The control: with Landlock builds share the cache.
    assert_program(&store.ask(&hello()), "hello");
    assert_eq!(count_archives(&store), 0, "a hit compiles nothing");
    store.ask(&Request::get("/tester/hello@v1.1.0")).program();
    assert!(count_archives(&store) > 10);
}

/// M1 and M2 without Landlock: assembler files are checked before the assembler starts, and PATH is empty.
#[test]
fn known_leaks_stay_closed_without_landlock() {
    let store = TestStore::with_image_cache().set("GOX_BUILDS", "3");
    without_syscalls(LANDLOCK, || {
        let running = [
            ("asm-include-escaped", "does-not-compile"),
            ("asm-include-macro", "does-not-compile"),
            ("syso-text", "needs-cgo"),
        ]
        .map(|(name, reason)| (store.start(&Request::get(&format!("/tester/{name}"))), reason));
        for (response, reason) in running.map(|(cgi, reason)| (cgi.response_within(TWO_COLD_BUILDS), reason))
        {
            let text = response.refused(reason).text();
            assert!(
                !text.contains("found \"") && !text.contains("root:"),
                "{response}"
            );
        }
    });
}

#[test]
fn missing_layers_are_reported() {
    let store = TestStore::empty();
    let doctor = |policy| {
        let mut command = store.command();
        let output = command.arg("doctor").env("GOX_SANDBOX", policy).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (succeeded, output_text) = doctor("require");
    assert!(
        succeeded && output_text.contains("builds share one compile cache"),
        "{output_text}"
    );
    for (missing, layer) in [
        (LANDLOCK, "✗ tool         files: "),
        (SECCOMP, "✗ tool         network: "),
    ] {
        assert!(!without_syscalls(missing, || doctor("require")).0);
        // With GOX_SANDBOX=auto `doctor` only warns, since an image may be built on another kernel than it runs on.
        let (succeeded, output_text) = without_syscalls(missing, || doctor("auto"));
        assert!(
            succeeded && output_text.contains(layer) && output_text.contains("its own compile cache"),
            "{output_text}"
        );
        let mut front = without_syscalls(missing, || store.front());
        front.signal(nix::sys::signal::Signal::SIGTERM);
        front.wait_for_exit();
        eventually("the log reports the missing layer", TIMEOUT, || {
            front.log().contains("warn cell of a tool: ")
        });
    }
}

#[test]
fn sandbox_require_refuses_to_build_without_a_layer() {
    let store = TestStore::new().set("GOX_SANDBOX", "require");
    for missing in [LANDLOCK, SECCOMP] {
        without_syscalls(missing, || store.ask(&hello()).refused("no-sandbox").clone());
    }
    // The failure is not cached.
    store.ask(&hello()).program();
    // A cached resolution starts no `go`; the builder refuses.
    without_syscalls(LANDLOCK, || {
        store
            .ask(&Request::get("/tester/hello@v1.0.0?strip=1"))
            .refused("no-sandbox")
            .clone()
    });
}

/// Every supported kernel has these two; if they fail, nothing is built, whatever the setting.
#[test]
fn cell_requires_dropped_capabilities_and_no_new_privileges() {
    let store = TestStore::new();
    for missing in [libc::SYS_capset, libc::SYS_prctl] {
        without_syscalls(&[missing], || store.ask(&hello()).refused("no-sandbox").clone());
    }
}

/// Before Linux 5.9 there is no close_range; descriptors are closed one by one.
#[test]
fn descriptors_are_closed_without_close_range() {
    for user in User::ALL {
        let arena = Arena::new(user);
        let open = without_syscalls(&[libc::SYS_close_range], || {
            arena.attack_as_tool("descriptors").says
        });
        assert_eq!(open, "0 1 2");
    }
}

/// Attacks that remain denied without Landlock, and without seccomp.
#[test]
fn remaining_layer_still_denies_attacks() {
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
    for user in User::ALL {
        let arena = Arena::new(user);
        let denied = |missing, attacks: &[&str]| {
            for attack in attacks {
                let verdict = without_syscalls(missing, || arena.attack_as_tool(&arena.fill_in(attack)));
                assert!(!verdict.through, "{attack}, as {user:?}: {verdict:?}");
            }
        };
        denied(LANDLOCK, &held_by_seccomp);
        denied(SECCOMP, &held_by_landlock);
        // The controls: the layer is really missing.
        assert!(without_syscalls(LANDLOCK, || arena.attack_as_tool("read outside/canary")).through);
        assert!(without_syscalls(SECCOMP, || arena.attack_as_tool("fork")).through);
    }
}

/// Each builder sweeps GOX_DIR/work when it starts. Here sweeps run continuously; they must not remove the directory of a probe.
#[test]
fn sandbox_probes_work_during_sweeps() {
    let store = TestStore::new();
    let opened = Store::open(&store.dir).unwrap();
    thread::scope(|scope| {
        let probing = scope.spawn(|| {
            for _ in 0..PROBES {
                let status = store.ask(&Request::get("/-/status"));
                let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
                assert_eq!(status["cells"]["missing"].to_string(), "[]");
                let doctor = store.command().arg("doctor").output().unwrap();
                assert!(doctor.status.success(), "doctor failed");
            }
        });
        while !probing.is_finished() {
            work_dir::sweep(&opened).unwrap();
        }
    });
}
