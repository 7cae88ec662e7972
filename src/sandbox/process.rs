//! Runs a command with limits on time and output, and kills its whole process group at the end.
//!
//! Reports how the process ended ([`Termination`]). The caller interprets it.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::oom;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was killed at the deadline.
    TimedOut,
    /// It was killed because it exceeded [`Bounds::stdout_bytes`].
    TooMuchOutput,
    /// It was killed because the caller's callback returned false.
    Stopped,
}

/// Limits of a command.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The command is killed at this time.
    pub deadline: Instant,
    /// The command is killed when it prints more bytes on stdout.
    pub stdout_bytes: usize,
    /// The number of bytes of stderr that are returned. The rest is read and discarded.
    pub stderr_bytes: usize,
}

/// The result of a command.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub termination: Termination,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Whether the kernel may have killed a process for lack of memory while the command was running.
    pub out_of_memory: bool,
}

/// How often the callback runs.
const CALLBACK_INTERVAL: Duration = Duration::from_millis(250);

enum ProcessEvent {
    Exited,
    TooMuchOutput,
}

/// Runs `command` until it ends or exceeds a limit. The command must lead a process group of its own, or create one as a driver
/// does in its cell. Calls `keep_running` several times a second; if it returns false, the command is killed.
pub fn run(
    command: &mut Command,
    bounds: Bounds,
    mut keep_running: impl FnMut(Pid) -> bool,
) -> io::Result<Outcome> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let kills = oom::count_kills();
    let mut group = ProcessGroup::new(command.spawn()?);
    let (events, inbox) = mpsc::channel();
    let stdout = drain(
        group.child.stdout.take(),
        bounds.stdout_bytes,
        Some(events.clone()),
    )?;
    let stderr = drain(group.child.stderr.take(), bounds.stderr_bytes, None)?;
    watch_exit(group.pid(), events)?;

    // `None`: it exited.
    let killed = loop {
        let left = bounds.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Some(Termination::TimedOut);
        }
        match inbox.recv_timeout(left.min(CALLBACK_INTERVAL)) {
            Ok(ProcessEvent::Exited) => break None,
            Ok(ProcessEvent::TooMuchOutput) => break Some(Termination::TooMuchOutput),
            Err(RecvTimeoutError::Timeout) if keep_running(group.pid()) => {}
            Err(RecvTimeoutError::Timeout) => break Some(Termination::Stopped),
            // Both senders are dropped only after the command has ended.
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    let status = group.end()?;
    // If a reader thread panicked, its panic message was printed, and the output is lost.
    let stdout = stdout.join().unwrap_or_default();
    let stderr = stderr.join().unwrap_or_default();
    Ok(Outcome {
        termination: killed.unwrap_or_else(|| from_status(status)),
        stdout,
        stderr,
        out_of_memory: kills.is_none() || oom::count_kills() != kills,
    })
}

fn from_status(status: ExitStatus) -> Termination {
    match (status.code(), status.signal()) {
        (Some(code), _) => Termination::Exited(code),
        (None, signal) => Termination::Signalled(signal.unwrap_or_default()),
    }
}

/// A process group. Dropping it kills the group and reaps its leader.
pub struct ProcessGroup {
    child: Child,
    reaped: bool,
}

impl ProcessGroup {
    /// The group that `child` leads, or will lead.
    pub fn new(child: Child) -> ProcessGroup {
        ProcessGroup { child, reaped: false }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Kills the group, then reaps its leader. Until the leader is reaped, no other process can have its ID.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // ESRCH: the group is empty, or the leader has not created it yet. The second call covers that case.
        killpg(self.pid(), Signal::SIGKILL).ok();
        kill(self.pid(), Signal::SIGKILL).ok();
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.reaped {
            // There is no caller to return the error to. The kernel reaps the leader when this process ends.
            self.end().ok();
        }
    }
}

/// Sends an event when the leader exits. Does not reap it, so that its ID stays valid for killing the group.
fn watch_exit(pid: Pid, events: Sender<ProcessEvent>) -> io::Result<()> {
    let wait = move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
        // Fails if the receiver was dropped because the command was killed for another reason.
        events.send(ProcessEvent::Exited).ok();
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Reads a pipe to its end in a new thread: a command would block forever on a full pipe. Returns the first `max_bytes`. Sends an
/// event to `overflow` if there are more.
fn drain(
    pipe: Option<impl Read + Send + 'static>,
    max_bytes: usize,
    overflow: Option<Sender<ProcessEvent>>,
) -> io::Result<thread::JoinHandle<Vec<u8>>> {
    thread::Builder::new().spawn(move || {
        let (mut output, mut is_truncated) = (Vec::new(), false);
        let Some(mut pipe) = pipe else { return output };
        let mut chunk = [0; 16 << 10];
        // A read error counts as the end of the pipe.
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            let left = max_bytes.saturating_sub(output.len());
            output.extend_from_slice(&chunk[..n.min(left)]);
            if n > left && !is_truncated {
                is_truncated = true;
                if let Some(events) = &overflow {
                    // Fails if the receiver was dropped because the command was killed for another reason.
                    events.send(ProcessEvent::TooMuchOutput).ok();
                }
            }
        }
        output
    })
}
