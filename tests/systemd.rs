//! The service and socket units of conf/, as far as they can be tested without systemd as process 1: systemd's own checks, and
//! whether builds work in complete cells under the unit's system call filter. `fastcgi` tests a listening socket as stdin.

use crate::support::case::tester;
use crate::support::plain_go;
use crate::support::test_store::TestStore;
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
    output.expect("cannot run systemd-analyze; `make test-packages` installs it")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Copies of the units with the path of the tested binary.
fn install_units() -> (TempDir, [String; 2]) {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let paths = [SERVICE, SOCKET].map(|name| {
        let path = folder.path().join(name);
        let text = unit(name).replace(
            "ExecStart=gox-server\n",
            &format!("ExecStart={}\n", gox_server().display()),
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    (folder, paths)
}

/// systemd reports unknown options and values on stderr, without failing.
#[test]
fn systemd_accepts_every_unit_option() {
    let (folder, [service, socket]) = install_units();
    let verified = analyze(&["verify", "--man=no", &service, &socket]);
    let output_text = text(&verified.stderr);
    let about_us: Vec<_> = output_text
        .lines()
        .filter(|line| line.contains(folder.path().to_str().unwrap()) || line.contains("gox-server"))
        .collect();
    assert!(verified.status.success() && about_us.is_empty(), "{output_text}");
}

/// The exposure level is at most 2.0 of 10 (`--threshold` is in tenths). The rest is network, user and files.
#[test]
fn systemd_rates_the_service_as_confined() {
    let (_folder, [service, _]) = install_units();
    let measured = analyze(&["security", "--offline=true", "--threshold=20", &service]);
    assert!(measured.status.success(), "{}", text(&measured.stdout));
}

/// The system calls that the unit allows. Groups of `SystemCallFilter=` are expanded by the installed systemd.
fn allowed_system_calls() -> BTreeSet<Sysno> {
    let unit = unit(SERVICE);
    let mut left: Vec<String> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    let mut calls = BTreeSet::new();
    while let Some(name) = left.pop() {
        assert!(!name.starts_with('~'), "deny lists are not supported here");
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
            // Groups contain calls of other architectures too; ignore unknown names.
            calls.extend(Sysno::from_str(&name));
        }
    }
    calls
}

/// Runs `run` in a thread in which all other system calls fail with EPERM, as with `SystemCallErrorNumber=`. Child processes
/// inherit the filter.
fn run_with_only<T: Send>(calls: &BTreeSet<Sysno>, run: impl FnOnce() -> T + Send) -> T {
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
fn builds_work_under_the_unit_system_call_filter() {
    assert!(unit(SERVICE).contains("\nSystemCallErrorNumber=EPERM\n"));
    let store = TestStore::new();
    let calls = allowed_system_calls();
    let whole = doctor(&store);
    let output = store.dir.join("hello");
    let mut build = store.command();
    build.args(["build", "tester/hello", "-o"]).arg(&output);
    let (confined, built) = run_with_only(&calls, || (doctor(&store), build.output().unwrap()));
    assert!(built.status.success(), "{}", text(&built.stderr));
    let hello = plain_go::install(&tester("hello", "v1.1.0").wanted);
    assert_eq!(sha256(&fs::read(output).unwrap()), hello.sha256);
    assert_eq!(confined, whole, "the filter disables a layer of the cells");

    // The control: without Landlock's system calls `doctor` reports a missing layer.
    let fewer = calls
        .into_iter()
        .filter(|call| !call.name().starts_with("landlock_"));
    assert_ne!(run_with_only(&fewer.collect(), || doctor(&store)), whole);
}

/// The output of `doctor`.
fn doctor(store: &TestStore) -> String {
    let output_text = store.command().arg("doctor").output().unwrap();
    let output_text = text(&output_text.stdout);
    assert!(output_text.contains("files"), "{output_text}");
    output_text
}
