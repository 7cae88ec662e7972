//! Events of a responder as file descriptors, so that poll(2) can wait for several of them: connections, permits, stop signals.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Waits until a descriptor is readable or the timeout expires, and returns which descriptors are readable.
pub(super) fn poll_readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> nix::Result<[bool; N]> {
    let timeout = timeout.map_or(PollTimeout::NONE, |time| {
        PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
    });
    let mut polled = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    match poll(&mut polled, timeout) {
        // EINTR, after a signal handler: no descriptor is readable. After SIGCONT alone, the kernel polls again.
        Ok(_) | Err(Errno::EINTR) => Ok(polled.map(|descriptor| descriptor.any() == Some(true))),
        Err(error) => Err(error),
    }
}

/// A descriptor that becomes readable after SIGTERM or SIGINT. The signal is never read, so the descriptor stays readable.
#[derive(Debug)]
pub(super) struct StopSignal(SignalFd);

impl StopSignal {
    /// Blocks SIGTERM and SIGINT in this thread and in all threads that it starts. Call it before other threads exist.
    pub(super) fn block() -> nix::Result<StopSignal> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
        signals.thread_block()?;
        Ok(StopSignal(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A semaphore as an eventfd(2). It is readable while a permit is available.
#[derive(Debug)]
pub(super) struct FdSemaphore(Arc<EventFd>);

/// A permit of a semaphore. Dropping it releases the permit.
#[derive(Debug)]
pub(super) struct FdPermit(Arc<EventFd>);

impl FdSemaphore {
    pub(super) fn new(permits: u32) -> nix::Result<FdSemaphore> {
        let flags = EfdFlags::EFD_SEMAPHORE | EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(FdSemaphore(Arc::new(EventFd::from_value_and_flags(
            permits, flags,
        )?)))
    }

    /// Acquires a permit; `None` if none is available.
    pub(super) fn try_acquire(&self) -> Option<FdPermit> {
        self.0.read().ok().map(|_| FdPermit(Arc::clone(&self.0)))
    }
}

impl Drop for FdPermit {
    fn drop(&mut self) {
        // Fails only if the counter overflows, which cannot happen: each permit is released once.
        self.0.write(1).ok();
    }
}

impl AsFd for FdSemaphore {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
