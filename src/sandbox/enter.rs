//! Enters a cell: restricts the current process step by step, then executes a program. The process has one thread.

use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use landlock::RulesetStatus;
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::sys::{prctl, resource};
use nix::unistd::{Pid, getppid};

use super::cell::{Cell, Role};
use super::landlock as file_rights;
use super::seccomp::{self, FilterError};
use super::session;
use super::supervise::{self, SuperviseError};

/// The first step: until then, the process would outlive its parent.
pub const FIRST_STEP: &str = "parent: the process is killed when its parent ends";

/// All steps but the first and the last, in order. `doctor` prints them.
pub const STEPS: &[(&str, EntryStep)] = &[
    (
        "file descriptors: all but 0, 1 and 2 close on exec",
        close_on_exec,
    ),
    ("session: the driver starts a new one", start_session),
    ("resource limits", set_resource_limits),
    ("umask: 077", set_umask),
    ("capabilities: all are dropped", drop_capabilities),
    (
        "privileges: exec grants no new ones (no_new_privs)",
        set_no_new_privileges,
    ),
    ("Landlock: files, TCP ports, signals", restrict_by_landlock),
];

/// The last step. Its filter denies system calls that the other steps need, such as setsid.
pub const LAST_STEP: &str = "seccomp: system calls";

/// A function that restricts the current process.
pub type EntryStep = fn(&Cell) -> Result<(), EnterError>;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EnterError(String);

fn failed(error: impl std::fmt::Display) -> EnterError {
    EnterError(error.to_string())
}

/// Takes the first step. `parent` is the process that started this one: when it has ended, getppid(2) returns another one.
pub fn die_with_parent(parent: Pid) -> Result<(), String> {
    let failed = |error: &str| format!("cannot enter the cell: {FIRST_STEP}: {error}");
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| failed(error.desc()))?;
    // If the parent ended before the call, the kernel sends no signal (prctl(2)).
    if getppid() == parent {
        Ok(())
    } else {
        Err(failed("it has ended"))
    }
}

/// Runs `command` in the cell. A driver replaces this process. A tool runs as a child process; returns its exit status. The caller has
/// called [`die_with_parent`].
pub fn enter(cell: &Cell, command: &mut Command) -> Result<u8, SuperviseError> {
    match cell.role {
        Role::Driver { .. } => Err(SuperviseError::Other(exec_in_cell(cell, command, filter_driver))),
        Role::Tool => supervise::run(cell, command),
    }
}

/// Takes all [`STEPS`], then `last`, and executes `command`. Returns only if this fails, with the error to print.
pub(super) fn exec_in_cell(
    cell: &Cell,
    command: &mut Command,
    last: impl FnOnce(&Cell) -> Result<(), FilterError>,
) -> String {
    let entered = restrict(cell).and_then(|()| last(cell).map_err(|e| failed(format!("{LAST_STEP}: {e}"))));
    if let Err(error) = entered {
        return format!("cannot enter the cell: {error}");
    }
    let error = command.exec();
    format!(
        "cannot start {}: {error}",
        command.get_program().to_string_lossy()
    )
}

/// Takes all [`STEPS`].
pub(super) fn restrict(cell: &Cell) -> Result<(), EnterError> {
    for (name, step) in STEPS {
        step(cell).map_err(|error| failed(format!("{name}: {error}")))?;
    }
    Ok(())
}

/// The last step of a driver.
pub(super) fn filter_driver(cell: &Cell) -> Result<(), FilterError> {
    match seccomp::restrict_driver() {
        Err(_) if !cell.must_enforce => Ok(()),
        result => result,
    }
}

fn close_on_exec(_: &Cell) -> Result<(), EnterError> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC takes three integers and accesses no memory of this process. Descriptors stay
    // open until exec.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return Ok(());
    }
    // Before Linux 5.11: each descriptor up to the limit on open files. If there is no limit, up to a number that no web server
    // reaches.
    let (soft, _) = resource::getrlimit(resource::Resource::RLIMIT_NOFILE).map_err(failed)?;
    for fd in FIRST as RawFd..soft.min(1 << 16) as RawFd {
        // Most of these numbers are not open (EBADF). The descriptors stay open until exec, since a tool's parent shares them.
        // SAFETY: fcntl(2) with F_SETFD takes integers, accesses no memory of this process, and closes no descriptor.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn start_session(cell: &Cell) -> Result<(), EnterError> {
    match cell.role {
        Role::Driver { .. } => session::start_session().map_err(failed),
        // A tool stays in the driver's process group, so that one kill ends all tools.
        Role::Tool => Ok(()),
    }
}

fn set_resource_limits(cell: &Cell) -> Result<(), EnterError> {
    cell.limits
        .map_or(Ok(()), |limits| limits.apply())
        .map_err(failed)
}

fn set_umask(_: &Cell) -> Result<(), EnterError> {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    Ok(())
}

/// Clears the bounding set first: exec by uid 0 restores all capabilities in that set (capabilities(7)).
fn drop_capabilities(_: &Cell) -> Result<(), EnterError> {
    use caps::{CapSet, has_cap, read};
    let held = read(None, CapSet::Permitted).map_err(failed)?;
    if held.is_empty() {
        return Ok(());
    }
    if has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).map_err(failed)? {
        caps::clear(None, CapSet::Bounding).map_err(failed)?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).map_err(failed)?;
    }
    Ok(())
}

fn set_no_new_privileges(_: &Cell) -> Result<(), EnterError> {
    prctl::set_no_new_privs().map_err(failed)
}

fn restrict_by_landlock(cell: &Cell) -> Result<(), EnterError> {
    let status = file_rights::restrict(cell).map_err(failed)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced if !cell.must_enforce => Ok(()),
        RulesetStatus::NotEnforced => Err(EnterError("the kernel does not enforce any rule".to_owned())),
    }
}
