//! Sealing of single values: XChaCha20-Poly1305 under a random nonce, which stands in front.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use plico_protocol::mac::MacKey;
use zeroize::Zeroizing;

use crate::random;

/// A key with one purpose.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// Derives the key of one purpose; the label ends in a zero byte.
    pub(super) fn new(key: &MacKey, label: &[u8]) -> Self {
        let derived = Zeroizing::new(key.mac(&[label]));
        Self(XChaCha20Poly1305::new((&*derived).into()))
    }

    /// `nonce 24 | ciphertext | tag 16`.
    pub(super) fn seal(&self, associated_data: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::bytes::<NONCE_BYTES>();
        let payload = Payload { msg: plain, aad: associated_data };
        // Encryption fails only past 256 GiB; an empty result would not open and loses no secret.
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// `None` if anything differs from what was sealed.
    pub(super) fn open(&self, associated_data: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: associated_data };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

const NONCE_BYTES: usize = 24;
