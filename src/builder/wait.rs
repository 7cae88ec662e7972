//! Runs at most one build per key, and makes other requests for the same key wait for it.
//!
//! A request first waits for a build slot. The first request that gets one starts a builder process, which inherits the key's lock.
//! All other requests wait until that lock is free, then check the store again. Each client queues by itself: if two clients request
//! the same program, its build starts as soon as one of them gets a slot.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Recipe;
use crate::config::Config;
use crate::detached;
use crate::error::{Error, Reason, internal_error};
use crate::golang::run::command::Go;
use crate::golang::run::failure::Failure;
use crate::hidden_command::HiddenCommand;
use crate::parse::Cacheability;
use crate::store::budget::{Client, Cost};
use crate::store::layout;
use crate::store::lock::{Lock, LockWait, TemporaryLock};
use crate::store::slot_queue::{AcquireError, QueueCapacity};
use crate::store::table::age;
use crate::store::waiting::record_queue_position;
use crate::store::{Artifact, Store};

/// What a waiter is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A build slot.
    Queued {
        /// Number of tickets ahead in the queue.
        ahead: usize,
    },
    /// The running build.
    Building,
}

/// How long HEAD and sidecar requests report a transient failure. The client that caused the build has read it by then, and the next
/// build may succeed.
const TRANSIENT_FAILURE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long a failure is valid that depends on the newest versions of dependencies.
const NEWEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// One client may use this fraction (1/n) of the queue, so that one client cannot fill it.
const QUEUE_SHARES: usize = 4;

/// Timeout for taking a lock that is expected to be free. Processes that check the lock hold it for a short time.
const LOCK_TIMEOUT: Duration = Duration::from_millis(50);

/// How many builders a waiter starts if each is killed before it stores a result.
const MAX_BUILDERS: usize = 3;

/// Returns the stored program of this recipe, or of its main-module variant, which is built where `go install` refuses the module.
pub fn find_artifact(recipe: &Recipe, store: &Store) -> Option<Artifact> {
    store
        .artifact(&recipe.key())
        .or_else(|| store.artifact(&recipe.as_main_module().key()))
        .map(|artifact| with_request_names(artifact, recipe))
}

/// Replaces the file name and URL with those of this request: they are not part of the key.
fn with_request_names(mut artifact: Artifact, recipe: &Recipe) -> Artifact {
    artifact.meta.description.file_name = recipe.file_name();
    artifact.meta.description.exact = recipe.exact_url();
    artifact
}

/// Returns the stored failure of this recipe, or of its main-module variant where `go install` refuses the module.
pub fn find_failure(recipe: &Recipe, config: &Config, store: &Store) -> Option<Error> {
    let failure = |recipe: &Recipe| {
        let (failure, at): (Failure, SystemTime) = store.failures().get(&recipe.key())?;
        let error = failure.error_under(&config.limits)?.with_age(age(at));
        (is_current(recipe, &error) || age(at) < TRANSIENT_FAILURE_LIFETIME).then_some(error)
    };
    let error = failure(recipe)?;
    if error.reason == Reason::ReplaceDirectives {
        failure(&recipe.as_main_module())
    } else {
        Some(error)
    }
}

/// Whether a stored failure makes a new build pointless. A permanent failure stays current; one that depends on the newest versions
/// of dependencies expires after a day; one that exceeded a limit expires after the time its reason states.
fn is_current(recipe: &Recipe, error: &Error) -> bool {
    let depends_on_newest = recipe.cacheability() != Cacheability::Immutable || error.expires_daily;
    match error.reason.cached_for() {
        Some(lifetime) => error.age < lifetime,
        None => error.reason.is_permanent() && !(depends_on_newest && error.age > NEWEST_LIFETIME),
    }
}

