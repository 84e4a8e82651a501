//! Frames: `u8 type | u24 length | body`. What a client sends ([`ClientFrame`]) and what a relay
//! answers ([`RelayFrame`]); each direction has its own types. SPEC.md §4 and §5.

mod client;
mod relay;

pub use client::{ClientFrame, Consent, Submission};
pub use relay::{
    Acceptance, Delivery, EndReason, Headed, Notice, PrekeyStock, RelayFrame, SubmissionState,
};

use crate::limits::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Numbers the mailboxes subscribed on one delivery stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(pub u16);

/// Numbers the envelopes of one mailbox, rising from 1; what expired leaves gaps in what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// The four bytes in front of every frame's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Frame type.
    pub kind: u8,
    /// Bytes of the body.
    pub length: usize,
}

/// Why a frame is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No frame of this type in this direction.
    #[error("frame type {0:#04x} is unknown")]
    Unknown(u8),
    /// The length passes the bound of the type.
    #[error("a frame of type {kind:#04x} has {length} bytes, at most {max} allowed")]
    TooLarge {
        /// Frame type.
        kind: u8,
        /// The length that came.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// The body does not decode.
    #[error("a frame of type {kind:#04x} does not decode: {error}")]
    Body {
        /// Frame type.
        kind: u8,
        /// What was wrong.
        error: DecodeError,
    },
}

/// One direction's frames.
pub trait Frame: Sized {
    /// The frame's type.
    fn kind(&self) -> u8;

    /// Appends the body.
    fn write_body(&self, out: &mut Writer);

    /// Reads a body of the given type; `None` for a type this direction does not have.
    fn read_body(kind: u8, reader: &mut Reader) -> Option<Result<Self, DecodeError>>;

    /// The longest body of a type; an unknown type may be as long as any frame, so that it can be
    /// skipped.
    fn body_bytes_max(kind: u8) -> usize;

    /// Header and body.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.append(&mut out);
        out.into_vec()
    }

    /// Appends header and body, so that several frames can share one write.
    fn append(&self, out: &mut Writer) {
        let header = out.len();
        out.bytes(&[0; FRAME_HEADER_BYTES]);
        let body = out.len();
        self.write_body(out);
        let length = u32::try_from(out.len() - body).unwrap_or(u32::MAX);
        let [_, high, middle, low] = length.to_be_bytes();
        out.replace(header, &[self.kind(), high, middle, low]);
    }

    /// Decodes the body that followed `header`.
    ///
    /// # Errors
    ///
    /// [`FrameError::Unknown`] or [`FrameError::Body`]; the stream can go on after either.
    fn decode_body(header: Header, body: bytes::Bytes) -> Result<Self, FrameError> {
        let kind = header.kind;
        let mut reader = Reader::new(body);
        let frame = Self::read_body(kind, &mut reader).ok_or(FrameError::Unknown(kind))?;
        frame
            .and_then(|frame| reader.finish().map(|()| frame))
            .map_err(|error| FrameError::Body { kind, error })
    }
}

impl Header {
    /// Reads a header and compares its length with the bound of its type, before anything of that
    /// length is allocated.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`]; the stream cannot go on.
    pub fn parse<F: Frame>(bytes: [u8; FRAME_HEADER_BYTES]) -> Result<Self, FrameError> {
        let [kind, high, middle, low] = bytes;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let max = F::body_bytes_max(kind).min(FRAME_BODY_BYTES_MAX);
        if max < length {
            return Err(FrameError::TooLarge { kind, length, max });
        }
        Ok(Self { kind, length })
    }
}

impl Wire for Channel {
    fn write(&self, out: &mut Writer) {
        out.u16(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u16().map(Self)
    }
}

impl Wire for Sequence {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

#[cfg(test)]
mod tests;
