//! Downloads one version of Go, in a process of its own. Its standard input is the lock of the version, on which other processes
//! wait.
//!
//! A pinned version is downloaded and unpacked by `gox-server fetch` in a cell, so no Go is needed; its hash must be the pinned
//! one. Any other version is downloaded by `go mod download`, which verifies it by the checksum database. A toolchain is moved to
//! the directory from which Go is started only after it was verified.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::managed::{MODULE, arch, failure_key, goroot, module_version};
use super::{Toolchain, is_proxy, pins, split_proxies, tree};
use crate::config::{Config, hide_userinfo};
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::run::command::{Go, build_bounds, driver_cell};
use crate::hidden_command::HiddenCommand;
use crate::parse::GoVersion;
use crate::sandbox::process::{Bounds, Termination, run};
use crate::sandbox::self_exe::self_exe;
use crate::store::Store;
use crate::store::layout;
use crate::store::remove::remove;
use crate::store::work_dir::WorkDir;

/// An unpacked toolchain with a verified hash.
struct VerifiedTree {
    tree: PathBuf,
    /// What verified it, for the log.
    verified_by: &'static str,
}

/// Downloads a version of Go. Stores an error for the processes that wait for it.
pub fn download(config: &Config, store: &Store, version: GoVersion) -> Result<(), Error> {
    let started = Instant::now();
    let installed = download_and_install(config, store, version);
    match &installed {
        Ok(verified_by) => log::info!(
            "downloaded go{version} from the module proxy in {:.1} s; its hash was verified by {verified_by}",
            started.elapsed().as_secs_f64()
        ),
        Err(error) => {
            log::warn!(
                "cannot download go{version}: {}: {}",
                error.reason.name(),
                error.log.trim_end()
            );
            let stored = store.failures().put(&failure_key(version), error);
            stored.map_err(|e| internal_error("store a failure", &e))?;
        }
    }
    installed.map(drop)
}

fn download_and_install(config: &Config, store: &Store, version: GoVersion) -> Result<&'static str, Error> {
    let work = WorkDir::recreate(store, &format!("go{version}"))
        .map_err(|e| internal_error("create a directory for a toolchain", &e))?;
    let bounds = build_bounds(&config.limits, Instant::now());
    let verified = match pins::find_sum(version, arch()) {
        Some(sum) => download_pinned(config, store, work.path(), version, sum, bounds),
        None => download_with_go(config, store, work.path(), version, bounds),
    }?;
    tree::install(&verified.tree, &goroot(store, version))
        .map_err(|e| internal_error("install a toolchain", &e))?;
    Ok(verified.verified_by)
}

/// Downloads a pinned version from the first of the operator's proxies that has it.
fn download_pinned(
    config: &Config,
    store: &Store,
    work: &Path,
    version: GoVersion,
    sum: &str,
    bounds: Bounds,
) -> Result<VerifiedTree, Error> {
    // The default proxies are those of the installed Go. Without one, only GOX_GOPROXY applies.
    let proxies = Toolchain::find(config, store).map(|go| go.proxies(config));
    let proxies = proxies.unwrap_or_else(|_| config.proxy.clone().unwrap_or_default());
    let mut last_error = Error::new(Reason::NoGo)
        .log("no Go is installed, and there is no module proxy to download one from: set GOX_GOPROXY, or install Go");
    for proxy in split_proxies(&proxies).filter(is_proxy) {
        let url = format!(
            "{}/{MODULE}/@v/{}.zip",
            proxy.trim_end_matches('/'),
            module_version(version)
        );
        match fetch_in_cell(config, work, &url, bounds) {
            Ok(tree) => {
                let prefix = format!("{MODULE}@{}", module_version(version));
                let found = tree::hash(&tree, &prefix).map_err(|e| internal_error("hash a toolchain", &e))?;
                if found == sum {
                    let verified_by = "the pin in gox-server";
                    return Ok(VerifiedTree { tree, verified_by });
                }
                let url = hide_userinfo(&url);
                return Err(Error::new(Reason::ChecksumMismatch).log(format!(
                    "{url} has the hash {found}, but go{version} is pinned to {sum}"
                )));
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// Downloads and unpacks a zip in a driver's cell, because it has not been verified.
fn fetch_in_cell(config: &Config, work: &Path, url: &str, bounds: Bounds) -> Result<PathBuf, Error> {
    let tree = work.join("tree");
    let self_exe = self_exe(work).map_err(|e| internal_error("find gox-server itself", &e))?;
    let mut cell = driver_cell(config, [url].into_iter());
    cell.execute.push(self_exe.clone());
    cell.write.push(work.to_owned());
    let fetch = HiddenCommand::Fetch { tree: tree.clone() };
    let mut command = cell
        .command(&self_exe, fetch.command_line(&self_exe))
        .map_err(|e| internal_error("serialize a cell", &e))?;
    // The URL may hold a password. Every user of the machine can read a process's arguments, but not its environment.
    command.current_dir(work).env_clear().env(super::fetch::URL, url);
    let outcome = run(&mut command, bounds, |_| true).map_err(|e| internal_error("start a download", &e))?;
    if outcome.termination == Termination::Exited(0) {
        return Ok(tree);
    }
    // The zip of the next proxy is unpacked to the same directory.
    remove(&tree).map_err(|e| internal_error("remove an incomplete toolchain", &e))?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let log = format!("{url}: {:?}: {}", outcome.termination, stderr.trim());
    Err(Error::new(Reason::ProxyFailed).log(hide_userinfo(&log)))
}

/// Downloads a version with the default Go, into a module cache of its own.
fn download_with_go(
    config: &Config,
    store: &Store,
    work: &Path,
    version: GoVersion,
    bounds: Bounds,
) -> Result<VerifiedTree, Error> {
    let toolchain = Toolchain::find(config, store)?;
    let go = Go::for_operator(config, store, &toolchain);
    let module = format!("{MODULE}@{}", module_version(version));
    let arguments = ["mod", "download", "-json", "--", &module].map(str::to_owned);
    let mut command = go
        .command(work, &store.path(layout::COMPILE_CACHE), &arguments)
        .map_err(|e| internal_error("prepare go", &e))?;
    // Go reads a go.mod in any parent of its working directory. The root has no parent.
    command.env("GOMODCACHE", work.join("modules")).current_dir("/");
    let outcome = go.supervise(&mut command, work, bounds, &mut || ())?;
    match DownloadedModule::parse(go, work, &module, true, &outcome) {
        Ok(module) => Ok(VerifiedTree {
            tree: module.dir,
            verified_by: "the checksum database",
        }),
        Err(error) if error.reason == Reason::NoSuchVersion => Err(Error::new(Reason::NoSuchGo)
            .detail(format!(
                "The module proxy does not have go{version} for the architecture of this server."
            ))
            .log(error.log)),
        Err(error) => Err(error),
    }
}
