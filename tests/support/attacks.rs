//! The programs of tests/attacks: on their own, and in place of Go's compiler.

use super::plain_go::go_output;
use super::{go, tmp};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles tests/attacks with the real `go`.
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

/// Copies the real Go into `folder` with a hostile compiler. Returns the path of its `go`.
pub(crate) fn hostile_toolchain(folder: &Path) -> PathBuf {
    let real = PathBuf::from(go_output(&["env", "GOROOT"]).trim());
    let goroot = folder.join("goroot");
    fs::create_dir(&goroot).unwrap();
    for name in ["bin", "pkg", "src", "VERSION", "go.env"] {
        // Hard links if possible: 250 MB that nothing writes to.
        let paths = [real.join(name), goroot.join(name)];
        let linked = Command::new("/bin/cp")
            .arg("-rlLT")
            .args(&paths)
            .output()
            .unwrap();
        if !linked.status.success() {
            copy(&paths[0], &paths[1]);
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

/// Copies with `cp`: a file that this process has open for writing while another thread forks cannot be executed (ETXTBSY).
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
