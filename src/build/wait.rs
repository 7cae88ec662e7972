//! One build per key. The request that finds a key's lock free starts a builder that inherits it; all others wait for the
//! lock to come free, and look again.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::Recipe;
use super::queue::{Full, Ticket, slot_at_once};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Guess;
use crate::config::Config;
use crate::detached;
use crate::golang::diagnosis::looked_for_modules;
use crate::golang::failure::Failure;
use crate::store::budget::{Client, Cost};
use crate::store::lock::{Lock, Waiting};
use crate::store::table::age;
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

/// A builder that is killed is replaced so often; then it is not chance.
const TRIES: usize = 3;

/// The program of this recipe, or of the one that takes its place where `go install` refuses, if it is there.
pub fn kept(recipe: &Recipe, store: &Store) -> Option<Artifact> {
    store
        .artifact(&recipe.key())
        .or_else(|| store.artifact(&recipe.as_main_module().key()))
}

/// Why there is no program of this recipe, or of the one that takes its place, where that is remembered.
pub fn failed(recipe: &Recipe, config: &Config, store: &Store) -> Option<Refusal> {
    let failure = |recipe: &Recipe| {
        let (failure, at): (Failure, SystemTime) = store.failures().get(&recipe.key())?;
        let refusal = failure.within(&config.limits)?;
        (lasts(recipe, &refusal, at) || age(at) < NEWS).then_some(refusal)
    };
    let refusal = failure(recipe)?;
    if refusal.reason == Reason::OwnDirectives {
        failure(&recipe.as_main_module())
    } else {
        Some(refusal)
    }
}

/// Whether there is no need to try again.
fn lasts(recipe: &Recipe, refusal: &Refusal, at: SystemTime) -> bool {
    let is_of_that_day = recipe.guess() != Guess::Nothing || looked_for_modules(&refusal.log);
    refusal.reason.is_for_ever() && !(is_of_that_day && age(at) > DAY)
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
        self.one_recipe(recipe).or_else(|refusal| {
            if refusal.reason != Reason::OwnDirectives {
                return Err(refusal);
            }
            self.one_recipe(&recipe.as_main_module())
        })
    }

    /// The program of exactly this recipe, from the store or from a build.
    fn one_recipe(&mut self, recipe: &Recipe) -> Result<Artifact, Refusal> {
        let arrived = SystemTime::now();
        let longest = || Instant::now() + self.config.limits.wall * 2;
        let deadline = self.until.unwrap_or_else(longest);
        let lock = self.store.lock(&recipe.key());
        let mut tries = 0;
        loop {
            if let Some(done) = self.look(recipe, arrived) {
                return done;
            }
            if let Some(lock) = Lock::try_take(&lock).map_err(|e| trouble("lock a build", &e))? {
                // Between the look and the lock another builder may have finished.
                if let Some(done) = self.look(recipe, arrived) {
                    return done;
                }
                tries += 1;
                if tries > TRIES {
                    return Err(Refusal::new(Reason::Internal).log("every builder was killed"));
                }
                let slot = self.slot(deadline)?;
                let argument =
                    serde_json::to_string(recipe).map_err(|e| trouble("write a recipe", &e.into()))?;
                detached::start(&["builder", &argument], lock, Some(slot), &self.store.log())
                    .map_err(|e| trouble("start a builder", &e))?;
            }
            if !self.until_free(&lock, deadline)? {
                return Err(Refusal::new(Reason::StillBuilding));
            }
        }
    }

    /// What there is: a program, a failure that is for ever, or one that happened while this request waited.
    fn look(&self, recipe: &Recipe, arrived: SystemTime) -> Option<Result<Artifact, Refusal>> {
        let key = recipe.key();
        if let Some(artifact) = self.store.artifact(&key) {
            return Some(Ok(artifact));
        }
        let (failure, at): (Failure, SystemTime) = self.store.failures().get(&key)?;
        let refusal = failure.within(&self.config.limits)?;
        // A date that is still to come is that of a clock which was set back.
        let meanwhile = (arrived..=SystemTime::now()).contains(&at);
        (lasts(recipe, &refusal, at) || meanwhile).then_some(Err(refusal))
    }

    /// A slot, paid for: who gets none has the cost back.
    fn slot(&mut self, deadline: Instant) -> Result<Lock, Refusal> {
        if let Some(client) = self.client {
            let within = self.store.spend(client, Cost::Build, self.config.builds_per_hour);
            if !within.map_err(|e| trouble("count a client's builds", &e))? {
                return Err(Refusal::new(Reason::TooManyBuilds));
            }
        }
        self.turn(deadline).inspect_err(|_| {
            let given = self
                .client
                .map(|client| self.store.give_back(client, Cost::Build));
            if let Some(Err(error)) = given {
                log::warn!("cannot give back what a build costs: {error}");
            }
        })
    }

    /// A slot, at once or in order of arrival.
    fn turn(&mut self, deadline: Instant) -> Result<Lock, Refusal> {
        let (store, slots) = (self.store, self.config.builds());
        if let Some(slot) = slot_at_once(store, slots).map_err(|e| trouble("take a slot", &e))? {
            return Ok(slot);
        }
        // Who counts no builds has no strangers.
        let stranger = self.client.filter(|_| self.config.builds_per_hour > 0);
        let ticket =
            Ticket::draw(store, self.config.queue, stranger).map_err(|e| trouble("get in line", &e))?;
        let ticket = ticket.map_err(|full| match full {
            Full::ForAll => Refusal::new(Reason::QueueFull),
            Full::ForOne => Refusal::new(Reason::TooManyBuilds),
        })?;
        let slot = ticket
            .wait_for_slot(store, slots, deadline, self.tell)
            .map_err(|e| trouble("wait in line", &e))?;
        // Its turn did not come: nothing is being compiled for it.
        slot.ok_or(Refusal::new(Reason::QueueFull))
    }

    fn until_free(&mut self, lock: &PathBuf, deadline: Instant) -> Result<bool, Refusal> {
        Waiting::on(std::slice::from_ref(lock))
            .while_wanted(|| Instant::now() < deadline && (self.tell)(Stage::Building))
            .map_err(|e| trouble("wait for a build", &e))
    }
}
