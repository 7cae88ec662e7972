//! The CPUs of one tool. The threads of tools that run at the same time would take the CPUs from each other, and each switch between them
//! costs time. So the tools of a build share the CPUs, and one that starts alone gets all.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::lock::Lock;

/// The package that nearly all others wait for. Its compiler gets all CPUs.
const AWAITED_PACKAGE: &str = "runtime";

/// The CPUs that the tools of a build share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildCpus {
    /// Their number.
    pub count: usize,
    /// How many tools run at the same time at most (`go build -p`).
    pub tools: usize,
}

/// The CPUs of one tool. As long as this value lives, tools that start count it.
pub(super) struct CpuShare {
    /// The tool's GOMAXPROCS.
    pub(super) cpus: usize,
    /// `None` if more tools run than expected: they do not count this one.
    _lock: Option<Lock>,
}

impl BuildCpus {
    /// Returns the share of a tool that starts now, for this package. Each running tool holds a lock in the directory `work`.
    pub(super) fn share(&self, work: &Path, package: &str) -> io::Result<CpuShare> {
        let files = (0..self.tools).map(|number| work.join(format!("tool-{number}")));
        let (mut lock, mut running) = (None, 1);
        for file in files {
            let acquired = if lock.is_none() {
                Lock::try_acquire(&file)?
            } else {
                None
            };
            // Unlike an attempt to acquire a lock, this does not look like a running tool to others that start.
            if acquired.is_none() && !Lock::is_free(&file)? {
                running += 1;
            }
            lock = lock.or(acquired);
        }
        let cpus = match package {
            AWAITED_PACKAGE => self.count,
            _ => self.count.div_ceil(running),
        };
        Ok(CpuShare { cpus, _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_tools_share_the_cpus() {
        let work = tempfile::tempdir().unwrap();
        let cpus = BuildCpus { count: 7, tools: 3 };
        let share = |package| cpus.share(work.path(), package).unwrap();
        let shares = ["bytes", "errors", "sort", "sync"].map(share);
        assert_eq!(shares.each_ref().map(|share| share.cpus), [7, 4, 3, 2]);
        assert_eq!(share("runtime").cpus, 7);
        drop(shares);
        assert_eq!(share("fmt").cpus, 7);
    }
}
