//! `gox-server probe CELL PLACE`: enters a cell, tries what it forbids, and prints how each attempt went.
//!
//! It starts no other program there: a tool's cell has no system calls for one with a C library. And it closes the listener of a
//! tool's filter, so that forbidden calls fail and the next attempt can be made.
//!
//! An attempt is denied only if the kernel says so in the words of a refusal. Whatever else happens, success or a
//! complaint about arguments, means that it got past the cell: so bad arguments are enough, and safe.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use caps::CapSet;
use nix::libc;
use nix::unistd::{getppid, setsid, truncate};
use seccompiler::SeccompAction;
use serde::{Deserialize, Serialize};

use super::cell::{Cell, Inmate};
use super::enter::{filter_driver, restrict};
use super::layer::Name;
use super::seccomp::{NoFilter, restrict_tool, restrict_tool_alone};

/// What the attempts are made on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    /// A directory that the cell may write, with a file in it.
    pub inside: PathBuf,
    /// A file that the cell may not even read.
    pub outside: PathBuf,
}

/// How one attempt went.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tried {
    /// The layer that should deny it.
    pub layer: Name,
    /// What was tried.
    pub what: String,
    /// Whether it was denied.
    pub denied: bool,
}

type Attempt = (Name, &'static str, fn(&Place) -> io::Result<()>);

/// For both kinds of cell.
const ATTEMPTS: &[Attempt] = &[
    (Name::Files, "read", |at| fs::read(&at.outside).map(drop)),
    (Name::Files, "list", |at| {
        fs::read_dir(parent(&at.outside)).map(drop)
    }),
    (Name::Files, "write", |at| {
        OpenOptions::new().append(true).open(&at.outside).map(drop)
    }),
    (Name::Files, "create", |at| {
        fs::write(at.outside.with_extension("new"), "")
    }),
    (Name::Files, "truncate", |at| Ok(truncate(&at.outside, 1)?)),
    (Name::Files, "link here", |at| {
        fs::hard_link(&at.outside, at.inside.join("linked"))
    }),
    (Name::Files, "leave a symbolic link", |at| {
        symlink(&at.outside, at.inside.join("symbolic"))
    }),
    (Name::Files, "remove", |at| fs::remove_file(&at.outside)),
    (Name::Network, "unix sockets", |_| {
        UnixDatagram::unbound().map(drop)
    }),
    (Name::Network, "TCP to any port", |_| {
        // The port of "discard": without a cell, the answer is that nobody listens there.
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], 9)), Duration::from_secs(1)).map(drop)
    }),
    (Name::Processes, "leave the session", |_| Ok(setsid().map(drop)?)),
    (Name::Processes, "signal the parent", |_| {
        Ok(nix::sys::signal::kill(getppid(), None)?)
    }),
    (Name::Processes, "trace", |_| call(libc::SYS_ptrace, -1)),
    (Name::Processes, "read memory", |_| {
        call(libc::SYS_process_vm_readv, 0)
    }),
    (Name::Processes, "change the parent's limits", |_| {
        call(libc::SYS_prlimit64, getppid().as_raw() as libc::c_long)
    }),
    (Name::Kernel, "new namespaces", |_| {
        call(libc::SYS_unshare, libc::CLONE_NEWUSER.into())
    }),
    (Name::Kernel, "mount", |_| call(libc::SYS_mount, 0)),
    (Name::Kernel, "io_uring", |_| call(libc::SYS_io_uring_setup, 0)),
    (Name::Kernel, "bpf", |_| call(libc::SYS_bpf, 0)),
    (Name::Kernel, "perf events", |_| {
        call(libc::SYS_perf_event_open, 0)
    }),
    (Name::Kernel, "keys", |_| call(libc::SYS_keyctl, -1)),
];

