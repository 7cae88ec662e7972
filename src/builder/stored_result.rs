//! A result in the object store, which another machine wrote, and the checks that it and its program must pass.

use std::fs::File;

use serde::{Deserialize, Serialize};

use super::Recipe;
use super::check::CheckedProgram;
use crate::config::Config;
use crate::error::{Error, Reason, internal_error};
use crate::golang::build_info::BuildInfo;
use crate::store::{BuildKey, Meta};

/// The content of `result/BUILDKEY`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredResult {
    /// The build key.
    pub(super) key: String,
    /// The metadata.
    #[serde(flatten)]
    pub(super) meta: Meta,
}

/// The error for an object that is not used.
pub(super) fn rejection(why: impl Into<String>) -> Error {
    Error::new(Reason::Internal).log(why)
}

impl StoredResult {
    /// Parses a result and checks that it is one of this recipe.
    pub(super) fn parse(text: &[u8], recipe: &Recipe, config: &Config) -> Result<StoredResult, Error> {
        let result: StoredResult =
            serde_json::from_slice(text).map_err(|error| rejection(format!("it is unreadable: {error}")))?;
        let StoredResult { key, meta } = &result;
        let (stored, own) = (&meta.description, recipe.description());
        let is_of_recipe = *key == recipe.key().to_string()
            && [
                &stored.module,
                &stored.version,
                &stored.package,
                &stored.go,
                &stored.platform,
                &stored.recipe,
            ] == [
                &own.module,
                &own.version,
                &own.package,
                &own.go,
                &own.platform,
                &own.recipe,
            ];
        // These texts become headers and lines of pages.
        let is_printable = |text: &String| text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let is_valid = BuildKey::parse(&meta.fingerprint.sha256).is_some()
            && meta.fingerprint.size <= config.limits.artifact_bytes
            && meta.build_seconds >= 0.0
            && meta.generated.is_none()
            && meta.without_cgo.iter().all(is_printable)
            && is_printable(&stored.verify);
        if !is_of_recipe {
            return Err(rejection("it is of another program"));
        }
        if !is_valid {
            return Err(rejection("it is invalid"));
        }
        Ok(result)
    }

    /// The metadata of the verified program. Only what this machine cannot compute is taken from the result.
    pub(super) fn verified_meta(&self, recipe: &Recipe) -> Meta {
        let mut description = recipe.description();
        if recipe.is_built_from_copy() {
            description.verify.clone_from(&self.meta.description.verify);
        }
        Meta {
            description,
            ..self.meta.clone()
        }
    }
}

/// Checks that the build information of the program is that of the recipe: bytes that match their name may still be those of
/// another program.
pub(super) fn check_build_info(program: &CheckedProgram, recipe: &Recipe) -> Result<(), Error> {
    let info = File::open(&program.path).and_then(|file| BuildInfo::read(&file));
    let info = info
        .map_err(|e| internal_error("read the program", &e))?
        .ok_or_else(|| rejection("the program has no build information"))?;
    let main = info.main.as_ref();
    let agrees = info.package == recipe.resolved.package
        && main.is_some_and(|main| main.path == recipe.resolved.module)
        // A module that is built from a copy has no version.
        && (recipe.is_built_from_copy() || main.is_some_and(|main| main.version == recipe.resolved.version))
        && info.platform().is_none_or(|platform| platform == recipe.platform)
        // WebAssembly does not contain the version of Go.
        && (info.go.is_empty() || info.go == recipe.go)
        && info.tags() == recipe.all_tags().join(",");
    match agrees {
        true => Ok(()),
        false => Err(rejection(format!(
            "the program is another one: {}",
            info.lines()[..3.min(info.lines().len())].join(" ")
        ))),
    }
}
