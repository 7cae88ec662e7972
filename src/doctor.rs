//! `gox-server doctor`: what works here, what does not, and what that costs. A table for a person at 2 a.m.

use std::io;

use crate::config::{Config, SandboxPolicy};
use crate::golang::Toolchain;
use crate::sandbox::enter::STEPS;
use crate::sandbox::layers::{Holds, Layers};
use crate::store::Store;

/// One thing that was looked at.
struct Finding {
    works: bool,
    what: &'static str,
    found: String,
}

/// Who goes into a cell.
const CELLS: [&str; 2] = ["driver", "tool"];

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
    for (number, (step, _)) in STEPS.iter().enumerate() {
        println!("{:>3}. {step}", number + 1);
    }
    let layers_needed = config.sandbox == SandboxPolicy::Require;
    let is_needed = |finding: &Finding| layers_needed || !CELLS.contains(&finding.what);
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
    match Toolchain::find(config, &store) {
        Ok(toolchain) => {
            let found = format!("{} at {}", toolchain.version, toolchain.go.display());
            findings.push(Finding {
                works: true,
                what: "go",
                found,
            });
            let proxies = toolchain.proxies(config);
            let works = proxies != "off";
            let found = match (works, toolchain.names_direct(config)) {
                (true, false) => proxies,
                (true, true) => {
                    format!("{proxies} (direct is left out: strangers would choose whom go asks)")
                }
                (false, _) => "none: set GOX_GOPROXY or GOPROXY (direct is left out)".to_owned(),
            };
            findings.push(Finding {
                works,
                what: "proxy",
                found,
            });
            let sums = toolchain.checksums(config).to_owned();
            let checked = sums != "off";
            let found = if checked {
                sums
            } else {
                "off: what the module proxy serves is believed".to_owned()
            };
            findings.push(Finding {
                works: true,
                what: "checksums",
                found,
            });
        }
        Err(refusal) => findings.push(Finding {
            works: false,
            what: "go",
            found: refusal.log,
        }),
    }
    findings.extend(cells(&store));
    let limits = &config.limits;
    let found = format!(
        "{} builds at once; {} s, {} MiB a process, programs up to {} MiB",
        config.builds,
        limits.wall.as_secs(),
        limits.memory_bytes >> 20,
        limits.artifact_bytes >> 20
    );
    findings.push(Finding {
        works: true,
        what: "limits",
        found,
    });
    findings
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
    let room = store.work();
    let [driver, tool] = CELLS;
    Ok([
        (driver, Layers::of_driver(&room)?),
        (tool, Layers::of_tool(&room)?),
    ])
}

fn cache([_, (_, tool)]: &BothLayers) -> &'static str {
    if tool.guard_caches() {
        "one compile cache for all builds"
    } else {
        "each build has a compile cache of its own, and compiles everything anew"
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
