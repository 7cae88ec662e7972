//! The socket of one client for hyper: a TcpStream that sends files (`body_part`). Writes fail if the client reads too slowly (hyper has
//! timeouts only for reads). Reads normalize HTTP versions (`version`). Also functions to detect a disconnect and to close gracefully.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::body_part::is_placeholder;
use super::file_parts::FilePart;
use super::limits::FrontLimits;
use super::version::VersionNormalizer;

/// Maximum time to read the rest of a request after the response (nginx's lingering_timeout: 5 s).
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The socket of one client.
pub(super) struct ClientStream {
    stream: Arc<TcpStream>,
    rate: WriteRate,
    /// While a write is blocked: since when, and the timer that ends it.
    blocked: Option<(Instant, Pin<Box<Sleep>>)>,
    versions: VersionNormalizer,
    /// The parts of files that the placeholders stand for, in order.
    parts: Receiver<FilePart>,
    /// The first of them, if it is partly sent.
    part: Option<FilePart>,
}

/// Enforces a minimum rate of writes. Only the time in which writes were blocked counts. After `min_bytes` both counters restart.
#[derive(Debug, Clone, Copy)]
struct WriteRate {
    stall: Duration,
    min_bytes: usize,
    blocked: Duration,
    written: usize,
}

impl WriteRate {
    /// Time for which writes may still be blocked.
    fn time_left(&self) -> Duration {
        self.stall.saturating_sub(self.blocked)
    }

    fn record(&mut self, blocked: Duration, written: usize) {
        self.blocked += blocked;
        self.written += written;
        if self.written >= self.min_bytes {
            (self.blocked, self.written) = (Duration::ZERO, 0);
        }
    }
}

impl ClientStream {
    pub(super) fn new(
        stream: Arc<TcpStream>,
        limits: &FrontLimits,
        versions: VersionNormalizer,
        parts: Receiver<FilePart>,
    ) -> Self {
        Self {
            stream,
            rate: WriteRate {
                stall: limits.stall,
                min_bytes: limits.pace_bytes,
                blocked: Duration::ZERO,
                written: 0,
            },
            blocked: None,
            versions,
            parts,
            part: None,
        }
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(context)?.is_ready() {
            match attempt(&self.stream) {
                // The socket was not ready. The next poll registers the task for a wakeup.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    let blocked = self.blocked.take().map(|(since, _)| since.elapsed());
                    let written = result.as_ref().map_or(0, |written| *written);
                    self.rate.record(blocked.unwrap_or_default(), written);
                    return Poll::Ready(result);
                }
            }
        }
        let left = self.rate.time_left();
        let (_, timer) = self
            .blocked
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends the part of a file that the next placeholder stands for.
    fn send_part(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => self.parts.try_recv().map_err(io::Error::other)?,
        };
        let sent = self.write(context, |stream| {
            stream.try_io(Interest::WRITABLE, || part.send(stream))
        });
        self.part = Some(part).filter(|part| !part.is_sent());
        sent
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    self.versions.normalize(&mut buffer.filled_mut()[before..]);
                    return Poll::Ready(result.map(drop));
                }
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| is_placeholder(slice)) {
            Some(0) => self.send_part(context),
            first => {
                let in_memory = &slices[..first.unwrap_or(slices.len())];
                self.write(context, |stream| stream.try_write_vectored(in_memory))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        use nix::sys::socket::{Shutdown, shutdown};
        Poll::Ready(shutdown(self.stream.as_raw_fd(), Shutdown::Write).map_err(io::Error::from))
    }
}

/// Returns when the client has closed its side. hyper detects that only while it reads, and it does not read while it has an unread
/// body or pipelined request.
pub(super) async fn wait_for_disconnect(stream: &TcpStream) {
    // In tokio, a closed read side (EPOLLRDHUP) makes the socket ready for PRIORITY; unread bytes do not.
    while let Ok(ready) = stream.ready(Interest::PRIORITY).await
        && !ready.is_read_closed()
    {}
}

/// Reads and discards the rest of a request before the socket is closed. Closing a socket with unread bytes sends RST, which can
/// destroy the response before the client reads it (RFC 9112 section 9.6).
pub(super) async fn linger(stream: &TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    let drained = async {
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // The result is ignored: the socket is closed after a timeout too.
    drop(timeout(LINGER_TIMEOUT, drained).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_time_counts_until_min_bytes_are_written() {
        let mut rate = WriteRate {
            stall: Duration::from_secs(10),
            min_bytes: 1000,
            blocked: Duration::ZERO,
            written: 0,
        };
        for (blocked, written, left) in [(6, 999, 4), (3, 0, 1), (0, 1, 10), (11, 0, 0), (0, 2000, 10)] {
            rate.record(Duration::from_secs(blocked), written);
            assert_eq!(rate.time_left(), Duration::from_secs(left));
        }
    }
}
