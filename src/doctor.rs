//! `gox-server doctor`: checks the installation and prints a table of what works and what does not. Servers log the same checks.

use std::io;
use std::iter;
use std::process::Stdio;
use std::time::Duration;

use crate::config::{
    Config, GoChoice, MIN_PROCESS, SandboxPolicy, UnknownSetting, VulnerabilityPolicy, hide_userinfo,
};
use crate::detached;
use crate::golang::Toolchain;
use crate::golang::toolchain::{fetch, managed, pins, split_proxies};
use crate::golang::vulnerabilities;
use crate::hidden_command::HiddenCommand;
use crate::object_store;
use crate::sandbox::enter::{FIRST_STEP, LAST_STEP, STEPS};
use crate::sandbox::layer::Enforcement;
use crate::sandbox::layers::Layers;
use crate::store::work_dir::WorkDir;
use crate::store::{Store, layout};

/// The result of one check: a row of the table.
struct CheckResult {
    works: bool,
    what: &'static str,
    found: String,
}

impl CheckResult {
    fn new(works: bool, what: &'static str, found: impl Into<String>) -> CheckResult {
        let found = found.into();
        CheckResult { works, what, found }
    }
}

/// The roles of processes in cells, and their rows.
const ROLES: [&str; 2] = ["driver", "tool"];

/// Without a module proxy, only what is in the store can be served.
const NO_PROXY: &str = "none: set GOX_GOPROXY or GOPROXY (direct is not used)";

/// The timeout for a module proxy, while a person waits.
const PROXY_TIMEOUT: Duration = Duration::from_secs(5);

/// The row for vulnerabilities of Go itself. One that was published overnight does not stop a server.
const ADVISORIES: &str = "advisories";

/// The row for variables that look like settings but are not. They do not stop a server.
const UNKNOWN: &str = "unknown";

/// Prints the table. Returns whether all requirements for serving are met. Layers of cells are required only with
/// GOX_SANDBOX=require.
pub fn run(config: &Config) -> bool {
    let results = check_all(config);
    for result in &results {
        println!(
            "{} {:<12} {}",
            if result.works { "✓" } else { "✗" },
            result.what,
            result.found
        );
    }
    println!("\nA process enters its cell in these steps:");
    let steps = STEPS.iter().map(|(step, _)| *step);
    let steps = iter::once(FIRST_STEP).chain(steps).chain([LAST_STEP]);
    for (number, step) in steps.enumerate() {
        println!("{:>3}. {step}", number + 1);
    }
    let layers_required = config.sandbox == SandboxPolicy::Require;
    let is_required = |result: &CheckResult| {
        ![UNKNOWN, ADVISORIES].contains(&result.what) && (layers_required || !ROLES.contains(&result.what))
    };
    results
        .iter()
        .filter(|result| is_required(result))
        .all(|result| result.works)
}

fn check_all(config: &Config) -> Vec<CheckResult> {
    let store = match Store::open(&config.dir) {
        Ok(store) => store,
        Err(error) => {
            let found = format!(
                "{}: {error}; set GOX_DIR to a writable directory",
                config.dir.display()
            );
            return vec![CheckResult::new(false, "state", found)];
        }
    };
    let mut results = vec![CheckResult::new(true, "state", config.dir.display().to_string())];
    results.extend(check_go(config, &store));
    results.extend(check_cells(&store));
    results.extend(object_store::check(config, &store).map(|checked| match checked {
        Ok(probed) => CheckResult::new(true, "store", probed.describe()),
        Err(error) => CheckResult::new(false, "store", error),
    }));
    let (limits, memory) = (&config.limits, config.memory());
    let found = format!(
        "{} concurrent builds; {} s, {} MiB per process, {} compilers with {} MiB each, programs up to {} MiB",
        config.builds(),
        limits.wall.as_secs(),
        memory.process_bytes >> 20,
        memory.compilers,
        memory.compiler_bytes >> 20,
        limits.artifact_bytes >> 20
    );
    results.push(match memory.process_bytes >= MIN_PROCESS {
        true => CheckResult::new(true, "limits", found),
        false => CheckResult::new(
            false,
            "limits",
            format!(
                "{found}; a process needs {} MiB: set a smaller GOX_BUILDS, or add memory",
                MIN_PROCESS >> 20
            ),
        ),
    });
    results.extend(
        UnknownSetting::find_in_env()
            .iter()
            .map(|unknown| CheckResult::new(false, UNKNOWN, unknown.to_string())),
    );
    results
}

