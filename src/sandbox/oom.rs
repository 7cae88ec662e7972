//! Whether the kernel killed a process for want of memory: a signal alone does not say which process sent it.

use std::fs;

/// How many processes the kernel has killed so far, in any control group (`oom_kill` of /proc/vmstat, Linux 4.13); `None` where it does not say.
pub(super) fn kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}
