//! A socket with a deadline for reads and a timeout for writes.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
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

    /// Writes all slices, or shuts the connection down: a record may be incomplete then, and nothing may follow it.
    pub(super) fn send(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.write_all_slices(slices).inspect_err(|_| {
            // Fails only if the connection is closed already.
            self.socket.shutdown(Shutdown::Both).ok();
        })
    }

    fn write_all_slices(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        while !slices.is_empty() {
            match (&self.socket).write_vectored(slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => IoSlice::advance_slices(&mut slices, sent),
                Err(error) => ignore_interrupt(error)?,
            }
        }
        Ok(())
    }
}

impl Read for TimedStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(bytes) {
                Ok(read) => return Ok(read),
                Err(error) => ignore_interrupt(error)?,
            }
        }
    }
}

/// Ignores EINTR: SIGSTOP and SIGCONT interrupt a read or write with a timeout, even without a handler (signal(7)). EAGAIN becomes
/// `TimedOut`.
fn ignore_interrupt(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::Interrupted {
        return Ok(());
    }
    let has_timed_out = error.kind() == ErrorKind::WouldBlock;
    Err(if has_timed_out {
        ErrorKind::TimedOut.into()
    } else {
        error
    })
}

impl AsFd for TimedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pair() -> (TimedStream, UnixStream) {
        let (socket, web_server) = UnixStream::pair().unwrap();
        (TimedStream::new(socket).unwrap(), web_server)
    }

    /// The web server would take the next record as content of the incomplete one.
    #[test]
    fn nothing_follows_an_incomplete_record() {
        let (stream, mut web_server) = pair();
        let timeout = Some(Duration::from_millis(10));
        stream.socket.set_write_timeout(timeout).unwrap();
        let error = stream.send(&mut [IoSlice::new(&[1; 4 << 20])]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // The web server reads again, so that there is space for another record.
        web_server.set_nonblocking(true).unwrap();
        let mut received = Vec::new();
        web_server.read_to_end(&mut received).ok();
        assert!(stream.send(&mut [IoSlice::new(&[2])]).is_err());
        web_server.read_to_end(&mut received).unwrap();
        assert!(received.len() < 4 << 20 && received.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn read_fails_at_its_deadline() {
        let (mut stream, _web_server) = pair();
        stream.set_read_deadline(Instant::now() + Duration::from_millis(10));
        for _ in 0..2 {
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        }
    }
}
