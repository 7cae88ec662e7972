//! Starts the build for the form on a program's page. A detached process waits for the slot: the browser may leave.

use std::io::{self, Read};
use std::process::Stdio;

use super::{options_of, page_url};
use crate::builder::{BuildState, Recipe};
use crate::detached;
use crate::error::{Error, internal_error};
use crate::golang::run::command::Go;
use crate::hidden_command::HiddenCommand;
use crate::program_url::ProgramUrl;
use crate::request::Request;
use crate::response::Response;
use crate::store::budget::Client;
use crate::store::layout;

/// Starts the build and redirects to the page. A form on another site only gets the redirect.
pub(super) fn answer(
    recipe: &mut Recipe,
    url: &ProgramUrl,
    request: &Request,
    go: Go<'_>,
) -> Result<Response, Error> {
    let state = BuildState::read(recipe, go.config, go.store);
    let is_needed = matches!(state, BuildState::NotBuilt | BuildState::Failed(_));
    if is_needed && !request.comes_from_other_site() {
        recipe.choose_newest_patch(go, url.options.go);
        enqueue(recipe, go)?;
    }
    Ok(Response::see_other(page_url(
        recipe,
        &options_of(recipe, url),
        &request.mount,
    )))
}

/// Starts a process that waits for a slot, and returns when it waits. Fails if it may not wait, for example because the queue is full.
fn enqueue(recipe: &Recipe, go: Go<'_>) -> Result<(), Error> {
    let operator = Client::operator();
    let command = HiddenCommand::Enqueue {
        recipe: serde_json::to_string(recipe).map_err(|e| internal_error("write a recipe", &e.into()))?,
        client: go.client.unwrap_or(&operator).name().to_owned(),
    };
    let start = || -> io::Result<String> {
        let (mut report, output) = io::pipe()?;
        detached::start(
            &command,
            Stdio::null(),
            output.into(),
            &go.store.path(layout::LOG),
        )?;
        let mut text = String::new();
        report.read_to_string(&mut text)?;
        Ok(text)
    };
    let report = start().map_err(|e| internal_error("start a build", &e))?;
    match serde_json::from_str::<Error>(&report) {
        // A failure of the build is stored, and the page shows it.
        Ok(error) if !error.reason.is_cacheable() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
