//! The versions of Go that gox-server downloads itself: finds them, and waits for one that is being downloaded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use super::{Toolchain, pins};
use crate::config::{Config, GoChoice, is_noexec};
use crate::detached;
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::hidden_command::HiddenCommand;
use crate::parse::GoVersion;
use crate::store::layout;
use crate::store::lock::{Lock, LockWait};
use crate::store::table::age;
use crate::store::{BuildKey, KeyHasher, Store};

/// The module with the versions of Go as its versions (cmd/go/internal/toolchain).
pub const MODULE: &str = "golang.org/toolchain";

/// How long a failed download is cached, so that concurrent requests do not each repeat it.
const FAILURE_TTL: Duration = Duration::from_secs(30);

/// Number of attempts, if the process that downloads is killed.
const ATTEMPTS: usize = 3;

/// A function that is called repeatedly while a version is downloaded, with the directory that the download fills. It returns
/// whether to wait any longer.
pub type OnWait<'a> = &'a mut dyn FnMut(&Path) -> bool;

/// An [`OnWait`] that waits until `deadline`.
pub fn wait_until(deadline: Instant) -> impl FnMut(&Path) -> bool {
    move |_| Instant::now() < deadline
}

/// GOARCH of this machine.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The version of [`MODULE`] that contains this version of Go for this machine.
pub fn module_version(version: GoVersion) -> String {
    format!("v0.0.1-go{version}.linux-{}", arch())
}

/// GOROOT of a version, which may not be downloaded yet.
pub fn goroot(store: &Store, version: GoVersion) -> PathBuf {
    store.path(layout::TOOLCHAINS).join(format!("go{version}"))
}

/// Whether this version is downloaded.
pub fn is_downloaded(store: &Store, version: GoVersion) -> bool {
    goroot(store, version).join("bin/go").is_file()
}

/// The toolchain of this version, if it is downloaded.
pub fn find(config: &Config, store: &Store, version: GoVersion) -> Option<Result<Toolchain, Error>> {
    is_downloaded(store, version).then(|| {
        check_executable(store)?;
        Toolchain::open(&goroot(store, version).join("bin/go"), config, store)
    })
}

/// Checks that programs can be started from the directory of the downloaded versions.
pub fn check_executable(store: &Store) -> Result<(), Error> {
    let dir = store.path(layout::TOOLCHAINS);
    match is_noexec(&dir) {
        true => Err(Error::new(Reason::NoGo).log(format!(
            "Go cannot be started from {}, which is mounted noexec: set another GOX_DIR, or install Go",
            dir.display()
        ))),
        false => Ok(()),
    }
}

/// The downloaded versions, the oldest first.
pub fn list(store: &Store) -> io::Result<Vec<GoVersion>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(store.path(layout::TOOLCHAINS))? {
        let name = entry?.file_name();
        let version = name.to_str().and_then(|name| name.parse().ok());
        versions.extend(version.filter(|version| is_downloaded(store, *version)));
    }
    versions.sort();
    Ok(versions)
}

/// The Go for requests that name no version. Downloads the pinned version if there is none.
pub fn ensure_default(config: &Config, store: &Store, on_wait: OnWait<'_>) -> Result<Toolchain, Error> {
    Toolchain::find(config, store).or_else(|error| match config.go {
        GoChoice::Installed | GoChoice::Own if error.reason == Reason::NoGo => {
            ensure(config, store, pins::DEFAULT, on_wait)
        }
        GoChoice::Installed | GoChoice::Own | GoChoice::Named(_) => Err(error),
    })
}

/// The Go of exactly this version, such as `go1.26.8`. Downloads it unless it is `default` or was downloaded before.
pub fn ensure_version(
    default: &Toolchain,
    config: &Config,
    store: &Store,
    version: &str,
    on_wait: OnWait<'_>,
) -> Result<Toolchain, Error> {
    if version == default.version {
        return Ok(default.clone());
    }
    let version = version
        .parse()
        .map_err(|error| Error::new(Reason::NoSuchGo).log(format!("{error}")))?;
    ensure(config, store, version, on_wait)
}

/// The key of the cached error of a failed download.
pub fn failure_key(version: GoVersion) -> BuildKey {
    KeyHasher::default()
        .field("toolchain 1")
        .field(version.to_string())
        .finish()
}

/// Finds or downloads a version. One process downloads it, and all others wait for that one.
fn ensure(
    config: &Config,
    store: &Store,
    version: GoVersion,
    on_wait: OnWait<'_>,
) -> Result<Toolchain, Error> {
    let lock = store.download_lock(&format!("go{version}"));
    for _ in 0..ATTEMPTS {
        if let Some(found) = find(config, store, version) {
            return found;
        }
        let failure: Option<(Error, SystemTime)> = store.failures().get(&failure_key(version));
        if let Some((error, at)) = failure
            && age(at) < FAILURE_TTL
        {
            return Err(error);
        }
        store
            .create_directories()
            .map_err(|e| internal_error("create the state directory", &e))?;
        check_executable(store)?;
        if let Some(lock) = Lock::try_acquire(&lock).map_err(|e| internal_error("lock a toolchain", &e))? {
            // Another process may have finished before the lock was acquired.
            if let Some(found) = find(config, store, version) {
                return found;
            }
            detached::start(
                &HiddenCommand::Download { version },
                lock.into(),
                Stdio::null(),
                &store.path(layout::LOG),
            )
            .map_err(|e| internal_error("start to download a toolchain", &e))?;
        }
        let work = store.path(layout::WORK).join(format!("go{version}"));
        let is_free = LockWait::new(std::slice::from_ref(&lock)).wait_while(|| on_wait(&work));
        if !is_free.map_err(|e| internal_error("wait for a toolchain", &e))? {
            return Err(Error::new(Reason::StillBuilding));
        }
    }
    find(config, store, version).unwrap_or_else(|| {
        Err(Error::new(Reason::Internal).log(format!(
            "the process that downloads go{version} was killed {ATTEMPTS} times"
        )))
    })
}
