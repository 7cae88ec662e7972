//! The unit and the socket of conf/, as far as they can be tried where systemd is not the first process: its own checks of
//! them, and whether builds still work, in whole cells, with the system calls that the unit leaves. That a listening socket
//! as standard input makes a responder is shown in `fastcgi`.

use crate::support::case::tester;
use crate::support::plain;
use crate::support::scratch::Scratch;
use crate::support::{gox_server, sha256};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::str::FromStr;
use syscalls::Sysno;
use tempfile::TempDir;

const SERVICE: &str = "gox-server.service";
const SOCKET: &str = "gox-server.socket";

fn unit(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)).unwrap()
}

fn analyze(arguments: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    let output = command.arg("--no-pager").args(arguments).output();
    output.expect("systemd-analyze runs; `make test-packages` installs it")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The units with our program at its place, which systemd looks for.
fn installed() -> (TempDir, [String; 2]) {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let paths = [SERVICE, SOCKET].map(|name| {
        let path = folder.path().join(name);
        let text = unit(name).replace("/usr/local/bin/gox-server", gox_server().to_str().unwrap());
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    (folder, paths)
}

/// A setting that systemd does not know, or a value, is a line on stderr, and no failure.
#[test]
fn systemd_knows_every_setting() {
    let (folder, [service, socket]) = installed();
    let verified = analyze(&["verify", "--man=no", &service, &socket]);
    let said = text(&verified.stderr);
    let about_us: Vec<_> = said
        .lines()
        .filter(|line| line.contains(folder.path().to_str().unwrap()) || line.contains("gox-server"))
        .collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
}

/// systemd's own measure, from 0 to 10, in tenths: what gox-server needs is the network, its user and its files.
#[test]
fn systemd_calls_the_service_confined() {
    let (_folder, [service, _]) = installed();
    let measured = analyze(&["security", "--offline=true", "--threshold=20", &service]);
    assert!(measured.status.success(), "{}", text(&measured.stdout));
}

/// The system calls that the unit leaves, the groups of `SystemCallFilter=` spelt out by the systemd of this machine.
fn allowed() -> BTreeSet<Sysno> {
    let unit = unit(SERVICE);
    let mut left: Vec<String> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    let mut calls = BTreeSet::new();
    while let Some(name) = left.pop() {
        assert!(!name.starts_with('~'), "only what is allowed is understood here");
        if name.starts_with('@') {
            let group = analyze(&["syscall-filter", &name]);
            assert!(group.status.success(), "{}", text(&group.stderr));
            let lines = text(&group.stdout);
            let names = lines
                .lines()
                .skip(1)
                .map(str::trim)
                .filter(|line| !line.starts_with('#'));
            left.extend(names.filter(|line| !line.is_empty()).map(str::to_owned));
        } else {
            // A group names the calls of all machines.
            calls.extend(Sysno::from_str(&name));
        }
    }
    calls
}

/// What `run` gives in a thread in which every system call but these fails with EPERM, as `SystemCallErrorNumber=` says; what
/// it starts inherits that.
fn with_only<T: Send>(calls: &BTreeSet<Sysno>, run: impl FnOnce() -> T + Send) -> T {
    let rules = calls.iter().map(|call| (i64::from(call.id()), vec![])).collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program = BpfProgram::try_from(filter.unwrap()).unwrap();
    std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            apply_filter(&program).unwrap();
            run()
        });
        confined.join().unwrap()
    })
}

#[test]
fn builds_work_with_the_system_calls_that_are_left() {
    assert!(unit(SERVICE).contains("\nSystemCallErrorNumber=EPERM\n"));
    let store = Scratch::new();
    let calls = allowed();
    let whole = doctor(&store);
    let output = store.dir.join("hello");
    let mut build = store.command();
    build.args(["build", "tester/hello", "-o"]).arg(&output);
    let (confined, built) = with_only(&calls, || (doctor(&store), build.output().unwrap()));
    assert!(built.status.success(), "{}", text(&built.stderr));
    let hello = plain::install(&tester("hello", "v1.1.0").wanted);
    assert_eq!(sha256(&fs::read(output).unwrap()), hello.sha256);
    assert_eq!(confined, whole, "the filter takes something from the cells");

    // And it can be seen: without Landlock's calls the cells are not whole.
    let fewer = calls
        .into_iter()
        .filter(|call| !call.name().starts_with("landlock_"));
    assert_ne!(with_only(&fewer.collect(), || doctor(&store)), whole);
}

/// What `doctor` says of the cells.
fn doctor(store: &Scratch) -> String {
    let said = store.command().arg("doctor").output().unwrap();
    let said = text(&said.stdout);
    assert!(said.contains("files"), "{said}");
    said
}
