//! Toolchains: installations of Go.
//!
//! The properties of a toolchain are read from `go` once, and cached by the stamp of its file, so that a request for a cached
//! program starts no `go`. This file finds the operator's Go; [`managed`] downloads other versions.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::config::{Config, GoChoice};
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::vulnerabilities::describe_go_vulnerabilities;
use crate::parse::GoVersion;
use crate::store::file::{read_json, replace};
use crate::store::{KeyHasher, Store};

pub mod download;
pub mod managed;
pub mod fetch;
pub mod pins;
pub mod system_limit;
pub mod tree;
pub mod versions;

/// The paths where distributions and the official archive install `go`.
const USUAL_PATHS: &[&str] = &[
    "/usr/local/go/bin/go",
    "/usr/lib/go/bin/go",
    "/usr/bin/go",
    "/snap/bin/go",
    "/opt/go/bin/go",
];

/// An installed Go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Toolchain {
    /// The absolute path of the `go` command.
    pub go: PathBuf,
    /// GOROOT.
    pub goroot: PathBuf,
    /// `go1.26.8`.
    pub version: String,
    /// GOPROXY in the operator's `go env`.
    pub proxy: String,
    /// GOSUMDB in the operator's `go env`.
    pub sumdb: String,
    /// The platforms, OS/ARCH, of `go tool dist list`.
    pub platforms: Vec<String>,
    /// The stamp of the `go` command when these values were read.
    stamp: String,
}

/// Output of `go env -json`.
#[derive(Deserialize)]
struct GoEnv {
    #[serde(rename = "GOROOT")]
    goroot: PathBuf,
    #[serde(rename = "GOVERSION")]
    version: String,
    #[serde(rename = "GOPROXY")]
    proxy: String,
    #[serde(rename = "GOSUMDB")]
    sumdb: String,
}

impl Toolchain {
    /// Finds the Go for requests that name no version: the operator's, or else the pinned version. Downloads nothing.
    pub fn find(config: &Config, store: &Store) -> Result<Toolchain, Error> {
        let go = match &config.go {
            GoChoice::Installed => installed(config),
            GoChoice::Named(go) => Some(go.clone()).filter(|go| is_command(go)),
            GoChoice::Own => None,
        };
        match (go, &config.go) {
            // A shim of a version manager may be first on PATH, and fail.
            (Some(go), GoChoice::Installed) => Toolchain::open(&go, config, store)
                .or_else(|error| managed::find(config, store, pins::DEFAULT).unwrap_or(Err(error))),
            (Some(go), GoChoice::Named(_) | GoChoice::Own) => Toolchain::open(&go, config, store),
            (None, GoChoice::Named(named)) => {
                Err(Error::new(Reason::NoGo).log(format!("GOX_GO={} is not a go command", named.display())))
            }
            (None, GoChoice::Installed | GoChoice::Own) => managed::find(config, store, pins::DEFAULT)
                .unwrap_or_else(|| {
                    Err(Error::new(Reason::NoGo).log(
                        "go is neither on PATH nor in the usual directories, and was not downloaded yet",
                    ))
                }),
        }
    }

    /// Opens the toolchain of this `go` command. Reads its properties from the cache, or runs it.
    fn open(go: &Path, config: &Config, store: &Store) -> Result<Toolchain, Error> {
        let settings = config.config_home.as_ref().map(|dir| dir.join("go/env"));
        let mut key = KeyHasher::default().field(go.as_os_str().as_encoded_bytes());
        for file in [Some(go), settings.as_deref()].into_iter().flatten() {
            key = key.field(stamp(file));
        }
        let cache_file = store.toolchain_record(&key.finish());
        // The command may be a wrapper, which does not change when the Go that it starts does.
        if let Some(toolchain) = read_json(&cache_file).filter(|go: &Toolchain| stamp(&go.go) == go.stamp) {
            return Ok(toolchain);
        }
        let toolchain = query(go, config)?;
        let bytes =
            serde_json::to_vec(&toolchain).map_err(|e| internal_error("serialize a toolchain", &e.into()))?;
        store
            .create_directories()
            .and_then(|()| replace(&cache_file, &bytes))
            .map_err(|e| internal_error("cache a toolchain", &e))?;
        Ok(toolchain)
    }

    /// Stores it as the last default: the last Go that was used for requests that name no version.
    pub fn save_as_default(&self, store: &Store) -> io::Result<()> {
        replace(&last_default_file(store), &serde_json::to_vec(self)?)
    }

    /// Loads the last default. It may have been uninstalled; the programs that it compiled are still served.
    pub fn load_last_default(store: &Store) -> Option<Toolchain> {
        read_json(&last_default_file(store))
    }

