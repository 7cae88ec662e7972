//! What the machine has. It is asked where something is built, and not for each hit: the kernel counts long for /proc/meminfo.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::read::{GIB, KIB};

/// CPUs that this process may use: the standard library asks its affinity and its control groups.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Whether this directory, or the one in which it will be made, is on a mount that starts no programs (noexec, mount(8)).
pub fn starts_no_programs(dir: &Path) -> bool {
    let mount = dir.ancestors().find_map(|dir| statvfs(dir).ok());
    mount.is_some_and(|mount| mount.flags().contains(FsFlags::ST_NOEXEC))
}

/// MemTotal, or the limit of this process's control group, or of any above it, where that is less. 2 GiB if none of them can be
/// read.
pub(super) fn memory() -> u64 {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|info| {
        let line = info.lines().find(|l| l.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let total = total.map_or(2 * GIB, |kib| kib * KIB);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // Without a limit they say `max`, or a number beyond every machine.
    let limit = |file: PathBuf| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    limit_files(&groups, Path::new("/sys/fs/cgroup"))
        .into_iter()
        .filter_map(limit)
        .fold(total, u64::min)
}

/// The files that limit the memory of a process in these groups, as /proc/PID/cgroup has them (cgroups(7)): of its own group and
/// of all above it, up to the root, which in a container is the container's group. A container may see names of groups that lie
/// above its root; of those there is no file.
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
    fn every_group_above_counts() {
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
