//! Ed25519 (RFC 8032), strictly: weak keys are refused and only `verify_strict` is used.
//!
//! The cofactored check accepts small-order keys, under which one signature fits any message.
//! Each kind of key is a type of its own, so an account cannot sign as a mailbox.

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use zeroize::Zeroizing;

use crate::id::{AccountKey, Address, AuthorityKey, LedgerKey, SignatureBytes};

/// The signature does not fit the message and key, or the key is not a usable one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// A public key that verifies signatures.
pub trait Verify {
    /// The 32 bytes of the key.
    fn key_bytes(&self) -> &[u8; 32];

    /// Checks `signature` over `message` strictly.
    ///
    /// # Errors
    ///
    /// [`BadSignature`], whatever the reason.
    fn verify(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(self.key_bytes()).map_err(|_| BadSignature)?;
        if key.is_weak() {
            return Err(BadSignature);
        }
        key.verify_strict(message, &Signature::from_bytes(signature.as_bytes()))
            .map_err(|_| BadSignature)
    }
}

/// Whether 32 bytes are a point of full order: checked where a key is registered.
pub fn is_usable_key(bytes: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak())
}

macro_rules! signing_key {
    ($(#[$doc:meta])* $secret:ident, $public:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $secret(ed25519_dalek::SigningKey);

        impl $secret {
            /// Takes the 32-byte seed of RFC 8032 §5.1.5.
            pub fn from_seed(seed: &[u8; 32]) -> Self {
                Self(ed25519_dalek::SigningKey::from_bytes(seed))
            }

            /// The one door to the seed, for key files and sealed state.
            pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
                Zeroizing::new(self.0.to_bytes())
            }

            /// The public key.
            pub fn public(&self) -> $public {
                $public::new(self.0.verifying_key().to_bytes())
            }

            /// Signs a message, which must begin with a label.
            pub fn sign(&self, message: &[u8]) -> SignatureBytes {
                SignatureBytes::new(self.0.sign(message).to_bytes())
            }
        }

        impl core::fmt::Debug for $secret {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let Self(_) = self;
                f.write_str(concat!(stringify!($secret), "(…)"))
            }
        }

        impl Verify for $public {
            fn key_bytes(&self) -> &[u8; 32] {
                self.as_bytes()
            }
        }
    };
}

signing_key!(
    /// Signs prekeys and proves a business's connection.
    AccountSecret, AccountKey
);
signing_key!(
    /// Proves the owner of a mailbox or an inbox.
    MailboxSecret, Address
);
signing_key!(
    /// Signs certificates; kept offline by the operator.
    AuthoritySecret, AuthorityKey
);
signing_key!(
    /// Signs the heads of accounts' ledgers; one of the relay's keys.
    LedgerSecret, LedgerKey
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_verifies_only_its_own_message() {
        let secret = AccountSecret::from_seed(&[7; 32]);
        let signature = secret.sign(b"label\0message");
        assert_eq!(secret.public().verify(b"label\0message", &signature), Ok(()));
        assert_eq!(secret.public().verify(b"label\0messagf", &signature), Err(BadSignature));
    }

    #[test]
    fn a_small_order_key_that_signs_everything_is_refused() {
        // A = R = identity, S = 0: accepted for any message by the cofactored equation.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let key = AccountKey::new(identity);
        assert_eq!(key.verify(b"anything", &SignatureBytes::new(signature)), Err(BadSignature));
        assert!(!is_usable_key(&identity));
    }
}
