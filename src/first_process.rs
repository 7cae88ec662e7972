//! A container's first process: starts gox-server once more, hands on the signals that stop it, and buries the dead.
//!
//! A builder outlives who started it, so in a container it becomes a child of process 1, which has to wait for it; and when
//! process 1 ends, the kernel kills all others. A server can be neither: tokio waits for its own children alone, and builds
//! would be cut while there is time for them.

use std::ffi::OsString;
use std::io;
use std::process::{self, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, alarm};

/// Beyond the drain: a server that has to cut its answers does so when the drain is over, and says so.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whether this process is a container's first.
pub fn is_this() -> bool {
    process::id() == 1
}

/// Runs `gox-server ARGUMENTS` until it ends; after SIGTERM or SIGINT, also until no build is under way, as long as `drain`
/// lasts. A second signal cuts builds off too. Fails if the server did.
pub fn run(arguments: impl Iterator<Item = OsString>, drain: Duration) -> io::Result<()> {
    let heard = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGALRM]);
    // Held back until they are waited for: nothing that comes meanwhile is lost.
    heard.thread_block()?;
    let server = Command::new("/proc/self/exe").args(arguments).spawn()?;
    let server = Pid::from_raw(server.id().cast_signed());
    let mut family = Family { server, ended: None };
    let mut told_to_stop = 0;
    loop {
        let signal = heard.wait()?;
        if signal == Signal::SIGALRM {
            return family.verdict();
        }
        if signal != Signal::SIGCHLD {
            told_to_stop += 1;
            alarm::set(u32::try_from((drain + LAST_WORDS).as_secs()).unwrap_or(u32::MAX));
            // ESRCH: it has ended, and builds are what goes on.
            kill(server, signal).ok();
        }
        let is_last = family.bury_the_dead()?;
        if is_last || (family.ended.is_some() && told_to_stop != 1) {
            return family.verdict();
        }
    }
}

/// The server, and the orphans of its requests.
struct Family {
    server: Pid,
    /// How the server ended, when it has.
    ended: Option<WaitStatus>,
}

impl Family {
    /// Waits for all that have ended; says whether nobody is left.
    fn bury_the_dead(&mut self) -> io::Result<bool> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return Ok(false),
                Ok(dead) if dead.pid() == Some(self.server) => self.ended = Some(dead),
                Ok(_) => {}
                Err(Errno::ECHILD) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn verdict(&self) -> io::Result<()> {
        match self.ended {
            Some(WaitStatus::Exited(_, 0)) => Ok(()),
            Some(other) => Err(io::Error::other(format!("the server ended: {other:?}"))),
            None => Err(io::Error::other(
                "the server did not end in time, and was cut off",
            )),
        }
    }
}
