//! `gox-server probe CELL PATHS`: enters a cell, attempts what it forbids, and reports what the kernel denied.
//!
//! The attempts run in gox-server itself: a tool's filter lacks system calls that another program with a C library needs. The
//! listener of a tool's filter is closed, so that forbidden calls fail with an error instead of killing the process.
//!
//! An attempt counts as denied only if it fails with one of the errors of Landlock or seccomp. Success or any other error, such as
//! EINVAL, means that the call reached the kernel's implementation. So invalid arguments are sufficient, and safe.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use caps::CapSet;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{getppid, setsid, truncate};
use seccompiler::SeccompAction;
use serde::{Deserialize, Serialize};

use super::cell::{Cell, Role};
use super::enter::{filter_driver, restrict};
use super::layer::LayerName;
use super::seccomp::{FilterError, restrict_tool, restrict_tool_without_listener};

/// The paths that the attempts use.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbePaths {
    /// A directory that the cell may change. It contains a file named `file`.
    pub inside: PathBuf,
    /// A file that the cell may not read.
    pub outside: PathBuf,
}

/// The result of one attempt.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The layer that should deny it.
    pub layer: LayerName,
    /// A short description of the attempt.
    pub attempt: String,
    /// Whether the kernel denied it.
    pub denied: bool,
}

type Attempt = (LayerName, &'static str, fn(&ProbePaths) -> io::Result<()>);

/// Attempts in both kinds of cell.
const ATTEMPTS: &[Attempt] = &[
    (LayerName::Files, "read", |paths| {
        open(&paths.outside, OFlag::O_RDONLY).map(drop)
    }),
    (LayerName::Files, "list", |paths| {
        open(parent_of(&paths.outside), OFlag::O_RDONLY | OFlag::O_DIRECTORY).map(drop)
    }),
    (LayerName::Files, "write", |paths| {
        open(&paths.outside, OFlag::O_WRONLY | OFlag::O_APPEND).map(drop)
    }),
    (LayerName::Files, "create", |paths| {
        let new = paths.outside.with_extension("new");
        open(&new, OFlag::O_WRONLY | OFlag::O_CREAT).map(drop)
    }),
    (LayerName::Files, "truncate", |paths| {
        Ok(truncate(&paths.outside, 1)?)
    }),
    (LayerName::Files, "create a hard link", |paths| {
        fs::hard_link(&paths.outside, paths.inside.join("linked"))
    }),
    (LayerName::Files, "create a symbolic link", |paths| {
        symlink(&paths.outside, paths.inside.join("symbolic"))
    }),
    (LayerName::Files, "remove", |paths| {
        fs::remove_file(&paths.outside)
    }),
    (LayerName::Network, "create a unix socket", |_| {
        UnixDatagram::unbound().map(drop)
    }),
    (LayerName::Network, "connect to any TCP port", |_| {
        // The port of the discard service (RFC 863). Without a cell, the kernel answers that the connection is refused.
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], 9)), Duration::from_secs(1)).map(drop)
    }),
    (LayerName::Processes, "signal the parent", |_| {
        Ok(nix::sys::signal::kill(getppid(), None)?)
    }),
    (LayerName::Processes, "trace a process", |_| {
        call(libc::SYS_ptrace, -1)
    }),
    (LayerName::Processes, "read the memory of a process", |_| {
        call(libc::SYS_process_vm_readv, 0)
    }),
    (LayerName::Processes, "change the parent's limits", |_| {
        call(libc::SYS_prlimit64, getppid().as_raw() as libc::c_long)
    }),
    (LayerName::Kernel, "create a namespace", |_| {
        call(libc::SYS_unshare, libc::CLONE_NEWUSER.into())
    }),
    (LayerName::Kernel, "mount", |_| call(libc::SYS_mount, 0)),
    (LayerName::Kernel, "set up io_uring", |_| {
        call(libc::SYS_io_uring_setup, 0)
    }),
    (LayerName::Kernel, "load a BPF program", |_| {
        call(libc::SYS_bpf, 0)
    }),
    (LayerName::Kernel, "open a perf event", |_| {
        call(libc::SYS_perf_event_open, 0)
    }),
    (LayerName::Kernel, "use kernel keys", |_| {
        call(libc::SYS_keyctl, -1)
    }),
];

