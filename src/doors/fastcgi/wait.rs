//! What a responder waits for, as descriptors, so that poll(2) waits for several at once: connections, seats, a signal.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Which of these can be read, at once or `within` some time; none when it is over.
pub(super) fn ready<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    within: Option<Duration>,
) -> nix::Result<[bool; N]> {
    let timeout = within.map_or(PollTimeout::NONE, |time| {
        PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
    });
    let mut polled = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    match poll(&mut polled, timeout) {
        // Stopped and continued, perhaps: who asked looks again.
        Ok(_) | Err(Errno::EINTR) => Ok(polled.map(|descriptor| descriptor.any() == Some(true))),
        Err(error) => Err(error),
    }
}

/// SIGTERM or SIGINT. The signal is never taken, so whoever looks finds it, from then on.
#[derive(Debug)]
pub(super) struct Stop(SignalFd);

impl Stop {
    /// Holds the signals back from this thread, and all that it starts: to be called while there is no other.
    pub(super) fn hear() -> nix::Result<Stop> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
        signals.thread_block()?;
        Ok(Stop(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A number of seats. There is one to take while it can be read.
#[derive(Debug)]
pub(super) struct Seats(Arc<EventFd>);

/// A seat that is taken, and free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<EventFd>);

impl Seats {
    pub(super) fn new(number: u32) -> nix::Result<Seats> {
        let flags = EfdFlags::EFD_SEMAPHORE | EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Seats(Arc::new(EventFd::from_value_and_flags(number, flags)?)))
    }

    /// Takes a seat; `None` while there is none.
    pub(super) fn take(&self) -> Option<Seat> {
        self.0.read().ok().map(|_| Seat(Arc::clone(&self.0)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // It fails when the number overflows, and no more seats are given back than were taken.
        self.0.write(1).ok();
    }
}

impl AsFd for Seats {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
