//! A tool in its cell, with this process as its parent: ends as the tool ends, counts its threads, and kills it when it makes a
//! system call that no tool makes.
//!
//! The two share a table of descriptors until the tool's exec, so that the parent gets the listener of a filter that the child
//! installs. `go` denies what would otherwise hand it over: sockets, and pidfd_getfd(2).

use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::process::Command;
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use seccompiler::SeccompAction;

use super::cell::Cell;
use super::enter::{become_command, die_with_parent};
use super::seccomp::{Call, Listener, NoFilter, restrict_tool, restrict_tool_alone};

/// How often the child is looked at where its end is no event (before Linux 5.3: pidfd_open(2)).
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why there is no exit status of the tool.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It made this system call, and was killed.
    #[error("stopped for a system call that no tool makes: {0}")]
    Forbidden(String),
    /// It was not started, or not watched to its end.
    #[error("{0}")]
    Other(String),
}

/// Threads that a tool may start, and two more for each CPU: the compiler reads so many files at once (noder.LoadPackage: GOMAXPROCS +
/// 10), each of which may hold a thread; as many threads run; and the runtime has some of its own. Builds with two CPUs started
/// seven at most, with GOMAXPROCS=64 fifty.
const THREADS: usize = 32;

/// Whether a tool may not start so many. The CPUs are counted only for a tool that starts many: it takes reading some files.
fn is_too_many(threads: usize) -> bool {
    let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
    threads > THREADS && threads > THREADS + 2 * cpus()
}

/// Starts the tool in its cell, and returns its exit status. If a signal ends it, the same one ends this process.
pub fn run(cell: &Cell, command: &mut Command) -> Result<u8, Failed> {
    let other = |what: &str, error: &dyn std::fmt::Display| Failed::Other(format!("cannot {what}: {error}"));
    die_with_parent(cell).map_err(|e| other("enter the cell", &e))?;
    let (reader, mut writer) = std::io::pipe().map_err(|e| other("make a pipe", &e))?;
    let Some(child) = fork().map_err(|e| other("start a process", &e))? else {
        let why = become_command(cell, command, |cell| install(cell.must_hold, &mut writer));
        eprintln!("gox-server: {why}");
        // SAFETY: nothing runs after it. To return would close descriptors that are the parent's, too.
        unsafe { libc::_exit(libc::EXIT_FAILURE) }
    };
    let ended = Supervision::of(child, reader).finish();
    match ended.map_err(|e| other("wait for a tool", &e))? {
        Ended::Exited(status) => Ok(status),
        Ended::Forbidden(call) => Err(Failed::Forbidden(call)),
        Ended::Signalled(by) => Err(die_of(by)),
    }
}

/// In the child: puts the filter in force, and writes the number of its listener, if it has one.
fn install(must_hold: bool, parent: &mut impl Write) -> Result<(), NoFilter> {
    match restrict_tool() {
        // The parent is there as long as this process is: a write that fails leaves a listener that nobody owns, and no call goes
        // through.
        Ok(listener) => parent.write_all(&listener.into_raw().to_ne_bytes()).ok(),
        Err(NoFilter::NoListener(_)) => return restrict_tool_alone(SeccompAction::KillProcess),
        Err(_) if !must_hold => None,
        Err(error) => return Err(error),
    };
    Ok(())
}

/// Like fork(2), but with one table of descriptors for both. None in the child.
fn fork() -> nix::Result<Option<Pid>> {
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack the child goes on in a copy of this process's memory, which has one thread: no
    // other can hold a lock in it. Null pointers are not written to without the flags that ask for it.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) };
    let child = nix::Error::result(child)?;
    Ok((child > 0).then(|| Pid::from_raw(child as i32)))
}

enum Ended {
    Exited(u8),
    Signalled(Signal),
    Forbidden(String),
}

struct Supervision {
    child: Pid,
    /// Readable when the child has ended.
    end: Option<OwnedFd>,
    /// Says the listener's number.
    pipe: PipeReader,
    listener: Option<Listener>,
    threads: usize,
}

