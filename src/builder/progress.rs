//! Progress of a build: packages compiled, of packages in the program.
//!
//! `go` writes its plan before it starts, and each tool adds a line to a file when it starts. No tool starts for a cached package, so
//! the progress is the position of the newest package in the plan, not the number of lines.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Progress of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Packages that are compiled or cached.
    pub done: usize,
    /// All packages, plus one for the link.
    pub total: usize,
    /// The package that is being compiled.
    pub package: String,
}

/// Returns the file to which each tool adds a line when it starts.
pub fn started_tools_file(work: &Path) -> PathBuf {
    work.join("progress")
}

/// Returns the file to which `go` writes its plan (`-debug-actiongraph`).
pub fn plan_file(work: &Path) -> PathBuf {
    work.join("plan.json")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PlannedAction {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    priority: usize,
}

/// Reads the packages of the program from the plan of the build in `work`, the standard library included.
pub fn read_planned_packages(work: &Path) -> Option<Vec<String>> {
    let plan: Vec<PlannedAction> = serde_json::from_slice(&fs::read(plan_file(work)).ok()?).ok()?;
    let builds = plan.into_iter().filter(|action| action.mode == "build");
    Some(builds.map(|action| action.package).collect())
}

/// Counts the packages that were compiled by the build in `work`, and did not come from the compile cache.
pub fn count_compiled(work: &Path) -> usize {
    let lines = fs::read_to_string(started_tools_file(work)).unwrap_or_default();
    let compiled = lines.lines().filter_map(|line| line.strip_prefix("compile "));
    compiled.collect::<HashSet<_>>().len()
}

/// Reads the progress of the build in `work`; `None` before it starts to compile.
pub fn read_progress(work: &Path) -> Option<Progress> {
    let lines = fs::read_to_string(started_tools_file(work)).ok()?;
    let plan: Vec<PlannedAction> = serde_json::from_slice(&fs::read(plan_file(work)).ok()?).ok()?;
    let mut packages: Vec<_> = plan.iter().filter(|a| a.mode == "build").collect();
    packages.sort_by_key(|action| action.priority);
    let position: HashMap<&str, usize> = packages
        .iter()
        .enumerate()
        .map(|(at, a)| (a.package.as_str(), at))
        .collect();
    let started = || lines.lines().filter_map(|line| line.split_once(' '));
    let (_, package) = started().next_back()?;
    let linking = started().any(|(tool, _)| tool == "link");
    let done = if linking {
        packages.len()
    } else {
        started()
            .filter_map(|(_, p)| position.get(p))
            .max()
            .copied()
            .unwrap_or(0)
    };
    Some(Progress {
        done,
        total: packages.len() + 1,
        package: package.to_owned(),
    })
}
