//! What one build may use up, and with how little of it none succeeds.

use std::time::Duration;

use super::read::{BadSetting, GIB, KIB, MIB, at_least, bytes, bytes_if_set, number, seconds};
use super::{
    GOX_ARTIFACT_BYTES, GOX_BUILD_SECONDS, GOX_CPU_SECONDS, GOX_FILE_BYTES, GOX_LOG_BYTES, GOX_MEMORY_BYTES,
    GOX_OPEN_FILES, GOX_TASKS, GOX_WORK_BYTES, GOX_WORK_FILES, machine,
};

/// What one build may use up. Every number has its setting.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct BuildLimits {
    /// Wall clock of the whole build.
    pub wall: Duration,
    /// RLIMIT_CPU, per process, seconds.
    pub cpu_seconds: u64,
    /// RLIMIT_DATA, per process, bytes, if the operator says how many.
    memory_bytes: Option<u64>,
    /// RLIMIT_FSIZE, per file, bytes.
    pub file_bytes: u64,
    /// RLIMIT_NOFILE, per process.
    pub open_files: u64,
    /// RLIMIT_NPROC, per user.
    pub tasks: u64,
    /// Bytes that one run of `go` may have on the disk at once: in its tempdir, and of what it adds to the caches.
    pub work_bytes: u64,
    /// Files that one run of `go` may make there.
    pub work_files: u64,
    /// What is kept of the build's output, bytes.
    pub log_bytes: usize,
    /// Size of the program, bytes.
    pub artifact_bytes: u64,
}

impl BuildLimits {
    /// The least of each was measured with Go 1.26 and a program that prints a word.
    pub(super) fn from_environment(cache_bytes: u64) -> Result<BuildLimits, BadSetting> {
        let limits = BuildLimits {
            wall: seconds(GOX_BUILD_SECONDS)?.unwrap_or(Duration::from_secs(900)),
            cpu_seconds: number(GOX_CPU_SECONDS, 900)?,
            memory_bytes: bytes_if_set(GOX_MEMORY_BYTES)?,
            // The largest file of an honest build is a module zip's content, which Go itself caps at 500 MiB.
            file_bytes: bytes(GOX_FILE_BYTES, GIB)?,
            open_files: number(GOX_OPEN_FILES, 1024)?,
            tasks: number(GOX_TASKS, 4096)?,
            work_bytes: bytes(GOX_WORK_BYTES, cache_bytes.clamp(LEAST_WORK, MOST_WORK))?,
            work_files: number(GOX_WORK_FILES, 200_000)?,
            log_bytes: bytes(GOX_LOG_BYTES, 64 * KIB)? as usize,
            artifact_bytes: bytes(GOX_ARTIFACT_BYTES, 256 * MIB)?,
        };
        // Nobody typed what is the machine's share.
        let memory = limits.memory_bytes.unwrap_or(u64::MAX);
        for (name, value, least) in [
            (GOX_BUILD_SECONDS, limits.wall.as_secs(), 1),
            (GOX_CPU_SECONDS, limits.cpu_seconds, 1),
            // Where the standard library is there; to compile it takes three times as much.
            (GOX_MEMORY_BYTES, memory, 128 * MIB),
            // Go's runtime, as the compiler writes it.
            (GOX_FILE_BYTES, limits.file_bytes, 16 * MIB),
            // With 20, go starts no assembler.
            (GOX_OPEN_FILES, limits.open_files, 32),
            // go and one compiler: each has a dozen threads or two.
            (GOX_TASKS, limits.tasks, 64),
            // With the part of the standard library that every program has.
            (GOX_WORK_BYTES, limits.work_bytes, 32 * MIB),
            (GOX_WORK_FILES, limits.work_files, 300),
            // By its words is known why a build failed.
            (GOX_LOG_BYTES, limits.log_bytes as u64, KIB),
            // Stripped it has 1.1 MiB.
            (GOX_ARTIFACT_BYTES, limits.artifact_bytes, MIB),
        ] {
            at_least(name, value, least)?;
        }
        Ok(limits)
    }

    /// What one build of so many may have of the machine's memory.
    pub(super) fn memory(&self, builds: usize) -> Memory {
        let share = machine::memory() / 4 * 3 / builds as u64;
        Memory::of(share, self.memory_bytes, machine::processors())
    }
}

/// A first build for a platform compiles the standard library: 170 MB in its tempdir, and as much in the cache.
const LEAST_WORK: u64 = 512 * MIB;

/// helmfile needs more than 4.6 GiB: 2.2 of modules, and its packages in its tempdir and in a cache of its own.
const MOST_WORK: u64 = 8 * GIB;

/// The largest process of 73 programs needed 3.0 GiB (promtool's link): so much leaves room, and a bomb none.
const LARGEST: u64 = 4 * GIB;

/// Nine in ten of them have no process that needs as much: where memory is short, fewer compilers run rather than smaller ones.
const MOST: u64 = GIB;

/// A machine has no more builds at once than have so much each.
const OF_A_BUILD: u64 = 2 * GIB;

/// Builds at once where the operator does not say how many.
pub(super) fn builds() -> usize {
    let fit = usize::try_from(machine::memory() / OF_A_BUILD).unwrap_or(1);
    fit.clamp(1, machine::processors())
}

/// The memory of one build. All builds together have three quarters of the machine's: the rest is for the servers, for `go`
/// itself, and for what files are read. The linker runs when all is compiled, and alone.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// RLIMIT_DATA, per process, bytes.
    pub most: u64,
    /// Compilers at once (`go build -p`).
    pub compilers: usize,
    /// RLIMIT_DATA of each compiler, bytes.
    pub compiler: u64,
}

impl Memory {
    /// Divides the share of a build. What the operator says is what each process has: then fewer run.
    fn of(share: u64, said: Option<u64>, processors: usize) -> Memory {
        let compilers = share / said.unwrap_or(MOST);
        let compilers = usize::try_from(compilers).unwrap_or(1).clamp(1, processors);
        let most = said.unwrap_or(share.min(LARGEST));
        Memory {
            most,
            compilers,
            compiler: said.unwrap_or(most.min(share / compilers as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_at_once_fits_the_share() {
        const MB: u64 = MIB;
        for (share, said, processors, wanted) in [
            // A container of 512 MiB, of 1 GiB, of 4 GiB, and a machine of 24 GiB with two builds.
            (384 * MB, None, 2, (384 * MB, 1, 384 * MB)),
            (768 * MB, None, 2, (768 * MB, 1, 768 * MB)),
            (3 * GIB, None, 2, (3 * GIB, 2, 3 * GIB / 2)),
            (9 * GIB, None, 2, (4 * GIB, 2, 4 * GIB)),
            (9 * GIB, None, 16, (4 * GIB, 9, GIB)),
            (768 * MB, Some(256 * MB), 8, (256 * MB, 3, 256 * MB)),
            (768 * MB, Some(GIB), 8, (GIB, 1, GIB)),
        ] {
            let memory = Memory::of(share, said, processors);
            assert_eq!(
                (memory.most, memory.compilers, memory.compiler),
                wanted,
                "{share} {said:?}"
            );
        }
    }
}
