//! Versions of Go that gox-server brought itself: where they lie, and how to wait for one that is not here yet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{Toolchain, pins};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::GoVersion;
use crate::config::{Config, WhichGo, starts_no_programs};
use crate::detached;
use crate::store::lock::{Lock, Waiting};
use crate::store::table::age;
use crate::store::{BuildKey, KeyMaker, Store};

/// The module whose versions are versions of Go (cmd/go/internal/toolchain).
pub const MODULE: &str = "golang.org/toolchain";

/// How long a failure holds: so many ask at once, and none of them shall begin again what has just failed.
const FAILED_FOR: Duration = Duration::from_secs(30);

/// Who brings a Go and is killed is replaced so often.
const TRIES: usize = 3;

/// Told again and again how far it is: the directory that fills. Says whether the Go is wanted still.
pub type Tell<'a> = &'a mut dyn FnMut(&Path) -> bool;

/// Wants it until then.
pub fn until(end: Instant) -> impl FnMut(&Path) -> bool {
    move |_| Instant::now() < end
}

/// This machine's architecture, as Go calls it.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        same => same,
    }
}

/// The version of [`MODULE`] that is this Go for this machine.
pub fn module_version(version: GoVersion) -> String {
    format!("v0.0.1-go{version}.linux-{}", arch())
}

/// GOROOT of a version, if it is here.
pub fn goroot(store: &Store, version: GoVersion) -> PathBuf {
    store.toolchains().join(format!("go{version}"))
}

/// Whether this version is here.
pub fn is_here(store: &Store, version: GoVersion) -> bool {
    goroot(store, version).join("bin/go").is_file()
}

/// The Go of this version, if it is here.
pub fn look(config: &Config, store: &Store, version: GoVersion) -> Option<Result<Toolchain, Refusal>> {
    let go = goroot(store, version).join("bin/go");
    go.is_file()
        .then(|| can_start_one(store).and_then(|()| Toolchain::at(&go, config, store)))
}

/// Whether a Go that lies here can be started.
pub fn can_start_one(store: &Store) -> Result<(), Refusal> {
    let dir = store.toolchains();
    match starts_no_programs(&dir) {
        true => Err(Refusal::new(Reason::NoGo).log(format!(
            "no Go can be started below {}, which is mounted noexec: name another GOX_DIR, or install Go",
            dir.display()
        ))),
        false => Ok(()),
    }
}

/// The versions that are here, the oldest first.
pub fn all(store: &Store) -> io::Result<Vec<GoVersion>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(store.toolchains())? {
        let name = entry?.file_name();
        let version = name.to_str().and_then(|name| name.parse().ok());
        versions.extend(version.filter(|version| goroot(store, *version).join("bin/go").is_file()));
    }
    versions.sort();
    Ok(versions)
}

/// The Go that serves who asks for none; it is brought if it has to be.
pub fn default(config: &Config, store: &Store, tell: Tell<'_>) -> Result<Toolchain, Refusal> {
    Toolchain::find(config, store).or_else(|refusal| match config.go {
        WhichGo::Installed | WhichGo::Own if refusal.reason == Reason::NoGo => {
            get(config, store, pins::DEFAULT, tell)
        }
        WhichGo::Installed | WhichGo::Own | WhichGo::Named(_) => Err(refusal),
    })
}

/// The Go of exactly this version, which may be `default`; it is brought if it has to be.
pub fn of_version(
    default: &Toolchain,
    config: &Config,
    store: &Store,
    version: &str,
    tell: Tell<'_>,
) -> Result<Toolchain, Refusal> {
    if version == default.version {
        return Ok(default.clone());
    }
    let version = version
        .parse()
        .map_err(|bad| Refusal::new(Reason::NoSuchGo).log(format!("{bad}")))?;
    get(config, store, version, tell)
}

/// The name under which it is kept why a version could not be had.
pub fn key(version: GoVersion) -> BuildKey {
    KeyMaker::default()
        .field("toolchain 1")
        .field(version.to_string())
        .finish()
}

/// One process brings it; all others wait for that one.
fn get(config: &Config, store: &Store, version: GoVersion, tell: Tell<'_>) -> Result<Toolchain, Refusal> {
    let lock = store.bringing(&format!("go{version}"));
    for _ in 0..TRIES {
        if let Some(here) = look(config, store, version) {
            return here;
        }
        let failure: Option<(Refusal, SystemTime)> = store.failures().get(&key(version));
        if let Some((refusal, at)) = failure
            && age(at) < FAILED_FOR
        {
            return Err(refusal);
        }
        store
            .complete()
            .map_err(|e| trouble("make the state directory", &e))?;
        can_start_one(store)?;
        if let Some(lock) = Lock::try_take(&lock).map_err(|e| trouble("lock a toolchain", &e))? {
            // Between the look and the lock another may have finished.
            if let Some(here) = look(config, store, version) {
                return here;
            }
            detached::start(&["bring", &version.to_string()], lock, None, &store.log())
                .map_err(|e| trouble("start to bring a toolchain", &e))?;
        }
        let work = store.work().join(format!("go{version}"));
        let is_free = Waiting::on(std::slice::from_ref(&lock)).while_wanted(|| tell(&work));
        if !is_free.map_err(|e| trouble("wait for a toolchain", &e))? {
            return Err(Refusal::new(Reason::StillBuilding));
        }
    }
    look(config, store, version).unwrap_or_else(|| {
        Err(Refusal::new(Reason::Internal).log(format!("bringing go{version} was killed")))
    })
}
