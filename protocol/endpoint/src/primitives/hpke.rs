//! HPKE base mode (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
//!
//! A context seals several plaintexts in order; the receiver opens them in the same order.

use core::fmt;

use hpke::aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::dh::{DhPublic, HintSecret};

/// Bytes of the encapsulated key `enc` (RFC 9180 §7.1).
pub const ENC_BYTES: usize = 32;

/// HPKE refused: the key is unusable or the ciphertext does not authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("HPKE refused the key or the ciphertext")]
pub struct HpkeRefused;

/// Seals to one public key.
pub struct Sender(AeadCtxS<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>);

/// Opens what a [`Sender`] sealed, in its order.
pub struct Receiver(AeadCtxR<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>);

impl Sender {
    /// Encapsulates to `to`; gives `enc`, which travels, and the context.
    ///
    /// # Errors
    ///
    /// [`HpkeRefused`].
    pub fn new(
        to: &DhPublic,
        hpke_info: &[u8],
        mut rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<([u8; ENC_BYTES], Self), HpkeRefused> {
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(to.as_bytes())
            .map_err(|_| HpkeRefused)?;
        let (enc, context) = hpke::setup_sender_with_rng::<_, _, X25519HkdfSha256>(
            &OpModeS::Base,
            &key,
            hpke_info,
            &mut rng,
        )
        .map_err(|_| HpkeRefused)?;
        Ok((enc.to_bytes().into(), Self(context)))
    }

    /// Seals the next plaintext.
    ///
    /// # Errors
    ///
    /// [`HpkeRefused`] after 2^96 messages.
    pub fn seal(&mut self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, HpkeRefused> {
        self.0.seal(plaintext, aad).map_err(|_| HpkeRefused)
    }
}

impl Receiver {
    /// Decapsulates `enc`.
    ///
    /// # Errors
    ///
    /// [`HpkeRefused`].
    pub fn new(
        secret: &HintSecret,
        enc: &[u8; ENC_BYTES],
        hpke_info: &[u8],
    ) -> Result<Self, HpkeRefused> {
        let key = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret.expose_secret())
            .map_err(|_| HpkeRefused)?;
        let enc =
            <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).map_err(|_| HpkeRefused)?;
        hpke::setup_receiver(&OpModeR::Base, &key, &enc, hpke_info)
            .map(Self)
            .map_err(|_| HpkeRefused)
    }

    /// Opens the next ciphertext.
    ///
    /// # Errors
    ///
    /// [`HpkeRefused`].
    pub fn open(&mut self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeRefused> {
        self.0.open(sealed, aad).map(Zeroizing::new).map_err(|_| HpkeRefused)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Sender(…)")
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Receiver(…)")
    }
}
