//! Resource limits of a build, and the minimum of each.

use std::time::Duration;

use super::read::{
    BadSetting, GIB, KIB, MIB, check_at_least, read_bytes, read_bytes_if_set, read_number, read_seconds,
};
use super::{
    GOX_ARTIFACT_BYTES, GOX_BUILD_SECONDS, GOX_CPU_SECONDS, GOX_FILE_BYTES, GOX_LOG_BYTES, GOX_MEMORY_BYTES,
    GOX_OPEN_FILES, GOX_TASKS, GOX_WORK_BYTES, GOX_WORK_FILES, machine,
};

/// Resource limits of one build. Each has a setting.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct BuildLimits {
    /// Wall-clock time of the whole build.
    pub wall: Duration,
    /// RLIMIT_CPU, per process, seconds.
    pub cpu_seconds: u64,
    /// RLIMIT_DATA, per process, bytes, if set by the operator.
    memory_bytes: Option<u64>,
    /// RLIMIT_FSIZE, per file, bytes.
    pub file_bytes: u64,
    /// RLIMIT_NOFILE, per process.
    pub open_files: u64,
    /// RLIMIT_NPROC, per user.
    pub tasks: u64,
    /// Disk space of one run of `go`, bytes: its temporary directory, and what it adds to the caches.
    pub work_bytes: u64,
    /// Files that one run of `go` may create there.
    pub work_files: u64,
    /// Size of the stored output of the build, bytes.
    pub log_bytes: usize,
    /// Size of the program, bytes.
    pub artifact_bytes: u64,
}

impl BuildLimits {
    /// Reads the limits from the environment. Their minimums were measured with Go 1.26 and a program that prints one word.
    pub(super) fn from_env(cache_bytes: u64) -> Result<BuildLimits, BadSetting> {
        let limits = BuildLimits {
            wall: read_seconds(GOX_BUILD_SECONDS)?.unwrap_or(Duration::from_secs(900)),
            cpu_seconds: read_number(GOX_CPU_SECONDS, 900)?,
            memory_bytes: read_bytes_if_set(GOX_MEMORY_BYTES)?,
            // The largest file of a normal build is a module zip. Go limits its content to 500 MiB.
            file_bytes: read_bytes(GOX_FILE_BYTES, GIB)?,
            open_files: read_number(GOX_OPEN_FILES, 1024)?,
            tasks: read_number(GOX_TASKS, 4096)?,
            work_bytes: read_bytes(GOX_WORK_BYTES, cache_bytes.clamp(MIN_WORK, MAX_WORK))?,
            work_files: read_number(GOX_WORK_FILES, 200_000)?,
            log_bytes: read_bytes(GOX_LOG_BYTES, 64 * KIB)? as usize,
            artifact_bytes: read_bytes(GOX_ARTIFACT_BYTES, 512 * MIB)?,
        };
        // The default depends on the machine and is not checked.
        let memory = limits.memory_bytes.unwrap_or(u64::MAX);
        for (name, value, least) in [
            (GOX_BUILD_SECONDS, limits.wall.as_secs(), 1),
            (GOX_CPU_SECONDS, limits.cpu_seconds, 1),
            (GOX_MEMORY_BYTES, memory, MIN_PROCESS),
            // The compiled package runtime.
            (GOX_FILE_BYTES, limits.file_bytes, 16 * MIB),
            // With 20, go cannot start the assembler.
            (GOX_OPEN_FILES, limits.open_files, 32),
            // go and one compiler have one or two dozen threads each.
            (GOX_TASKS, limits.tasks, 64),
            // Includes the packages of the standard library that every program needs.
            (GOX_WORK_BYTES, limits.work_bytes, 32 * MIB),
            (GOX_WORK_FILES, limits.work_files, 300),
            // The reason of a failure is determined from the output.
            (GOX_LOG_BYTES, limits.log_bytes as u64, KIB),
            // The program has 1.1 MiB if stripped.
            (GOX_ARTIFACT_BYTES, limits.artifact_bytes, MIB),
        ] {
            check_at_least(name, value, least)?;
        }
        Ok(limits)
    }

