//! `gox-server doctor`: what works here, what does not, and what that costs. A table for a person at 2 a.m.

use std::io;
use std::time::Duration;

use crate::config::{Config, Misspelt, SandboxPolicy, Vulnerable, WhichGo, hide_userinfo};
use crate::golang::toolchain::{brought, fetch, pins};
use crate::golang::work::Work;
use crate::golang::{Toolchain, vulnerabilities};
use crate::sandbox::enter::{LAST, STEPS};
use crate::sandbox::layer::Holds;
use crate::sandbox::layers::Layers;
use crate::store::Store;

/// One thing that was looked at.
struct Finding {
    works: bool,
    what: &'static str,
    found: String,
}

/// Who goes into a cell.
const CELLS: [&str; 2] = ["driver", "tool"];

/// Only what was asked for before can be served then.
const NO_PROXY: &str = "none: set GOX_GOPROXY or GOPROXY (direct is left out)";

/// How long a module proxy may take to answer `doctor`, which a person waits for.
const PROXY_WITHIN: Duration = Duration::from_secs(5);
/// What became known overnight is worth a line, and stops no server.
const ADVISORIES: &str = "advisories";

/// What was set and is no setting: worth a line, and no reason not to serve.
const UNKNOWN: &str = "unknown";

/// Prints the table; says whether everything works that is needed to serve. A layer of a cell that is missing is needed where
/// the operator says so (GOX_SANDBOX).
pub fn doctor(config: &Config) -> bool {
    let findings = findings(config);
    for finding in &findings {
        println!(
            "{} {:<12} {}",
            if finding.works { "✓" } else { "✗" },
            finding.what,
            finding.found
        );
    }
    println!("\nA cell is entered in this order:");
    let steps = STEPS.iter().map(|(step, _)| *step).chain([LAST]);
    for (number, step) in steps.enumerate() {
        println!("{:>3}. {step}", number + 1);
    }
    let layers_needed = config.sandbox == SandboxPolicy::Require;
    let is_needed = |finding: &Finding| {
        ![UNKNOWN, ADVISORIES].contains(&finding.what) && (layers_needed || !CELLS.contains(&finding.what))
    };
    findings.iter().filter(|f| is_needed(f)).all(|f| f.works)
}

fn findings(config: &Config) -> Vec<Finding> {
    let store = match Store::open(&config.dir) {
        Ok(store) => store,
        Err(error) => {
            let found = format!(
                "{}: {error}; name a directory in GOX_DIR that can be written",
                config.dir.display()
            );
            return vec![Finding {
                works: false,
                what: "state",
                found,
            }];
        }
    };
    let mut findings = vec![Finding {
        works: true,
        what: "state",
        found: config.dir.display().to_string(),
    }];
    findings.extend(go(config, &store));
    findings.extend(cells(&store));
    let (limits, memory) = (&config.limits, config.memory());
    let found = format!(
        "{} builds at once; {} s, {} MiB a process, {} compilers of {} MiB each, programs up to {} MiB",
        config.builds(),
        limits.wall.as_secs(),
        memory.most >> 20,
        memory.compilers,
        memory.compiler >> 20,
        limits.artifact_bytes >> 20
    );
    findings.push(Finding {
        works: true,
        what: "limits",
        found,
    });
    findings.extend(Misspelt::in_environment().iter().map(|misspelt| Finding {
        works: false,
        what: UNKNOWN,
        found: misspelt.to_string(),
    }));
    findings
}

/// The Go that serves who asks for none, where modules come from, and the other versions that are here.
fn go(config: &Config, store: &Store) -> Vec<Finding> {
    let toolchain = match Toolchain::find(config, store) {
        Ok(toolchain) => toolchain,
        Err(refusal) => return vec![no_go(config, store, refusal.log)],
    };
    let proxies = toolchain.proxies(config);
    let silent: Vec<String> = proxies.split(',').filter_map(silence).collect();
    let works = silent.is_empty();
    let shown = hide_userinfo(&proxies);
    let sums = toolchain.checksums(config);
    let mut findings = vec![
        Finding {
            works: true,
            what: "go",
            found: format!("{} at {}", toolchain.version, toolchain.go.display()),
        },
        Finding {
            works,
            what: "proxy",
            found: match (works, toolchain.names_direct(config)) {
                (true, false) => shown,
                (true, true) => {
                    format!("{shown} (direct is left out: strangers would choose whom go asks)")
                }
                (false, _) => silent.join("; "),
            },
        },
        Finding {
            works: true,
            what: "checksums",
            found: match sums {
                "off" => "off: what the module proxy serves is believed".to_owned(),
                sums => hide_userinfo(sums),
            },
        },
    ];
    // Where none can be looked for, none can be used: who is to write there says so.
    let brought = brought::all(store).unwrap_or_default().into_iter();
    let brought = brought.filter_map(|version| brought::look(config, store, version)?.ok());
    let others = brought.filter(|other| other.version != toolchain.version);
    let all: Vec<_> = [toolchain.clone()].into_iter().chain(others).collect();
    findings.extend(all.iter().skip(1).map(|other| Finding {
        works: true,
        what: "brought",
        found: format!("{} at {}", other.version, other.goroot.display()),
    }));
    findings.push(Finding {
        works: true,
        what: ADVISORIES,
        found: advisories(config, store),
    });
    findings.extend(all.iter().filter_map(|go| go.hole(store)).map(|found| Finding {
        works: false,
        what: ADVISORIES,
        found,
    }));
    findings
}

