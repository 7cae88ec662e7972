//! `gox-server bring VERSION`: a process of its own that brings one version of Go, once for all who wait for it. It holds the
//! version's lock as its standard input.
//!
//! A pinned version needs no Go: our own code fetches and unpacks it, in a cell, and what lies there then must hash to the
//! pin. Any other is fetched by `go mod download`, which has the checksum database's word for it. Nothing of it is started,
//! or has the name under which it would be, before that.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::brought::{MODULE, arch, goroot, key, module_version};
use super::{Toolchain, is_proxy, named_proxies, pins, tree};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::GoVersion;
use crate::config::{Config, Patience, hide_userinfo};
use crate::golang::command::{Go, driver_cell};
use crate::golang::downloaded::Downloaded;
use crate::golang::work::Work;
use crate::sandbox::own_binary::own_binary;
use crate::sandbox::process::{Bounds, Ended, run};
use crate::store::Store;
use crate::store::remove::remove;

/// A tree that is what the checksum database says, and who found that.
struct Verified {
    tree: PathBuf,
    by: &'static str,
}

/// Brings it, or keeps for those who wait why it could not be had.
pub fn bring(config: &Config, store: &Store, version: GoVersion) -> Result<(), Refusal> {
    let begun = Instant::now();
    let brought = fetch_and_place(config, store, version);
    match &brought {
        Ok(by) => log::info!(
            "brought go{version} through the module proxy in {:.1} s; its hash was verified by {by}",
            begun.elapsed().as_secs_f64()
        ),
        Err(refusal) => {
            log::warn!(
                "cannot bring go{version}: {}: {}",
                refusal.reason.name(),
                refusal.log.trim_end()
            );
            let kept = store.failures().put(&key(version), refusal);
            kept.map_err(|e| trouble("keep a failure", &e))?;
        }
    }
    brought.map(drop)
}

fn fetch_and_place(config: &Config, store: &Store, version: GoVersion) -> Result<&'static str, Refusal> {
    let work = Work::named(store, &format!("go{version}"))
        .map_err(|e| trouble("make a directory for a toolchain", &e))?;
    let bounds = Bounds {
        deadline: Instant::now() + config.limits.wall,
        stdout_bytes: config.limits.log_bytes,
        stderr_bytes: config.limits.log_bytes,
    };
    let verified = match pins::sum(version, arch()) {
        Some(sum) => by_pin(config, store, work.path(), version, sum, bounds),
        None => by_go(config, store, work.path(), version, bounds),
    }?;
    tree::place(&verified.tree, &goroot(store, version))
        .map_err(|e| trouble("put a toolchain in place", &e))?;
    Ok(verified.by)
}

/// The first of the operator's proxies that has the pinned tree.
fn by_pin(
    config: &Config,
    store: &Store,
    work: &Path,
    version: GoVersion,
    sum: &str,
    bounds: Bounds,
) -> Result<Verified, Refusal> {
    let known = Toolchain::find(config, store).map(|go| go.proxies(config));
    let list = known.unwrap_or_else(|_| config.proxy.clone().unwrap_or_default());
    let mut refusal = Refusal::new(Reason::NoGo)
        .log("there is no Go here, and no module proxy to bring one from: set GOX_GOPROXY, or install Go");
    for proxy in named_proxies(&list).filter(is_proxy) {
        let url = format!(
            "{}/{MODULE}/@v/{}.zip",
            proxy.trim_end_matches('/'),
            module_version(version)
        );
        match fetch(config, work, &url, bounds) {
            Ok(tree) => {
                let prefix = format!("{MODULE}@{}", module_version(version));
                let found = tree::hash(&tree, &prefix).map_err(|e| trouble("hash a toolchain", &e))?;
                if found == sum {
                    let by = "the pin in gox-server";
                    return Ok(Verified { tree, by });
                }
                let url = hide_userinfo(&url);
                return Err(Refusal::new(Reason::ChecksumMismatch)
                    .log(format!("{url} holds {found}, and go{version} is {sum}")));
            }
            Err(failed) => refusal = failed,
        }
    }
    Err(refusal)
}

/// Fetches and unpacks a zip in a driver's cell: until it is verified it is a stranger's.
fn fetch(config: &Config, work: &Path, url: &str, bounds: Bounds) -> Result<PathBuf, Refusal> {
    let tree = work.join("tree");
    let own_binary = own_binary(work).map_err(|e| trouble("find gox-server itself", &e))?;
    let mut cell = driver_cell(config, [url].into_iter());
    cell.execute.push(own_binary.clone());
    cell.write.push(work.to_owned());
    let cell = serde_json::to_string(&cell).map_err(|e| trouble("describe a cell", &e.into()))?;
    let mut command = Command::new(&own_binary);
    command.arg("enter").arg(cell).arg("--").arg(&own_binary);
    // Not an argument, which every user of the machine can read: the address may hold a password.
    command
        .arg("fetch")
        .arg(&tree)
        .current_dir(work)
        .env_clear()
        .env(super::fetch::URL, url);
    let outcome = run(&mut command, bounds, |_| true).map_err(|e| trouble("start to fetch", &e))?;
    if outcome.ended == Ended::Exited(0) {
        return Ok(tree);
    }
    // What was unpacked before it failed: the next proxy's comes to the same place.
    remove(&tree).map_err(|e| trouble("remove half a toolchain", &e))?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    let log = format!("{url}: {:?}: {}", outcome.ended, said.trim());
    Err(Refusal::new(Reason::ProxyFailed).log(hide_userinfo(&log)))
}

/// By the Go that is here, into a module cache of its own.
fn by_go(
    config: &Config,
    store: &Store,
    work: &Path,
    version: GoVersion,
    bounds: Bounds,
) -> Result<Verified, Refusal> {
    let toolchain = Toolchain::find(config, store)?;
    let go = Go {
        config,
        store,
        toolchain: &toolchain,
        patience: Patience::of_operator(config),
        client: None,
    };
    let module = format!("{MODULE}@{}", module_version(version));
    let arguments = ["mod", "download", "-json", "--", &module].map(str::to_owned);
    let mut command = go
        .command(work, &store.compile_cache(), &arguments)
        .map_err(|e| trouble("prepare go", &e))?;
    // A go.mod above the directory in which it runs would have its say; above the root is none.
    command.env("GOMODCACHE", work.join("modules")).current_dir("/");
    let outcome = go.supervise(&mut command, work, bounds, &mut || ())?;
    match Downloaded::read(go, work, &module, true, &outcome) {
        Ok(said) => Ok(Verified {
            tree: said.dir,
            by: "the checksum database",
        }),
        Err(refusal) if refusal.reason == Reason::NoSuchVersion => Err(Refusal::new(Reason::NoSuchGo)
            .detail(format!("The module proxy has no go{version} for this machine."))
            .log(refusal.log)),
        Err(refusal) => Err(refusal),
    }
}
