//! Runs a tool in its cell as a child process. Ends with the tool's exit status or signal, limits its number of threads, and
//! kills it when it makes a forbidden system call.
//!
//! Parent and child share a descriptor table until the child calls exec, so that the parent gets the listener of the seccomp
//! filter that the child installs. The other ways to pass a descriptor are sockets and pidfd_getfd(2), and the filter of `go`
//! denies them.

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
use super::enter::{die_with_parent, exec_in_cell};
use super::seccomp::{FilterError, NotifyListener, restrict_tool, restrict_tool_without_listener};

/// How often the child is polled on kernels without pidfd_open(2) (before Linux 5.3).
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Why the tool has no exit status.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// It was killed because it made this system call.
    #[error("killed for a forbidden system call: {0}")]
    Forbidden(String),
    /// It could not be started or supervised.
    #[error("{0}")]
    Other(String),
}

/// The number of threads that a tool may start; two more are allowed for each CPU. The compiler reads GOMAXPROCS + 10 files at
/// the same time (noder.LoadPackage), each of which may block a thread. GOMAXPROCS threads run Go code, and the runtime has some
/// threads. Builds with two CPUs started seven threads at most, with GOMAXPROCS=64 fifty.
const BASE_THREADS: usize = 32;

/// Whether a tool has started too many threads. Counts the CPUs only if necessary, since this reads files.
fn is_too_many(threads: usize) -> bool {
    let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
    threads > BASE_THREADS && threads > BASE_THREADS + 2 * cpus()
}

/// Runs the tool in its cell, and returns its exit status. If a signal ends the tool, this process ends itself by the same signal.
pub fn run(cell: &Cell, command: &mut Command) -> Result<u8, SuperviseError> {
    let other =
        |what: &str, error: &dyn std::fmt::Display| SuperviseError::Other(format!("cannot {what}: {error}"));
    let (reader, mut writer) = std::io::pipe().map_err(|e| other("make a pipe", &e))?;
    let supervisor = getpid();
    let Some(child) = fork().map_err(|e| other("start a process", &e))? else {
        let error = match die_with_parent(supervisor) {
            Ok(()) => exec_in_cell(cell, command, |cell| {
                install_filter(cell.must_enforce, &mut writer)
            }),
            Err(error) => error,
        };
        eprintln!("gox-server: {error}");
        // SAFETY: _exit(2) does not return. Returning from here would close descriptors that the parent shares.
        unsafe { libc::_exit(libc::EXIT_FAILURE) }
    };
    let exit = Supervisor::new(child, reader).supervise();
    match exit.map_err(|e| other("wait for a tool", &e))? {
        ToolExit::Exited(status) => Ok(status),
        ToolExit::Forbidden(call) => Err(SuperviseError::Forbidden(call)),
        ToolExit::Signalled(signal) => Err(end_by_signal(signal)),
    }
}

/// Runs in the child. Installs the filter, and sends the descriptor number of its listener, if it has one.
fn install_filter(must_enforce: bool, parent: &mut impl Write) -> Result<(), FilterError> {
    match restrict_tool() {
        // The write fails only if the parent has ended, and then this process is killed. Without an owner of the listener, exec is
        // not allowed.
        Ok(listener) => parent.write_all(&listener.into_raw().to_ne_bytes()).ok(),
        Err(FilterError::NoListener(_)) => return restrict_tool_without_listener(SeccompAction::KillProcess),
        Err(_) if !must_enforce => None,
        Err(error) => return Err(error),
    };
    Ok(())
}

/// Like fork(2), but parent and child share the descriptor table. Returns `None` in the child.
fn fork() -> nix::Result<Option<Pid>> {
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack, the child continues in a copy of this process's memory, as after fork(2).
    // This process has one thread, so no other thread can hold a lock in that copy. The kernel uses the other pointers, which are
    // null, only with flags that are not set.
    let child = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(flags),
            0_usize,
            0_usize,
            0_usize,
            0_usize,
        )
    };
    let child = nix::Error::result(child)?;
    Ok((child > 0).then(|| Pid::from_raw(child as i32)))
}

/// How a tool ended.
enum ToolExit {
    Exited(u8),
    Signalled(Signal),
    Forbidden(String),
}

/// The parent's view of a running tool.
struct Supervisor {
    child: Pid,
    /// Readable when the child has ended. `None` on kernels without pidfd_open(2).
    pidfd: Option<OwnedFd>,
    /// Delivers the descriptor number of the listener.
    pipe: PipeReader,
    listener: Option<NotifyListener>,
    threads: usize,
}