/// Attempts before the system call filter is installed, which denies the calls of these attempts to a tool.
const PRIVILEGES: &[Attempt] = &[
    (LayerName::Privileges, "keep a capability", |_| {
        check_capabilities()
    }),
    (LayerName::Privileges, "gain privileges by exec", |_| {
        denied_if(nix::sys::prctl::get_no_new_privs()?)
    }),
];

/// Attempts in a tool's cell only.
const TOOL_ATTEMPTS: &[Attempt] = &[
    (LayerName::Files, "change a mode", |paths| {
        fs::set_permissions(parent_of(&paths.outside), fs::Permissions::from_mode(0o700))
    }),
    (LayerName::Network, "bind a UDP socket", |_| {
        UdpSocket::bind("127.0.0.1:0").map(drop)
    }),
    (LayerName::Network, "create a socket pair", |_| {
        UnixDatagram::pair().map(drop)
    }),
    // A driver leads its session, and no leader can start another.
    (LayerName::Processes, "leave the session", |_| {
        Ok(setsid().map(drop)?)
    }),
    (LayerName::Processes, "start a process", |_| {
        Command::new("/proc/self/exe").arg("--version").output().map(drop)
    }),
];

/// Enters the cell and makes all attempts. Fails if an allowed action is not possible.
pub fn run(cell: &Cell, paths: &ProbePaths) -> Result<Vec<ProbeResult>, String> {
    restrict(cell).map_err(|error| format!("cannot enter the cell: {error}"))?;
    let run = |(layer, name, attempt): &Attempt| ProbeResult {
        layer: *layer,
        attempt: (*name).to_owned(),
        denied: attempt(paths).is_err_and(|error| is_denial(&error)),
    };
    let mut results: Vec<_> = PRIVILEGES.iter().map(run).collect();
    let filter = match cell.role {
        Role::Driver { .. } => filter_driver(cell),
        Role::Tool => filter_tool().map(|counts_threads| {
            results.push(ProbeResult {
                layer: LayerName::Kernel,
                attempt: "start any number of threads".to_owned(),
                denied: counts_threads,
            });
        }),
    };
    filter.map_err(|error| error.to_string())?;
    // Without this check, a cell that denies everything would look correct.
    let file = paths.inside.join("file");
    open(&file, OFlag::O_RDWR)
        .and_then(|mut file| {
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            file.write_all(&text)
        })
        .map_err(|error| format!("cannot read and write {} in the cell: {error}", file.display()))?;
    if cell.role == Role::Tool {
        results.extend(TOOL_ATTEMPTS.iter().map(run));
    }
    // These come last, since they remove the file outside the cell if they are not denied.
    results.extend(ATTEMPTS.iter().map(run));
    Ok(results)
}

/// Installs a tool's filter so that forbidden calls fail. Returns whether the supervisor could count threads.
fn filter_tool() -> Result<bool, FilterError> {
    match restrict_tool() {
        // Dropping the listener closes it.
        Ok(_) => Ok(true),
        Err(FilterError::NoListener(_)) => {
            // If the kernel does not support filters at all, the attempts show it.
            restrict_tool_without_listener(SeccompAction::Errno(libc::EPERM as u32)).ok();
            Ok(false)
        }
        Err(FilterError::Rejected(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Landlock fails with EACCES, or with EXDEV for a rename or link between directories. Seccomp fails with EPERM or ENOSYS.
fn is_denial(error: &io::Error) -> bool {
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

fn check_capabilities() -> io::Result<()> {
    // An ordinary user cannot clear the bounding set. With no_new_privs it grants nothing.
    let sets = [
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
        CapSet::Ambient,
    ];
    let empty = sets.map(|set| caps::read(None, set).is_ok_and(|held| held.is_empty()));
    denied_if(empty.into_iter().all(|empty| empty))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Opens a file as Go does. With musl, std calls open(2), which no filter of a tool allows, so that Landlock would not be tested.
fn open(path: &Path, flags: OFlag) -> io::Result<File> {
    Ok(openat(AT_FDCWD, path, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
}

/// Makes a system call with one argument, and zeros for the others.
fn call(number: libc::c_long, first: libc::c_long) -> io::Result<()> {
    // SAFETY: each argument is an integer or a null pointer, so the kernel cannot write to memory of this process. The attempted
    // calls fail, or change only this process, which ends after the attempts.
    let result = unsafe { libc::syscall(number, first, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