/// Waits for the program of a recipe, on behalf of one client.
pub struct Waiter<'a> {
    /// The settings, the store, and the client. Builds are charged to the budget of the client.
    pub go: Go<'a>,
    /// When to stop waiting; `None` waits for twice the wall-clock limit of a build.
    pub deadline: Option<Instant>,
    /// Called repeatedly with the current stage; returns false to stop waiting.
    pub on_stage: &'a mut dyn FnMut(Stage) -> bool,
}

impl Waiter<'_> {
    /// Returns the program of this recipe, or of its main-module variant where `go install` refuses the module.
    pub fn obtain(&mut self, recipe: &Recipe) -> Result<Artifact, Error> {
        self.go
            .store
            .create_directories()
            .map_err(|e| internal_error("create the state directory", &e))?;
        let artifact = self.obtain_exact(recipe).or_else(|error| {
            if error.reason != Reason::ReplaceDirectives {
                return Err(error);
            }
            self.obtain_exact(&recipe.as_main_module())
        });
        artifact.map(|artifact| with_request_names(artifact, recipe))
    }

    /// Returns the program of exactly this recipe, from the store or from a build.
    fn obtain_exact(&mut self, recipe: &Recipe) -> Result<Artifact, Error> {
        let since = SystemTime::now();
        let longest = || Instant::now() + self.go.config.limits.wall * 2;
        let deadline = self.deadline.unwrap_or_else(longest);
        let operator = Client::operator();
        let client = self.go.client.unwrap_or(&operator);
        let lock = self.go.store.build_lock(&recipe.key());
        let queued = self.go.store.waiter_lock(&recipe.key(), client);
        let mut builders = 0;
        loop {
            if let Some(done) = self.find_outcome(recipe, since) {
                return done;
            }
            if self.is_building(&lock)? {
                if !self.wait_until_free(&lock, deadline)? {
                    return Err(Error::new(Reason::StillBuilding));
                }
                continue;
            }
            let Some(alone) = Lock::try_acquire(&queued).map_err(|e| internal_error("lock a build", &e))?
            else {
                if !self.wait_until_free(&queued, deadline)? {
                    return Err(Error::new(Reason::QueueFull));
                }
                continue;
            };
            let _alone = TemporaryLock::new(alone, queued.clone());
            let Some(slot) = self.acquire_slot(client, &lock, &queued, deadline)? else {
                continue;
            };
            let taken =
                Lock::acquire_within(&lock, LOCK_TIMEOUT).map_err(|e| internal_error("lock a build", &e))?;
            let Some(taken) = taken else { continue };
            let taken = TemporaryLock::new(taken, lock.clone());
            // Another client's builder may have finished during the wait for the slot.
            if let Some(done) = self.find_outcome(recipe, since) {
                return done;
            }
            builders += 1;
            if builders > MAX_BUILDERS {
                return Err(Error::new(Reason::Internal).log("every builder was killed"));
            }
            self.charge_build()?;
            self.start_builder(recipe, taken, slot)?;
        }
    }

    /// Looks up the stored outcome: a program, a failure that is still current, or any failure stored after `since`.
    fn find_outcome(&self, recipe: &Recipe, since: SystemTime) -> Option<Result<Artifact, Error>> {
        let key = recipe.key();
        if let Some(artifact) = self.go.store.artifact(&key) {
            return Some(Ok(artifact));
        }
        let (failure, at): (Failure, SystemTime) = self.go.store.failures().get(&key)?;
        let error = failure.error_under(&self.go.config.limits)?.with_age(age(at));
        // A time in the future means that the clock was set back.
        let is_new = (since..=SystemTime::now()).contains(&at);
        (is_current(recipe, &error) || is_new).then_some(Err(error))
    }

    /// Starts a builder that inherits both locks. It charges the client for the time that it holds the slot.
    fn start_builder(&self, recipe: &Recipe, lock: TemporaryLock, slot: Lock) -> Result<(), Error> {
        let recipe =
            serde_json::to_string(recipe).map_err(|e| internal_error("write a recipe", &e.into()))?;
        let client = self.go.client.map(|client| client.name().to_owned());
        let command = HiddenCommand::Builder { recipe, client };
        let started = lock.into_lock().and_then(|lock| {
            detached::start(
                &command,
                lock.into(),
                slot.into(),
                &self.go.store.path(layout::LOG),
            )
        });
        started.map_err(|e| internal_error("start a builder", &e))
    }

    /// Acquires a build slot, queueing if necessary. Returns `None` if another client's builder has started on the same key.
    fn acquire_slot(
        &mut self,
        client: &Client,
        lock: &Path,
        queued: &Path,
        deadline: Instant,
    ) -> Result<Option<Lock>, Error> {
        self.check_budget()?;
        let all = self.go.config.queue;
        let one = match self.go.client {
            Some(_) if self.go.config.counts_builds() => (all / QUEUE_SHARES).max(1),
            // Without budgets all clients are trusted.
            Some(_) | None => all,
        };
        let mut recorded = None;
        let acquired = self.go.store.build_queue(self.go.config.builds()).acquire(
            client,
            QueueCapacity { all, one },
            deadline,
            &mut |ahead| {
                if recorded != Some(ahead) {
                    // Without it, pages do not show the position.
                    record_queue_position(queued, ahead).ok();
                    recorded = Some(ahead);
                }
                // If the lock cannot be checked, taking it reports the error.
                Lock::is_free(lock).unwrap_or(true) && (self.on_stage)(Stage::Queued { ahead })
            },
        );
        match acquired.map_err(|e| internal_error("wait for a build slot", &e))? {
            Ok(slot) => Ok(Some(slot)),
            Err(AcquireError::GaveUp) if self.is_building(lock)? => Ok(None),
            // No slot within the deadline: no build has started.
            Err(AcquireError::QueueFull | AcquireError::GaveUp) => Err(Error::new(Reason::QueueFull)),
            Err(AcquireError::ShareFull) => Err(Error::new(Reason::TooManyBuilds)),
        }
    }

    fn is_building(&self, lock: &Path) -> Result<bool, Error> {
        let is_free = Lock::is_free(lock).map_err(|e| internal_error("check a build's lock", &e))?;
        Ok(!is_free)
    }

    /// Charges the client for a build that is about to start. Its other builds may have used up its budget during the wait.
    fn charge_build(&self) -> Result<(), Error> {
        self.check_budget()?;
        let Some(client) = self.go.client else {
            return Ok(());
        };
        let within = self
            .go
            .store
            .spend(client, Cost::Build, self.go.config.builds_per_hour);
        match within.map_err(|e| internal_error("count a client's builds", &e))? {
            true => Ok(()),
            false => Err(Error::new(Reason::TooManyBuilds)),
        }
    }

    /// Fails if the client has used up its budget of this hour.
    fn check_budget(&self) -> Result<(), Error> {
        let Some(client) = self.go.client else {
            return Ok(());
        };
        for (cost, per_hour) in [
            (Cost::Build, self.go.config.builds_per_hour),
            (Cost::SlotSecond, self.go.config.slot_seconds_per_hour),
            (Cost::FailedMegabyte, self.go.config.failed_megabytes_per_hour()),
        ] {
            let left = self.go.store.has_budget(client, cost, per_hour);
            if !left.map_err(|e| internal_error("count a client's builds", &e))? {
                return Err(Error::new(Reason::TooManyBuilds));
            }
        }
        Ok(())
    }

    /// Waits until the lock is free. Returns false if the deadline passed, or the caller stopped waiting.
    fn wait_until_free(&mut self, lock: &PathBuf, deadline: Instant) -> Result<bool, Error> {
        LockWait::new(std::slice::from_ref(lock))
            .wait_while(|| Instant::now() < deadline && (self.on_stage)(Stage::Building))
            .map_err(|e| internal_error("wait for a build", &e))
    }
}
