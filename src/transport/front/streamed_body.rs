//! A response body from an async source of chunks: the output of a program or a file. hyper polls for the next chunk when it has
//! sent the last ones, so chunks do not accumulate. Dropping the body drops the source, and with it the process or file.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::task::yield_now;

use super::program_error::ProgramError;

/// A source of chunks.
pub(super) trait ChunkSource: Send + Unpin + 'static {
    /// Returns the next chunk, or `None` at the end of a complete body. Everything else aborts the response.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ProgramError>> + Send;
}

type NextChunk<S> = Pin<Box<dyn Future<Output = (S, Result<Option<Bytes>, ProgramError>)> + Send>>;

/// A body from a source of chunks.
pub(super) struct StreamedBody<S> {
    /// `None` after the end of the body or an error.
    next: Option<NextChunk<S>>,
    /// Remaining length in bytes, if it is known.
    length: Option<u64>,
}

impl<S: ChunkSource> StreamedBody<S> {
    /// Creates a body. `length` is the value of Content-Length, and the source must return that many bytes.
    pub(super) fn new(source: S, length: Option<u64>) -> Self {
        Self {
            next: Some(next_chunk(source)),
            length,
        }
    }
}

fn next_chunk<S: ChunkSource>(mut source: S) -> NextChunk<S> {
    Box::pin(async move {
        let chunk = source.next().await;
        if chunk.is_err() {
            // On an error hyper drops its write buffer. It flushes the buffer while the body is pending.
            yield_now().await;
        }
        (source, chunk)
    })
}

impl<S: ChunkSource> Body for StreamedBody<S> {
    type Data = Bytes;
    type Error = ProgramError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProgramError>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (source, chunk) = ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(match chunk {
            Ok(Some(bytes)) => {
                self.length = self
                    .length
                    .map(|length| length.saturating_sub(bytes.len() as u64));
                self.next = Some(next_chunk(source));
                Some(Ok(Frame::data(bytes)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