/// Why a module proxy does not answer, if it does not.
fn silence(proxy: &str) -> Option<String> {
    if proxy == "off" {
        return Some(NO_PROXY.to_owned());
    }
    let why = fetch::answers(proxy, PROXY_WITHIN).err()?;
    // The words may repeat the address.
    Some(hide_userinfo(&format!("{proxy} does not answer: {why}")))
}

/// Which vulnerability database there is.
fn advisories(config: &Config, store: &Store) -> String {
    match (config.vulnerable, vulnerabilities::database(store)) {
        (Vulnerable::Off, _) => "not looked up (GOX_VULNERABLE=off)".to_owned(),
        (Vulnerable::Tell | Vulnerable::Refuse, Some(database)) => {
            format!("Go vulnerability database of {}", database.date)
        }
        (Vulnerable::Tell | Vulnerable::Refuse, None) => {
            "no Go vulnerability database yet: it is fetched beside the first program that is served"
                .to_owned()
        }
    }
}

/// Without a Go, one is brought: that needs a module proxy.
fn no_go(config: &Config, store: &Store, log: String) -> Finding {
    if let (WhichGo::Installed | WhichGo::Own, Err(refusal)) = (&config.go, brought::can_start_one(store)) {
        return Finding {
            works: false,
            what: "go",
            found: refusal.log,
        };
    }
    match (&config.go, config.proxy.as_ref().filter(|proxy| *proxy != "off")) {
        (WhichGo::Installed | WhichGo::Own, Some(proxy)) => Finding {
            works: true,
            what: "go",
            found: format!(
                "none yet: the first request brings go{} from {}",
                pins::DEFAULT,
                hide_userinfo(proxy)
            ),
        },
        (WhichGo::Installed | WhichGo::Own, None) => Finding {
            works: false,
            what: "go",
            found: "none, and no module proxy to bring one from: set GOX_GOPROXY, or install Go".to_owned(),
        },
        (WhichGo::Named(_), _) => Finding {
            works: false,
            what: "go",
            found: log,
        },
    }
}

/// The layers of both kinds of cell, and what they mean for the compile cache.
fn cells(store: &Store) -> Vec<Finding> {
    let layers = match layers(store) {
        Ok(layers) => layers,
        Err(error) => {
            return vec![Finding {
                works: false,
                what: "cells",
                found: format!("cannot be entered: {error}"),
            }];
        }
    };
    let mut findings: Vec<_> = layers
        .iter()
        .flat_map(|(who, layers)| layers.0.iter().map(move |layer| (*who, layer)))
        .map(|(what, layer)| Finding {
            works: layer.holds == Holds::Fully,
            what,
            found: layer.to_string(),
        })
        .collect();
    findings.push(Finding {
        works: true,
        what: "cache",
        found: cache(&layers).to_owned(),
    });
    findings
}

/// Both kinds of cell, by who goes in.
type BothLayers = [(&'static str, Layers); 2];

fn layers(store: &Store) -> io::Result<BothLayers> {
    let work = Work::begin(store, "probe-")?;
    let [driver, tool] = CELLS;
    Ok([
        (driver, Layers::of_driver(work.path())?),
        (tool, Layers::of_tool(work.path())?),
    ])
}

fn cache([_, (_, tool)]: &BothLayers) -> &'static str {
    if tool.guard_caches() {
        "builds share one compile cache; of a copy of a module, each has its own"
    } else {
        "each build has a compile cache of its own, and compiles everything anew"
    }
}

/// What is wrong with the Go that serves, for the log, when a service starts.
pub fn log_go(config: &Config) {
    // Of a state that cannot be opened the cells tell.
    let Ok(store) = Store::open(&config.dir) else {
        return;
    };
    let toolchain = match Toolchain::find(config, &store) {
        Ok(toolchain) => toolchain,
        Err(refusal) => {
            let finding = no_go(config, &store, refusal.log);
            if !finding.works {
                log::error!("{}: {}", finding.what, finding.found);
            }
            return;
        }
    };
    if let Some(hole) = toolchain.hole(&store) {
        log::warn!("{hole}");
    }
    if toolchain.proxies(config) == "off" {
        log::warn!("module proxy: {NO_PROXY}");
    }
}

/// The same for the log, when a service starts: one line if all is well, else one more for each layer with a hole.
pub fn log_cells(config: &Config) {
    let layers = match Store::open(&config.dir).and_then(|store| layers(&store)) {
        Ok(layers) => layers,
        Err(error) => return log::error!("cells cannot be entered: {error}"),
    };
    for (who, layers) in &layers {
        for layer in layers.missing() {
            log::warn!("cell of a {who}: {layer}");
        }
    }
    log::info!("cells: {}", cache(&layers));
}