    /// Returns the memory limits of one build if `builds` run at once.
    pub(super) fn memory(&self, builds: usize) -> BuildMemory {
        let share = machine::total_memory() / 4 * 3 / builds as u64;
        BuildMemory::divide(share, self.memory_bytes, machine::available_cpus())
    }
}

/// Minimum memory of a process, with a compiled standard library; compiling it needs three times as much.
pub const MIN_PROCESS: u64 = 128 * MIB;

/// Minimum of the default of `work_bytes`. The first build for a platform compiles the standard library, which needs 170 MB in its
/// temporary directory, and the same in the cache.
const MIN_WORK: u64 = 512 * MIB;

/// Maximum of the default of `work_bytes`. helmfile needs more than 4.6 GiB: 2.2 GiB of modules, and its packages twice, in its
/// temporary directory and in a private cache.
const MAX_WORK: u64 = 8 * GIB;

/// Maximum default memory of a process. The largest process in the builds of 73 programs needed 3.0 GiB (the linker, for promtool).
const MAX_PROCESS: u64 = 4 * GIB;

/// Memory per compiler that determines how many run at once. In nine of ten of those builds no process needs more. With little
/// memory, fewer compilers run, rather than compilers with a lower limit.
const TYPICAL_COMPILER: u64 = GIB;

/// Memory per build that determines the default number of concurrent builds.
const BYTES_PER_BUILD: u64 = 2 * GIB;

/// Returns the default number of concurrent builds.
pub(super) fn default_builds() -> usize {
    let builds = usize::try_from(machine::total_memory() / BYTES_PER_BUILD).unwrap_or(1);
    builds.clamp(1, machine::available_cpus())
}

/// Memory limits of one build. All builds together may use three quarters of the machine's memory; the rest is for the servers, for
/// `go` itself and for the page cache. The linker runs alone, after all compilers.
#[derive(Debug, Clone, Copy)]
pub struct BuildMemory {
    /// RLIMIT_DATA of each process, bytes.
    pub process_bytes: u64,
    /// Number of concurrent compilers (`go build -p`).
    pub compilers: usize,
    /// RLIMIT_DATA of each compiler, bytes.
    pub compiler_bytes: u64,
}

impl BuildMemory {
    /// Divides `share`, the memory of one build, among its processes. A limit `set` by the operator applies to each process, and
    /// fewer compilers run.
    fn divide(share: u64, set: Option<u64>, cpus: usize) -> BuildMemory {
        let compilers = share / set.unwrap_or(TYPICAL_COMPILER);
        let compilers = usize::try_from(compilers).unwrap_or(1).clamp(1, cpus);
        let process_bytes = set.unwrap_or(share.min(MAX_PROCESS));
        BuildMemory {
            process_bytes,
            compilers,
            compiler_bytes: set.unwrap_or(process_bytes.min(share / compilers as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_compilers_fit_into_the_share() {
        const MB: u64 = MIB;
        for (share, set, cpus, expected) in [
            // A container of 512 MiB, of 1 GiB, of 4 GiB, and a machine of 24 GiB with two builds.
            (384 * MB, None, 2, (384 * MB, 1, 384 * MB)),
            (768 * MB, None, 2, (768 * MB, 1, 768 * MB)),
            (3 * GIB, None, 2, (3 * GIB, 2, 3 * GIB / 2)),
            (9 * GIB, None, 2, (4 * GIB, 2, 4 * GIB)),
            (9 * GIB, None, 16, (4 * GIB, 9, GIB)),
            (768 * MB, Some(256 * MB), 8, (256 * MB, 3, 256 * MB)),
            (768 * MB, Some(GIB), 8, (GIB, 1, GIB)),
        ] {
            let memory = BuildMemory::divide(share, set, cpus);
            assert_eq!(
                (memory.process_bytes, memory.compilers, memory.compiler_bytes),
                expected,
                "{share} {set:?}"
            );
        }
    }
}