/// Checks the default Go, the module proxy, the checksum database and the downloaded versions of Go.
fn check_go(config: &Config, store: &Store) -> Vec<CheckResult> {
    let toolchain = match Toolchain::find(config, store) {
        Ok(toolchain) => toolchain,
        Err(error) => return vec![check_missing_go(config, store, error.log)],
    };
    let proxies = toolchain.proxies(config);
    let errors: Vec<String> = split_proxies(&proxies).filter_map(proxy_error).collect();
    let works = errors.is_empty();
    let shown = hide_userinfo(&proxies);
    let sums = toolchain.sumdb(config);
    let mut results = vec![
        CheckResult::new(
            true,
            "go",
            format!("{} at {}", toolchain.version, toolchain.go.display()),
        ),
        CheckResult::new(
            works,
            "proxy",
            match (works, toolchain.has_direct(config)) {
                (true, false) => shown,
                (true, true) => {
                    format!(
                        "{shown} (direct is not used: module authors would choose the servers that go contacts)"
                    )
                }
                (false, _) => errors.join("; "),
            },
        ),
        CheckResult::new(
            true,
            "checksums",
            match sums {
                "off" => "off: content of the module proxy is not verified".to_owned(),
                sums => hide_userinfo(sums),
            },
        ),
    ];
    // A directory that cannot be read is reported by the first download that fails.
    let downloaded = managed::list(store).unwrap_or_default().into_iter();
    let downloaded = downloaded.filter_map(|version| managed::find(config, store, version)?.ok());
    let others = downloaded.filter(|other| other.version != toolchain.version);
    let all: Vec<_> = [toolchain.clone()].into_iter().chain(others).collect();
    results.extend(all.iter().skip(1).map(|other| {
        CheckResult::new(
            true,
            "downloaded",
            format!("{} at {}", other.version, other.goroot.display()),
        )
    }));
    results.push(CheckResult::new(
        true,
        ADVISORIES,
        describe_database(config, store),
    ));
    results.extend(
        all.iter()
            .filter_map(|go| go.known_vulnerability(store))
            .map(|found| CheckResult::new(false, ADVISORIES, found)),
    );
    results
}

/// The error of a module proxy that does not answer.
fn proxy_error(proxy: &str) -> Option<String> {
    if proxy == "off" {
        return Some(NO_PROXY.to_owned());
    }
    let error = fetch::check_proxy(proxy, PROXY_TIMEOUT).err()?;
    // The error may contain the URL.
    Some(hide_userinfo(&format!("{proxy} does not answer: {error}")))
}

/// The date of the vulnerability database.
fn describe_database(config: &Config, store: &Store) -> String {
    match (config.vulnerable, vulnerabilities::read_database_version(store)) {
        (VulnerabilityPolicy::Off, _) => "not checked (GOX_VULNERABLE=off)".to_owned(),
        (VulnerabilityPolicy::Report | VulnerabilityPolicy::Refuse, Some(database)) => {
            format!("Go vulnerability database of {}", database.date)
        }
        (VulnerabilityPolicy::Report | VulnerabilityPolicy::Refuse, None) => {
            "no Go vulnerability database yet: the first request starts its download".to_owned()
        }
    }
}

