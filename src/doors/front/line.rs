//! The socket to one client, as hyper reads and writes it: what TcpStream does, and an error when the client
//! takes nothing for too long (hyper has timeouts for what it reads, none for what it writes).
//! Also the two things about a socket that only its owner can tell: that the client left, and a kind farewell.
//! It knows nothing of HTTP.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

/// How long a client that is still sending may take to notice the end of the answer (nginx: 5 s).
const FAREWELL: Duration = Duration::from_secs(2);

/// One socket, for hyper.
pub(super) struct Line {
    stream: Arc<TcpStream>,
    stall: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Line {
    pub(super) fn new(stream: Arc<TcpStream>, stall: Duration) -> Self {
        Self {
            stream,
            stall,
            stalled: None,
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
                    self.stalled = None;
                    return Poll::Ready(done);
                }
            }
        }
        let stall = self.stall;
        ready!(
            self.stalled
                .get_or_insert_with(|| Box::pin(sleep(stall)))
                .as_mut()
                .poll(context)
        );
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done.map(drop)),
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
