//! Answers requests for sidecars: checksum, metadata, SBOM, log and events of a program. Only a request with `wait=1` starts a build.

use serde_json::{Value, json};

use crate::advisories::{VulnerabilityStatus, check_vulnerabilities};
use crate::builder::without_cgo::{self, check_stubs};
use crate::builder::{BuildState, Recipe, Waiter, find_artifact, find_failure};
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::events;
use crate::golang::build_info::BuildInfo;
use crate::golang::run::command::Go;
use crate::parse::{Cacheability, Sidecar};
use crate::program_url::ProgramUrl;
use crate::request::Request;
use crate::response::{Response, ResponseSink};
use crate::sbom;
use crate::store::{Artifact, Counter, Meta};

const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers for a program that was built, is being built, or failed to build.
pub fn answer(
    sidecar: Sidecar,
    recipe: &Recipe,
    cacheability: Cacheability,
    request: &Request,
    go: Go<'_>,
) -> Result<Response, Error> {
    let vary = match cacheability {
        Cacheability::Immutable | Cacheability::ByVersion => "Accept",
        Cacheability::ByClient => "User-Agent, Accept",
    };
    let file = |content_type: &str, text| {
        // The newest version, and the programs in the store, may change within minutes.
        Response::text(200, content_type, text)
            .with("Cache-Control", "max-age=60")
            .with("Vary", vary)
    };
    match sidecar {
        // Install scripts read the header here: the program's own response may have started before the build ended.
        Sidecar::Sha256 => {
            let artifact = find_built(recipe, go)?;
            check_stubs(&artifact.meta, recipe)?;
            let vulnerabilities = check_vulnerabilities(&artifact, go.config, go.store).header();
            Ok(file(PLAIN, checksum_line(&artifact.meta))
                .with_some("Gox-Vulnerabilities", vulnerabilities)
                .with_some("Gox-Without-Cgo", without_cgo::header(&artifact.meta)))
        }
        Sidecar::Json => {
            let artifact = find_built(recipe, go)?;
            let vulnerabilities = check_vulnerabilities(&artifact, go.config, go.store);
            let metadata = metadata(&artifact.meta, recipe, &vulnerabilities, &request.mount);
            Ok(file("application/json; charset=utf-8", format!("{metadata:#}\n")))
        }
        Sidecar::Sbom => Ok(file(sbom::MEDIA_TYPE, read_sbom(&find_built(recipe, go)?)?)),
        Sidecar::Log => match BuildState::read(recipe, go.config, go.store) {
            BuildState::NotBuilt => Err(Error::new(Reason::NotBuilt)),
            BuildState::Built(artifact) => Ok(file(PLAIN, success_log(&artifact.meta))),
            BuildState::Failed(error) => Ok(file(PLAIN, failure_log(&error))),
            pending @ (BuildState::Queued { .. } | BuildState::Building { .. }) => {
                Ok(Response::text(200, PLAIN, format!("{}\n", pending.describe()))
                    .with("Cache-Control", "no-store")
                    .with("Vary", vary))
            }
        },
        Sidecar::Events => events::answer(recipe, go),
    }
}

/// Returns the stored program, or the stored failure as an error.
fn find_built(recipe: &Recipe, go: Go<'_>) -> Result<Artifact, Error> {
    find_artifact(recipe, go.store).ok_or_else(|| {
        find_failure(recipe, go.config, go.store).unwrap_or_else(|| Error::new(Reason::NotBuilt))
    })
}

/// Waits for the program of a sidecar, and starts a build if none is under way, as a request for the program does. The response does not
/// start before the build ends: its content is not known, and a failure needs a status of its own.
pub fn wait_for_build(
    recipe: &mut Recipe,
    url: &ProgramUrl,
    go: Go<'_>,
    sink: &mut dyn ResponseSink,
) -> Result<(), Error> {
    if find_artifact(recipe, go.store).is_some() {
        return Ok(());
    }
    recipe.choose_newest_patch(go, url.options.go);
    let mut waiter = Waiter {
        go,
        deadline: go.deadlines.response_deadline(),
        on_stage: &mut |_| sink.keep_alive(None),
    };
    match waiter.obtain(recipe) {
        Ok(_) => {
            go.store.increment(Counter::Misses);
            url.record(&recipe.platform, go.store);
            Ok(())
        }
        // It is stored, and the log of the program contains it.
        Err(error) if error.reason.is_cacheable() => Ok(()),
        Err(error) => Err(error),
    }
}

/// One line in the format of `sha256sum --check`.
fn checksum_line(meta: &Meta) -> String {
    format!("{}  {}\n", meta.fingerprint.sha256, meta.description.file_name)
}

/// Metadata of a program, with absolute paths.
fn metadata(meta: &Meta, recipe: &Recipe, vulnerabilities: &VulnerabilityStatus, mount: &str) -> Value {
    let mut metadata = json!(meta);
    if let Value::Object(fields) = &mut metadata {
        if let Value::Object(notices) = json!(recipe.resolved.notices) {
            fields.extend(notices);
        }
        if *vulnerabilities != VulnerabilityStatus::NotChecked {
            fields.insert("vulnerabilities".to_owned(), vulnerabilities.json());
        }
        fields.insert(
            "command".to_owned(),
            json!({
                "directory": recipe.resolved.directory(),
                "by": recipe.resolved.evidence.name(),
            }),
        );
        if let Some(release) = &recipe.release {
            fields.insert("release".to_owned(), json!(release));
        }
        fields.remove("exact");
        fields.insert(
            "url".to_owned(),
            json!(format!("{mount}{}", meta.description.exact)),
        );
    }
    metadata
}

/// The SBOM of a program, from its build information.
fn read_sbom(artifact: &Artifact) -> Result<String, Error> {
    let info = BuildInfo::read(&artifact.file).map_err(|e| internal_error("read the program", &e))?;
    let info = info.ok_or_else(|| Error::new(Reason::Internal).log("no build information in a program"))?;
    Ok(sbom::render(&artifact.meta, &info))
}

/// The log of a program that compiled. The compiler prints nothing then.
fn success_log(meta: &Meta) -> String {
    format!(
        "{} {} was compiled by {} in {:.1} s, without output.\n",
        meta.description.package, meta.description.version, meta.description.go, meta.build_seconds
    )
}

/// The compiler's output for a program that does not compile.
fn failure_log(error: &Error) -> String {
    format!("{}\n{}\n", error.reason.sentence(), error.detail.trim_end())
}
