//! The reference: what plain `go install` builds without gox-server.
//!
//! Uses no code of gox-server and shares no cache with it.

use super::{go, modproxy::modproxy, sha256, tmp};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// Arguments of a `go install`: `package@version` for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) goos: &'static str,
    pub(crate) goarch: &'static str,
    /// A variable such as `GOARM=6`.
    pub(crate) variant: Option<&'static str>,
}

/// A program that `go install` built. The file stays until the end of the run.
#[derive(Clone)]
pub(crate) struct Installed {
    pub(crate) sha256: String,
    pub(crate) bytes: usize,
    file: PathBuf,
}

impl Installed {
    pub(crate) fn read(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap()
    }
}

/// Builds a fixture with `go install`, once per run.
pub(crate) fn install(wanted: &Wanted) -> Installed {
    type Known = Mutex<HashMap<Wanted, Arc<OnceLock<Installed>>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let cell = Arc::clone(
        KNOWN
            .get_or_init(Known::default)
            .lock()
            .unwrap()
            .entry(wanted.clone())
            .or_default(),
    );
    cell.get_or_init(|| run_install(wanted)).clone()
}

/// The version of the `go` on PATH, such as `1.26.8`.
pub(crate) fn go_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        go_output(&["env", "GOVERSION"])
            .trim()
            .trim_start_matches("go")
            .to_owned()
    })
}

fn run_install(wanted: &Wanted) -> Installed {
    // In the tree named by the fixtures' hash: valid as long as they do not change.
    let name = format!("{wanted:?}").replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    let gopath = modproxy().root.join("plain-made").join(name);
    let mut command = command();
    command.args([
        "install",
        "-trimpath",
        "-pgo=off",
        &format!("{}@{}", wanted.package, wanted.version),
    ]);
    command
        .env("GOPATH", &gopath)
        .env("GOOS", wanted.goos)
        .env("GOARCH", wanted.goarch);
    if let Some((name, value)) = wanted.variant.and_then(|variant| variant.split_once('=')) {
        command.env(name, value);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "plain go install: {wanted:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let made: Vec<PathBuf> = super::walk(&gopath.join("bin"))
        .into_iter()
        .filter(|path| path.is_file())
        .collect();
    let [made] = &made[..] else {
        panic!("{wanted:?}: go install made {made:?}")
    };
    let bytes = fs::read(made).unwrap();
    Installed {
        sha256: sha256(&bytes),
        bytes: bytes.len(),
        file: made.clone(),
    }
}

/// Runs `go` with the fixtures as module proxy and returns its stdout.
pub(crate) fn go_output(arguments: &[&str]) -> String {
    let output = command().args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "go {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn command() -> Command {
    command_for(go())
}

/// A `go` with a clean environment. Its module cache is in the tree named by the fixtures' hash, because an edited fixture
/// keeps its version.
pub(crate) fn command_for(go: &Path) -> Command {
    let mut command = Command::new(go);
    let fixtures = modproxy();
    command.env_clear().current_dir(&fixtures.root);
    command
        .env("PATH", "/nonexistent")
        .env("GOPATH", fixtures.root.join("gopath"))
        .env("GOENV", "off")
        .env("GOWORK", "off");
    command
        .env("GOCACHE", tmp().join("plain-compile"))
        .env("GOMODCACHE", fixtures.root.join("plain-modules"));
    command
        .env("GOPROXY", fixtures.url())
        .env("GOSUMDB", "off")
        .env("GOTOOLCHAIN", "local");
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "");
    command
}
