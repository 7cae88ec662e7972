//! What is told of a program beside it. Sidecars look, and never build.

use serde_json::{Value, json};

use crate::advisories::{Known, known};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal, Response};
use crate::asked::{Guess, Sidecar};
use crate::build::{Recipe, failed, kept, progress};
use crate::config::Config;
use crate::golang::build_info::BuildInfo;
use crate::request::Request;
use crate::sbom;
use crate::store::{Artifact, Meta, Store};

const PLAIN: &str = "text/plain; charset=utf-8";

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
        Response::text(200, content_type, text)
            .with("Cache-Control", "max-age=60")
            .with("Vary", vary)
    };
    match (sidecar, kept(recipe, store)) {
        // The install scripts read the header here: the program's own answer may have begun before it was built.
        (Sidecar::Sha256, Some(artifact)) => Ok(text(PLAIN, sums(&artifact.meta))
            .with_some("Gox-Vulnerabilities", known(&artifact, config, store).header())),
        (Sidecar::Json, Some(artifact)) => {
            let known = known(&artifact, config, store);
            let all = all(&artifact.meta, recipe, &known, &request.mount);
            Ok(text("application/json; charset=utf-8", format!("{all:#}\n")))
        }
        (Sidecar::Sbom, Some(artifact)) => bill(&artifact).map(|bill| text(sbom::MEDIA_TYPE, bill)),
        (Sidecar::Log, Some(artifact)) => Ok(text(PLAIN, silence(&artifact.meta))),
        (Sidecar::Log, None) => match progress::told(recipe, store) {
            Some(told) => Ok(Response::text(200, PLAIN, told)
                .with("Cache-Control", "no-store")
                .with("Vary", vary)),
            None => words(recipe, config, store).map(|words| text(PLAIN, words)),
        },
        (Sidecar::Sha256 | Sidecar::Json | Sidecar::Sbom, None) => {
            Err(failed(recipe, config, store).unwrap_or(Refusal::new(Reason::NotBuilt)))
        }
    }
}

/// As sha256sum prints it, so that `sha256sum --check` reads it.
fn sums(meta: &Meta) -> String {
    format!("{}  {}\n", meta.fingerprint.sha256, meta.description.file_name)
}

fn all(meta: &Meta, recipe: &Recipe, known: &Known, mount: &str) -> Value {
    let mut all = json!(meta);
    if let Value::Object(all) = &mut all {
        if let Value::Object(notices) = json!(recipe.resolved.notices) {
            all.extend(notices);
        }
        if *known != Known::NotAsked {
            all.insert("vulnerabilities".to_owned(), known.json());
        }
        all.insert(
            "command".to_owned(),
            json!({
                "directory": recipe.resolved.directory(),
                "by": recipe.resolved.evidence.name(),
            }),
        );
        if let Some(release) = &recipe.release {
            all.insert("release".to_owned(), json!(release));
        }
        all.remove("exact");
        all.insert(
            "url".to_owned(),
            json!(format!("{mount}{}", meta.description.exact)),
        );
    }
    all
}

/// Which modules are in it.
fn bill(artifact: &Artifact) -> Result<String, Refusal> {
    let info = BuildInfo::read(&artifact.file).map_err(|e| trouble("read the program", &e))?;
    let info = info.ok_or_else(|| Refusal::new(Reason::Internal).log("no build information in a program"))?;
    Ok(sbom::document(&artifact.meta, &info))
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
