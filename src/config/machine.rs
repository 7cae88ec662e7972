//! What the machine has. It is asked where something is built, and not for each hit: the kernel counts long for /proc/meminfo.

use super::read::{GIB, KIB};

/// Processors that this process may use.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// MemTotal, or the container's share where that is less: memory.max (cgroup v2), memory.limit_in_bytes (v1). 2 GiB if none of
/// them can be read.
pub(super) fn memory() -> u64 {
    let read = |path| std::fs::read_to_string(path).ok();
    let total = read("/proc/meminfo").and_then(|info| {
        let line = info.lines().find(|l| l.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    // Without a limit they say `max`, or a number beyond every machine.
    let share = |path| read(path)?.trim().parse::<u64>().ok();
    let shares = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let total = total.map_or(2 * GIB, |kib| kib * KIB);
    shares.into_iter().filter_map(share).fold(total, u64::min)
}
