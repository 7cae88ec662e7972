//! What is told of a program beside it. Sidecars look, and never build.

use serde_json::{Value, json};

use crate::answer::{Notices, Reason, Refusal, Response};
use crate::asked::{Guess, Sidecar};
use crate::build::{Recipe, failed, kept, progress};
use crate::config::Config;
use crate::request::Request;
use crate::store::{Meta, Store};

/// The answer, if the program was built, or was tried to be.
pub fn answer(
    sidecar: Sidecar,
    recipe: &Recipe,
    guess: Guess,
    request: &Request,
    config: &Config,
    store: &Store,
) -> Result<Response, Refusal> {
    let vary = match guess {
        Guess::Nothing | Guess::Version => "Accept",
        Guess::Machine => "User-Agent, Accept",
    };
    let text = |content_type: &str, text| {
        // What `latest` means, and what is kept, may change within minutes.
        Response::text(200, &format!("{content_type}; charset=utf-8"), text)
            .with("Cache-Control", "max-age=60")
            .with("Vary", vary)
    };
    let meta = kept(recipe, store).map(|artifact| artifact.meta);
    match (sidecar, meta) {
        (Sidecar::Sha256, Some(meta)) => Ok(text("text/plain", sums(&meta))),
        (Sidecar::Json, Some(meta)) => Ok(text(
            "application/json",
            format!(
                "{:#}\n",
                all(&meta, recipe.resolved.notices.as_ref(), &request.mount)
            ),
        )),
        (Sidecar::Log, Some(meta)) => Ok(text("text/plain", silence(&meta))),
        (Sidecar::Log, None) => match progress::told(recipe, store) {
            Some(told) => Ok(Response::text(200, "text/plain; charset=utf-8", told)
                .with("Cache-Control", "no-store")
                .with("Vary", vary)),
            None => words(recipe, config, store).map(|words| text("text/plain", words)),
        },
        (Sidecar::Sha256 | Sidecar::Json, None) => {
            Err(failed(recipe, config, store).unwrap_or(Refusal::new(Reason::NotBuilt)))
        }
    }
}

/// As sha256sum prints it, so that `sha256sum --check` reads it.
fn sums(meta: &Meta) -> String {
    format!("{}  {}\n", meta.fingerprint.sha256, meta.description.file_name)
}

fn all(meta: &Meta, notices: Option<&Notices>, mount: &str) -> Value {
    let mut all = json!(meta);
    if let Value::Object(all) = &mut all {
        if let Value::Object(notices) = json!(notices) {
            all.extend(notices);
        }
        all.remove("exact");
        all.insert(
            "url".to_owned(),
            json!(format!("{mount}{}", meta.description.exact)),
        );
    }
    all
}

fn silence(meta: &Meta) -> String {
    format!(
        "{} {} was compiled by {} in {:.1} s, without a word.\n",
        meta.description.package, meta.description.version, meta.description.go, meta.build_seconds
    )
}

/// What the compiler said of a program that it does not compile, for as long as that is remembered.
fn words(recipe: &Recipe, config: &Config, store: &Store) -> Result<String, Refusal> {
    let refusal = failed(recipe, config, store).ok_or_else(|| Refusal::new(Reason::NotBuilt))?;
    Ok(format!(
        "{}\n{}\n",
        refusal.reason.sentence(),
        refusal.detail.trim_end()
    ))
}
