//! ChaCha20-Poly1305 (RFC 8439) for keys used once, XChaCha20-Poly1305 for keys used often.
//!
//! Neither commits to its key: one ciphertext can be made that opens under two (Grubbs, Lu,
//! Ristenpart, CRYPTO 2017). Whoever shows a plaintext must check a commitment first.

use chacha20poly1305::aead::{AeadCore, AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes the tag adds.
pub const TAG_BYTES: usize = 16;
/// Bytes of a ChaCha20-Poly1305 nonce.
pub const NONCE_BYTES: usize = 12;
/// Bytes of an XChaCha20-Poly1305 nonce: long enough to be random under one key for ever.
pub const XNONCE_BYTES: usize = 24;

/// The plaintext is longer than the cipher allows (256 GiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plaintext is longer than the cipher allows")]
pub struct TooLong;

/// The ciphertext was not made with this key and associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext does not authenticate")]
pub struct BadTag;

secret32!(
    /// The key of a [`OneTimeCipher`].
    pub CipherKey
);
secret32!(
    /// An XChaCha20-Poly1305 key; each sealing draws a random nonce.
    pub XCipherKey
);

/// A ChaCha20-Poly1305 key with its nonce. Spent by sealing or opening: a nonce used twice does
/// not compile.
#[derive(Debug)]
pub struct OneTimeCipher {
    key: CipherKey,
    nonce: [u8; NONCE_BYTES],
}

impl OneTimeCipher {
    /// Joins a key and the only nonce it is used with.
    pub fn new(key: CipherKey, nonce: [u8; NONCE_BYTES]) -> Self {
        Self { key, nonce }
    }

    /// Gives ciphertext and tag.
    ///
    /// # Errors
    ///
    /// [`TooLong`].
    pub fn seal(self, ad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, TooLong> {
        let cipher = ChaCha20Poly1305::new(self.key.expose_secret().into());
        seal_with(&cipher, &Nonce::from(self.nonce), ad, plaintext)
    }

    /// Gives the plaintext of ciphertext and tag.
    ///
    /// # Errors
    ///
    /// [`BadTag`].
    pub fn open(self, ad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadTag> {
        let cipher = ChaCha20Poly1305::new(self.key.expose_secret().into());
        open_with(&cipher, &Nonce::from(self.nonce), ad, sealed)
    }
}

impl XCipherKey {
    /// Gives `nonce 24 | ciphertext | tag 16` under a random nonce.
    ///
    /// # Errors
    ///
    /// [`TooLong`].
    pub fn seal(
        &self,
        ad: &[u8],
        plaintext: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TooLong> {
        let mut nonce = [0; XNONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let cipher = XChaCha20Poly1305::new(self.expose_secret().into());
        let sealed = seal_with(&cipher, &XNonce::from(nonce), ad, plaintext)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Gives the plaintext of `nonce 24 | ciphertext | tag 16`.
    ///
    /// # Errors
    ///
    /// [`BadTag`], also where the bytes are too few.
    pub fn open(&self, ad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadTag> {
        let (nonce, sealed) = sealed.split_first_chunk::<XNONCE_BYTES>().ok_or(BadTag)?;
        let cipher = XChaCha20Poly1305::new(self.expose_secret().into());
        open_with(&cipher, &XNonce::from(*nonce), ad, sealed)
    }
}

fn seal_with<C: AeadInOut>(
    cipher: &C,
    nonce: &chacha20poly1305::aead::Nonce<C>,
    ad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, TooLong> {
    // Room for the tag, so that appending it does not move the plaintext and leave a copy behind.
    let mut buffer = Vec::with_capacity(plaintext.len().saturating_add(TAG_BYTES));
    buffer.extend_from_slice(plaintext);
    cipher.encrypt_in_place(nonce, ad, &mut buffer).map_err(|_| TooLong)?;
    Ok(buffer)
}

fn open_with<C: AeadInOut + AeadCore>(
    cipher: &C,
    nonce: &chacha20poly1305::aead::Nonce<C>,
    ad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BadTag> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    cipher.decrypt_in_place(nonce, ad, &mut *buffer).map_err(|_| BadTag)?;
    Ok(buffer)
}
