//! One message: from a message key and content to a commitment and a ciphertext, and back.
//!
//! ```text
//! k_enc 32 || nonce 12 || k_f 32 = HKDF-Expand(mk, "plico/1 message" || 0 || header nonce 24, 76)
//! padded = content || 0x80 || 0…        as long as the envelope allows
//! C2     = commitment to padded under k_f (plico_protocol::commitment)
//! sealed = ChaCha20-Poly1305(k_enc, nonce, ad = AD 32 || encrypted header 80 || C2 32, padded)
//! ```
//!
//! The header nonce is in the derivation so that a state restored from a backup, which repeats a
//! message key, still does not repeat `k_enc` and `nonce`. ChaCha20-Poly1305 opens one ciphertext
//! under two keys if it was made for that; C2 does not, so C2 is checked before anything is
//! released, and a wrong tag, commitment or padding give the same error.

use core::fmt;

use plico_protocol::commitment;
use plico_protocol::envelope::SizeClass;
use plico_protocol::id::Commitment;
use plico_protocol::mac::MacKey;
use zeroize::Zeroizing;

use crate::primitives::aead::{CipherKey, OneTimeCipher, TooLong};
use crate::primitives::dh::ZeroSharedSecret;
use crate::primitives::hpke::HpkeRefused;
use crate::primitives::{hkdf, part};
use crate::ratchet::header::{AssociatedData, EncryptedHeader};
use crate::ratchet::keys::MessageKey;

/// The one suite of this version: X25519, ML-KEM-768, HKDF-SHA-256, ChaCha20-Poly1305.
pub const SUITE: u16 = 1;

/// Why a message was not sealed. The session is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The content fits no size class.
    #[error("content of {bytes} bytes; the largest envelope of this layout holds {max}")]
    ContentTooLong {
        /// Bytes of the content.
        bytes: usize,
        /// Bytes the largest envelope holds.
        max: usize,
    },
    /// This chain reached its bound: the peer must be heard before more is sent.
    #[error("1,000 messages without an answer; the peer must be heard first")]
    ChainFull,
    /// The keys belong to another business than the session.
    #[error("the keys belong to another business than the session")]
    OtherAccount,
    /// An agreement gave zero.
    #[error(transparent)]
    Agreement(#[from] ZeroSharedSecret),
    /// The cipher refused the length.
    #[error(transparent)]
    Cipher(#[from] TooLong),
    /// The business's hint key is unusable.
    #[error(transparent)]
    Hint(#[from] HpkeRefused),
}

/// Why an envelope was not opened. The session is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Opened before: acknowledge and drop.
    #[error("the message was opened before")]
    Duplicate,
    /// Does not open, whatever the reason: acknowledge as unreadable.
    #[error("the message does not open")]
    Unreadable,
}

/// A message that opened and whose commitment was checked.
#[derive(Clone)]
pub struct Opened {
    padded: Zeroizing<Vec<u8>>,
    content_bytes: usize,
    class: SizeClass,
    commitment: Commitment,
    franking_key: MacKey,
}

impl Opened {
    /// The content as the sender encoded it.
    pub fn content(&self) -> &[u8] {
        self.padded.get(..self.content_bytes).unwrap_or_default()
    }

    /// The content with its padding, which a report discloses.
    pub fn padded(&self) -> &[u8] {
        &self.padded
    }

    /// `k_f`, which a report discloses: it opens this message's commitment and nothing else.
    pub fn franking_key(&self) -> &MacKey {
        &self.franking_key
    }

    /// C2.
    pub fn commitment(&self) -> &Commitment {
        &self.commitment
    }

    /// The size class of the envelope, which C2 covers.
    pub fn class(&self) -> SizeClass {
        self.class
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { padded: _, content_bytes: _, class, commitment: _, franking_key: _ } = self;
        write!(f, "Opened({class:?})")
    }
}

/// What a message is bound to beside its key.
pub(crate) struct Binding<'a> {
    pub(crate) ad: &'a AssociatedData,
    pub(crate) header: &'a EncryptedHeader,
    pub(crate) class: SizeClass,
}

impl Binding<'_> {
    fn associated_data(&self, commitment: &Commitment) -> Vec<u8> {
        [self.ad.expose_secret().as_slice(), &self.header.0, commitment.as_bytes()].concat()
    }
}

impl MessageKey {
    /// Pads `content` to `padded_bytes`, commits and seals.
    pub(crate) fn seal(
        self,
        binding: &Binding<'_>,
        content: &[u8],
        padded_bytes: usize,
    ) -> Result<(Commitment, Vec<u8>), SealError> {
        let (cipher, franking_key) = self.derive(binding.header);
        let padded = pad(content, padded_bytes)?;
        let commitment = commitment::commit(&franking_key, SUITE, binding.class, &padded);
        let sealed = cipher.seal(&binding.associated_data(&commitment), &padded)?;
        Ok((commitment, sealed))
    }

    /// Opens, checks the commitment, and only then gives anything.
    pub(crate) fn open(
        self,
        binding: &Binding<'_>,
        commitment: Commitment,
        sealed: &[u8],
    ) -> Result<Opened, OpenError> {
        let (cipher, franking_key) = self.derive(binding.header);
        let padded = cipher
            .open(&binding.associated_data(&commitment), sealed)
            .map_err(|_| OpenError::Unreadable)?;
        let class = binding.class;
        if !commitment::verify(&commitment, &franking_key, SUITE, class, &padded) {
            return Err(OpenError::Unreadable);
        }
        let content_bytes = unpadded(&padded).ok_or(OpenError::Unreadable)?;
        Ok(Opened { padded, content_bytes, class, commitment, franking_key })
    }

    fn derive(self, header: &EncryptedHeader) -> (OneTimeCipher, MacKey) {
        let okm = hkdf::expand::<76>(&self.into_prk(), &[b"plico/1 message\0", &header.nonce()]);
        let key = CipherKey::new(part::<0, 32, 76>(&okm));
        let cipher = OneTimeCipher::new(key, part::<32, 12, 76>(&okm));
        (cipher, MacKey::new(part::<44, 32, 76>(&okm)))
    }
}

/// Content as it is sealed and as a report discloses it: followed by 0x80 and zeros.
///
/// # Errors
///
/// [`SealError::ContentTooLong`].
pub fn pad(content: &[u8], padded_bytes: usize) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (bytes, max) = (content.len(), padded_bytes.saturating_sub(1));
    if max < bytes || padded_bytes == 0 {
        return Err(SealError::ContentTooLong { bytes, max });
    }
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_bytes));
    padded.extend_from_slice(content);
    padded.push(PADDING_MARK);
    padded.resize(padded_bytes, 0);
    Ok(padded)
}

/// How many bytes stand before the padding.
fn unpadded(padded: &[u8]) -> Option<usize> {
    let mark = padded.iter().rposition(|byte| *byte != 0)?;
    (padded.get(mark) == Some(&PADDING_MARK)).then_some(mark)
}

const PADDING_MARK: u8 = 0x80;

#[cfg(test)]
mod tests;