/// Before the filter of system calls is in force, which denies a tool to ask.
const PRIVILEGES: &[Attempt] = &[
    (Name::Privileges, "keep a capability", |_| no_capability()),
    (Name::Privileges, "gain privileges by exec", |_| {
        denied_if(nix::sys::prctl::get_no_new_privs()?)
    }),
];

/// For a tool's cell alone.
const TOOL_ATTEMPTS: &[Attempt] = &[
    (Name::Files, "change a mode", |at| {
        fs::set_permissions(parent(&at.outside), fs::Permissions::from_mode(0o700))
    }),
    (Name::Network, "UDP", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
    (Name::Network, "socket pairs", |_| UnixDatagram::pair().map(drop)),
    (Name::Processes, "start a process", |_| {
        Command::new("/proc/self/exe").arg("--version").output().map(drop)
    }),
];

/// Makes every attempt. Fails where not even what the cell allows is possible.
pub fn run(cell: &Cell, place: &Place) -> Result<Vec<Tried>, String> {
    restrict(cell).map_err(|refused| format!("cannot enter the cell: {refused}"))?;
    let attempt = |(layer, what, attempt): &Attempt| Tried {
        layer: *layer,
        what: (*what).to_owned(),
        denied: attempt(place).is_err_and(|error| is_refusal(&error)),
    };
    let mut tried: Vec<_> = PRIVILEGES.iter().map(attempt).collect();
    let filtered = match cell.inmate {
        Inmate::Driver { .. } => filter_driver(cell),
        Inmate::Tool => filter_tool().map(|counted| {
            tried.push(Tried {
                layer: Name::Kernel,
                what: "any number of threads".to_owned(),
                denied: counted,
            });
        }),
    };
    filtered.map_err(|error| error.to_string())?;
    // The control: a cell that allows nothing would deny everything, too.
    let file = place.inside.join("file");
    fs::read(&file)
        .and_then(|text| fs::write(&file, text))
        .map_err(|error| format!("what a cell allows is not possible: {error}"))?;
    if cell.inmate == Inmate::Tool {
        tried.extend(TOOL_ATTEMPTS.iter().map(attempt));
    }
    // Those that take the file outside away come last.
    tried.extend(ATTEMPTS.iter().map(attempt));
    Ok(tried)
}

/// Puts a tool's filter in force, but as a refusal; says whether threads would be counted.
fn filter_tool() -> Result<bool, NoFilter> {
    match restrict_tool() {
        // The listener is closed.
        Ok(_) => Ok(true),
        Err(NoFilter::NoListener(_)) => {
            // Where the kernel has no filters at all, each attempt says so.
            restrict_tool_alone(SeccompAction::Errno(libc::EPERM as u32)).ok();
            Ok(false)
        }
        Err(NoFilter::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Landlock answers EACCES, or EXDEV where a file would change its directory; seccomp EPERM, or ENOSYS.
fn is_refusal(error: &io::Error) -> bool {
    [libc::EACCES, libc::EPERM, libc::ENOSYS, libc::EXDEV]
        .map(Some)
        .contains(&error.raw_os_error())
}

fn denied_if(denied: bool) -> io::Result<()> {
    if denied {
        Err(io::Error::from_raw_os_error(libc::EPERM))
    } else {
        Ok(())
    }
}

fn no_capability() -> io::Result<()> {
    // The bounding set of an ordinary user cannot be emptied; without new privileges it gives nothing either.
    let sets = [
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
        CapSet::Ambient,
    ];
    let empty = sets.map(|set| caps::read(None, set).is_ok_and(|held| held.is_empty()));
    denied_if(empty.into_iter().all(|empty| empty))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// A call with one argument, and zeros for the others.
fn call(number: libc::c_long, first: libc::c_long) -> io::Result<()> {
    // SAFETY: each argument is an integer or a null pointer, so the kernel can write to no memory of this process.
    // The calls that are tried end there with an error, or change this process alone, which ends after the attempts.
    let done = unsafe { libc::syscall(number, first, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
