//! `gox-server doctor`: what works here, what does not, and what that costs. A table for a person at 2 a.m.

use crate::config::Config;
use crate::golang::Toolchain;
use crate::sandbox::enter::STEPS;
use crate::sandbox::landlock;
use crate::store::Store;

/// One thing that was looked at.
struct Finding {
    works: bool,
    what: &'static str,
    found: String,
}

/// Prints the table; says whether everything works that is needed to serve.
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
    findings.iter().all(|finding| finding.works)
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
            let found = if works {
                proxies
            } else {
                "none: set GOX_GOPROXY or GOPROXY".to_owned()
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
    findings.push(match landlock::abi() {
        Some(abi) => Finding {
            works: true,
            what: "cells",
            found: format!("Landlock ABI {abi}: one compile cache for all"),
        },
        None => Finding {
            works: false,
            what: "cells",
            found: "no Landlock: each build compiles everything anew".to_owned(),
        },
    });
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
