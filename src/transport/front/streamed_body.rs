//! A response body from an async source of parts: the output of a program or a file. hyper polls for the next part when it has
//! sent the last ones, so parts do not accumulate. Dropping the body drops the source, and with it the process or file.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Buf, Frame, SizeHint};
use tokio::task::yield_now;

use super::body_part::BodyPart;
use super::program_error::ProgramError;

/// A source of parts.
pub(super) trait PartSource: Send + Unpin + 'static {
    /// Returns the next part, or `None` at the end of a complete body. Everything else aborts the response.
    fn next(&mut self) -> impl Future<Output = Result<Option<BodyPart>, ProgramError>> + Send;
}

type NextPart<S> = Pin<Box<dyn Future<Output = (S, Result<Option<BodyPart>, ProgramError>)> + Send>>;

/// A body from a source of parts.
pub(super) struct StreamedBody<S> {
    /// `None` after the end of the body or an error.
    next: Option<NextPart<S>>,
    /// Remaining length in bytes, if it is known.
    length: Option<u64>,
}

impl<S: PartSource> StreamedBody<S> {
    /// Creates a body. `length` is the value of Content-Length, and the source must return that many bytes.
    pub(super) fn new(source: S, length: Option<u64>) -> Self {
        Self {
            next: Some(next_part(source)),
            length,
        }
    }
}

fn next_part<S: PartSource>(mut source: S) -> NextPart<S> {
    Box::pin(async move {
        let part = source.next().await;
        if part.is_err() {
            // On an error hyper drops its write buffer. It flushes the buffer while the body is pending.
            yield_now().await;
        }
        (source, part)
    })
}

impl<S: PartSource> Body for StreamedBody<S> {
    type Data = BodyPart;
    type Error = ProgramError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<BodyPart>, ProgramError>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (source, part) = ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(match part {
            Ok(Some(part)) => {
                self.length = self
                    .length
                    .map(|length| length.saturating_sub(part.remaining() as u64));
                self.next = Some(next_part(source));
                Some(Ok(Frame::data(part)))
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
