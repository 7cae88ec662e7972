//! A kernel that lacks something: system calls that are answered as if they did not exist, for one thread and all that it
//! starts. In the suite alone; the product has no such switch.

use nix::libc::{self, c_long};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::panic::resume_unwind;

/// A kernel before Linux 5.13, or one that was started without it.
pub(crate) const LANDLOCK: &[c_long] = &[
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// A kernel without filters; or a sandbox around ours that keeps the only filter for itself.
pub(crate) const SECCOMP: &[c_long] = &[libc::SYS_seccomp];

/// Runs `work` where these calls do not exist.
pub(crate) fn without<T: Send>(calls: &[c_long], work: impl FnOnce() -> T + Send) -> T {
    let filter = SeccompFilter::new(
        calls.iter().map(|call| (*call, vec![])).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        TargetArch::try_from(std::env::consts::ARCH).unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of this thread; an ordinary user may filter nothing without it.
            nix::sys::prctl::set_no_new_privs().unwrap();
            seccompiler::apply_filter(&program).unwrap();
            work()
        });
        thread.join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic))
}
