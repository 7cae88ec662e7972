//! Fetches nested modules that a go.mod replaces by a local directory. The zip of the outer module leaves such a directory out. Each
//! nested module is fetched at the commit of the outer one, which is what the author's checkout has in that directory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::resolve::go_mod::LocalReplacement;
use crate::golang::resolve::lookup::Lookup;
use crate::golang::run::command::Go;
use crate::text::quote;

/// Modules that are fetched for one program. Terraform has ten.
const MAX_MODULES: usize = 40;

/// A nested module that was fetched for a missing directory.
pub struct FetchedReplacement {
    /// The directory, relative to the module's root.
    pub directory: String,
    /// MODULE@VERSION.
    pub module: String,
    /// The directory of the module cache in which it is unpacked.
    pub unpacked: PathBuf,
}

impl FetchedReplacement {
    /// Shell commands that copy it into `$d`, for the verify command.
    pub fn copy_command(&self) -> String {
        let (directory, module) = (quote(&self.directory), quote(&self.module));
        format!(
            "mkdir -p $d/{directory} && cp -R \"$(go mod download -json {module} | sed -n 's/.*\"Dir\": \"\\(.*\\)\",*/\\1/p')/.\" $d/{directory} && "
        )
    }
}

/// Downloads and verifies the modules that are missing as directories in `copy`, the copy of the outer module's tree.
pub fn fetch_replacements(
    go: Go<'_>,
    work: &Path,
    copy: &Path,
    resolved: &Resolved,
    replacements: &[LocalReplacement],
    deadline: Instant,
) -> Result<Vec<FetchedReplacement>, Error> {
    // Go does not read a replaced module that go.mod does not require.
    let is_missing =
        |r: &&LocalReplacement| r.is_required && !copy.join(&r.directory).join("go.mod").exists();
    let missing: Vec<&LocalReplacement> = replacements.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let outer = format!("{}@{}", resolved.module, resolved.version);
    let missing_error = |why: &str| {
        let pair = |r: &&LocalReplacement| format!("  {} => {}", r.module, r.directory);
        let pairs: Vec<String> = missing.iter().map(pair).collect();
        Error::new(Reason::MissingReplacement).detail(format!(
            "The zip of {outer} leaves out directories that replace modules in its go.mod:\n{}\n{why}",
            pairs.join("\n")
        ))
    };
    if missing.len() > MAX_MODULES {
        return Err(missing_error(&format!(
            "At most {MAX_MODULES} such modules are fetched."
        )));
    }
    let commit = resolved.commit.as_ref().ok_or_else(|| {
        missing_error(&format!(
            "The module proxy does not report the commit of {}, so the matching version of these modules is unknown.",
            resolved.version
        ))
    })?;
    let lookup = Lookup { go, work, deadline };
    let fetch = |r: &&LocalReplacement| {
        let query = format!("{}@{commit}", r.module);
        let DownloadedModule { version, dir, .. } = lookup.download(&query, true).map_err(|error| {
            let cause = if error.detail.is_empty() {
                &error.log
            } else {
                &error.detail
            };
            match error.reason.status() {
                404 => missing_error(&format!("The module proxy does not have {query}: {cause}")),
                _ => error,
            }
        })?;
        Ok(FetchedReplacement {
            directory: r.directory.clone(),
            module: format!("{}@{version}", r.module),
            unpacked: dir,
        })
    };
    missing.iter().map(fetch).collect()
}
