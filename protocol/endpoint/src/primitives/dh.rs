//! X25519 (RFC 7748), with the checks the function itself leaves to its callers.
//!
//! X25519 ignores the top bit of a public key, reduces it modulo p, and by clamping ignores its
//! torsion component: one point has up to 17 encodings that agree on the same secret. A relay could
//! replay a first message under an alias of its ephemeral key, and a memory of seen keys would not
//! notice. So only the one encoding an honest party produces is parsed: canonical, on the curve
//! (not its twist) and of prime order. Keys are compared and hashed as bytes.

use core::fmt;

use curve25519_dalek::montgomery::MontgomeryPoint;
use plico_protocol::id::DhKey;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

/// An X25519 public key that was checked: canonical, on the curve, of prime order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DhPublic(DhKey);

/// Why 32 bytes are no public key an honest party would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDhKey {
    /// The top bit is set or the number is not below 2^255 - 19.
    #[error("the X25519 key is not in canonical form")]
    NotCanonical,
    /// A point of the twist, of small order, or with a component of small order.
    #[error("the X25519 key is not of prime order")]
    NotPrimeOrder,
}

/// The agreement gave zero (RFC 7748 §6.1): the peer's key contributed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the X25519 agreement gave the all-zero secret")]
pub struct ZeroSharedSecret;

secret32!(
    /// What two parties of an X25519 agreement share.
    pub SharedSecret
);

impl DhPublic {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key as it travels.
    pub fn key(&self) -> DhKey {
        self.0
    }

    fn of(secret: &StaticSecret) -> Self {
        // A clamped scalar times the base point is canonical and of prime order.
        Self(DhKey::new(PublicKey::from(secret).to_bytes()))
    }
}

impl TryFrom<DhKey> for DhPublic {
    type Error = BadDhKey;

    fn try_from(key: DhKey) -> Result<Self, BadDhKey> {
        if !is_canonical(key.as_bytes()) {
            return Err(BadDhKey::NotCanonical);
        }
        let point = MontgomeryPoint(*key.as_bytes());
        match point.to_edwards(0) {
            Some(point) if point.is_torsion_free() && !point.is_small_order() => Ok(Self(key)),
            _ => Err(BadDhKey::NotPrimeOrder),
        }
    }
}

impl Wire for DhPublic {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Self::try_from(DhKey::read(reader)?)
            .map_err(|_| DecodeError::BadValue { field: "x25519_key" })
    }
}

/// Whether the little-endian number is below p = 2^255 - 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    let at_least_p = *last == 0x7f && middle.iter().all(|b| *b == 0xff) && 0xed <= *first;
    *last <= 0x7f && !at_least_p
}

macro_rules! dh_secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(StaticSecret);

        impl $name {
            /// A fresh secret.
            pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
                Self(StaticSecret::random_from_rng(rng))
            }

            /// Takes 32 secret bytes, which are clamped in use and stored as they are.
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(StaticSecret::from(bytes))
            }

            /// The one door to the bytes.
            pub fn expose_secret(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// The public key.
            pub fn public(&self) -> DhPublic {
                DhPublic::of(&self.0)
            }

            /// X25519 with a peer's key.
            ///
            /// # Errors
            ///
            /// [`ZeroSharedSecret`]; a parsed key does not cause it, but the check costs nothing
            /// and does not depend on the parser.
            pub fn agree(&self, public: &DhPublic) -> Result<SharedSecret, ZeroSharedSecret> {
                let shared = self.0.diffie_hellman(&PublicKey::from(*public.as_bytes()));
                if !shared.was_contributory() {
                    return Err(ZeroSharedSecret);
                }
                Ok(SharedSecret::new(shared.to_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self(_) = self;
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

dh_secret!(
    /// IKA or IKB: names a party of the handshake.
    IdentitySecret
);
dh_secret!(
    /// Opens routing hints; its public half is in the certificate.
    HintSecret
);
dh_secret!(
    /// A signed or one-time prekey's private half.
    PrekeySecret
);
dh_secret!(
    /// EKA: the initiator's key for one handshake.
    EphemeralSecret
);
dh_secret!(
    /// A ratchet key's private half.
    RatchetSecret
);

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    fn parse(bytes: [u8; 32]) -> Result<DhPublic, BadDhKey> {
        DhPublic::try_from(DhKey::new(bytes))
    }

    #[test]
    fn keys_at_p_and_above_are_not_canonical() {
        let mut p = [0xff; 32];
        (p[0], p[31]) = (0xed, 0x7f);
        assert_eq!(parse(p), Err(BadDhKey::NotCanonical));
        assert_eq!(parse([0xff; 32]), Err(BadDhKey::NotCanonical));
        p[0] = 0xec; // p - 1, a point of order 4: canonical, and refused for its order
        assert_eq!(parse(p), Err(BadDhKey::NotPrimeOrder));
    }

    #[test]
    fn every_alias_of_a_key_agrees_on_the_secret_and_is_refused() {
        let ours = StaticSecret::from([0x22; 32]);
        let honest = IdentitySecret::new([0x11; 32]).public();
        let secret = ours.diffie_hellman(&PublicKey::from(*honest.as_bytes()));
        let point = MontgomeryPoint(*honest.as_bytes()).to_edwards(0).unwrap();
        let mut aliases: Vec<[u8; 32]> = EIGHT_TORSION[1..]
            .iter()
            .map(|torsion| (point + torsion).to_montgomery().to_bytes())
            .collect();
        let mut high_bit = *honest.as_bytes();
        high_bit[31] |= 0x80;
        aliases.push(high_bit);
        for alias in aliases {
            let same = ours.diffie_hellman(&PublicKey::from(alias));
            assert!(same.was_contributory() && same.as_bytes() == secret.as_bytes());
            assert!(parse(alias).is_err());
        }
    }

    #[test]
    fn points_of_small_order_are_refused() {
        for point in EIGHT_TORSION {
            assert!(parse(point.to_montgomery().to_bytes()).is_err());
        }
    }

    /// No parsed key gets here; a parser that let one through must not matter.
    #[test]
    fn an_agreement_that_gives_zero_is_refused() {
        let secret = PrekeySecret::new([0x22; 32]);
        for point in EIGHT_TORSION {
            let unchecked = DhPublic(DhKey::new(point.to_montgomery().to_bytes()));
            assert!(secret.agree(&unchecked).is_err());
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", IdentitySecret::new([0x41; 32])), "IdentitySecret(…)");
        assert_eq!(format!("{:?}", SharedSecret::new([0x41; 32])), "SharedSecret(…)");
    }
}
