//! CPUs and memory of the machine. Read for builds only, not for each hit: reading /proc/meminfo is slow.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::read::{GIB, KIB};

/// Returns the number of CPUs that this process may use, according to its affinity and cgroups.
pub fn available_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Whether this directory, or its closest existing ancestor, is on a mount with the option noexec (mount(8)).
pub fn is_noexec(dir: &Path) -> bool {
    let mount = dir.ancestors().find_map(|dir| statvfs(dir).ok());
    mount.is_some_and(|mount| mount.flags().contains(FsFlags::ST_NOEXEC))
}

/// Returns the memory in bytes that this process may use: the least of MemTotal and the limits of its cgroup and that group's
/// ancestors. 2 GiB if MemTotal cannot be read.
pub(super) fn total_memory() -> u64 {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|info| {
        let line = info.lines().find(|l| l.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let total = total.map_or(2 * GIB, |kib| kib * KIB);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // No limit is `max` in version 2, and a very large number in version 1.
    let limit = |file: PathBuf| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    limit_files(&groups, Path::new("/sys/fs/cgroup"))
        .into_iter()
        .filter_map(limit)
        .fold(total, u64::min)
}

/// Returns the files with the memory limits of these cgroups, given as in /proc/PID/cgroup (cgroups(7)), and of all their ancestors
/// up to the root. In a container, the root is the container's group. Groups above it may be listed, but have no files.
fn limit_files(groups: &str, mounts: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (root, name) = if controllers.is_empty() {
            (mounts.to_owned(), "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (mounts.join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|group| root.join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ancestor_group_is_a_limit() {
        let files = |groups| limit_files(groups, Path::new("/c"));
        assert_eq!(
            files("0::/a.slice/b.service\n"),
            ["a.slice/b.service/", "a.slice/", ""]
                .map(|group| Path::new("/c").join(group).join("memory.max"))
        );
        assert_eq!(
            files("4:cpuset:/x\n3:cpu,memory:/a\n0::/\n"),
            [
                "/c/memory/a/memory.limit_in_bytes",
                "/c/memory/memory.limit_in_bytes",
                "/c/memory.max"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(files("nothing"), [] as [PathBuf; 0]);
    }
}
