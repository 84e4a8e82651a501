//! Frames on a QUIC stream, and which question an answer belongs to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plico_protocol::frame::{Channel, Frame, Header, RelayFrame};
use plico_protocol::id::Address;
use plico_protocol::limits::FRAME_HEADER_BYTES;
use tokio::time::{Duration, Instant};

use super::line::Token;

/// The stream ended or carried what is no frame; the connection is given up.
#[derive(Debug)]
pub(super) struct StreamEnded;

/// Reads one frame.
pub(super) async fn read_frame(stream: &mut quinn::RecvStream) -> Result<RelayFrame, StreamEnded> {
    let mut header = [0; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).await.map_err(|_| StreamEnded)?;
    let header = Header::parse::<RelayFrame>(header).map_err(|_| StreamEnded)?;
    let mut body = vec![0; header.length];
    stream.read_exact(&mut body).await.map_err(|_| StreamEnded)?;
    RelayFrame::decode_body(header, body.into()).map_err(|error| {
        tracing::debug!(%error, "a frame of the relay was not understood");
        StreamEnded
    })
}

/// Questions asked and not answered, in order, with the time each was asked.
#[derive(Debug)]
pub(super) struct Pending<Q> {
    questions: Mutex<VecDeque<(Q, Instant)>>,
    served: AtomicBool,
}

/// A question on the delivery stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryAsk {
    Subscribe(Address),
    Acknowledge(Channel),
}

/// Requests of a line's request stream.
pub(super) type Requests = Pending<Token>;

impl<Q> Default for Pending<Q> {
    fn default() -> Self {
        Self { questions: Mutex::default(), served: AtomicBool::new(false) }
    }
}

impl<Q> Pending<Q> {
    /// Notes a question; before its bytes leave, so that no answer can come first.
    pub(super) fn asked(&self, question: Q) {
        self.lock().push_back((question, Instant::now()));
    }

    /// Takes the oldest question.
    pub(super) fn answered(&self) -> Option<Q> {
        self.served.store(true, Ordering::Relaxed);
        self.lock().pop_front().map(|(question, _)| question)
    }

    /// Takes the oldest question for which `fits` holds.
    pub(super) fn answered_where(&self, fits: impl Fn(&Q) -> bool) -> Option<Q> {
        let mut questions = self.lock();
        let at = questions.iter().position(|(question, _)| fits(question))?;
        questions.remove(at).map(|(question, _)| question)
    }

    /// Whether anything was answered.
    pub(super) fn served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// When the oldest question is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lock().front().map(|(_, asked)| *asked + ANSWER_TIMEOUT)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Q, Instant)>> {
        // A panic elsewhere leaves a whole queue: each change is one call.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a relay may take over one answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
