//! Answers on their way out: in order, and several in one write where several are ready.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use plico_protocol::frame::{Frame, RelayFrame};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::wire::Writer;

use super::half::Outgoing;
use crate::metrics::Metrics;
use crate::request::Reply;
use crate::writer::Pending;

/// The answer to one request.
pub(crate) enum Answer {
    /// Known already.
    Ready(RelayFrame),
    /// Known once the writer has put it on disk.
    Written(Pending),
    /// Known later. Not polled before every earlier answer of its stream is known, so that a read
    /// sees what was asked for before it on the same stream.
    Later(Pin<Box<dyn Future<Output = RelayFrame> + Send>>),
}

/// The sending half of a stream with what is not written yet.
#[derive(Debug)]
pub(crate) struct Outbox {
    stream: Outgoing,
    waiting: Writer,
    metrics: Arc<Metrics>,
}

/// The client takes nothing more from this stream, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unheard;

impl Answer {
    /// A refusal with the code's own text.
    pub(crate) fn refused(code: Code) -> Self {
        Self::Ready(RelayFrame::Refused(Refusal::new(code)))
    }

    /// The answer of work that goes on.
    pub(crate) fn later(work: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self::Later(Box::pin(async move { work.await.unwrap_or_else(RelayFrame::Refused) }))
    }

    /// The answer of a read that must wait for its turn.
    pub(crate) fn in_turn(read: impl FnOnce() -> Reply + Send + 'static) -> Self {
        Self::later(async move { read() })
    }

    /// The frame, waiting for it if need be. Cancel-safe.
    pub(crate) async fn frame(&mut self) -> RelayFrame {
        match self {
            // A placeholder is left behind: an answer is taken once.
            Self::Ready(frame) => core::mem::replace(frame, RelayFrame::Proved),
            Self::Written(pending) => pending.await.unwrap_or_else(RelayFrame::Refused),
            Self::Later(work) => work.as_mut().await,
        }
    }

    /// The frame if it is known by now.
    pub(crate) async fn frame_if_ready(&mut self) -> Option<RelayFrame> {
        let mut frame = core::pin::pin!(self.frame());
        core::future::poll_fn(|context| match frame.as_mut().poll(context) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Ready(reply.unwrap_or_else(RelayFrame::Refused))
    }
}

impl Outbox {
    pub(crate) fn new(stream: Outgoing, metrics: Arc<Metrics>) -> Self {
        Self { stream, waiting: Writer::default(), metrics }
    }

    /// Makes room for frames of so many bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.waiting.reserve(bytes);
    }

    /// Puts a frame behind what waits already.
    pub(crate) fn push(&mut self, frame: &RelayFrame) {
        match frame {
            RelayFrame::Refused(refusal) => {
                tracing::trace!(kind = frame.kind(), code = refusal.code.name(), "refused");
            }
            _ => tracing::trace!(kind = frame.kind(), "answered"),
        }
        self.metrics.says(frame);
        frame.append(&mut self.waiting);
    }

    /// Puts an answer behind what waits already. Where it is not known yet, what waits is written
    /// first: nobody waits for somebody else's answer.
    ///
    /// # Errors
    ///
    /// [`Unheard`].
    pub(crate) async fn push_answer(&mut self, mut answer: Answer) -> Result<(), Unheard> {
        let frame = match answer.frame_if_ready().await {
            Some(frame) => frame,
            None => {
                self.flush().await?;
                answer.frame().await
            }
        };
        self.push(&frame);
        match self.waiting.len() < FLUSH_BYTES {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    /// Writes what waits, as fast as the client takes it.
    ///
    /// # Errors
    ///
    /// [`Unheard`].
    pub(crate) async fn flush(&mut self) -> Result<(), Unheard> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(core::mem::take(&mut self.waiting).into_vec());
        self.stream.write(bytes).await
    }

    /// Writes what waits and ends the stream.
    pub(crate) async fn finish(mut self) {
        if self.flush().await.is_ok() {
            self.stream.finish();
        }
    }
}

/// Enough to fill a burst of packets.
const FLUSH_BYTES: usize = 64 * 1024;