    /// GOPROXY for `go`: the operator's module proxies without `direct`, which would let a hostile import path make `go` fetch
    /// internal addresses. The separator behind a proxy says after which errors `go` tries the next one.
    pub fn proxies(&self, config: &Config) -> String {
        let listed = self.listed_proxies(config).split_inclusive(SEPARATORS);
        let proxies: String = listed
            .filter(|item| split_proxies(item).any(|proxy| is_proxy(&proxy)))
            .collect();
        match proxies.trim_end_matches(SEPARATORS) {
            "" => "off".to_owned(),
            proxies => proxies.to_owned(),
        }
    }

    /// Its version, unless it is a development version or a fork.
    pub fn go_version(&self) -> Option<GoVersion> {
        self.version.parse().ok()
    }

    /// A sentence about the known vulnerabilities of its version, if it has any.
    pub fn known_vulnerability(&self, store: &Store) -> Option<String> {
        describe_go_vulnerabilities(store, self.go_version()?)
    }

    /// Whether the operator's GOPROXY contains `direct`.
    pub fn has_direct(&self, config: &Config) -> bool {
        split_proxies(self.listed_proxies(config)).any(|proxy| proxy == "direct")
    }

    fn listed_proxies<'a>(&'a self, config: &'a Config) -> &'a str {
        config.proxy.as_deref().unwrap_or(&self.proxy)
    }

    /// GOSUMDB for `go`: the checksum database.
    pub fn sumdb<'a>(&'a self, config: &'a Config) -> &'a str {
        config.sumdb.as_deref().unwrap_or(&self.sumdb)
    }
}

fn last_default_file(store: &Store) -> PathBuf {
    store.toolchain_record(&KeyHasher::default().field("default").finish())
}

/// What separates the items of GOPROXY.
const SEPARATORS: [char; 2] = [',', '|'];

/// The items of GOPROXY.
pub fn split_proxies(list: &str) -> impl Iterator<Item = &str> {
    list.split(SEPARATORS).map(str::trim)
}

/// Whether an item of GOPROXY is a URL, and not a keyword.
fn is_proxy(item: &&str) -> bool {
    !matches!(*item, "" | "direct" | "off")
}

fn installed(config: &Config) -> Option<PathBuf> {
    let on_path = std::env::split_paths(&config.path).map(|dir| dir.join("go"));
    on_path
        .chain(USUAL_PATHS.iter().map(PathBuf::from))
        .find(|path| is_command(path))
}

fn is_command(path: &Path) -> bool {
    path.is_absolute() && path.is_file()
}

/// Identifies the content of a file by its time and size. Empty for a missing file.
fn stamp(file: &Path) -> String {
    fs::metadata(file).map_or(String::new(), |m| {
        format!("{} {} {}", m.mtime(), m.mtime_nsec(), m.size())
    })
}

/// Reads the properties of a toolchain from its `go` command.
fn query(go: &Path, config: &Config) -> Result<Toolchain, Error> {
    let env: GoEnv = serde_json::from_slice(&output_of(
        go,
        config,
        &["env", "-json", "GOROOT", "GOVERSION", "GOPROXY", "GOSUMDB"],
    )?)
    .map_err(|e| Error::new(Reason::NoGo).log(format!("cannot read go env: {e}")))?;
    let platforms = String::from_utf8_lossy(&output_of(go, config, &["tool", "dist", "list"])?)
        .lines()
        .map(str::to_owned)
        .collect();
    // The command in GOROOT, beside its tools, rather than a link or wrapper.
    let go = Some(env.goroot.join("bin/go"))
        .filter(|go| go.is_file())
        .unwrap_or(go.to_owned());
    Ok(Toolchain {
        stamp: stamp(&go),
        go,
        goroot: env.goroot,
        version: env.version,
        proxy: env.proxy,
        sumdb: env.sumdb,
        platforms,
    })
}

/// Runs `go` without a cell, with the operator's own settings, and returns its output. It reads no module.
fn output_of(go: &Path, config: &Config, args: &[&str]) -> Result<Vec<u8>, Error> {
    let mut command = Command::new(go);
    command
        .args(args)
        .env_clear()
        .env("GOTOOLCHAIN", "local")
        .env("PATH", "/nonexistent")
        .env("GOCACHE", "/nonexistent");
    for (name, dir) in [("HOME", &config.home), ("XDG_CONFIG_HOME", &config.config_home)] {
        if let Some(dir) = dir {
            command.env(name, dir);
        }
    }
    let output = command
        .output()
        .map_err(|e| internal_error(format!("run {}", go.display()), &e))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::new(Reason::NoGo).log(format!("{} {args:?}: {} {stderr}", go.display(), output.status)))
}
