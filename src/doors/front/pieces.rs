//! A body made of pieces that an async function hands out one by one: `relay` and `sent_file` are such.
//! The next piece is asked for when the client has taken the last ones, so nothing piles up; dropping the body
//! drops the function where it waits, and with it its process or file. It knows not where pieces come from.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::fault::Fault;

/// Where pieces come from.
pub(super) trait Source: Send + Unpin + 'static {
    /// The next piece; `None` when the body is whole. Only this `None` ends an answer well.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send;
}

type Step<S> = Pin<Box<dyn Future<Output = (S, Result<Option<Bytes>, Fault>)> + Send>>;

/// The body itself.
pub(super) struct Pieces<S> {
    /// `None` once the last piece, or a fault, has been handed out.
    step: Option<Step<S>>,
    length: Option<u64>,
}

impl<S: Source> Pieces<S> {
    /// `length` is what Content-Length says; the source must keep it.
    pub(super) fn new(source: S, length: Option<u64>) -> Self {
        Self {
            step: Some(step(source)),
            length,
        }
    }
}

fn step<S: Source>(mut source: S) -> Step<S> {
    Box::pin(async move {
        let piece = source.next().await;
        (source, piece)
    })
}

impl<S: Source> Body for Pieces<S> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(running) = &mut self.step else {
            return Poll::Ready(None);
        };
        let (source, piece) = ready!(running.as_mut().poll(context));
        self.step = None;
        Poll::Ready(match piece {
            Ok(Some(bytes)) => {
                self.length = self
                    .length
                    .map(|length| length.saturating_sub(bytes.len() as u64));
                self.step = Some(step(source));
                Some(Ok(Frame::data(bytes)))
            }
            Ok(None) => None,
            Err(fault) => Some(Err(fault)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.step.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
