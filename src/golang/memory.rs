//! Remembers what a target meant. An exact version means the same for ever; `latest` and the like hold for a while, and for
//! a while more they are served as they were while one process asks anew, so that a hit never waits for the network.

use std::io;
use std::time::{Duration, SystemTime};

use super::Resolved;
use super::command::Go;
use super::failure::Failure;
use super::resolve::{key, resolve};
use super::turn::turn;
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Target;
use crate::detached;
use crate::store::budget::Client;
use crate::store::lock::Lock;
use crate::store::table::age;
use crate::store::{BuildKey, Table};

/// How long an old answer is served at once, while another process asks: a release that is announced is awaited no longer.
const REFRESHING: Duration = Duration::from_secs(10 * 60);

/// How often it asks while the module proxy fails.
const REFRESH_EVERY: Duration = Duration::from_secs(10);

/// How long the last good answer is used where none is to be had, as while the module proxy fails: a night, and the morning in
/// which somebody mends it.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long what an author said of an exact version is repeated before it is asked for anew, beside an answer: once a day.
const NOTED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a target meant, or why it meant nothing.
type Meaning = Result<Resolved, Refusal>;

/// Asked before the module proxy is: whether it may be.
pub type Allowed<'a> = &'a dyn Fn() -> Result<(), Refusal>;

/// What the target means.
pub fn meaning(go: Go<'_>, target: &Target, allowed: Allowed<'_>) -> Meaning {
    let key = key(target, &go.toolchain.version);
    let table = go.store.resolutions();
    let remembered = look(go, &table, &key);
    let age = remembered.as_ref().map_or(Duration::MAX, |(_, at)| age(*at));
    let fresh = go.config.resolve;
    match remembered {
        Some((meaning, _)) if age < fresh => meaning,
        Some((meaning, _)) if lasts(target, &meaning) => {
            if meaning.is_ok() && age > NOTED {
                begin_refresh(go, target, &key, allowed);
            }
            meaning
        }
        Some((Ok(resolved), _)) if age < fresh + REFRESHING => {
            begin_refresh(go, target, &key, allowed);
            Ok(resolved)
        }
        Some((Ok(resolved), _)) if age < STALE => ask(go, target, allowed, &table, &key).or_else(|refusal| {
            if !is_silence(&refusal) {
                return Err(refusal);
            }
            log::warn!(
                "the module proxy could not be asked, an answer of {} s ago is used: {}",
                age.as_secs(),
                refusal.log
            );
            Ok(resolved)
        }),
        Some(_) | None => ask(go, target, allowed, &table, &key),
    }
}

/// What it meant, and when.
fn look(go: Go<'_>, table: &Table, key: &BuildKey) -> Option<(Meaning, SystemTime)> {
    let (kept, at): (Result<Resolved, Failure>, SystemTime) = table.get(key)?;
    let meaning = match kept {
        Ok(resolved) => Ok(resolved),
        Err(failure) => Err(failure.within(&go.config.limits)?),
    };
    Some((meaning, at))
}

/// Asks anew what a target means, for those who were given what it meant. What lasts is kept, whatever the proxy lacks today.
pub fn refresh(go: Go<'_>, target: &Target) -> Result<(), Refusal> {
    let key = key(target, &go.toolchain.version);
    let table = go.store.resolutions();
    let kept = look(go, &table, &key).map(|(meaning, _)| meaning);
    let kept = kept.filter(|meaning| meaning.is_ok() && lasts(target, meaning));
    complete(go)?;
    let deadline = go.patience.lookup_end();
    let asked = resolve(go, target, deadline, turn(go, deadline)?);
    let says_more = asked.as_ref().is_ok_and(|resolved| resolved.notices.is_some());
    let lasting = kept.as_ref().filter(|_| !says_more);
    remember(go, &table, &key, lasting.unwrap_or(&asked))?;
    asked.map(drop)
}

/// An exact version never changes, nor what it lacks; that it is not there may.
fn lasts(target: &Target, meaning: &Meaning) -> bool {
    match meaning {
        Ok(resolved) => target.version().is_only(&resolved.version),
        Err(refusal) => target.version().is_exact() && refusal.reason.is_for_ever(),
    }
}

fn ask(go: Go<'_>, target: &Target, allowed: Allowed<'_>, table: &Table, key: &BuildKey) -> Meaning {
    complete(go)?;
    let arrived = SystemTime::now();
    let deadline = go.patience.lookup_end();
    let turn = turn(go, deadline)?;
    // While this one waited for its turn, another may have asked the same.
    if let Some((meaning, _)) = look(go, table, key).filter(|(_, at)| *at >= arrived) {
        return meaning;
    }
    allowed()?;
    let meaning = resolve(go, target, deadline, turn);
    // What was unpacked to be looked into counts, though nothing is built.
    detached::begin_eviction(go.store);
    if let Err(refusal) = remember(go, table, key, &meaning) {
        log::warn!("what {target} means is not remembered: {}", refusal.log);
    }
    meaning
}

fn complete(go: Go<'_>) -> Result<(), Refusal> {
    go.store
        .complete()
        .map_err(|e| trouble("make the state directory", &e))
}

/// Whether that says nothing of the target: nobody was asked, or nobody answered.
fn is_silence(refusal: &Refusal) -> bool {
    refusal.reason != Reason::ChecksumMismatch && matches!(refusal.reason.status(), 429 | 500..)
}

/// What the proxy said is remembered, good or bad; that it said nothing is not.
fn remember(go: Go<'_>, table: &Table, key: &BuildKey, meaning: &Meaning) -> Result<(), Refusal> {
    let is_said = meaning.as_ref().map_or_else(
        |refusal| refusal.reason.is_for_ever() || matches!(refusal.reason.status(), 300 | 404),
        |_| true,
    );
    if !is_said {
        return Ok(());
    }
    let kept = meaning.as_ref();
    let kept = kept.map_err(|refusal| Failure::new(refusal, &go.config.limits));
    table
        .put(key, &kept)
        .map_err(|e| trouble("remember what a target means", &e))
}

/// Has one process ask again, if this client may cause one more, and a turn to refresh is free. The others find it at work, or that it
/// was at work just now and got no answer. An answer that is not refreshed now is old still when it is served next.
fn begin_refresh(go: Go<'_>, target: &Target, key: &BuildKey, allowed: Allowed<'_>) {
    let operator = Client::operator();
    let client = go.client.unwrap_or(&operator);
    let lock = || -> io::Result<_> {
        let Some(alone) = Lock::take_if_due(&go.store.refresh(key), REFRESH_EVERY)? else {
            return Ok(None);
        };
        go.store.complete()?;
        let place = go.store.refresh_turns().take_at_once(client)?;
        Ok(place.filter(|_| allowed().is_ok()).map(|place| (alone, place)))
    };
    let begun = lock().and_then(|locks| match locks {
        Some((alone, place)) => detached::start(
            &["refresh", &target.to_string()],
            alone,
            Some(place),
            &go.store.log(),
        ),
        None => Ok(()),
    });
    if let Err(error) = begun {
        log::warn!("cannot refresh what {target} means: {error}");
    }
}
