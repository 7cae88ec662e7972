//! The socket to one client, as hyper reads and writes it: what TcpStream does, and an error when the client
//! takes too little for too long (hyper has timeouts for what it reads, none for what it writes).
//! Also the two things about a socket that only its owner can tell: that the client left, and a kind farewell.
//! It knows nothing of HTTP but that the version of a request is normalized (`version`).

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::limits::Limits;
use super::version::Versions;

/// How long a client that is still sending may take to notice the end of the answer (nginx: 5 s).
const FAREWELL: Duration = Duration::from_secs(2);

/// One socket, for hyper.
pub(super) struct Line {
    stream: Arc<TcpStream>,
    pace: Pace,
    /// Runs while a write waits: since when, and what ends it.
    stalled: Option<(Instant, Pin<Box<Sleep>>)>,
    versions: Versions,
}

/// How much the client has taken while it was waited for, and for how long. Where it takes `bytes` within `stall`, both begin again.
#[derive(Debug, Clone, Copy)]
struct Pace {
    stall: Duration,
    bytes: usize,
    waited: Duration,
    taken: usize,
}

impl Pace {
    /// How much longer the client may let an answer wait.
    fn left(&self) -> Duration {
        self.stall.saturating_sub(self.waited)
    }

    fn add(&mut self, waited: Duration, taken: usize) {
        self.waited += waited;
        self.taken += taken;
        if self.taken >= self.bytes {
            (self.waited, self.taken) = (Duration::ZERO, 0);
        }
    }
}

impl Line {
    pub(super) fn new(stream: Arc<TcpStream>, limits: &Limits, versions: Versions) -> Self {
        Self {
            stream,
            pace: Pace {
                stall: limits.stall,
                bytes: limits.pace_bytes,
                waited: Duration::ZERO,
                taken: 0,
            },
            stalled: None,
            versions,
        }
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(context)?.is_ready() {
            match attempt(&self.stream) {
                // The socket was full after all; asking again registers for the news.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    let since = self.stalled.take().map(|(since, _)| since.elapsed());
                    let taken = done.as_ref().map_or(0, |taken| *taken);
                    self.pace.add(since.unwrap_or_default(), taken);
                    return Poll::Ready(done);
                }
            }
        }
        let left = self.pace.left();
        let (_, stalled) = self
            .stalled
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Line {
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
                done => {
                    self.versions.normalize(&mut buffer.filled_mut()[before..]);
                    return Poll::Ready(done.map(drop));
                }
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream| stream.try_write_vectored(slices))
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

/// Returns when the client has closed its end. hyper notices only while it reads, which it does not while a
/// pipelined request or a body lies unread.
pub(super) async fn gone(stream: &TcpStream) {
    // tokio counts a closed read side (EPOLLRDHUP) as priority news, and unread bytes not.
    while let Ok(ready) = stream.ready(Interest::PRIORITY).await
        && !ready.is_read_closed()
    {}
}

/// Takes what the client still sends. To close on unread bytes is to send RST, which can destroy the answer
/// before the client reads it (RFC 9112 section 9.6).
pub(super) async fn farewell(stream: &TcpStream) {
    let mut scrap = vec![0; 16 * 1024];
    let taken = async {
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut scrap) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // Either way the socket is closed next.
    drop(timeout(FAREWELL, taken).await);
}
