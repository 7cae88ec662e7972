//! A request for a program that is not stored.

use crate::builder::{Recipe, Waiter, find_failure};
use crate::error::{Error, Reason};
use crate::golang::run::command::Go;
use crate::parse::executable;
use crate::program_url::ProgramUrl;
use crate::request::Request;
use crate::response::program::respond_to_head;
use crate::response::{EarlyResponse, Response, ResponseSink};
use crate::store::{Artifact, Counter};

/// Answers HEAD. It never starts a build, but reports a cached failure.
pub fn announce(recipe: &Recipe, request: &Request, go: Go<'_>) -> Result<Response, Error> {
    match find_failure(recipe, go.config, go.store).filter(|error| error.reason.is_cacheable()) {
        Some(error) => Err(error),
        None => Ok(respond_to_head(&recipe.description(), request)
            .with("Gox-Command", recipe.resolved.command())
            .with_notices(recipe.resolved.notices.as_ref())),
    }
}

/// Waits for the program, and starts a build if none is under way. During the build, `sink` is called at intervals.
pub fn build(
    recipe: &mut Recipe,
    url: &ProgramUrl,
    request: &Request,
    go: Go<'_>,
    sink: &mut dyn ResponseSink,
) -> Result<Artifact, Error> {
    if !request.may_start_build() {
        return Err(Error::new(Reason::NotBuilt));
    }
    recipe.choose_newest_patch(go, url.options.go);
    let mut waiter = Waiter {
        go,
        deadline: go
            .deadlines
            .response_deadline()
            .filter(|_| !sink.sends_early_response()),
        on_stage: &mut |_| {
            sink.keep_alive(Some(&EarlyResponse::new(
                &recipe.description(),
                recipe.resolved.command(),
                recipe.resolved.notices.as_ref(),
                request,
                executable::expected_header(&recipe.platform),
            )))
        },
    };
    let artifact = waiter.obtain(recipe)?;
    go.store.increment(Counter::Misses);
    url.record(&recipe.platform, go.store);
    Ok(artifact)
}
