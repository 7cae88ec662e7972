//! Attacks by a hostile compiler from inside its cell, and by `go` from its cell. S7 in SECURITY.md.
//!
//! Each attack has a control: the same attack without a cell must succeed, otherwise its failure proves nothing.

use crate::support::arena::{Arena, User};
use crate::support::missing_syscalls::{SECCOMP, without_syscalls};
use crate::support::{TIMEOUT, eventually, gox_server, processes};
use gox_server::sandbox::cell::{Cell, Role};
use std::io::{self, Write};
use std::process::Command;

/// When the control must succeed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Control {
    /// Always.
    Always,
    /// As root; the kernel refuses other users.
    AsRoot,
    /// Unless this host refuses it to all users, as containers do; then the test prints a message.
    UnlessRefused,
}
use Control::{Always, AsRoot, UnlessRefused};

const THROUGH: bool = true;
const DENIED: bool = false;

/// Attack, result in the cell of `compile`, result in the cell of `go`, condition of the control.
/// Files are those of `Arena`: b001 belongs to the attacking package.
#[rustfmt::skip]
const ATTACKS: &[(&str, bool, bool, Control)] = &[
    // What a compiler needs.
    ("list goroot", THROUGH, THROUGH, Always),
    ("read stage/modules/m@v1/main.go", THROUGH, THROUGH, Always),
    ("read stage/cache/aa/dep-d", THROUGH, THROUGH, Always),
    ("create stage/work/b001/_pkg_.a", THROUGH, THROUGH, Always),
    ("kill-itself", THROUGH, THROUGH, Always),
    // Files of the host.
    ("read outside/canary", DENIED, DENIED, Always),
    ("append outside/canary", DENIED, DENIED, Always),
    ("remove outside/canary", DENIED, DENIED, Always),
    ("create outside/new", DENIED, DENIED, Always),
    ("exec /bin/echo through", DENIED, DENIED, Always),
    // Another package's directory and sources; M31: the caches.
    ("append stage/work/b002/_pkg_.a", DENIED, THROUGH, Always),
    ("create stage/work/b002/new", DENIED, THROUGH, Always),
    ("append stage/work/tool_context.json", DENIED, THROUGH, Always),
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
    // Changes without opening for writing, which Landlock covers only in newer versions or never.
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
    // Known limit: no layer confines stat.
    ("stat outside/canary", THROUGH, THROUGH, Always),
    ("watch stage/cache", DENIED, DENIED, Always),
    ("notify stage/cache", DENIED, DENIED, Always),
    // Locks on shared files delay other builds. `go` itself locks its caches.
    ("lock stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("lock-record stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("lock-description stage/cache/aa/dep-d", DENIED, THROUGH, Always),
    ("lease stage/cache/aa/dep-d", DENIED, DENIED, UnlessRefused),
    // Special files that `go` would open.
    ("symlink /etc/passwd stage/work/b001/link", DENIED, DENIED, Always),
    ("fifo stage/work/b001/fifo", DENIED, DENIED, Always),
    ("device stage/work/b001/device", DENIED, DENIED, AsRoot),
    // Processes of the same user. `go` starts processes and signals its children.
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
    // Memory, disk space and threads that no process limit counts.
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
    // Network and local sockets. UDP is not confined for `go`, which resolves names.
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
    ("socketpair", DENIED, THROUGH, Always),
    ("socketpair-of-another-family", DENIED, DENIED, UnlessRefused),
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
fn attacks_are_denied_and_controls_succeed() {
    let mut wrong = Vec::new();
    for user in User::ALL {
        let arena = Arena::new(user);
        for (attack, tool, driver, control) in ATTACKS {
            let attack = &arena.fill_in(attack);
            let mut expect = |cell: &str, through: bool, verdict: crate::support::arena::Verdict| {
                if verdict.through != through {
                    wrong.push(format!("{attack}, as {user:?}, {cell}: {verdict:?}"));
                }
            };
            let mut is_possible = true;
            match (control, arena.attack_without_cell(attack)) {
                (AsRoot, verdict) => expect("control", user == User::Root, verdict),
                (UnlessRefused, verdict) if !verdict.through => {
                    is_possible = false;
                    // libtest hides what a passing test prints by `println`.
                    writeln!(
                        io::stderr(),
                        "{attack}, as {user:?}: no control, this host refuses it: {}",
                        verdict.says
                    )
                    .unwrap();
                }
                (Always | UnlessRefused, verdict) => expect("control", THROUGH, verdict),
            }
            expect("compile", *tool && is_possible, arena.attack_as_tool(attack));
            expect("go", *driver && is_possible, arena.attack_as_driver(attack));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// System V shared memory, message queues and semaphores of the same user, by their small IDs.
#[test]
fn tool_cannot_use_system_v_ipc_of_same_user() {
    for user in User::ALL {
        let arena = Arena::new(user);
        let ids = arena.attack_without_cell("ipc-make").says;
        for (attack, call) in [
            ("ipc-attach", "shmat"),
            ("ipc-state", "shmctl"),
            ("ipc-send", "msgsnd"),
            ("ipc-count", "semop"),
        ] {
            let attack = format!("{attack} {ids}");
            assert!(arena.attack_without_cell(&attack).through, "{attack}");
            assert_eq!(arena.attack_as_tool(&attack).says, call, "as {user:?}");
        }
        assert!(arena.attack_without_cell(&format!("ipc-remove {ids}")).through);
    }
}

/// The tool is killed regardless of its signal handlers, and the system call is reported.
#[test]
fn forbidden_system_call_kills_tool_and_is_named() {
    for user in User::ALL {
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
            let verdict = arena.attack_as_tool(&arena.fill_in(attack));
            assert_eq!(
                (verdict.through, verdict.says.as_str()),
                (false, call),
                "{attack}"
            );
        }
    }
}

/// S1: the kernel sends the signal only if the process asked for it in time.
#[test]
fn process_that_enters_a_cell_ends_with_its_parent() {
    let arena = Arena::new(User::Root);
    let (mut command, lock) = arena.query_version("\"$@\"; exit $?");
    let mut go = command.spawn().unwrap();
    let mut tools = Vec::new();
    eventually("the tool runs", TIMEOUT, || {
        tools = processes::find(command.get_current_dir().unwrap());
        tools.retain(|process| process.is("tool"));
        !tools.is_empty()
    });
    go.kill().unwrap();
    go.wait().unwrap();
    eventually("the tool ends, although it waits", TIMEOUT, || {
        tools.iter().all(processes::Process::is_gone)
    });
    drop(lock);

    // The parent of these is not the process that started them.
    let (mut tool, _) = arena.query_version("sh -c '\"$@\"; exit $?' sh \"$@\"; exit $?");
    let cell = Cell {
        role: Role::Driver { ports: vec![] },
        read: vec!["/".into()],
        execute: vec!["/".into()],
        write: vec![],
        limits: None,
        must_enforce: false,
    };
    let entering = cell.command(gox_server(), vec!["/bin/sh".into(), "-c".into(), "true".into()]);
    let entering = entering.unwrap();
    let mut driver = Command::new("/bin/sh");
    driver
        .args(["-c", "\"$@\"; exit $?", "sh"])
        .arg(entering.get_program());
    driver.args(entering.get_args());
    for command in [&mut tool, &mut driver] {
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && printed.contains("it has ended"),
            "{output:?}"
        );
    }
}

/// S8: descriptors that the web server left open are closed.
#[test]
fn only_descriptors_0_1_and_2_are_open() {
    for user in User::ALL {
        let arena = Arena::new(user);
        let inherited = arena.attack_without_cell("descriptors").says;
        assert!(inherited.split(' ').any(|fd| fd == "9"), "{inherited}");
        assert_eq!(arena.attack_as_tool("descriptors").says, "0 1 2");
        assert_eq!(arena.attack_as_driver("descriptors").says, "0 1 2");
    }
}

/// Only `go` gets the credentials of the module proxy; a tool could compile them into a program.
#[test]
fn tool_does_not_get_credentials_of_go() {
    let arena = Arena::new(User::ALL[0]);
    let attack = "own-environment";
    for verdict in [arena.attack_without_cell(attack), arena.attack_as_driver(attack)] {
        assert!(verdict.says.contains("user:tweet@"), "{verdict:?}");
    }
    let own = arena.attack_as_tool(attack).says;
    let (others, pwd): (Vec<_>, Vec<_>) = own.split(' ').partition(|variable| !variable.starts_with("PWD="));
    assert_eq!((&others[..], pwd.len()), (&["GOMAXPROCS=3"][..], 1));
}

/// Root has no capability in a cell. The bounding set of an ordinary user cannot be emptied, and grants nothing.
#[test]
fn cell_has_no_capability() {
    const NONE: &str = "[{0 0 0} {0 0 0}]";
    for user in User::ALL {
        let arena = Arena::new(user);
        // The seccomp filter of a tool forbids capget.
        let tool = without_syscalls(SECCOMP, || arena.attack_as_tool("capabilities").says);
        let driver = arena.attack_as_driver("capabilities").says;
        if user == User::Root {
            assert_ne!(
                arena.attack_without_cell("capabilities").says,
                format!("{NONE} 0")
            );
            assert_eq!((tool, driver), (format!("{NONE} 0"), format!("{NONE} 0")));
        } else {
            assert!(
                tool.starts_with(NONE) && driver.starts_with(NONE),
                "{tool}, {driver}"
            );
        }
    }
}
