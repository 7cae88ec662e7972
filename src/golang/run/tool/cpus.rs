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
        // The locks that cannot be taken are those of running tools. Of the others, this tool keeps one.
        let files = (0..self.tools).map(|number| work.join(format!("tool-{number}")));
        let free: io::Result<Vec<Lock>> = files
            .filter_map(|file| Lock::try_acquire(&file).transpose())
            .collect();
        let mut free = free?.into_iter();
        let running = 1 + self.tools - free.len();
        let cpus = match package {
            AWAITED_PACKAGE => self.count,
            _ => self.count.div_ceil(running),
        };
        Ok(CpuShare {
            cpus,
            _lock: free.next(),
        })
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
