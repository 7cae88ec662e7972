//! Sessions (setsid(2)).

use std::fs;

use nix::unistd::setsid;

/// Makes this process the leader of a new session, which has the priority of the process.
///
/// The kernel may divide the CPU among sessions first (sched(7), "The autogroup feature"). A new session has the nice value 0, and that
/// of a process then counts within its session only.
pub fn start_session() -> nix::Result<()> {
    setsid()?;
    if let Ok(nice @ 1..) = rustix::process::getpriority_process(None) {
        // Only root may write to it, since this process is not dumpable (proc(5)). Without it, builds take longer.
        fs::write("/proc/self/autogroup", nice.to_string()).ok();
    }
    Ok(())
}
