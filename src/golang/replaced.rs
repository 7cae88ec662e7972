//! Modules that a go.mod replaces by a directory which the module's zip leaves out, since it is a module of its own: each is taken at
//! the commit of the module around it, as it lies beside it in the author's checkout.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Resolved;
use super::command::Go;
use super::downloaded::Downloaded;
use super::module_files::Replacement;
use super::resolve::download;
use crate::answer::script::quote;
use crate::answer::{Reason, Refusal};

/// Each is a download. Terraform has ten.
const MAX_MODULES: usize = 40;

/// A module in the place of a directory.
pub struct Replaced {
    /// The directory, relative to the module's root.
    pub directory: String,
    /// MODULE@VERSION.
    pub module: String,
    /// Where it is unpacked.
    pub unpacked: PathBuf,
}

impl Replaced {
    /// Shell commands that put it below `$d`, as a person pastes them.
    pub fn verify(&self) -> String {
        let (directory, module) = (quote(&self.directory), quote(&self.module));
        format!(
            "mkdir -p $d/{directory} && cp -R \"$(go mod download -json {module} | sed -n 's/.*\"Dir\": \"\\(.*\\)\",*/\\1/p')/.\" $d/{directory} && "
        )
    }
}

/// Downloads, and so verifies, the modules whose directories the unpacked module `copy` lacks.
pub fn fetch(
    go: Go<'_>,
    work: &Path,
    copy: &Path,
    resolved: &Resolved,
    replacements: &[Replacement],
    deadline: Instant,
) -> Result<Vec<Replaced>, Refusal> {
    // One that nothing requires is not read.
    let is_missing = |r: &&Replacement| r.is_required && !copy.join(&r.directory).join("go.mod").exists();
    let missing: Vec<&Replacement> = replacements.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let around = format!("{}@{}", resolved.module, resolved.version);
    let refused = |why: &str| {
        let pair = |r: &&Replacement| format!("  {} => {}", r.module, r.directory);
        let pairs: Vec<String> = missing.iter().map(pair).collect();
        Refusal::new(Reason::MissingReplacement).detail(format!(
            "The zip of {around} leaves out directories that its go.mod puts in place of modules:\n{}\n{why}",
            pairs.join("\n")
        ))
    };
    if missing.len() > MAX_MODULES {
        return Err(refused(&format!(
            "{MAX_MODULES} such modules are fetched at most."
        )));
    }
    let commit = resolved.commit.as_ref().ok_or_else(|| {
        refused(&format!(
            "The module proxy does not say which commit {} is, so the version that belongs to it is unknown.",
            resolved.version
        ))
    })?;
    let fetched = |r: &&Replacement| {
        let query = format!("{}@{commit}", r.module);
        let Downloaded { version, dir, .. } =
            download(go, work, &query, true, deadline).map_err(|refusal| {
                let words = if refusal.detail.is_empty() {
                    &refusal.log
                } else {
                    &refusal.detail
                };
                match refusal.reason.status() {
                    404 => refused(&format!("The module proxy does not have {query}: {words}")),
                    _ => refusal,
                }
            })?;
        Ok(Replaced {
            directory: r.directory.clone(),
            module: format!("{}@{version}", r.module),
            unpacked: dir,
        })
    };
    missing.iter().map(fetched).collect()
}
