//! How far a build is: packages compiled of packages in the program.
//!
//! `go` writes its plan before it begins, and each tool adds a line when it starts. What the cache has is never started, so
//! the place of the newest package in the plan tells more than the count of lines.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Recipe;
use crate::store::Store;
use crate::store::lock::Lock;

/// How far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Packages that are done or need not be done.
    pub done: usize,
    /// All packages, and the link.
    pub total: usize,
    /// What is being compiled.
    pub package: String,
}

/// How far the build of this recipe is, or of the one that takes its place, for a person; `None` if neither is being built.
pub fn told(recipe: &Recipe, store: &Store) -> Option<String> {
    let works = [recipe, &recipe.as_main_module()].map(|recipe| store.work().join(recipe.key().as_str()));
    // A builder holds the lock of its directory. What cannot be looked at is nobody's.
    let work = works.iter().find(|work| !Lock::is_free(work).unwrap_or(true))?;
    Some(match read(work) {
        Some(Progress { done, total, package }) => {
            format!("Being compiled: {done} of {total} packages, now {package}.\n")
        }
        None => "Being compiled: not begun yet.\n".to_owned(),
    })
}

/// The file to which each tool adds a line.
pub fn lines_file(work: &Path) -> PathBuf {
    work.join("progress")
}

/// The file into which `go` writes its plan.
pub fn plan_file(work: &Path) -> PathBuf {
    work.join("plan.json")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Action {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    priority: usize,
}

/// Reads how far the build in `work` is; `None` while it has not begun to compile.
pub fn read(work: &Path) -> Option<Progress> {
    let lines = fs::read_to_string(lines_file(work)).ok()?;
    let plan: Vec<Action> = serde_json::from_slice(&fs::read(plan_file(work)).ok()?).ok()?;
    let mut packages: Vec<_> = plan.iter().filter(|a| a.mode == "build").collect();
    packages.sort_by_key(|action| action.priority);
    let place: HashMap<&str, usize> = packages
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
            .filter_map(|(_, p)| place.get(p))
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
