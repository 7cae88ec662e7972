//! One build per key. A request for what nobody builds waits for a slot; the first one that gets a slot starts a builder that inherits
//! the key's lock, and all others wait for that lock to come free, and look again. Each client waits for itself: a program that
//! another client has queued behind many others comes when it is this client's turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Recipe;
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Guess;
use crate::config::Config;
use crate::detached;
use crate::golang::failure::Failure;
use crate::store::budget::{Client, Cost};
use crate::store::lock::{Lock, TemporaryLock, Waiting};
use crate::store::table::age;
use crate::store::turns::{NoTurn, Room};
use crate::store::{Artifact, Store};

/// What who waits is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For a turn.
    Queued {
        /// So many come first.
        ahead: usize,
    },
    /// For the build.
    Building,
}

/// How long an accident is told of to who builds nothing: who asked for the program hears of it by then, and what the next build
/// brings nobody knows.
const NEWS: Duration = Duration::from_secs(10 * 60);

/// What was told anew for a build, on another day may be told otherwise.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One client may have one part of so many of the queue: there is room for others, whatever it asks for.
const PARTS: usize = 4;

/// How long processes that look whether a lock is free may be in the way of one that takes it.
const MOMENT: Duration = Duration::from_millis(50);

/// A builder that is killed is replaced so often; then it is not chance.
const TRIES: usize = 3;

/// The program of this recipe, or of the one that takes its place where `go install` refuses, if it is there.
pub fn kept(recipe: &Recipe, store: &Store) -> Option<Artifact> {
    store
        .artifact(&recipe.key())
        .or_else(|| store.artifact(&recipe.as_main_module().key()))
        .map(|artifact| named(artifact, recipe))
}

/// The program as this request calls it: its name and its URL are no part of its bytes.
fn named(artifact: Artifact, recipe: &Recipe) -> Artifact {
    let mut artifact = artifact;
    artifact.meta.description.file_name = recipe.file_name();
    artifact.meta.description.exact = recipe.exact_url();
    artifact
}

/// Why there is no program of this recipe, or of the one that takes its place, where that is remembered.
pub fn failed(recipe: &Recipe, config: &Config, store: &Store) -> Option<Refusal> {
    let failure = |recipe: &Recipe| {
        let (failure, at): (Failure, SystemTime) = store.failures().get(&recipe.key())?;
        let refusal = failure.within(&config.limits)?.of_age(age(at));
        (lasts(recipe, &refusal) || age(at) < NEWS).then_some(refusal)
    };
    let refusal = failure(recipe)?;
    if refusal.reason == Reason::OwnDirectives {
        failure(&recipe.as_main_module())
    } else {
        Some(refusal)
    }
}

/// Whether there is no need to try again: for ever, for a day where the day's newest modules were compiled, or for as long as what
/// exceeded the limits is expected to exceed them again.
fn lasts(recipe: &Recipe, refusal: &Refusal) -> bool {
    let is_of_that_day = recipe.guess() != Guess::Nothing || refusal.of_today;
    match refusal.reason.holds_for() {
        Some(holds) => refusal.age < holds,
        None => refusal.reason.is_for_ever() && !(is_of_that_day && refusal.age > DAY),
    }
}

/// Who waits for what, with what patience.
pub struct Wait<'a> {
    /// The settings.
    pub config: &'a Config,
    /// The state.
    pub store: &'a Store,
    /// Who pays for a build; `None` for the operator.
    pub client: Option<&'a Client>,
    /// Until when at most; `None`: as long as a turn and a build may take.
    pub until: Option<Instant>,
    /// Told of every stage, again and again; says whether the program is wanted still.
    pub tell: &'a mut dyn FnMut(Stage) -> bool,
}

