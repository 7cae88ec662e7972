//! What the small files of a module say: its go.mod, and the `.info` of a version.

use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

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
