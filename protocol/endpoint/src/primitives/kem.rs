//! ML-KEM-768 (FIPS 203). Private keys are kept as the 64-byte seed `d || z`.
//!
//! Decapsulation never fails: a wrong ciphertext gives a pseudorandom secret (implicit rejection),
//! and only the authentication of the message shows it. Nothing may branch before that.

use core::fmt;

use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport};
use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use plico_protocol::prekey::{KEM_KEY_BYTES, KemKey};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes of a ciphertext (FIPS 203 table 3).
pub const KEM_CIPHERTEXT_BYTES: usize = 1088;
/// Bytes of a seed `d || z` (FIPS 203 §7.1).
pub const KEM_SEED_BYTES: usize = 64;

/// A private key, as its seed.
#[derive(Clone)]
pub struct KemSecret(Box<Zeroizing<[u8; KEM_SEED_BYTES]>>);

/// An encapsulation key that passed the checks of FIPS 203 §7.2.
#[derive(Clone)]
pub struct KemPublic {
    checked: Box<EncapsulationKey>,
    key: KemKey,
}

/// A ciphertext as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct KemCiphertext(Box<[u8; KEM_CIPHERTEXT_BYTES]>);

/// A coefficient of the encapsulation key is not reduced (FIPS 203 §7.2, modulus check).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ML-KEM-768 encapsulation key fails the modulus check of FIPS 203 §7.2")]
pub struct BadKemKey;

secret32!(
    /// What encapsulation and decapsulation share.
    pub KemSharedSecret
);

impl KemSecret {
    /// A fresh key.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Box::new(Zeroizing::new([0; KEM_SEED_BYTES]));
        rng.fill_bytes(seed.as_mut_slice());
        Self(seed)
    }

    /// Takes a seed `d || z`.
    pub fn from_seed(seed: [u8; KEM_SEED_BYTES]) -> Self {
        Self(Box::new(Zeroizing::new(seed)))
    }

    /// The one door to the seed.
    pub fn expose_seed(&self) -> &[u8; KEM_SEED_BYTES] {
        &self.0
    }

    /// The encapsulation key.
    pub fn public(&self) -> KemPublic {
        let checked = Box::new(self.expand().encapsulation_key().clone());
        let mut bytes = Box::new([0; KEM_KEY_BYTES]);
        for (to, from) in bytes.iter_mut().zip(checked.to_bytes()) {
            *to = from;
        }
        KemPublic { checked, key: KemKey::new(bytes) }
    }

    /// Decapsulates (FIPS 203 §7.3). A wrong ciphertext gives a wrong secret, not an error.
    pub fn decapsulate(&self, ciphertext: &KemCiphertext) -> KemSharedSecret {
        let mut bytes = Ciphertext::default();
        bytes.copy_from_slice(ciphertext.0.as_slice());
        let shared = Zeroizing::new(<[u8; 32]>::from(self.expand().decapsulate(&bytes)));
        KemSharedSecret::new(*shared)
    }

    fn expand(&self) -> Box<DecapsulationKey> {
        let seed = (**self.0).into();
        Box::new(DecapsulationKey::from_seed(seed))
    }
}

impl KemPublic {
    /// The key as it travels.
    pub fn key(&self) -> &KemKey {
        &self.key
    }

    /// Makes a secret and the ciphertext that carries it (FIPS 203 §7.2).
    pub fn encapsulate(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (KemCiphertext, KemSharedSecret) {
        let (ciphertext, shared) = self.checked.encapsulate_with_rng(rng);
        let shared = Zeroizing::new(<[u8; 32]>::from(shared));
        let mut bytes = Box::new([0; KEM_CIPHERTEXT_BYTES]);
        bytes.copy_from_slice(&ciphertext);
        (KemCiphertext(bytes), KemSharedSecret::new(*shared))
    }
}

impl TryFrom<&KemKey> for KemPublic {
    type Error = BadKemKey;

    fn try_from(key: &KemKey) -> Result<Self, BadKemKey> {
        let bytes = key.as_bytes().as_slice().try_into().map_err(|_| BadKemKey)?;
        let checked = EncapsulationKey::new(bytes).map_err(|_| BadKemKey)?;
        Ok(Self { checked: Box::new(checked), key: key.clone() })
    }
}

impl KemCiphertext {
    /// Takes the bytes as they are.
    pub fn new(bytes: Box<[u8; KEM_CIPHERTEXT_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; KEM_CIPHERTEXT_BYTES] {
        &self.0
    }
}

impl Wire for KemCiphertext {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.0.as_slice());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array().map(|bytes| Self(Box::new(bytes)))
    }
}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("KemSecret(…)")
    }
}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checked: _, key: _ } = self;
        f.write_str("KemPublic(…)")
    }
}

impl fmt::Debug for KemCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("KemCiphertext(…)")
    }
}
