//! The packages of a build and their entries in the compile cache, from `go`'s action graph.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::golang::run::build_id::decode_action_id;
use crate::golang::run::cache_entry::CacheEntry;
use crate::store::file::list_entries;

/// A package of a build.
pub struct CompiledPackage {
    /// Its output in the compile cache.
    pub entry: CacheEntry,
    /// Whether it belongs to the standard library.
    pub is_standard: bool,
    /// Whether this build compiled it. Otherwise the compile cache had it.
    pub is_new: bool,
}

/// An action in `go`'s action graph (cmd/go/internal/work, actionJSON).
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BuildAction {
    mode: String,
    package: String,
    priority: usize,
    #[serde(rename = "ActionID")]
    action_id: String,
    cmd: Option<Vec<String>>,
}

/// Finds the packages in the action graph of a successful build, in the order in which `go` needs them. Leaves out those of a
/// container image.
pub fn find_compiled_packages(graph: &[u8], cache: &Path) -> Vec<CompiledPackage> {
    // An empty graph is that of no build.
    let mut actions: Vec<BuildAction> = serde_json::from_slice(graph).unwrap_or_default();
    actions.retain(|action| action.mode == "build");
    actions.sort_by_key(|action| action.priority);
    let find = |action: BuildAction| {
        let entry = find_entry(&action.action_id, cache)?;
        let output = fs::symlink_metadata(entry.output_file(cache)).ok()?;
        let first = action.package.split('/').next().unwrap_or_default();
        output.is_file().then_some(CompiledPackage {
            entry,
            // The path of a module starts with a host name.
            is_standard: !first.contains('.'),
            is_new: action.cmd.is_some(),
        })
    };
    actions.into_iter().filter_map(find).collect()
}

/// Finds the entry of an action. The graph has the first half of its ID.
fn find_entry(action_id: &str, cache: &Path) -> Option<CacheEntry> {
    let prefix = decode_action_id(action_id.as_bytes())?;
    let mut files = list_entries(&cache.join(&prefix[..2]), &prefix).ok()?;
    files.retain(|file| file.as_os_str().as_encoded_bytes().ends_with(b"-a"));
    CacheEntry::parse(&fs::read_to_string(files.first()?).ok()?)
}
