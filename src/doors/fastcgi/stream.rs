//! A web server's connection, of whatever address family: read up to a deadline, written as long as it moves.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::limits::STALL;

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    // A stream socket reads, writes and times out alike in every family; only its addresses differ.
    socket: UnixStream,
    deadline: Instant,
}

impl Stream {
    pub(super) fn new(socket: impl Into<OwnedFd>) -> io::Result<Stream> {
        let socket = UnixStream::from(socket.into());
        socket.set_write_timeout(Some(STALL))?;
        Ok(Stream {
            socket,
            deadline: Instant::now(),
        })
    }

    /// What is not there by then is not waited for.
    pub(super) fn read_by(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Writes all of these, in as few packets as the kernel likes.
    pub(super) fn send(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        while !slices.is_empty() {
            match (&self.socket).write_vectored(slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => IoSlice::advance_slices(&mut slices, sent),
                // A socket with a timeout is interrupted when its process is stopped and goes on (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(bytes)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
