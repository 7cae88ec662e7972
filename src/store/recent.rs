//! The programs that were built last.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Store;
use super::file::read_json;
use super::layout::META;

/// A program that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentProgram {
    /// The module path.
    pub module: String,
    /// The import path of the command.
    pub package: String,
    /// The exact version of the module.
    pub version: String,
}

impl Store {
    /// Returns the programs that were built last, the latest first, at most `count`, each package once. Looks at the date of every
    /// program, and reads the metadata of the latest. The result is cached for a short time.
    pub fn recent_programs(&self, count: usize) -> io::Result<Vec<RecentProgram>> {
        self.observe_cached("recent", || {
            // The metadata is written once, when the program is published.
            let meta = |dir: PathBuf| -> Option<(SystemTime, PathBuf)> {
                let path = dir.join(META);
                Some((fs::metadata(&path).ok()?.modified().ok()?, path))
            };
            let mut metas: Vec<_> = self.artifact_dirs()?.into_iter().filter_map(meta).collect();
            metas.sort_unstable();
            let mut programs: Vec<RecentProgram> = Vec::new();
            for (_, path) in metas.into_iter().rev() {
                let Some(program) = read_json::<RecentProgram>(&path) else {
                    continue;
                };
                if programs.iter().all(|other| other.package != program.package) {
                    programs.push(program);
                }
                if programs.len() == count {
                    break;
                }
            }
            Ok(programs)
        })
    }
}
