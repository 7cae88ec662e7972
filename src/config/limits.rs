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
    /// Bytes that one run of `go` may write: in its tempdir, and to the caches.
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
    pub(super) fn from_environment() -> Result<BuildLimits, BadSetting> {
        let limits = BuildLimits {
            wall: seconds(GOX_BUILD_SECONDS)?.unwrap_or(Duration::from_secs(900)),
            cpu_seconds: number(GOX_CPU_SECONDS, 900)?,
            memory_bytes: bytes_if_set(GOX_MEMORY_BYTES)?,
            // The largest file of an honest build is a module zip's content, which Go itself caps at 500 MiB.
            file_bytes: bytes(GOX_FILE_BYTES, GIB)?,
            open_files: number(GOX_OPEN_FILES, 1024)?,
            tasks: number(GOX_TASKS, 4096)?,
            work_bytes: bytes(GOX_WORK_BYTES, 4 * GIB)?,
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

    /// RLIMIT_DATA, per process, bytes.
    pub fn memory_bytes(&self) -> u64 {
        // The largest process of 73 programs needed 3.0 GiB (promtool's link): 4 GiB leaves room, and a bomb none.
        let share = || (machine::memory() / 4 * 3).min(4 * GIB);
        self.memory_bytes.unwrap_or_else(share)
    }
}
