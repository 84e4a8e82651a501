//! C2, the sender's franking commitment, which is the message's key commitment at once.
//!
//! `C2 = HMAC(k_f, u32 len ctx || ctx || padded)` with
//! `ctx = "plico/1 franking" || 0 || u16 suite || u8 size_class`. The shape is Committing
//! Encrypt-and-PRF (Grubbs, Lu, Ristenpart, CRYPTO 2017): `k_f` is derived from the message key,
//! so revealing it in a report reveals neither the encryption key nor another message. The relay
//! needs this function to check a report; endpoints need it for every message. SPEC.md §8.

use crate::envelope::SizeClass;
use crate::id::Commitment;
use crate::mac::MacKey;

/// Commits to padded content under the franking key `k_f`.
pub fn commit(k_f: &MacKey, suite: u16, class: SizeClass, padded: &[u8]) -> Commitment {
    let context = context(suite, class);
    Commitment::new(k_f.mac(&[&length(&context), &context, padded]))
}

/// Whether `commitment` opens to `padded` under `k_f`; compared in constant time.
#[must_use]
pub fn verify(
    commitment: &Commitment,
    k_f: &MacKey,
    suite: u16,
    class: SizeClass,
    padded: &[u8],
) -> bool {
    let context = context(suite, class);
    k_f.verify(&[&length(&context), &context, padded], commitment.as_bytes())
}

fn context(suite: u16, class: SizeClass) -> [u8; CONTEXT_BYTES] {
    let mut context = [0; CONTEXT_BYTES];
    let [high, low] = suite.to_be_bytes();
    let fields = LABEL.iter().copied().chain([high, low, class.byte()]);
    for (to, from) in context.iter_mut().zip(fields) {
        *to = from;
    }
    context
}

fn length(context: &[u8; CONTEXT_BYTES]) -> [u8; 4] {
    u32::try_from(context.len()).unwrap_or(u32::MAX).to_be_bytes()
}

const LABEL: &[u8; 17] = b"plico/1 franking\0";
const CONTEXT_BYTES: usize = LABEL.len() + 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_opens_only_to_what_was_committed() {
        let key = MacKey::new([3; 32]);
        let c2 = commit(&key, 1, SizeClass::Small, b"text");
        assert!(verify(&c2, &key, 1, SizeClass::Small, b"text"));
        assert!(!verify(&c2, &key, 1, SizeClass::Small, b"texT"));
        assert!(!verify(&c2, &key, 2, SizeClass::Small, b"text"));
        assert!(!verify(&c2, &key, 1, SizeClass::Medium, b"text"));
        assert!(!verify(&c2, &MacKey::new([4; 32]), 1, SizeClass::Small, b"text"));
    }
}
