//! One build per key, and as many builds at once as there are slots. The request that finds a key's lock free starts a
//! builder that inherits it; all others wait for the lock to come free, and look again.

use std::fs::{File, OpenOptions};
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Recipe;
use super::builder::Failure;
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::config::{Config, inherited};
use crate::store::lock::{Lock, Waiting};
use crate::store::{Artifact, BuildKey, Store};

/// A builder that is killed is replaced so often; then it is not chance.
const TRIES: usize = 3;

/// How often all slots are looked at while none is free.
const SLOT_EVERY: Duration = Duration::from_millis(20);

/// The program of this recipe, from the store or from a build. While it waits it asks now and then whether it is `wanted` still.
pub fn artifact(
    recipe: &Recipe,
    config: &Config,
    store: &Store,
    wanted: &mut dyn FnMut() -> bool,
) -> Result<Artifact, Refusal> {
    let key = recipe.key();
    let arrived = SystemTime::now();
    let deadline = Instant::now() + config.first_byte.unwrap_or(config.limits.wall * 2);
    for _ in 0..TRIES {
        if let Some(done) = look(store, &key, arrived) {
            return done;
        }
        if let Some(lock) = Lock::try_take(&store.lock(&key)).map_err(|e| trouble("lock a build", &e))? {
            // Between the look and the lock another builder may have finished.
            if let Some(done) = look(store, &key, arrived) {
                return done;
            }
            let slot = slot(config, store, deadline)?.ok_or(Refusal::new(Reason::QueueFull))?;
            start(recipe, store, lock, slot).map_err(|e| trouble("start a builder", &e))?;
        }
        if !wait(store, &key, deadline, wanted)? {
            return Err(Refusal::new(Reason::StillBuilding));
        }
    }
    look(store, &key, arrived).unwrap_or(Err(Refusal::new(Reason::Internal).log("every builder was killed")))
}

/// What there is: a program, a failure that is for ever, or one that happened while this request waited.
fn look(store: &Store, key: &BuildKey, arrived: SystemTime) -> Option<Result<Artifact, Refusal>> {
    if let Some(artifact) = store.artifact(key) {
        return Some(Ok(artifact));
    }
    let (failure, at): (Failure, SystemTime) = store.failure(key)?;
    (failure.refusal.reason.is_for_ever() || at >= arrived).then_some(Err(failure.refusal))
}

fn slot(config: &Config, store: &Store, deadline: Instant) -> Result<Option<Lock>, Refusal> {
    loop {
        for number in 0..config.builds {
            if let Some(lock) = Lock::try_take(&store.slot(number)).map_err(|e| trouble("take a slot", &e))? {
                return Ok(Some(lock));
            }
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(SLOT_EVERY);
    }
}

/// Starts a builder that lives on when this process is gone: see `builder`.
fn start(recipe: &Recipe, store: &Store, lock: Lock, slot: Lock) -> io::Result<()> {
    let log: File = OpenOptions::new().create(true).append(true).open(store.log())?;
    let mut builder = Command::new("/proc/self/exe")
        .arg("builder")
        .arg(serde_json::to_string(recipe)?)
        // With the request's variables it would take itself for a CGI program.
        .env_clear()
        .envs(inherited())
        .stdin(Stdio::from(lock.into_file()))
        .stdout(Stdio::from(slot.into_file()))
        .stderr(Stdio::from(log))
        .spawn()?;
    // Whoever started a process has to take note of its end, if it lives so long.
    thread::spawn(move || builder.wait());
    Ok(())
}

fn wait(
    store: &Store,
    key: &BuildKey,
    deadline: Instant,
    wanted: &mut dyn FnMut() -> bool,
) -> Result<bool, Refusal> {
    const NOTICE_EVERY: Duration = Duration::from_millis(100);
    let waiting = Waiting::begin(&store.lock(key)).map_err(|e| trouble("wait for a build", &e))?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !wanted() {
            return Ok(false);
        }
        if waiting
            .within(left.min(NOTICE_EVERY))
            .map_err(|e| trouble("wait for a build", &e))?
        {
            return Ok(true);
        }
    }
}
