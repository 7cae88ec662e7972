//! What a compiler can do that a stranger's package has taken over, and what `go` could: attacks, each with its control.
//!
//! The control makes the same attack without a cell and has to get through, or the attack shows nothing. S7 of the catalogue.

use crate::support::arena::{Arena, User};
use crate::support::without::{SECCOMP, without};

/// What the control needs to get through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Control {
    /// Nothing: it does, or the test is wrong.
    Always,
    /// An ordinary user is refused by the kernel itself.
    AsRoot,
    /// A machine may refuse it to everybody, as containers do. Where it does, the test says so.
    UnlessRefused,
}
use Control::{Always, AsRoot, UnlessRefused};

const THROUGH: bool = true;
const DENIED: bool = false;

/// The attack, whether it gets through from the place of `compile` and from that of `go`, and what its control needs.
/// Files are those of the arena: b001 belongs to the package that attacks.
#[rustfmt::skip]
const ATTACKS: &[(&str, bool, bool, Control)] = &[
    // What a compiler is there for.
    ("list goroot", THROUGH, THROUGH, Always),
    ("read stage/modules/m@v1/main.go", THROUGH, THROUGH, Always),
    ("read stage/cache/aa/dep-d", THROUGH, THROUGH, Always),
    ("create stage/work/b001/_pkg_.a", THROUGH, THROUGH, Always),
    ("kill-itself", THROUGH, THROUGH, Always),
    // Files of the machine.
    ("read outside/canary", DENIED, DENIED, Always),
    ("append outside/canary", DENIED, DENIED, Always),
    ("remove outside/canary", DENIED, DENIED, Always),
    ("create outside/new", DENIED, DENIED, Always),
    ("exec /bin/echo through", DENIED, DENIED, Always),
    // Another package's directory and sources; M31: the caches.
    ("append stage/work/b002/_pkg_.a", DENIED, THROUGH, Always),
    ("create stage/work/b002/new", DENIED, THROUGH, Always),
    ("append stage/work/surroundings.json", DENIED, THROUGH, Always),
    ("read stage/modules/other@v1/other.go", DENIED, THROUGH, Always),
    ("append stage/modules/m@v1/main.go", DENIED, THROUGH, Always),
    ("create stage/modules/m@v1/new.go", DENIED, THROUGH, Always),
    ("read stage/cache/aa/other-d", DENIED, THROUGH, Always),
    ("append stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("append stage/cache/aa/other-d", DENIED, THROUGH, Always),
    ("create stage/cache/aa/new-a", DENIED, THROUGH, Always),
    ("mkdir stage/cache/bb", DENIED, THROUGH, Always),
    ("remove stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("rename stage/cache/aa/dep-d stage/work/b001/moved", DENIED, THROUGH, Always),
    ("rename stage/work/b001/importcfg stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("hard-link stage/cache/aa/dep-d stage/work/b001/linked", DENIED, THROUGH, Always),
    // The same without asking to write, which Landlock knows late or never.
    ("chmod stage/cache", DENIED, THROUGH, Always),
    ("chown stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("age stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("xattr stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("truncate stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("truncate-by-reading stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("truncate-by-mode-3 stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("xattr-at stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("remove-xattr-at stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("get-xattr outside/canary", DENIED, THROUGH, UnlessRefused),
    ("file-attributes stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("tree-attributes stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("inode-flags stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("inode-attributes stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("inode-version stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("quota stage/cache/aa/dep-d", DENIED, THROUGH, UnlessRefused),
    ("read-link /proc/self/exe", DENIED, THROUGH, Always),
    // Known: no layer keeps a path from being looked for.
    ("stat outside/canary", THROUGH, THROUGH, Always),
    ("watch stage/cache", DENIED, DENIED, Always),
    ("notify stage/cache", DENIED, DENIED, Always),
    // Whoever holds what all builds share keeps them waiting. `go` locks its caches.
    ("lock stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("lock-record stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("lock-description stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("lease stage/cache/aa/dep-d", DENIED, DENIED, UnlessRefused),
    // Left behind for `go` to open.
    ("symlink /etc/passwd stage/work/b001/link", DENIED, DENIED, Always),
    ("fifo stage/work/b001/fifo", DENIED, DENIED, Always),
    ("device stage/work/b001/device", DENIED, DENIED, AsRoot),
    // Processes of the same user. `go` may signal what it started, and needs processes.
    ("parents-environment", DENIED, DENIED, Always),
    ("parents-memory", DENIED, DENIED, UnlessRefused),
    ("parents-limits", DENIED, DENIED, Always),
    ("parents-priority", DENIED, DENIED, Always),
    ("kill", DENIED, DENIED, Always),
    ("kill-all", DENIED, THROUGH, Always),
    ("tkill", DENIED, DENIED, Always),
    ("pidfd-kill", DENIED, DENIED, Always),
    ("owner", DENIED, DENIED, Always),
    ("owner-by-kind", DENIED, DENIED, Always),
    ("signal-of-pipe", DENIED, DENIED, Always),
    ("setsid", DENIED, DENIED, Always),
    ("setpgid", DENIED, DENIED, Always),
    ("trace", DENIED, DENIED, UnlessRefused),
    ("read-memory", DENIED, DENIED, UnlessRefused),
    ("fork", DENIED, THROUGH, Always),
    // What the limits of a process do not count: memory, disk and threads.
    ("memory-shared", DENIED, THROUGH, Always),
    ("memory-of-a-stack", DENIED, THROUGH, Always),
    ("memory-protected", DENIED, THROUGH, Always),
    ("memory-to-execute", DENIED, THROUGH, Always),
    ("space stage/work/b001/importcfg", THROUGH, THROUGH, UnlessRefused),
    ("space-beyond-the-end stage/work/b001/importcfg", DENIED, THROUGH, UnlessRefused),
    ("unlinked-file stage/work/b001/importcfg", DENIED, THROUGH, Always),
    ("rename stage/work/b001/importcfg stage/work/b001/moved", DENIED, THROUGH, Always),
    ("file-without-a-name stage/work/b001", DENIED, THROUGH, UnlessRefused),
    ("threads 20", THROUGH, THROUGH, Always),
    ("threads 1000", DENIED, THROUGH, Always),
    ("outlive-the-parent", DENIED, THROUGH, Always),
    ("exec-by-another-thread", DENIED, THROUGH, Always),
    ("caught", DENIED, THROUGH, Always),
    // The network, and sockets of this machine. UDP is not confined for `go`: it resolves names.
    ("tcp FORBIDDEN-PORT", DENIED, DENIED, Always),
    ("tcp ALLOWED-PORT", DENIED, THROUGH, Always),
    ("tcp-by-number ALLOWED-PORT", DENIED, THROUGH, Always),
    ("no-delay", DENIED, THROUGH, Always),
    ("multipath FORBIDDEN-PORT", DENIED, DENIED, UnlessRefused),
    ("sctp FORBIDDEN-PORT", DENIED, DENIED, UnlessRefused),
    ("seqpacket FORBIDDEN-PORT", DENIED, DENIED, UnlessRefused),
    ("ping FORBIDDEN-PORT", DENIED, DENIED, UnlessRefused),
    ("fast-open FORBIDDEN-PORT", DENIED, DENIED, UnlessRefused),
    ("fast-open-message FORBIDDEN-PORT", DENIED, DENIED, UnlessRefused),
    ("fast-open-connect", DENIED, DENIED, UnlessRefused),
    ("other-protocol", DENIED, DENIED, Always),
    ("udp FORBIDDEN-PORT", DENIED, THROUGH, Always),
    ("unix @ARENA", DENIED, DENIED, Always),
    ("netlink", DENIED, DENIED, Always),
    ("socketpair", DENIED, DENIED, Always),
    // The kernel.
    ("unshare", DENIED, DENIED, UnlessRefused),
    ("namespace", DENIED, DENIED, UnlessRefused),
    ("mount stage/work/b001", DENIED, DENIED, UnlessRefused),
    ("chroot stage/work/b001", DENIED, DENIED, UnlessRefused),
    ("io-uring", DENIED, DENIED, UnlessRefused),
    ("shared-memory", DENIED, DENIED, UnlessRefused),
    ("memory-file", DENIED, THROUGH, Always),
    ("asynchronous-io", DENIED, THROUGH, UnlessRefused),
    ("kernel-messages", DENIED, DENIED, UnlessRefused),
];

#[test]
fn attacks_are_denied_and_their_controls_are_not() {
    let mut wrong = Vec::new();
    for user in User::all() {
        let arena = Arena::new(user);
        for (attack, tool, driver, control) in ATTACKS {
            let attack = &arena.filled_in(attack);
            let mut expect = |place: &str, through: bool, verdict: crate::support::arena::Verdict| {
                if verdict.through != through {
                    wrong.push(format!("{attack}, as {user:?}, {place}: {verdict:?}"));
                }
            };
            match (control, arena.control(attack)) {
                (AsRoot, verdict) => expect("control", user == User::Root, verdict),
                (UnlessRefused, verdict) if !verdict.through => {
                    println!(
                        "{attack}, as {user:?}: no control, this machine refuses it: {}",
                        verdict.says
                    );
                }
                (Always | UnlessRefused, verdict) => expect("control", THROUGH, verdict),
            }
            expect("compile", *tool, arena.tool(attack));
            expect("go", *driver, arena.driver(attack));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// System V's memory, queues and semaphores of the same user, by their numbers, which are small.
#[test]
fn ids_of_the_same_user_are_out_of_a_tools_reach() {
    for user in User::all() {
        let arena = Arena::new(user);
        let ids = arena.control("ipc-make").says;
        for (attack, call) in [
            ("ipc-attach", "shmat"),
            ("ipc-state", "shmctl"),
            ("ipc-send", "msgsnd"),
            ("ipc-count", "semop"),
        ] {
            let attack = format!("{attack} {ids}");
            assert!(arena.control(&attack).through, "{attack}");
            assert_eq!(arena.tool(&attack).says, call, "as {user:?}");
        }
        assert!(arena.control(&format!("ipc-remove {ids}")).through);
    }
}

/// It is killed, whatever it does with signals, and what it was killed for is said.
#[test]
fn a_tool_that_makes_another_call_is_killed_and_the_call_is_named() {
    for user in User::all() {
        let arena = Arena::new(user);
        for (attack, call) in [
            ("asynchronous-io", "io_setup"),
            ("xattr-at stage/cache/aa/dep-d", "setxattrat"),
            ("mount stage/work/b001", "unshare"),
            ("trace", "ptrace"),
            ("memory-shared", "mmap"),
            ("outlive-the-parent", "prctl"),
            ("kill", "getppid"),
            ("kill-all", "kill"),
            ("caught", "getppid"),
            ("exec-by-another-thread", "execve"),
            ("threads 1000", "clone"),
            ("io-uring", "io_uring_setup"),
        ] {
            let verdict = arena.tool(&arena.filled_in(attack));
            assert_eq!(
                (verdict.through, verdict.says.as_str()),
                (false, call),
                "{attack}"
            );
        }
    }
}

/// S8: three descriptors, whatever the web server left open.
#[test]
fn nothing_is_open_but_0_1_and_2() {
    for user in User::all() {
        let arena = Arena::new(user);
        let inherited = arena.control("descriptors").says;
        assert!(inherited.split(' ').any(|fd| fd == "9"), "{inherited}");
        assert_eq!(arena.tool("descriptors").says, "0 1 2");
        assert_eq!(arena.driver("descriptors").says, "0 1 2");
    }
}

/// `go` has the credentials of the module proxy; a tool could compile them into a program.
#[test]
fn a_tool_is_not_given_the_credentials_of_go() {
    let arena = Arena::new(User::all()[0]);
    let attack = "own-environment";
    for verdict in [arena.control(attack), arena.driver(attack)] {
        assert!(verdict.says.contains("user:tweet@"), "{verdict:?}");
    }
    let own = arena.tool(attack).says;
    assert!(
        own.split(' ').all(|variable| variable.starts_with("PWD=")),
        "{own}"
    );
}

/// Root is a number in a cell, and nothing more. An ordinary user's bounding set cannot be emptied, and gives nothing.
#[test]
fn no_capability_is_left() {
    const NONE: &str = "[{0 0 0} {0 0 0}]";
    for user in User::all() {
        let arena = Arena::new(user);
        // A tool may not even ask.
        let tool = without(SECCOMP, || arena.tool("capabilities").says);
        let driver = arena.driver("capabilities").says;
        if user == User::Root {
            assert_ne!(arena.control("capabilities").says, format!("{NONE} 0"));
            assert_eq!((tool, driver), (format!("{NONE} 0"), format!("{NONE} 0")));
        } else {
            assert!(
                tool.starts_with(NONE) && driver.starts_with(NONE),
                "{tool}, {driver}"
            );
        }
    }
}
