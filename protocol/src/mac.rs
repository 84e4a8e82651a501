//! HMAC-SHA-256 (RFC 2104, FIPS 180-4) and labelled SHA-256, the only two hashes statements use.
//!
//! Every hashed or MACed string begins with a label ending in a zero byte, so that no statement
//! can be read as another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A 32-byte MAC key. Wiped on drop, never printed. Exactly 32 bytes, because HMAC pads shorter
/// keys with zeros: `K` and `K || 00` would give the same MAC.
#[derive(Clone, ZeroizeOnDrop)]
pub struct MacKey {
    bytes: [u8; 32],
    /// Has taken the key in, which is half the work of a short MAC. Its states wipe themselves
    /// (`zeroize` of sha2).
    #[zeroize(skip)]
    keyed: Hmac<Sha256>,
}

impl MacKey {
    /// Takes 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC pads a key with zeros to the hash's block (RFC 2104 §2); done here, it cannot fail.
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = from;
        }
        Self { bytes, keyed: Hmac::new((&*block).into()) }
    }

    /// The one door to the bytes, for key files.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// HMAC over the parts one after the other. The caller's layout must make the boundaries
    /// unambiguous: every part but the last of fixed length.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.start(parts).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8; 32]) -> bool {
        self.start(parts).verify_slice(tag).is_ok()
    }

    fn start(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl core::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { bytes: _, keyed: _ } = self;
        f.write_str("MacKey(…)")
    }
}

/// SHA-256 over the parts one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The first 16 bytes of a MAC or hash.
pub fn first16(bytes: [u8; 32]) -> [u8; 16] {
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = from;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_one_message_and_a_change_is_noticed() {
        let key = MacKey::new([0x0b; 32]);
        assert!(key.verify(&[b"Hi ", b"There"], &key.mac(&[b"Hi There"])));
        assert!(!key.verify(&[b"Hi There!"], &key.mac(&[b"Hi There"])));
    }
}