/// Checks whether a missing Go can be downloaded, which needs a module proxy. `error` is why none was found.
fn check_missing_go(config: &Config, store: &Store, error: String) -> CheckResult {
    if let (GoChoice::Installed | GoChoice::Own, Err(error)) = (&config.go, managed::check_executable(store))
    {
        return CheckResult::new(false, "go", error.log);
    }
    match (&config.go, config.proxy.as_ref().filter(|proxy| *proxy != "off")) {
        (GoChoice::Installed | GoChoice::Own, Some(proxy)) => CheckResult::new(
            true,
            "go",
            format!(
                "none yet: the first request downloads go{} from {}",
                pins::DEFAULT,
                hide_userinfo(proxy)
            ),
        ),
        (GoChoice::Installed | GoChoice::Own, None) => CheckResult::new(
            false,
            "go",
            "none, and no module proxy to download one from: set GOX_GOPROXY, or install Go",
        ),
        (GoChoice::Named(_), _) => CheckResult::new(false, "go", error),
    }
}

/// Checks the layers of both kinds of cell, and whether builds can share the compile cache.
fn check_cells(store: &Store) -> Vec<CheckResult> {
    let layers = match probe_layers(store) {
        Ok(layers) => layers,
        Err(error) => {
            return vec![CheckResult::new(
                false,
                "cells",
                format!("cannot be entered: {error}"),
            )];
        }
    };
    let mut results: Vec<_> = layers
        .iter()
        .flat_map(|(role, layers)| layers.0.iter().map(move |layer| (*role, layer)))
        .map(|(role, layer)| {
            CheckResult::new(layer.enforcement == Enforcement::Full, role, layer.to_string())
        })
        .collect();
    results.push(CheckResult::new(true, "cache", describe_cache(&layers)));
    results
}

/// The layers of both kinds of cell, by role.
type BothLayers = [(&'static str, Layers); 2];

fn probe_layers(store: &Store) -> io::Result<BothLayers> {
    let work = WorkDir::create(store, "probe-")?;
    let [driver, tool] = ROLES;
    Ok([
        (driver, Layers::probe_driver(work.path())?),
        (tool, Layers::probe_tool(work.path())?),
    ])
}

fn describe_cache([_, (_, tool)]: &BothLayers) -> &'static str {
    if tool.can_share_caches() {
        "builds share one compile cache; builds of module copies have their own"
    } else {
        "each build has its own compile cache and compiles everything"
    }
}

/// Logs problems with the default Go, at the start of a server.
pub fn log_go(config: &Config) {
    // [`log_cells`] reports a state directory that cannot be opened.
    let Ok(store) = Store::open(&config.dir) else {
        return;
    };
    let toolchain = match Toolchain::find(config, &store) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            let result = check_missing_go(config, &store, error.log);
            if !result.works {
                log::error!("{}: {}", result.what, result.found);
            }
            return;
        }
    };
    if let Some(warning) = toolchain.known_vulnerability(&store) {
        log::warn!("{warning}");
    }
    if toolchain.proxies(config) == "off" {
        log::warn!("module proxy: {NO_PROXY}");
    }
}

/// Starts a process that checks the object store and logs the result, at the start of a server: the server itself does not connect.
pub fn start_object_store_check(config: &Config) {
    if config.object_store.is_none() {
        return;
    }
    let started = Store::open(&config.dir).and_then(|store| {
        let log = store.path(layout::LOG);
        detached::start(&HiddenCommand::CheckStore, Stdio::null(), Stdio::null(), &log)
    });
    if let Err(error) = started {
        log::warn!("cannot check the object store: {error}");
    }
}

/// Logs each layer of a cell that is missing, and whether builds share a compile cache, at the start of a server.
pub fn log_cells(config: &Config) {
    let layers = match Store::open(&config.dir).and_then(|store| probe_layers(&store)) {
        Ok(layers) => layers,
        Err(error) => return log::error!("cells cannot be entered: {error}"),
    };
    for (role, layers) in &layers {
        for layer in layers.missing() {
            log::warn!("cell of a {role}: {layer}");
        }
    }
    log::info!("cells: {}", describe_cache(&layers));
}
