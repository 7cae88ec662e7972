//! Runs one command to its end, with bounds on time and output, and leaves nothing of its process group behind.
//!
//! Knows what the kernel did ([`Ended`]), not what it means: that is for the room that knows the command.

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

/// What the kernel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was still running at the deadline, and was killed.
    TimedOut,
    /// It printed more than it may, and was killed.
    TooMuchOutput,
    /// Whoever watched it had it killed.
    Stopped,
}

/// How far a command may go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// It is killed when this moment comes.
    pub deadline: Instant,
    /// It is killed when it prints more than this on stdout, bytes.
    pub stdout_bytes: usize,
    /// What is kept of stderr, bytes; the rest is read and thrown away.
    pub stderr_bytes: usize,
}

/// All there is to know of a command that has ended.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// The beginning of what it complained of.
    pub stderr: Vec<u8>,
    /// Whether the kernel may have killed a process for lack of memory meanwhile.
    pub out_of_memory: bool,
}

/// How often whoever watches is asked. A bomb writes 2 GB/s at most, so it overshoots its bound by half a gigabyte.
const WATCH_EVERY: Duration = Duration::from_millis(250);

enum Event {
    Exited,
    Overflowed,
}

/// Runs `command`, which leads a process group of its own (or will, as a driver in its cell does), to its end.
/// `go_on` is asked about the process from time to time; when it says no, the command is killed.
pub fn run(command: &mut Command, bounds: Bounds, mut go_on: impl FnMut(Pid) -> bool) -> io::Result<Outcome> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let kills = oom::kills();
    let mut group = Group::lead(command.spawn()?);
    let (events, inbox) = mpsc::channel();
    let stdout = drain(
        group.child.stdout.take(),
        bounds.stdout_bytes,
        Some(events.clone()),
    )?;
    let stderr = drain(group.child.stderr.take(), bounds.stderr_bytes, None)?;
    notice_exit(group.pid(), events)?;

    let ended = loop {
        let left = bounds.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Ended::TimedOut;
        }
        match inbox.recv_timeout(left.min(WATCH_EVERY)) {
            Ok(Event::Exited) => break Ended::Exited(0),
            Ok(Event::Overflowed) => break Ended::TooMuchOutput,
            Err(RecvTimeoutError::Timeout) if go_on(group.pid()) => {}
            Err(RecvTimeoutError::Timeout) => break Ended::Stopped,
            // Both senders are gone only when the command has ended.
            Err(RecvTimeoutError::Disconnected) => break Ended::Exited(0),
        }
    };
    let status = group.end()?;
    // A reader that panicked has said so, and has nothing to hand over.
    let stdout = stdout.join().unwrap_or_default();
    let stderr = stderr.join().unwrap_or_default();
    let ended = if ended == Ended::Exited(0) {
        from_status(status)
    } else {
        ended
    };
    Ok(Outcome {
        ended,
        stdout,
        stderr,
        out_of_memory: kills.is_none() || oom::kills() != kills,
    })
}

fn from_status(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or_default()),
    }
}

/// A process group that is killed and reaped when this value goes, on whatever way out.
struct Group {
    child: Child,
    reaped: bool,
}

impl Group {
    fn lead(child: Child) -> Group {
        Group { child, reaped: false }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Kills all of the group, then reaps its leader: until then the leader's number cannot be anybody else's.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // ESRCH: nobody is left in the group, or the leader has not made it yet, which the second call takes care of.
        killpg(self.pid(), Signal::SIGKILL).ok();
        kill(self.pid(), Signal::SIGKILL).ok();
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            // Nobody is left to tell; the kernel reaps it when this process ends.
            self.end().ok();
        }
    }
}

/// Waits without reaping, so that the group can be killed while its number is still its own.
fn notice_exit(pid: Pid, events: Sender<Event>) -> io::Result<()> {
    let waits = move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
        // The receiver is gone when the command was killed for another reason.
        events.send(Event::Exited).ok();
    };
    thread::Builder::new().spawn(waits).map(drop)
}

/// Reads a pipe to its end on a thread of its own: a full pipe that nobody reads would stop the command for ever.
/// Keeps the first `keep` bytes; tells `overflow` when there are more.
fn drain(
    pipe: Option<impl Read + Send + 'static>,
    keep: usize,
    overflow: Option<Sender<Event>>,
) -> io::Result<thread::JoinHandle<Vec<u8>>> {
    thread::Builder::new().spawn(move || {
        let (mut kept, mut cut) = (Vec::new(), false);
        let Some(mut pipe) = pipe else { return kept };
        let mut chunk = [0; 16 << 10];
        // A read error on a pipe is its end as much as a zero is.
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            let room = keep.saturating_sub(kept.len());
            kept.extend_from_slice(&chunk[..n.min(room)]);
            if n > room && !cut {
                cut = true;
                if let Some(events) = &overflow {
                    // The receiver is gone when the command was killed for another reason.
                    events.send(Event::Overflowed).ok();
                }
            }
        }
        kept
    })
}
