//! Client frames out of a QUIC stream: bounds before memory, and for each way a stream can be
//! wrong whether it can go on.

use bytes::{Bytes, BytesMut};
use plico_protocol::frame::{ClientFrame, Frame, FrameError, Header};
use plico_protocol::limits::FRAME_HEADER_BYTES;
use plico_protocol::refusal::{Code, Refusal};

use super::half;

/// Reads one stream's frames.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: half::Incoming,
    buffered: BytesMut,
}

/// What came next.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A frame, with the bytes of its body as received.
    Frame(ClientFrame, Bytes),
    /// A frame that is refused; the stream goes on.
    Refused(Refusal),
    /// A frame after which nothing can be understood: the refusal is the stream's last answer.
    Fatal(Refusal),
    /// The client finished the stream between frames, reset it, or is gone.
    End,
}

impl FrameReader {
    pub(crate) fn new(stream: half::Incoming) -> Self {
        Self { stream, buffered: BytesMut::new() }
    }

    /// The next frame. Not cancel-safe in the sense that matters: call it from one place.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.fill(FRAME_HEADER_BYTES).await {
            Filled::Yes => (),
            Filled::Finished if self.buffered.is_empty() => return Incoming::End,
            Filled::Finished => return truncated(),
            Filled::Gone => return Incoming::End,
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        header.copy_from_slice(&self.buffered.split_to(FRAME_HEADER_BYTES));
        let header = match Header::parse::<ClientFrame>(header) {
            Ok(header) => header,
            Err(error) => return Incoming::Fatal(refusal(&error)),
        };
        match self.fill(header.length).await {
            Filled::Yes => (),
            Filled::Finished => return truncated(),
            Filled::Gone => return Incoming::End,
        }
        let body = self.buffered.split_to(header.length).freeze();
        if self.buffered.is_empty() {
            // A quiet stream keeps no buffer.
            self.buffered = BytesMut::new();
        }
        match ClientFrame::decode_body(header, body.clone()) {
            Ok(frame) => Incoming::Frame(frame, body),
            Err(error) => Incoming::Refused(refusal(&error)),
        }
    }

    /// Tells the client to send no more on this stream.
    pub(crate) fn stop(&mut self, code: quinn::VarInt) {
        self.stream.stop(code);
    }

    /// Reads until `needed` bytes are buffered. Past a few KiB memory grows with what was received,
    /// not with what a header announced.
    async fn fill(&mut self, needed: usize) -> Filled {
        let missing = needed.saturating_sub(self.buffered.len());
        self.buffered.reserve(missing.min(EXPECTED_BYTES));
        while self.buffered.len() < needed {
            match self.stream.read(READ_BYTES_MAX).await {
                Ok(Some(bytes)) => self.buffered.extend_from_slice(&bytes),
                Ok(None) => return Filled::Finished,
                Err(_) => return Filled::Gone,
            }
        }
        Filled::Yes
    }
}

enum Filled {
    Yes,
    Finished,
    Gone,
}

fn truncated() -> Incoming {
    Incoming::Fatal(Refusal::because(
        Code::Malformed,
        "the stream ended inside a frame (truncated)",
    ))
}

fn refusal(error: &FrameError) -> Refusal {
    let code = match error {
        FrameError::Unknown(_) => Code::UnknownFrame,
        FrameError::TooLarge { .. } => Code::FrameTooLarge,
        FrameError::Body { .. } => Code::Malformed,
    };
    Refusal::because(code, error)
}

/// Bytes taken from quinn at a time; it hands out what one packet brought.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are made room for at once where a header announces them: the smallest envelope with
/// everything beside it, so that the most frequent frame is put together in one place.
const EXPECTED_BYTES: usize = 2_560;
