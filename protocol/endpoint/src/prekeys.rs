//! A business's prekeys with their private halves.
//!
//! Public halves are signed by the account key and published
//! ([`plico_protocol::prekey`], PQXDH §3.2). Each type encodes to bytes for the business's sealed
//! store: a signed or ML-KEM prekey goes 48 hours after it was replaced or expired, a one-time
//! prekey in the transaction that stores the session it began.

use plico_protocol::id::DhKey;
use plico_protocol::prekey::{self, KemKey, PrekeyId, PrekeyType, Publication};
use plico_protocol::signature::AccountSecret;
use plico_protocol::time::Hour;
use plico_protocol::wire::{DecodeError, Wire, Writer};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::primitives::dh::PrekeySecret;
use crate::primitives::kem::KemSecret;
use crate::primitives::secret::secret_reader;

macro_rules! prekey {
    ($(#[$doc:meta])* $name:ident, $secret:ident($take:ident, $expose:ident), $public:ident, $kind:expr, $key:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            id: PrekeyId,
            not_after: Hour,
            secret: $secret,
        }

        impl $name {
            /// A fresh prekey. `id` is not 0 and rises; `not_after` is the first hour in which it
            /// is no longer valid, at most 30 days ahead.
            pub fn generate(
                id: PrekeyId,
                not_after: Hour,
                rng: &mut (impl CryptoRng + ?Sized),
            ) -> Self {
                Self { id, not_after, secret: $secret::generate(rng) }
            }

            /// Its name.
            pub fn id(&self) -> PrekeyId {
                self.id
            }

            /// The first hour in which it is no longer valid.
            pub fn not_after(&self) -> Hour {
                self.not_after
            }

            /// The public half, signed.
            pub fn sign(&self, account: &AccountSecret) -> prekey::SignedPrekey<$public> {
                let key: fn(&$secret) -> $public = $key;
                let (id, end) = (self.id, self.not_after);
                prekey::SignedPrekey::sign($kind, id, end, key(&self.secret), account)
            }

            pub(crate) fn secret(&self) -> &$secret {
                &self.secret
            }

            /// `u32 id | u32 not_after | secret`, for a sealed store.
            pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
                let Self { id, not_after, secret } = self;
                let mut out = Writer::with_capacity(SECRET_BYTES_MAX);
                id.write(&mut out);
                not_after.write(&mut out);
                out.bytes(secret.$expose().as_slice());
                Zeroizing::new(out.into_vec())
            }

            /// Takes what [`Self::to_bytes`] gave.
            ///
            /// # Errors
            ///
            /// [`DecodeError`].
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                let mut reader = secret_reader(bytes);
                let (id, not_after) = (PrekeyId::read(&mut reader)?, Wire::read(&mut reader)?);
                if id == PrekeyId(0) {
                    return Err(DecodeError::BadValue { field: "prekey_id" });
                }
                let secret = reader.array().map($secret::$take)?;
                reader.finish()?;
                Ok(Self { id, not_after, secret })
            }
        }
    };
}

prekey!(
    /// SPKB: X25519, used by many handshakes, replaced daily.
    SignedPrekey, PrekeySecret(new, expose_secret), DhKey, PrekeyType::Signed, |secret| secret.public().key()
);
prekey!(
    /// PQPKB: ML-KEM-768, used by many handshakes, replaced daily.
    KemPrekey, KemSecret(from_seed, expose_seed), KemKey, PrekeyType::Kem, |secret| secret.public().key().clone()
);
prekey!(
    /// OPKB: X25519, used by one handshake.
    OneTimePrekey, PrekeySecret(new, expose_secret), DhKey, PrekeyType::OneTime, |secret| secret.public().key()
);

/// Bytes of the longest, that of an ML-KEM prekey; a buffer that grew would leave copies behind.
const SECRET_BYTES_MAX: usize = 4 + 4 + 64;

/// Signs what a business publishes in one frame: at most 100 one-time prekeys, their ids rising
/// above `void`, up to which those published before are void; 0 voids none.
pub fn publication(
    signed: &SignedPrekey,
    kem: &KemPrekey,
    void: PrekeyId,
    one_time: &[OneTimePrekey],
    account: &AccountSecret,
) -> Publication {
    Publication {
        signed: signed.sign(account),
        kem: kem.sign(account),
        void,
        one_time: one_time.iter().map(|prekey| prekey.sign(account)).collect(),
    }
}
