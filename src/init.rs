//! Runs as process 1 of a container: starts gox-server as a child, forwards termination signals and reaps child processes.
//!
//! A builder outlives the process that started it. In a container, process 1 then becomes its parent and has to reap it, and when
//! process 1 exits, the kernel kills all others. The server cannot be process 1: tokio waits only for its own children, and the
//! server exits while builds still have time.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::{self, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, alarm, dup2_stdin};

/// Time after the drain for the server to close connections and log that.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Whether this is process 1.
pub fn is_first_process() -> bool {
    process::id() == 1
}

/// Runs `gox-server ARGUMENTS` until it exits. After SIGTERM or SIGINT, also waits for builds under way, for at most `drain`. A second
/// signal ends that wait. Fails if the server failed.
pub fn run(arguments: impl Iterator<Item = OsString>, drain: Duration) -> io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGALRM]);
    // Blocked signals stay pending until wait(), so none is lost in between.
    signals.thread_block()?;
    let server = Command::new("/proc/self/exe").args(arguments).spawn()?;
    // The server may have inherited a listening socket. A copy would accept connections after it has exited.
    dup2_stdin(File::open("/dev/null")?)?;
    let server = Pid::from_raw(server.id().cast_signed());
    let mut children = Children {
        server,
        server_status: None,
    };
    let mut stop_signals = 0;
    loop {
        let signal = signals.wait()?;
        if signal == Signal::SIGALRM {
            return children.result();
        }
        if signal != Signal::SIGCHLD {
            stop_signals += 1;
            alarm::set(u32::try_from((drain + EXIT_GRACE).as_secs()).unwrap_or(u32::MAX));
            // ESRCH: the server has exited, and only builds are running.
            kill(server, signal).ok();
        }
        let all_exited = children.reap()?;
        if all_exited || (children.server_status.is_some() && stop_signals != 1) {
            return children.result();
        }
    }
}

/// The server, and background processes after their parents have exited.
struct Children {
    server: Pid,
    /// Set when the server has exited.
    server_status: Option<WaitStatus>,
}

impl Children {
    /// Reaps all children that have exited. Returns whether none is left.
    fn reap(&mut self) -> io::Result<bool> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return Ok(false),
                Ok(status) if status.pid() == Some(self.server) => self.server_status = Some(status),
                Ok(_) => {}
                Err(Errno::ECHILD) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn result(&self) -> io::Result<()> {
        match self.server_status {
            Some(WaitStatus::Exited(_, 0)) => Ok(()),
            Some(other) => Err(io::Error::other(format!("the server failed: {other:?}"))),
            None => Err(io::Error::other("the server did not exit in time and was killed")),
        }
    }
}
