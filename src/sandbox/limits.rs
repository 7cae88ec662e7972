//! Resource limits of a process tree (setrlimit(2)).

use nix::sys::resource::{Resource, rlim_t, setrlimit};
use serde::{Deserialize, Serialize};

/// One number for each limit that a build can reach. Soft and hard are set alike: there is no way back up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// RLIMIT_DATA, bytes. Not RLIMIT_AS: that counts Go's reservations, which are not memory (Linux 4.7 and later).
    pub memory_bytes: u64,
    /// RLIMIT_CPU, seconds of one process.
    pub cpu_seconds: u64,
    /// RLIMIT_FSIZE, bytes of one file.
    pub file_bytes: u64,
    /// RLIMIT_NOFILE.
    pub open_files: u64,
    /// RLIMIT_NPROC, threads and processes of the user; root is exempt (getrlimit(2)).
    pub tasks: u64,
}

/// Go needs no more of a C stack than this, and compiles recurse on Go's own.
const STACK_BYTES: u64 = 8 << 20;

impl Limits {
    /// Sets all of them for this process and what it starts. A limit that is lower already stays.
    pub fn apply(&self) -> nix::Result<()> {
        lower(Resource::RLIMIT_DATA, self.memory_bytes)?;
        // Go ignores SIGXCPU, which the soft limit alone would send.
        lower(Resource::RLIMIT_CPU, self.cpu_seconds)?;
        lower(Resource::RLIMIT_FSIZE, self.file_bytes)?;
        lower(Resource::RLIMIT_NOFILE, self.open_files)?;
        lower(Resource::RLIMIT_NPROC, self.tasks)?;
        lower(Resource::RLIMIT_STACK, STACK_BYTES)?;
        // A core file of a compiler holds its memory, and fills the disk.
        lower(Resource::RLIMIT_CORE, 0)
    }
}

fn lower(resource: Resource, to: rlim_t) -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let to = to.min(hard);
    setrlimit(resource, to, to)
}