impl Supervision {
    fn of(child: Pid, pipe: PipeReader) -> Supervision {
        // SAFETY: pidfd_open(2) takes two integers, and touches no memory of ours.
        let end = unsafe { libc::syscall(libc::SYS_pidfd_open, child.as_raw(), 0) };
        // SAFETY: the kernel has just made this descriptor for this call, so no other value owns it.
        let end = (end >= 0).then(|| unsafe { OwnedFd::from_raw_fd(end as RawFd) });
        Supervision {
            child,
            end,
            pipe,
            listener: None,
            threads: 0,
        }
    }

    fn finish(mut self) -> nix::Result<Ended> {
        loop {
            if self.has_news()?
                && let Some(forbidden) = self.hear()?
            {
                // ESRCH: it has ended meanwhile, and was not let go on.
                kill(self.child, Signal::SIGKILL).ok();
                waitpid(self.child, None)?;
                return Ok(Ended::Forbidden(forbidden));
            }
            match waitpid(self.child, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, status) => return Ok(Ended::Exited(status as u8)),
                // Without a listener, that is all there is to know.
                WaitStatus::Signaled(_, Signal::SIGSYS, _) => {
                    return Ok(Ended::Forbidden("unknown".to_owned()));
                }
                WaitStatus::Signaled(_, by, _) => return Ok(Ended::Signalled(by)),
                WaitStatus::StillAlive
                | WaitStatus::Stopped(..)
                | WaitStatus::Continued(_)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_) => {}
            }
        }
    }

    /// Waits; says whether it was for the listener, or for its number.
    fn has_news(&self) -> nix::Result<bool> {
        let news = self
            .listener
            .as_ref()
            .map_or(self.pipe.as_fd(), |listener| listener.as_fd());
        let mut events = vec![PollFd::new(news, PollFlags::POLLIN)];
        events.extend(
            self.end
                .as_ref()
                .map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)),
        );
        let timeout = match self.end {
            Some(_) => PollTimeout::NONE,
            None => PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::ZERO),
        };
        match poll(&mut events, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {
                let news = events[0].revents().unwrap_or(PollFlags::empty());
                match news.contains(PollFlags::POLLNVAL) {
                    true => Err(nix::Error::EBADF),
                    false => Ok(news.contains(PollFlags::POLLIN)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Takes in what there is; returns the call, if it is forbidden.
    fn hear(&mut self) -> nix::Result<Option<String>> {
        let Some(listener) = &self.listener else {
            let mut number = [0; size_of::<RawFd>()];
            self.pipe
                .read_exact(&mut number)
                .map_err(|error| error.raw_os_error().map_or(nix::Error::EIO, nix::Error::from_raw))?;
            // SAFETY: the child has let go of it for this process, with which it shares the table of descriptors until exec, and
            // then leaves it alone.
            self.listener = Some(unsafe { Listener::from_raw(RawFd::from_ne_bytes(number)) });
            return Ok(None);
        };
        let call = match listener.receive() {
            Ok(call) => call,
            // The caller was killed meanwhile, or a signal came.
            Err(nix::Error::ENOENT | nix::Error::EINTR) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.threads += usize::from(call.starts_thread());
        if !call.starts_thread() && !call.starts_program(self.child) {
            return Ok(Some(call.to_string()));
        }
        if is_too_many(self.threads) {
            return Ok(Some(too_many(&call, self.threads)));
        }
        match listener.let_go_on(&call) {
            // As above.
            Ok(()) | Err(nix::Error::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn too_many(call: &Call, threads: usize) -> String {
    format!("{call}, its thread number {threads}")
}

/// Ends this process as its child ended. Returns only if it could not.
fn die_of(by: Signal) -> Failed {
    // SAFETY: no handler runs: the default action takes the place of one.
    let reset = unsafe { signal(by, SigHandler::SigDfl) };
    // SIGKILL has no handler to reset (EINVAL).
    let died = reset.map(drop).or(Ok(())).and_then(|()| kill(getpid(), by));
    Failed::Other(format!("a signal ended the tool: {by}: {died:?}"))
}
