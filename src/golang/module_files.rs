//! What the small files of a module say: its go.mod, and the `.info` of a version.

use std::path::Path;
use std::time::{Instant, SystemTime};

use serde::Deserialize;

use super::command::Go;
use super::diagnosis;
use crate::answer::Refusal;
use crate::answer::refusal::trouble;
use crate::sandbox::process::Ended;

/// What a line of a go.mod says behind its first word, such as `module` or `go` (Go modules reference, "go.mod files").
pub fn directive(go_mod: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(go_mod).ok()?;
    let line = text.lines().find_map(|line| {
        line.trim()
            .strip_prefix(name)
            .filter(|rest| rest.starts_with([' ', '\t', '"', '`']))
    })?;
    let word = line.split("//").next()?.trim().trim_matches(['"', '`']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// The directories that a go.mod puts in place of modules (Go modules reference, "replace directive"), as `go` itself reads it:
/// strings have escapes, and a comment may begin within one.
pub fn replacing_directories(
    go: Go<'_>,
    work: &Path,
    go_mod: &Path,
    deadline: Instant,
) -> Result<Vec<String>, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GoMod {
        replace: Option<Vec<Replace>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Replace {
        new: Module,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        path: String,
        version: Option<String>,
    }
    let outcome = go.run(
        work,
        &["mod", "edit", "-json", &go_mod.to_string_lossy()],
        deadline,
    )?;
    if outcome.ended != Ended::Exited(0) {
        return Err(diagnosis::build(&outcome, go.cpu_limit(), work, &go.hidden()));
    }
    let read: GoMod = serde_json::from_slice(&outcome.stdout)
        .map_err(|e| trouble("understand what go says of a go.mod", &e.into()))?;
    let replacements = read.replace.unwrap_or_default().into_iter();
    Ok(replacements
        .filter(|replace| replace.new.version.is_none())
        .map(|replace| replace.new.path)
        .collect())
}

/// The time in a version's `.info`.
pub fn module_time(info: &Path) -> u64 {
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "Time", default)]
        time: String,
    }
    let info: Option<Info> = std::fs::read(info)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let time = info.and_then(|info| humantime::parse_rfc3339_weak(&info.time).ok());
    time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs())
}