impl Wait<'_> {
    /// The program of this recipe, or, where `go install` refuses the module, of the other.
    pub fn artifact(&mut self, recipe: &Recipe) -> Result<Artifact, Refusal> {
        self.store
            .complete()
            .map_err(|e| trouble("make the state directory", &e))?;
        let artifact = self.one_recipe(recipe).or_else(|refusal| {
            if refusal.reason != Reason::OwnDirectives {
                return Err(refusal);
            }
            self.one_recipe(&recipe.as_main_module())
        });
        artifact.map(|artifact| named(artifact, recipe))
    }

    /// The program of exactly this recipe, from the store or from a build.
    fn one_recipe(&mut self, recipe: &Recipe) -> Result<Artifact, Refusal> {
        let arrived = SystemTime::now();
        let longest = || Instant::now() + self.config.limits.wall * 2;
        let deadline = self.until.unwrap_or_else(longest);
        let operator = Client::operator();
        let client = self.client.unwrap_or(&operator);
        let lock = self.store.lock(&recipe.key());
        let queued = self.store.queued(&recipe.key(), client);
        let mut tries = 0;
        loop {
            if let Some(done) = self.look(recipe, arrived) {
                return done;
            }
            if self.is_building(&lock)? {
                if !self.until_free(&lock, deadline)? {
                    return Err(Refusal::new(Reason::StillBuilding));
                }
                continue;
            }
            let Some(alone) = Lock::try_take(&queued).map_err(|e| trouble("lock a build", &e))? else {
                if !self.until_free(&queued, deadline)? {
                    return Err(Refusal::new(Reason::QueueFull));
                }
                continue;
            };
            let _alone = TemporaryLock::new(alone, queued.clone());
            let Some(slot) = self.slot(client, &lock, deadline)? else {
                continue;
            };
            let taken = Lock::take_within(&lock, MOMENT).map_err(|e| trouble("lock a build", &e))?;
            let Some(taken) = taken else { continue };
            let taken = TemporaryLock::new(taken, lock.clone());
            // While it waited for the slot another client's builder may have finished.
            if let Some(done) = self.look(recipe, arrived) {
                return done;
            }
            tries += 1;
            if tries > TRIES {
                return Err(Refusal::new(Reason::Internal).log("every builder was killed"));
            }
            self.pay()?;
            self.start_builder(recipe, taken, slot)?;
        }
    }

    /// What there is: a program, a failure that is for ever, or one that happened while this request waited.
    fn look(&self, recipe: &Recipe, arrived: SystemTime) -> Option<Result<Artifact, Refusal>> {
        let key = recipe.key();
        if let Some(artifact) = self.store.artifact(&key) {
            return Some(Ok(artifact));
        }
        let (failure, at): (Failure, SystemTime) = self.store.failures().get(&key)?;
        let refusal = failure.within(&self.config.limits)?.of_age(age(at));
        // A date that is still to come is that of a clock which was set back.
        let meanwhile = (arrived..=SystemTime::now()).contains(&at);
        (lasts(recipe, &refusal) || meanwhile).then_some(Err(refusal))
    }

    /// Starts a builder that inherits both locks, and charges the client for the time that it holds the slot.
    fn start_builder(&self, recipe: &Recipe, lock: TemporaryLock, slot: Lock) -> Result<(), Refusal> {
        let recipe = serde_json::to_string(recipe).map_err(|e| trouble("write a recipe", &e.into()))?;
        let arguments = ["builder", &recipe]
            .into_iter()
            .chain(self.client.map(Client::name));
        let arguments: Vec<&str> = arguments.collect();
        let started = lock
            .into_lock()
            .and_then(|lock| detached::start(&arguments, lock, Some(slot), &self.store.log()));
        started.map_err(|e| trouble("start a builder", &e))
    }

    /// A slot, at once or when the client's turn comes; `None` when a builder has begun to make the same for another client.
    fn slot(&mut self, client: &Client, lock: &Path, deadline: Instant) -> Result<Option<Lock>, Refusal> {
        self.has_budget_left()?;
        let all = self.config.queue;
        let one = match self.client {
            Some(_) if self.config.counts_builds() => (all / PARTS).max(1),
            // Where nothing is counted, no client is a stranger.
            Some(_) | None => all,
        };
        let acquired = self.store.build_turns(self.config.builds()).acquire(
            client,
            Room { all, one },
            deadline,
            // A lock that cannot be looked at is found out when it is taken.
            &mut |ahead| Lock::is_free(lock).unwrap_or(true) && (self.tell)(Stage::Queued { ahead }),
        );
        match acquired.map_err(|e| trouble("wait in line", &e))? {
            Ok(slot) => Ok(Some(slot)),
            Err(NoTurn::TooLate) if self.is_building(lock)? => Ok(None),
            // Its turn did not come: nothing is being compiled for it.
            Err(NoTurn::QueueFull | NoTurn::TooLate) => Err(Refusal::new(Reason::QueueFull)),
            Err(NoTurn::ShareFull) => Err(Refusal::new(Reason::TooManyBuilds)),
        }
    }

    fn is_building(&self, lock: &Path) -> Result<bool, Refusal> {
        let is_free = Lock::is_free(lock).map_err(|e| trouble("look at a build's lock", &e))?;
        Ok(!is_free)
    }

    /// Counts a build that is about to start. What the client queued may have used up the hour meanwhile.
    fn pay(&self) -> Result<(), Refusal> {
        self.has_budget_left()?;
        let Some(client) = self.client else { return Ok(()) };
        let within = self.store.spend(client, Cost::Build, self.config.builds_per_hour);
        match within.map_err(|e| trouble("count a client's builds", &e))? {
            true => Ok(()),
            false => Err(Refusal::new(Reason::TooManyBuilds)),
        }
    }

    /// Whether the client may cause one more build in this hour.
    fn has_budget_left(&self) -> Result<(), Refusal> {
        let Some(client) = self.client else { return Ok(()) };
        for (cost, per_hour) in [
            (Cost::Build, self.config.builds_per_hour),
            (Cost::SlotSecond, self.config.slot_seconds_per_hour),
        ] {
            let left = self.store.has_left(client, cost, per_hour);
            if !left.map_err(|e| trouble("count a client's builds", &e))? {
                return Err(Refusal::new(Reason::TooManyBuilds));
            }
        }
        Ok(())
    }

    fn until_free(&mut self, lock: &PathBuf, deadline: Instant) -> Result<bool, Refusal> {
        Waiting::on(std::slice::from_ref(lock))
            .while_wanted(|| Instant::now() < deadline && (self.tell)(Stage::Building))
            .map_err(|e| trouble("wait for a build", &e))
    }
}
