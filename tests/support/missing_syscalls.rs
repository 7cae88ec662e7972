//! Simulates an older kernel: system calls fail with ENOSYS for one thread and the processes that it starts.
//! Only in the test suite; gox-server has no such option.

use nix::libc::{self, c_long};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::panic::resume_unwind;

/// Missing before Linux 5.13, or if Landlock is not enabled.
pub(crate) const LANDLOCK: &[c_long] = &[
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// Missing in a kernel without seccomp filters, or forbidden by an outer sandbox.
pub(crate) const SECCOMP: &[c_long] = &[libc::SYS_seccomp];

/// Runs `work` with these system calls failing with ENOSYS.
pub(crate) fn without_syscalls<T: Send>(calls: &[c_long], work: impl FnOnce() -> T + Send) -> T {
    let filter = SeccompFilter::new(
        calls.iter().map(|call| (*call, vec![])).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        TargetArch::try_from(std::env::consts::ARCH).unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // For this thread only; required to install a filter as an ordinary user.
            nix::sys::prctl::set_no_new_privs().unwrap();
            seccompiler::apply_filter(&program).unwrap();
            work()
        });
        thread.join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic))
}
