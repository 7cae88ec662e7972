//! Detects out-of-memory kills: SIGKILL alone does not say which process sent it.

use std::fs;

/// The number of processes that the kernel has killed for lack of memory, in all control groups (`oom_kill` in /proc/vmstat, Linux
/// 4.13). `None` if the kernel does not report it.
pub(super) fn count_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}
