//! Entries of Go's compile cache (cmd/go/internal/cache): `XX/ACTION-a` is a line that names the output of an action, and `XX/OUTPUT-d` is
//! that output.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::golang::run::build_id::read_action_id;
use crate::golang::run::cache_verifier::has_sha256;
use crate::store::BuildKey;
use crate::store::file::replace;

/// The output of one action: a compiled package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheEntry {
    /// SHA-256 of everything that the output depends on.
    action: BuildKey,
    /// SHA-256 of the output.
    pub output: BuildKey,
    /// Bytes of the output.
    pub size: u64,
}

impl CacheEntry {
    /// Parses a line: `v1 ACTION OUTPUT SIZE TIME`.
    pub fn parse(line: &str) -> Option<CacheEntry> {
        let mut fields = line.strip_prefix("v1 ")?.split_ascii_whitespace();
        let (action, output, size) = (fields.next()?, fields.next()?, fields.next()?);
        Some(CacheEntry {
            action: BuildKey::parse(action)?,
            output: BuildKey::parse(output)?,
            size: size.parse().ok()?,
        })
    }

    /// The line. `go` uses its time only for results of tests.
    pub fn line(&self) -> String {
        format!("v1 {} {} {:>20} {:>20}\n", self.action, self.output, self.size, 0)
    }

    /// Whether `go` finds it in the cache.
    pub fn is_in(&self, cache: &Path) -> bool {
        let output = fs::metadata(self.output_file(cache));
        self.action_file(cache).exists() && output.is_ok_and(|output| output.len() == self.size)
    }

    /// Whether a file is this output: it has the hash, and is an archive that names the action.
    pub fn is_output(&self, file: &Path) -> io::Result<bool> {
        let names_action = |id: String| self.action.as_str().starts_with(&id);
        Ok(fs::metadata(file)?.len() == self.size
            && has_sha256(file, self.output.as_str())?
            && read_action_id(file)?.is_some_and(names_action))
    }

    /// Adds the entry to the cache, unless `go` has added the action meanwhile. `output` is a file in `cache`.
    pub fn add(&self, cache: &Path, output: NamedTempFile) -> io::Result<()> {
        let (action_file, output_file) = (self.action_file(cache), self.output_file(cache));
        if action_file.exists() && output_file.exists() {
            return Ok(());
        }
        for file in [&action_file, &output_file] {
            fs::create_dir_all(file.parent().unwrap_or(cache))?;
        }
        // Output first: an action must not exist without its output.
        output.persist(output_file)?;
        replace(&action_file, self.line().as_bytes())
    }

    /// The file with the output.
    pub fn output_file(&self, cache: &Path) -> PathBuf {
        cache_file(cache, &self.output, 'd')
    }

    fn action_file(&self, cache: &Path) -> PathBuf {
        cache_file(cache, &self.action, 'a')
    }
}

fn cache_file(cache: &Path, id: &BuildKey, kind: char) -> PathBuf {
    cache.join(&id.as_str()[..2]).join(format!("{id}-{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_the_form_of_go() {
        let (action, output) = ("0a".repeat(32), "1b".repeat(32));
        // fmt.Sprintf("v1 %x %x %20d %20d\n"), entrySize bytes.
        let line = format!("v1 {action} {output} {:20} {:20}\n", 4711, 0);
        let entry = CacheEntry::parse(&line).unwrap();
        assert_eq!((entry.size, entry.line()), (4711, line.clone()));
        for other in [
            "",
            "v2",
            "v1 ",
            &line.replace("v1", "v2"),
            &line.replace("0a", "../"),
            &line.replace("4711", "-1"),
        ] {
            assert_eq!(CacheEntry::parse(other), None, "{other}");
        }
    }
}
