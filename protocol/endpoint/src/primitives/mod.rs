//! Thin typed wrappers around the primitives, so that each check is made in one place.
//!
//! A public key that exists as a type was checked when it was parsed; a secret wipes itself on
//! drop, prints nothing, and opens by one spelled-out door. Nothing here knows a protocol label.
//!
//! Reading order: [`secret`] (32 secret bytes), [`dh`] (X25519), [`kem`] (ML-KEM-768), [`hkdf`],
//! [`aead`] (both ciphers) and [`hpke`]. HMAC and SHA-256 are those of [`plico_protocol::mac`],
//! Ed25519 is that of [`plico_protocol::signature`].

#[macro_use]
pub mod secret;

pub mod aead;
pub mod dh;
pub mod hkdf;
pub mod hpke;
pub mod kem;

/// `N` bytes of an array from `FROM` on; a part outside the array does not compile.
pub(crate) fn part<const FROM: usize, const N: usize, const M: usize>(bytes: &[u8; M]) -> [u8; N] {
    const { assert!(FROM + N <= M) };
    let mut part = [0; N];
    for (to, from) in part.iter_mut().zip(bytes.iter().skip(FROM)) {
        *to = *from;
    }
    part
}
