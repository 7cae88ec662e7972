//! What a user gets without us: the real `go install`, by the recipe that README promises to equal.
//!
//! Knows nothing of gox-server, and shares no cache with it.

use super::{go, modproxy::modproxy, sha256, tmp};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// What is asked of `go install`: `package@version` for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) goos: &'static str,
    pub(crate) goarch: &'static str,
    /// Such as `GOARM=6`.
    pub(crate) variant: Option<&'static str>,
}

/// The SHA-256 of what `go install` makes of a fixture. Computed once per run for each.
pub(crate) fn install(wanted: &Wanted) -> String {
    type Known = Mutex<HashMap<Wanted, Arc<OnceLock<String>>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(Known::default);
    let cell = Arc::clone(known.lock().unwrap().entry(wanted.clone()).or_default());
    cell.get_or_init(|| run_install(wanted)).clone()
}

fn run_install(wanted: &Wanted) -> String {
    let gopath = tempfile::tempdir_in(tmp()).unwrap();
    let mut command = command();
    command.args(["install", "-trimpath", "-pgo=off", &format!("{}@{}", wanted.package, wanted.version)]);
    command.env("GOPATH", gopath.path()).env("GOOS", wanted.goos).env("GOARCH", wanted.goarch);
    if let Some((name, value)) = wanted.variant.and_then(|variant| variant.split_once('=')) {
        command.env(name, value);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "plain go install: {wanted:?}: {}", String::from_utf8_lossy(&output.stderr));
    let made: Vec<PathBuf> =
        super::walk(&gopath.path().join("bin")).into_iter().filter(|path| path.is_file()).collect();
    let [made] = &made[..] else { panic!("{wanted:?}: go install made {made:?}") };
    sha256(&std::fs::read(made).unwrap())
}

/// Runs `go` over the fixtures, and returns what it prints.
pub(crate) fn go_output(arguments: &[&str]) -> String {
    let output = command().args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "go {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `go` with nothing inherited. The module cache belongs to the fixtures' hash: a fixture that is edited keeps its version.
fn command() -> Command {
    let mut command = Command::new(go());
    let fixtures = modproxy();
    command.env_clear().current_dir(&fixtures.root);
    command.env("PATH", "/nonexistent").env("HOME", tmp()).env("GOENV", "off").env("GOWORK", "off");
    command.env("GOCACHE", tmp().join("plain-compile")).env("GOMODCACHE", fixtures.root.join("plain-modules"));
    command.env("GOPROXY", fixtures.url()).env("GOSUMDB", "off").env("GOTOOLCHAIN", "local");
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "");
    command
}
