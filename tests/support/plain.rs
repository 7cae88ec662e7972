//! What a user gets without us: the real `go install`, by the recipe that README promises to equal.
//!
//! Knows nothing of gox-server, and shares no cache with it.

use super::{go, modproxy::modproxy, sha256, tmp};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
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

/// What `go install` made: kept for the run, and read again by who needs the bytes.
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

/// What `go install` makes of a fixture. Computed once per run for each.
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

/// The version of the `go` that the suite compares with: `1.26.8`.
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
    // Under the fixtures' hash: what was made of them is right as long as they are.
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

/// Runs `go` over the fixtures, and returns what it prints.
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
    command_of(go())
}

/// A `go` with nothing inherited. The module cache belongs to the fixtures' hash: a fixture that is edited keeps its version.
pub(crate) fn command_of(go: &Path) -> Command {
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
