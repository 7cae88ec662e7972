//! The state of a program: not built, queued, being built, failed or built. Its page, its events and its log show it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::progress::{Progress, read_progress};
use super::{Recipe, find_artifact, find_failure};
use crate::config::Config;
use crate::error::Error;
use crate::store::lock::Lock;
use crate::store::{Artifact, BuildKey, Store, layout};

/// The state of a program.
#[derive(Debug)]
pub enum BuildState {
    /// No build runs, and no result is stored.
    NotBuilt,
    /// The build waits for a slot.
    Queued {
        /// Number of tickets ahead in the queue.
        ahead: usize,
    },
    /// The build runs.
    Building {
        /// Packages compiled; `None` before the compilation starts.
        progress: Option<Progress>,
        /// Time since the build started.
        elapsed: Duration,
    },
    /// The build failed.
    Failed(Box<Error>),
    /// The program is stored.
    Built(Box<Artifact>),
}

impl BuildState {
    /// Reads the state of a recipe, or of its main-module variant, which is built where `go install` refuses the module.
    pub fn read(recipe: &Recipe, config: &Config, store: &Store) -> BuildState {
        let keys = [recipe.key(), recipe.as_main_module().key()];
        // Before the results: a builder publishes its result before it releases its lock. A lock that cannot be checked counts as free.
        let running = keys
            .iter()
            .find(|key| !Lock::is_free(&store.build_lock(key)).unwrap_or(true));
        let mut positions = keys
            .iter()
            .filter_map(|key| store.queue_position(key).unwrap_or_default());
        let position = positions.next();
        if let Some(artifact) = find_artifact(recipe, store) {
            BuildState::Built(Box::new(artifact))
        } else if let Some(key) = running {
            let started = fs::metadata(store.build_lock(key)).and_then(|lock| lock.modified());
            BuildState::Building {
                progress: read_progress(&store.path(layout::WORK).join(key.as_str())),
                elapsed: started.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default(),
            }
        } else if let Some(ahead) = position {
            BuildState::Queued { ahead }
        } else {
            match find_failure(recipe, config, store) {
                Some(error) => BuildState::Failed(Box::new(error)),
                None => BuildState::NotBuilt,
            }
        }
    }

    /// Whether a build waits or runs.
    pub fn is_pending(&self) -> bool {
        matches!(self, BuildState::Queued { .. } | BuildState::Building { .. })
    }

    /// The state as one line for people; empty if no build waits or runs.
    pub fn describe(&self) -> String {
        match self {
            BuildState::Queued { ahead: 0 } => "Waiting for a build slot.".to_owned(),
            BuildState::Queued { ahead: 1 } => "Waiting for a build slot, 1 build ahead.".to_owned(),
            BuildState::Queued { ahead } => format!("Waiting for a build slot, {ahead} builds ahead."),
            BuildState::Building { progress: None, .. } => "Being compiled: loading packages.".to_owned(),
            BuildState::Building {
                progress: Some(Progress { done, total, package }),
                ..
            } => format!("Being compiled: {done} of {total} packages, now {package}."),
            BuildState::NotBuilt | BuildState::Failed(_) | BuildState::Built(_) => String::new(),
        }
    }

    /// The state for a program that reads the events, without the elapsed time.
    pub fn json(&self) -> Value {
        let text = self.describe();
        match self {
            BuildState::NotBuilt => json!({ "stage": "not-built" }),
            BuildState::Queued { ahead } => json!({ "stage": "queued", "ahead": ahead, "text": text }),
            BuildState::Building { progress: None, .. } => json!({ "stage": "building", "text": text }),
            BuildState::Building {
                progress: Some(Progress { done, total, package }),
                ..
            } => {
                json!({ "stage": "building", "done": done, "total": total, "package": package, "text": text })
            }
            BuildState::Failed(error) => {
                json!({ "stage": "failed", "reason": error.reason.name(), "text": error.reason.sentence() })
            }
            BuildState::Built(artifact) => {
                let fingerprint = &artifact.meta.fingerprint;
                json!({ "stage": "built", "sha256": fingerprint.sha256, "size": fingerprint.size })
            }
        }
    }
}

impl Recipe {
    /// The key of the duration of its last build, in any version.
    fn duration_key(&self) -> BuildKey {
        crate::store::KeyHasher::default()
            .field("duration")
            .field(&self.resolved.package)
            .field(self.platform.to_string())
            .finish()
    }

    /// Stores how long its build took, in seconds.
    pub fn record_duration(&self, store: &Store, seconds: f64) -> std::io::Result<()> {
        store.durations().put(&self.duration_key(), &seconds)
    }

    /// Returns how long the last build of this package took, in seconds.
    pub fn last_duration(&self, store: &Store) -> Option<f64> {
        Some(store.durations().get(&self.duration_key())?.0)
    }
}
