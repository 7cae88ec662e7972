//! `….events`: the state of a program as server-sent events (HTML Living Standard, section 9.2), until the build ends.
//!
//! ```text
//! data: {"stage":"queued","ahead":2,"text":"Waiting for a build slot, 2 builds ahead."}
//! data: {"stage":"building","done":12,"total":84,"package":"golang.org/x/term","seconds":3,…}
//! data: {"stage":"built","sha256":"…","size":4567890}
//! ```

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::builder::{BuildState, Recipe};
use crate::config::Config;
use crate::error::{Error, internal_error};
use crate::golang::run::command::Go;
use crate::response::{Body, Response, Stream};
use crate::store::Store;
use crate::store::budget::Client;
use crate::store::lock::Lock;

/// How often the state is read.
const POLL_INTERVAL: Duration = Duration::from_millis(400);

/// Interval of comments, which keep idle connections open. Apache notices a client that disconnected at the second one, Caddy at the
/// fourth; until then its stream counts.
const COMMENT_INTERVAL: Duration = Duration::from_secs(5);

/// How long a stream waits for a build to start: the process that waits for a slot may only just have been started, and a module that
/// `go install` refuses is built again as the main module.
const START_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts the event stream of a program. If too many streams are open, the response is 204, after which an EventSource does not connect
/// again.
pub fn answer(recipe: &Recipe, go: Go<'_>) -> Result<Response, Error> {
    let operator = Client::operator();
    let client = go.client.unwrap_or(&operator);
    let permit = go
        .store
        .create_directories()
        .and_then(|()| go.store.stream_queue().try_acquire(client))
        .map_err(|e| internal_error("limit the event streams", &e))?;
    let Some(permit) = permit else {
        return Ok(Response::empty(204).with("Cache-Control", "no-store"));
    };
    let events = BuildEvents {
        recipe: recipe.clone(),
        config: go.config.clone(),
        store: go.store.clone(),
        last: Value::Null,
        pending_at: Instant::now(),
        poll_at: Instant::now(),
        comment_at: Instant::now() + COMMENT_INTERVAL,
        has_ended: false,
        _permit: permit,
    };
    let response = Response {
        body: Body::Stream(Stream(Box::new(events))),
        ..Response::empty(200)
    };
    Ok(response
        .with("Content-Type", "text/event-stream")
        .with("Cache-Control", "no-store, no-transform")
        // Otherwise nginx would collect the events in its buffer.
        .with("X-Accel-Buffering", "no"))
}

/// The events of one build. It ends with the build.
struct BuildEvents {
    recipe: Recipe,
    config: Config,
    store: Store,
    /// The last event, without the elapsed time; null before the first.
    last: Value,
    /// When a build was last pending, or when the stream started.
    pending_at: Instant,
    /// When the state is read next.
    poll_at: Instant,
    /// When the next comment is due.
    comment_at: Instant,
    has_ended: bool,
    /// Held while the stream is open.
    _permit: Lock,
}

impl Iterator for BuildEvents {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.has_ended {
            return None;
        }
        thread::sleep(self.poll_at.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        self.poll_at = now + POLL_INTERVAL;
        let state = BuildState::read(&self.recipe, &self.config, &self.store);
        let mut event = state.json();
        if state.is_pending() {
            self.pending_at = now;
        }
        let may_start = matches!(state, BuildState::NotBuilt) && self.pending_at.elapsed() < START_TIMEOUT;
        if event != self.last && !may_start {
            self.last = event.clone();
            self.comment_at = now + COMMENT_INTERVAL;
            self.has_ended = !state.is_pending();
            if let (BuildState::Building { elapsed, .. }, Value::Object(fields)) = (&state, &mut event) {
                fields.insert("seconds".to_owned(), json!(elapsed.as_secs()));
            }
            return Some(format!("retry: 3000\ndata: {event}\n\n"));
        }
        if now >= self.comment_at {
            self.comment_at = now + COMMENT_INTERVAL;
            return Some(":\n\n".to_owned());
        }
        Some(String::new())
    }
}
