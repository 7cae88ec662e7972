//! The installed Go: where it is, which it is, what it builds for. Asked once, and remembered under the fingerprint of its
//! file, so that a hit starts no `go` at all.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::config::Config;
use crate::store::disk::{read_json, replace};
use crate::store::{KeyMaker, Store};

/// Where distributions and the official archive put it.
const USUAL: &[&str] = &[
    "/usr/local/go/bin/go",
    "/usr/lib/go/bin/go",
    "/usr/bin/go",
    "/snap/bin/go",
    "/opt/go/bin/go",
];

/// An installed Go.
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
    /// Finds the operator's Go.
    pub fn find(config: &Config, store: &Store) -> Result<Toolchain, Refusal> {
        let go = find_go(config).ok_or_else(|| {
            Refusal::new(Reason::NoGo).log(match &config.go {
                Some(named) => format!("GOX_GO={} is no go command", named.display()),
                None => "no go on PATH or in the usual places: install Go, or name it in GOX_GO".to_owned(),
            })
        })?;
        let settings = config.home.as_ref().map(|home| home.join(".config/go/env"));
        let mut key = KeyMaker::default().field(go.as_os_str().as_encoded_bytes());
        for file in [Some(&go), settings.as_ref()].into_iter().flatten() {
            key = key.field(fs::metadata(file).map_or(String::new(), |m| {
                format!("{} {} {}", m.mtime(), m.mtime_nsec(), m.size())
            }));
        }
        let remembered = store.toolchain(&key.finish());
        if let Some(toolchain) = read_json(&remembered) {
            return Ok(toolchain);
        }
        let toolchain = ask(&go, config)?;
        let bytes =
            serde_json::to_vec(&toolchain).map_err(|e| trouble("write what is known of go", &e.into()))?;
        replace(&remembered, &bytes).map_err(|e| trouble("remember the toolchain", &e))?;
        Ok(toolchain)
    }

    /// The module proxies, without `direct`: with it a hostile import path makes `go` fetch internal addresses.
    pub fn proxies(&self, config: &Config) -> String {
        let kept: Vec<_> = self
            .named_proxies(config)
            .filter(|p| !matches!(*p, "" | "direct"))
            .collect();
        if kept.is_empty() {
            "off".to_owned()
        } else {
            kept.join(",")
        }
    }

    /// Whether the operator names `direct` among them.
    pub fn names_direct(&self, config: &Config) -> bool {
        self.named_proxies(config).any(|proxy| proxy == "direct")
    }

    fn named_proxies<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = &'a str> {
        let named = config.proxy.as_deref().unwrap_or(&self.proxy);
        named.split([',', '|']).map(str::trim)
    }

    /// The checksum database.
    pub fn checksums<'a>(&'a self, config: &'a Config) -> &'a str {
        config.sumdb.as_deref().unwrap_or(&self.sumdb)
    }
}

fn find_go(config: &Config) -> Option<PathBuf> {
    let named = config.go.clone().into_iter();
    let on_path = std::env::split_paths(&config.path)
        .map(|dir| dir.join("go"))
        .collect::<Vec<_>>();
    named
        .chain(on_path.into_iter().filter(|_| config.go.is_none()))
        .chain(USUAL.iter().map(PathBuf::from).filter(|_| config.go.is_none()))
        .find(|path| path.is_absolute() && path.is_file())
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
        go,
        goroot: env.goroot,
        version: env.version,
        proxy: env.proxy,
        sumdb: env.sumdb,
        platforms,
    })
}

/// The operator's own settings count here, and no stranger's code is near: HOME is passed on.
fn output(go: &Path, config: &Config, args: &[&str]) -> Result<Vec<u8>, Refusal> {
    let mut command = Command::new(go);
    command
        .args(args)
        .env_clear()
        .env("GOTOOLCHAIN", "local")
        .env("PATH", "/nonexistent")
        .env("GOCACHE", "/nonexistent");
    if let Some(home) = &config.home {
        command.env("HOME", home);
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
