//! Where the parts of an envelope stand. The layout follows from what the envelope is sent to, so
//! neither a type byte nor a length travels.
//!
//! ```text
//! to a mailbox          C2 32 | header 80 | sealed S-112
//! to an inbox           C2 32 | enc 32 | box0 49 | header 80 | sealed S-193
//! to an inbox, first    C2 32 | enc 32 | box0 49 | box1 1183 | header 80 | sealed S-1376
//! ```
//!
//! `S` is the size class in bytes. `sealed` is the padded content with a 16-byte tag, so `S` less
//! the overhead is the padded content.

use bytes::Bytes;
use plico_protocol::envelope::{Envelope, SizeClass};
use plico_protocol::id::Commitment;
use plico_protocol::wire::{DecodeError, Reader};

use crate::message::SealError;
use crate::primitives::aead::TAG_BYTES;
use crate::primitives::hpke::ENC_BYTES;
use crate::primitives::kem::KEM_CIPHERTEXT_BYTES;
use crate::ratchet::header::{ENCRYPTED_HEADER_BYTES, EncryptedHeader};

/// Bytes of an envelope to a mailbox that are not padded content.
pub const MAILBOX_OVERHEAD_BYTES: usize = Commitment::BYTES + ENCRYPTED_HEADER_BYTES + TAG_BYTES;
/// Bytes of an envelope to an inbox that are not padded content.
pub const INBOX_OVERHEAD_BYTES: usize = MAILBOX_OVERHEAD_BYTES + ENC_BYTES + BOX0_BYTES;
/// Bytes of a first envelope to an inbox that are not padded content.
pub const FIRST_OVERHEAD_BYTES: usize = INBOX_OVERHEAD_BYTES + BOX1_BYTES;

/// Bytes of box0: `u8 kind | session id 32`, and a tag.
pub(crate) const BOX0_BYTES: usize = 1 + 32 + TAG_BYTES;
/// Bytes of box1: `u16 suite | u8 has_opk | IKA 32 | EKA 32 | 3 × u32 id | ct 1088`, and a tag.
pub(crate) const BOX1_BYTES: usize = 2 + 1 + 2 * 32 + 3 * 4 + KEM_CIPHERTEXT_BYTES + TAG_BYTES;

const _: () = {
    assert!(MAILBOX_OVERHEAD_BYTES == 128);
    assert!(BOX0_BYTES == 49 && INBOX_OVERHEAD_BYTES == 209);
    assert!(BOX1_BYTES == 1_183 && FIRST_OVERHEAD_BYTES == 1_392);
    // The smallest envelope must hold a first message with its reply part and some text.
    assert!(FIRST_OVERHEAD_BYTES + 512 <= SizeClass::Small.bytes());
};

/// The part every layout ends with.
pub(crate) struct Body {
    pub(crate) header: EncryptedHeader,
    pub(crate) sealed: Bytes,
}

/// The smallest class that holds `content` under `overhead`, and how long the padded content is.
pub(crate) fn fit(content: &[u8], overhead: usize) -> Result<(SizeClass, usize), SealError> {
    // One byte of padding at least marks where the content ends.
    let needed = content.len().saturating_add(overhead).saturating_add(1);
    let class = SizeClass::fitting(needed).ok_or(SealError::ContentTooLong {
        bytes: content.len(),
        max: SizeClass::Huge.bytes() - overhead - 1,
    })?;
    Ok((class, class.bytes() - overhead))
}

/// Joins the parts of an envelope.
pub(crate) fn join(parts: &[&[u8]]) -> Result<Envelope, SealError> {
    let bytes = parts.concat();
    let length = bytes.len();
    Envelope::new(bytes.into())
        .map_err(|_| SealError::ContentTooLong { bytes: length, max: SizeClass::Huge.bytes() })
}

/// A reader past the commitment.
pub(crate) fn after_commitment(envelope: &Envelope) -> Result<Reader, DecodeError> {
    let mut reader = Reader::new(envelope.bytes().clone());
    reader.take(Commitment::BYTES)?;
    Ok(reader)
}

/// Header and sealed content, after `skipped` bytes that follow the commitment.
pub(crate) fn body(envelope: &Envelope, skipped: usize) -> Result<Body, DecodeError> {
    let mut reader = after_commitment(envelope)?;
    reader.take(skipped)?;
    let header = EncryptedHeader(reader.array()?);
    let taken = Commitment::BYTES + skipped + ENCRYPTED_HEADER_BYTES;
    let sealed = reader.take(envelope.bytes().len().saturating_sub(taken))?;
    Ok(Body { header, sealed })
}
