//! A socket with a deadline for reads and a timeout for writes.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::limits::WRITE_TIMEOUT;

/// A connected stream socket of any address family.
#[derive(Debug)]
pub(super) struct TimedStream {
    // Also for TCP: read, write and timeouts are the same for all stream sockets. Only the addresses differ.
    socket: UnixStream,
    deadline: Instant,
}

impl TimedStream {
    pub(super) fn new(socket: impl Into<OwnedFd>) -> io::Result<TimedStream> {
        let socket = UnixStream::from(socket.into());
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(TimedStream {
            socket,
            deadline: Instant::now(),
        })
    }

    /// Sets the deadline for all further reads. A read after it fails with `TimedOut`.
    pub(super) fn set_read_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Writes all slices.
    pub(super) fn send(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        while !slices.is_empty() {
            match (&self.socket).write_vectored(slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => IoSlice::advance_slices(&mut slices, sent),
                // SIGSTOP and SIGCONT interrupt a write to a socket with a timeout, even without a handler (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for TimedStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(bytes)
    }
}

impl AsFd for TimedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
