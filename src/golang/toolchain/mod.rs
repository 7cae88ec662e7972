//! A Go: where it is, which it is, what it builds for. Asked once, and remembered under the fingerprint of its file, so that
//! a hit starts no `go` at all. The operator's is found here; others are `brought`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::GoVersion;
use crate::config::{Config, WhichGo};
use crate::golang::vulnerabilities::known_of_go;
use crate::store::file::{read_json, replace};
use crate::store::{KeyMaker, Store};

pub mod bring;
pub mod brought;
pub mod fetch;
pub mod pins;
pub mod tree;
pub mod versions;

/// Where distributions and the official archive put it.
const USUAL: &[&str] = &[
    "/usr/local/go/bin/go",
    "/usr/lib/go/bin/go",
    "/usr/bin/go",
    "/snap/bin/go",
    "/opt/go/bin/go",
];

/// A Go that is here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Toolchain {
    /// The command, absolute.
    pub go: PathBuf,
    /// GOROOT.
    pub goroot: PathBuf,
    /// `go1.26.8`.
    pub version: String,
    /// GOPROXY as the operator's own `go env` has it.
    pub proxy: String,
    /// GOSUMDB likewise.
    pub sumdb: String,
    /// `go tool dist list`: OS/ARCH.
    pub platforms: Vec<String>,
    /// Tells whether its command is still the one that was asked.
    stamp: String,
}

/// The part of `go env -json` that is read.
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
    /// The Go that serves who asks for none: the operator's, else the one that was brought in its place. Downloads nothing.
    pub fn find(config: &Config, store: &Store) -> Result<Toolchain, Refusal> {
        let go = match &config.go {
            WhichGo::Installed => installed(config),
            WhichGo::Named(go) => Some(go.clone()).filter(|go| is_command(go)),
            WhichGo::Own => None,
        };
        match (go, &config.go) {
            (Some(go), _) => Toolchain::at(&go, config, store),
            (None, WhichGo::Named(named)) => {
                Err(Refusal::new(Reason::NoGo).log(format!("GOX_GO={} is no go command", named.display())))
            }
            (None, WhichGo::Installed | WhichGo::Own) => brought::look(config, store, pins::DEFAULT)
                .unwrap_or_else(|| {
                    Err(Refusal::new(Reason::NoGo)
                        .log("no go on PATH or in the usual places, and none brought yet"))
                }),
        }
    }

    /// The Go whose command this is.
    fn at(go: &Path, config: &Config, store: &Store) -> Result<Toolchain, Refusal> {
        let settings = config.config_home.as_ref().map(|dir| dir.join("go/env"));
        let mut key = KeyMaker::default().field(go.as_os_str().as_encoded_bytes());
        for file in [Some(go), settings.as_deref()].into_iter().flatten() {
            key = key.field(stamp(file));
        }
        let remembered = store.toolchain(&key.finish());
        // What was found may be a wrapper, which stays while the Go behind it changes.
        if let Some(toolchain) = read_json(&remembered).filter(|go: &Toolchain| stamp(&go.go) == go.stamp) {
            return Ok(toolchain);
        }
        let toolchain = ask(go, config)?;
        let bytes =
            serde_json::to_vec(&toolchain).map_err(|e| trouble("write what is known of go", &e.into()))?;
        store
            .complete()
            .and_then(|()| replace(&remembered, &bytes))
            .map_err(|e| trouble("remember the toolchain", &e))?;
        Ok(toolchain)
    }

    /// Remembers it as the last that served requests that name none.
    pub fn keep_as_default(&self, store: &Store) -> io::Result<()> {
        replace(&last_default(store), &serde_json::to_vec(self)?)
    }

    /// The last one that served requests that name none, which may be gone: what it built is still here.
    pub fn last_default(store: &Store) -> Option<Toolchain> {
        read_json(&last_default(store))
    }

    /// The module proxies, without `direct`: with it a hostile import path makes `go` fetch internal addresses.
    pub fn proxies(&self, config: &Config) -> String {
        let kept: Vec<_> = self.named_proxies(config).filter(is_proxy).collect();
        if kept.is_empty() {
            "off".to_owned()
        } else {
            kept.join(",")
        }
    }

    /// Its version, unless it is one that somebody made for himself.
    pub fn go_version(&self) -> Option<GoVersion> {
        self.version.parse().ok()
    }

    /// What is known to be wrong with its version, in a sentence.
    pub fn hole(&self, store: &Store) -> Option<String> {
        known_of_go(store, self.go_version()?)
    }

    /// Whether the operator names `direct` among them.
    pub fn names_direct(&self, config: &Config) -> bool {
        self.named_proxies(config).any(|proxy| proxy == "direct")
    }

    fn named_proxies<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = &'a str> {
        named_proxies(config.proxy.as_deref().unwrap_or(&self.proxy))
    }

    /// The checksum database.
    pub fn checksums<'a>(&'a self, config: &'a Config) -> &'a str {
        config.sumdb.as_deref().unwrap_or(&self.sumdb)
    }
}

fn last_default(store: &Store) -> PathBuf {
    store.toolchain(&KeyMaker::default().field("default").finish())
}

/// What is named in a list of proxies.
fn named_proxies(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', '|']).map(str::trim)
}

/// `direct` and `off` are none.
fn is_proxy(named: &&str) -> bool {
    !matches!(*named, "" | "direct" | "off")
}

fn installed(config: &Config) -> Option<PathBuf> {
    let on_path = std::env::split_paths(&config.path).map(|dir| dir.join("go"));
    on_path
        .chain(USUAL.iter().map(PathBuf::from))
        .find(|path| is_command(path))
}

fn is_command(path: &Path) -> bool {
    path.is_absolute() && path.is_file()
}

fn stamp(file: &Path) -> String {
    fs::metadata(file).map_or(String::new(), |m| {
        format!("{} {} {}", m.mtime(), m.mtime_nsec(), m.size())
    })
}

fn ask(go: &Path, config: &Config) -> Result<Toolchain, Refusal> {
    let env: GoEnv = serde_json::from_slice(&output(
        go,
        config,
        &["env", "-json", "GOROOT", "GOVERSION", "GOPROXY", "GOSUMDB"],
    )?)
    .map_err(|e| Refusal::new(Reason::NoGo).log(format!("cannot read go env: {e}")))?;
    let platforms = String::from_utf8_lossy(&output(go, config, &["tool", "dist", "list"])?)
        .lines()
        .map(str::to_owned)
        .collect();
    // The tools lie below GOROOT: the command itself is taken from there too, past any link or wrapper.
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

/// The operator's own settings count here, and no stranger's code is near.
fn output(go: &Path, config: &Config, args: &[&str]) -> Result<Vec<u8>, Refusal> {
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
        .map_err(|e| trouble(format!("run {}", go.display()), &e))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Refusal::new(Reason::NoGo).log(format!("{} {args:?}: {} {words}", go.display(), output.status)))
}
