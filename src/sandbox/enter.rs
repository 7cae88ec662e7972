//! Going into a cell: an ordered list of restrictions, then exec. Runs in a process of its own, with one thread.

use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use landlock::RulesetStatus;
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::sys::{prctl, resource};

use super::cell::{Cell, Inmate};
use super::landlock as file_rights;
use super::seccomp::{self, NoFilter};
use super::supervise::{self, Failed};

/// What is done, in this order, and then [`LAST`]: the list is the audit, and `doctor` prints it.
pub const STEPS: &[(&str, Step)] = &[
    ("every descriptor but 0, 1 and 2 is closed on exec", close_on_exec),
    ("the driver leads a session of its own", own_session),
    ("the process dies with its parent", die_with_parent),
    ("resource limits", resource_limits),
    ("umask 077", private_umask),
    ("every capability is dropped", drop_capabilities),
    ("no new privileges", no_new_privileges),
    ("Landlock: files, TCP ports, signals", landlock),
];

/// The last one: it denies setsid and would deny much of what comes before.
pub const LAST: &str = "seccomp: system calls";

/// One restriction.
pub type Step = fn(&Cell) -> Result<(), Refused>;

/// A step that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

fn refused(error: impl std::fmt::Display) -> Refused {
    Refused(error.to_string())
}

/// Starts `command` in the cell, in place of this process or, a tool, as a child of it, whose exit status it returns.
pub fn enter(cell: &Cell, command: &mut Command) -> Result<u8, Failed> {
    match cell.inmate {
        Inmate::Driver { .. } => Err(Failed::Other(become_command(cell, command, filter_driver))),
        Inmate::Tool => supervise::run(cell, command),
    }
}

/// Takes all steps, then the last one, and becomes `command`. Returns only if it could not, with what to print.
pub(super) fn become_command(
    cell: &Cell,
    command: &mut Command,
    last: impl FnOnce(&Cell) -> Result<(), NoFilter>,
) -> String {
    let entered = restrict(cell).and_then(|()| last(cell).map_err(|e| refused(format!("{LAST}: {e}"))));
    if let Err(refused) = entered {
        return format!("cannot enter the cell: {refused}");
    }
    let error = command.exec();
    format!(
        "cannot start {}: {error}",
        command.get_program().to_string_lossy()
    )
}

/// Takes all steps but the last one.
pub(super) fn restrict(cell: &Cell) -> Result<(), Refused> {
    for (what, step) in STEPS {
        step(cell).map_err(|error| refused(format!("{what}: {error}")))?;
    }
    Ok(())
}

/// The last step of a driver.
pub(super) fn filter_driver(cell: &Cell) -> Result<(), NoFilter> {
    match seccomp::restrict_driver() {
        Err(_) if !cell.must_hold => Ok(()),
        done => done,
    }
}

fn close_on_exec(_: &Cell) -> Result<(), Refused> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC takes three integers, touches no memory of ours, and closes
    // nothing now: descriptors that this process still uses stay open until exec.
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
    // Before Linux 5.11: the descriptors one by one; the limit on open files is where they end. Where there is none, at more than a
    // web server leaves open.
    let (soft, _) = resource::getrlimit(resource::Resource::RLIMIT_NOFILE).map_err(refused)?;
    for fd in FIRST as RawFd..soft.min(1 << 16) as RawFd {
        // Most of these numbers are not open (EBADF). None is closed now: a tool's parent shares the table.
        // SAFETY: fcntl(2) with F_SETFD takes integers, touches no memory of ours, and closes nothing now.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn own_session(cell: &Cell) -> Result<(), Refused> {
    match cell.inmate {
        Inmate::Driver { .. } => nix::unistd::setsid().map(drop).map_err(refused),
        // One kill of the driver's group ends every tool.
        Inmate::Tool => Ok(()),
    }
}

pub(super) fn die_with_parent(_: &Cell) -> Result<(), Refused> {
    let parent = nix::unistd::getppid();
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(refused)?;
    // Had the parent died before the call, no signal would come any more (prctl(2)).
    if nix::unistd::getppid() == parent {
        Ok(())
    } else {
        Err(Refused("the parent is gone".to_owned()))
    }
}

fn resource_limits(cell: &Cell) -> Result<(), Refused> {
    cell.limits
        .map_or(Ok(()), |limits| limits.apply())
        .map_err(refused)
}

fn private_umask(_: &Cell) -> Result<(), Refused> {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    Ok(())
}

/// For root above all: exec gives uid 0 back whatever the bounding set holds (capabilities(7)), so that goes first.
fn drop_capabilities(_: &Cell) -> Result<(), Refused> {
    use caps::{CapSet, has_cap, read};
    let held = read(None, CapSet::Permitted).map_err(refused)?;
    if held.is_empty() {
        return Ok(());
    }
    if has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).map_err(refused)? {
        caps::clear(None, CapSet::Bounding).map_err(refused)?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).map_err(refused)?;
    }
    Ok(())
}

fn no_new_privileges(_: &Cell) -> Result<(), Refused> {
    prctl::set_no_new_privs().map_err(refused)
}

fn landlock(cell: &Cell) -> Result<(), Refused> {
    let status = file_rights::restrict(cell).map_err(refused)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced if !cell.must_hold => Ok(()),
        RulesetStatus::NotEnforced => Err(Refused("the kernel enforces nothing".to_owned())),
    }
}
