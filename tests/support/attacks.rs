//! The programs of tests/attacks: alone, and in the place of a Go's compiler.

use super::plain::go_output;
use super::{go, tmp};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// tests/attacks, compiled by the real `go`: once per run, and from Go's cache if nothing changed.
pub(crate) fn attack_program() -> PathBuf {
    let program = tmp().join("attack");
    let _lock = super::lock("attack");
    let mut command = Command::new(go());
    command.args(["build", "-o"]).arg(&program).arg(".");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks"));
    command
        .env_clear()
        .env("PATH", "/nonexistent")
        .env("CGO_ENABLED", "0")
        .env("GOENV", "off")
        .env("GOFLAGS", "");
    command
        .env("GOCACHE", tmp().join("plain-compile"))
        .env("GOPATH", tmp().join("attack-gopath"));
    let output = command
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

/// A Go in `folder` that is the real one, but for its compiler, which has been taken over. Returns its `go`.
pub(crate) fn taken_over(folder: &Path) -> PathBuf {
    let real = PathBuf::from(go_output(&["env", "GOROOT"]).trim());
    let goroot = folder.join("goroot");
    fs::create_dir(&goroot).unwrap();
    for name in ["bin", "pkg", "src", "VERSION", "go.env"] {
        // Linked where that is possible: nothing is written there, and it is a quarter of a gigabyte.
        let there = [real.join(name), goroot.join(name)];
        let linked = Command::new("/bin/cp")
            .arg("-rlLT")
            .args(&there)
            .output()
            .unwrap();
        if !linked.status.success() {
            copy(&there[0], &there[1]);
        }
    }
    let tools = fs::read_dir(goroot.join("pkg/tool"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let compiler = tools.path().join("compile");
    fs::rename(&compiler, tools.path().join("compile-real")).unwrap();
    copy(&attack_program(), &compiler);
    goroot.join("bin/go")
}

/// By another process: what a test thread has open for writing while another one forks cannot be executed (ETXTBSY).
pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(
        Command::new("/bin/cp")
            .arg("-rLT")
            .arg(from)
            .arg(to)
            .status()
            .unwrap()
            .success()
    );
}
