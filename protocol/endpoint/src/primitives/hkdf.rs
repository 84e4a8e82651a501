//! HKDF-SHA-256 (RFC 5869) over the HMAC of [`plico_protocol::mac`].
//!
//! Written out because its output lengths are known to the compiler here, so expansion cannot
//! fail, and because the pseudorandom key between its steps is a type that wipes itself. Checked
//! against Wycheproof, and against the `hkdf` crate on random inputs.

use plico_protocol::mac::MacKey;
use zeroize::Zeroizing;

/// HKDF-Extract (RFC 5869 §2.2) with a salt of exactly 32 bytes; the parts of the input keying
/// material are taken one after the other.
pub fn extract(salt: &[u8; 32], ikm: &[&[u8]]) -> MacKey {
    MacKey::new(MacKey::new(*salt).mac(ikm))
}

/// HKDF-Expand (RFC 5869 §2.3) to `N` bytes, at most 8,160; the parts of `info` are taken one
/// after the other, so all but the last must be of fixed length.
pub fn expand<const N: usize>(prk: &MacKey, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * HASH_BYTES) };
    let mut okm = Zeroizing::new([0; N]);
    let mut last = Zeroizing::new([0; HASH_BYTES]);
    for (chunk, counter) in okm.chunks_mut(HASH_BYTES).zip(1..=u8::MAX) {
        // T(0) is empty, every later T(i) is 32 bytes.
        let previous: &[u8] = if counter == 1 { &[] } else { last.as_slice() };
        let counter = [counter];
        let parts: Vec<&[u8]> = [previous]
            .into_iter()
            .chain(info.iter().copied())
            .chain([counter.as_slice()])
            .collect();
        let block = Zeroizing::new(prk.mac(&parts));
        for (to, from) in chunk.iter_mut().zip(block.iter()) {
            *to = *from;
        }
        last = block;
    }
    okm
}

const HASH_BYTES: usize = 32;
