//! Resource limits of a process and its descendants (setrlimit(2)).

use nix::sys::resource::{Resource, rlim_t, setrlimit};
use serde::{Deserialize, Serialize};

/// The resource limits that a build can reach. Soft and hard limits are the same, so that a process cannot raise them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// RLIMIT_DATA, bytes (Linux 4.7 and later). Not RLIMIT_AS, which also counts address space that Go reserves and does not use.
    pub memory_bytes: u64,
    /// RLIMIT_CPU, seconds for each process.
    pub cpu_seconds: u64,
    /// RLIMIT_FSIZE, bytes for each file.
    pub file_bytes: u64,
    /// RLIMIT_NOFILE.
    pub open_files: u64,
    /// RLIMIT_NPROC, threads and processes of the user. Root is exempt (getrlimit(2)).
    pub tasks: u64,
}

/// RLIMIT_STACK, which limits only C stacks: compilers use Go stacks for recursion.
const STACK_BYTES: u64 = 8 << 20;

impl ResourceLimits {
    /// Sets the limits for this process and its descendants. Keeps a hard limit that is lower already.
    pub fn apply(&self) -> nix::Result<()> {
        lower(Resource::RLIMIT_DATA, self.memory_bytes)?;
        // Go ignores SIGXCPU, which the soft limit alone would send.
        lower(Resource::RLIMIT_CPU, self.cpu_seconds)?;
        lower(Resource::RLIMIT_FSIZE, self.file_bytes)?;
        lower(Resource::RLIMIT_NOFILE, self.open_files)?;
        lower(Resource::RLIMIT_NPROC, self.tasks)?;
        lower(Resource::RLIMIT_STACK, STACK_BYTES)?;
        // A core file of a compiler contains all its memory, and would fill the disk.
        lower(Resource::RLIMIT_CORE, 0)
    }
}

fn lower(resource: Resource, to: rlim_t) -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let to = to.min(hard);
    setrlimit(resource, to, to)
}