impl Supervisor {
    fn new(child: Pid, pipe: PipeReader) -> Supervisor {
        // SAFETY: pidfd_open(2) takes two integers and accesses no memory of this process.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.as_raw(), 0) };
        // SAFETY: the kernel created this descriptor for this call, so no other value owns it.
        let pidfd = (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
        Supervisor {
            child,
            pidfd,
            pipe,
            listener: None,
            threads: 0,
        }
    }

    fn supervise(mut self) -> nix::Result<ToolExit> {
        loop {
            let event = self.poll()?;
            if event.contains(PollFlags::POLLIN)
                && let Some(forbidden) = self.handle_input()?
            {
                // ESRCH: the child has ended meanwhile. Its call was not allowed in any case.
                kill(self.child, Signal::SIGKILL).ok();
                waitpid(self.child, None)?;
                return Ok(ToolExit::Forbidden(forbidden));
            }
            // POLLHUP: the child is ending, and the kernel still frees its memory. Until then, poll(2) would return at once.
            let options = (!event.contains(PollFlags::POLLHUP)).then_some(WaitPidFlag::WNOHANG);
            match waitpid(self.child, options)? {
                WaitStatus::Exited(_, status) => return Ok(ToolExit::Exited(status as u8)),
                // Without a listener, the name of the call is unknown.
                WaitStatus::Signaled(_, Signal::SIGSYS, _) => {
                    return Ok(ToolExit::Forbidden("unknown".to_owned()));
                }
                WaitStatus::Signaled(_, signal, _) => return Ok(ToolExit::Signalled(signal)),
                WaitStatus::StillAlive
                | WaitStatus::Stopped(..)
                | WaitStatus::Continued(_)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_) => {}
            }
        }
    }

    /// Waits for an event. Returns that of the listener or of the pipe that delivers it; none if the child has ended.
    fn poll(&self) -> nix::Result<PollFlags> {
        let input = self
            .listener
            .as_ref()
            .map_or(self.pipe.as_fd(), |listener| listener.as_fd());
        let mut events = vec![PollFd::new(input, PollFlags::POLLIN)];
        events.extend(
            self.pidfd
                .as_ref()
                .map(|pidfd| PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)),
        );
        let timeout = match self.pidfd {
            Some(_) => PollTimeout::NONE,
            None => PollTimeout::try_from(POLL_INTERVAL).unwrap_or(PollTimeout::ZERO),
        };
        match poll(&mut events, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {
                let flags = events[0].revents().unwrap_or(PollFlags::empty());
                match flags.contains(PollFlags::POLLNVAL) {
                    true => Err(nix::Error::EBADF),
                    false => Ok(flags),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the listener's number or a notification. Returns the call if it is forbidden.
    fn handle_input(&mut self) -> nix::Result<Option<String>> {
        let Some(listener) = &self.listener else {
            let mut number = [0; size_of::<RawFd>()];
            self.pipe
                .read_exact(&mut number)
                .map_err(|error| error.raw_os_error().map_or(nix::Error::EIO, nix::Error::from_raw))?;
            // SAFETY: the child got this number from `into_raw` and never uses it again. Both processes share the descriptor table
            // until the child calls exec, so the number is valid here.
            self.listener = Some(unsafe { NotifyListener::from_raw(RawFd::from_ne_bytes(number)) });
            return Ok(None);
        };
        let call = match listener.receive() {
            Ok(call) => call,
            // The calling process was killed meanwhile, or a signal interrupted this call.
            Err(nix::Error::ENOENT | nix::Error::EINTR) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.threads += usize::from(call.starts_thread());
        if !call.starts_thread() && !call.starts_program(self.child) {
            return Ok(Some(call.to_string()));
        }
        if is_too_many(self.threads) {
            return Ok(Some(format!("{call}, its thread number {}", self.threads)));
        }
        match listener.allow(&call) {
            // The calling process was killed meanwhile.
            Ok(()) | Err(nix::Error::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Ends this process by the signal that ended its child. Returns only if this fails.
fn end_by_signal(ended_by: Signal) -> SuperviseError {
    // SAFETY: this installs the default action and no handler, so no code of this process runs in a signal handler.
    let reset = unsafe { signal(ended_by, SigHandler::SigDfl) };
    // SIGKILL has no handler to reset (EINVAL).
    let killed = reset.map(drop).or(Ok(())).and_then(|()| kill(getpid(), ended_by));
    SuperviseError::Other(format!("a signal ended the tool: {ended_by}: {killed:?}"))
}
