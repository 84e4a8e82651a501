//! PQXDH (Signal, The PQXDH Key Agreement Protocol, revision 3, 2024-01-23), the person initiating.
//!
//! ```text
//! EncEC(k) = 0x05 || k 32        EncKEM(k) = 0x0A || k 1184        suite = 1
//! th  = SHA-256("plico/1 transcript" || 0 || u16 suite || EncEC(IKA) || EncEC(EKA) || EncEC(IKB)
//!       || EncEC(SPKB) || u8 has_opk || [EncEC(OPKB)] || EncKEM(PQPKB) || ct 1088
//!       || u32 spk_id || u32 opk_id || u32 pq_id || account key 32)
//! IKM = 0xFF*32 || DH(IKA,SPKB) || DH(EKA,IKB) || DH(EKA,SPKB) || [DH(EKA,OPKB)] || SS
//! SK || HKA || NHKB || SID = HKDF-SHA-256(salt = 0*32, IKM,
//!                            info = "plico/1 X25519_SHA-256_ML-KEM-768" || 0 || th, 128)
//! AD  = SHA-256("plico/1 ad" || 0 || th)
//! ```
//!
//! Both identities, every key and id and the ciphertext are in `th`, so neither a swapped identity
//! nor a ciphertext re-encapsulated to another prekey (PQXDH §4) gives the same session.
//! There are no one-time ML-KEM prekeys: forward secrecy against a quantum attacker begins when the
//! signed ML-KEM prekey's private half is deleted.

use core::fmt;

use plico_protocol::certificate::{BusinessKeys, VerifiedCertificate};
use plico_protocol::id::{AccountKey, DhKey};
use plico_protocol::mac::sha256;
use plico_protocol::prekey::{KemKey, PrekeyId, VerifiedBundle};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use rand_core::CryptoRng;

use crate::id::{ReplayId, SessionId};
use crate::message::{OpenError, SUITE, SealError};
use crate::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey};
use crate::primitives::dh::{
    BadDhKey, DhPublic, EphemeralSecret, IdentitySecret, SharedSecret, ZeroSharedSecret,
};
use crate::primitives::kem::{BadKemKey, KemCiphertext, KemPublic, KemSharedSecret};
use crate::primitives::{hkdf, part};
use crate::ratchet::Start;
use crate::ratchet::header::AssociatedData;
use crate::ratchet::keys::{HeaderKey, RootKey};

/// The checked keys of the business a person writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientKeys {
    /// Ed25519: who the business is.
    pub account: AccountKey,
    /// X25519: IKB.
    pub identity: DhPublic,
    /// X25519: opens routing hints.
    pub hint: DhPublic,
}

/// The private halves a first message asks for by their ids.
#[derive(Clone, Copy, Debug)]
pub struct ResponderKeys<'a> {
    /// Whose prekeys they are.
    pub account: &'a AccountKey,
    /// IKB, of the certificate whose hint key opened the envelope.
    pub identity: &'a IdentitySecret,
    /// SPKB.
    pub signed: &'a SignedPrekey,
    /// PQPKB.
    pub kem: &'a KemPrekey,
    /// OPKB, exactly if the first message names one.
    pub one_time: Option<&'a OneTimePrekey>,
}

/// What the initiator sends beside its first message.
#[derive(Clone)]
pub struct Handshake {
    identity: DhPublic,
    ephemeral: DhPublic,
    signed: PrekeyId,
    one_time: Option<PrekeyId>,
    kem: PrekeyId,
    ciphertext: KemCiphertext,
}

/// Why no session was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InitiateError {
    /// The bundle is of another account than the keys.
    #[error("the bundle belongs to another account")]
    OtherAccount,
    /// An X25519 key in the bundle is none an honest party would publish.
    #[error(transparent)]
    BadDhKey(#[from] BadDhKey),
    /// The ML-KEM key in the bundle fails FIPS 203 §7.2.
    #[error(transparent)]
    BadKemKey(#[from] BadKemKey),
    /// An agreement gave zero.
    #[error(transparent)]
    Agreement(#[from] ZeroSharedSecret),
    /// The first message was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Why a first message began no session. Nothing was spent: the one-time key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// The private halves handed in are not those the message names. A message that names a
    /// one-time key is never tried without it.
    #[error("the private halves are not those the first message names")]
    OtherPrekeys,
    /// Does not open, whatever the reason: acknowledge as unreadable.
    #[error("the first message does not open")]
    Unreadable,
}

/// What both ends hold after the handshake, before the ratchet.
pub(crate) struct Agreed {
    pub(crate) id: SessionId,
    pub(crate) start: Start,
}

impl RecipientKeys {
    /// Checks the X25519 keys of a certificate the caller verified.
    ///
    /// # Errors
    ///
    /// [`BadDhKey`].
    pub fn new(keys: &BusinessKeys) -> Result<Self, BadDhKey> {
        let BusinessKeys { account, identity, hint, inbox: _ } = *keys;
        Ok(Self { account, identity: identity.try_into()?, hint: hint.try_into()? })
    }
}

impl TryFrom<&VerifiedCertificate> for RecipientKeys {
    type Error = BadDhKey;

    fn try_from(certificate: &VerifiedCertificate) -> Result<Self, BadDhKey> {
        Self::new(&certificate.body().keys)
    }
}

impl Handshake {
    /// IKA: joins the message to a known customer if the address matches too.
    pub fn identity(&self) -> DhKey {
        self.identity.key()
    }

    /// Which signed X25519 prekey was used.
    pub fn signed(&self) -> PrekeyId {
        self.signed
    }

    /// Which ML-KEM prekey was used.
    pub fn kem(&self) -> PrekeyId {
        self.kem
    }

    /// Which one-time prekey was used, if one was.
    pub fn one_time(&self) -> Option<PrekeyId> {
        self.one_time
    }

    /// `SHA-256("plico/1 replay" || 0 || u32 spk_id || u32 pq_id || EKA)`.
    pub fn replay_id(&self) -> ReplayId {
        let ids = [self.signed.0.to_be_bytes(), self.kem.0.to_be_bytes()].concat();
        ReplayId::new(sha256(&[b"plico/1 replay\0", &ids, self.ephemeral.as_bytes()]))
    }

    /// Computes the initiator's side (PQXDH §3.3). `SPKB` is returned for the ratchet.
    pub(crate) fn initiate(
        identity: &IdentitySecret,
        recipient: &RecipientKeys,
        bundle: &VerifiedBundle,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Agreed, DhPublic), InitiateError> {
        let bundle = bundle.bundle();
        if bundle.account != recipient.account {
            return Err(InitiateError::OtherAccount);
        }
        let signed = DhPublic::try_from(bundle.signed.key)?;
        let one_time = bundle.one_time.as_ref();
        let one_time_key = one_time.map(|prekey| DhPublic::try_from(prekey.key)).transpose()?;
        let kem = KemPublic::try_from(&bundle.kem.key)?;
        let ephemeral = EphemeralSecret::generate(rng);
        let (ciphertext, kem_secret) = kem.encapsulate(rng);
        let handshake = Self {
            identity: identity.public(),
            ephemeral: ephemeral.public(),
            signed: bundle.signed.id,
            one_time: one_time.map(|prekey| prekey.id),
            kem: bundle.kem.id,
            ciphertext,
        };
        let secrets = Secrets {
            identity_signed: identity.agree(&signed)?,
            ephemeral_identity: ephemeral.agree(&recipient.identity)?,
            ephemeral_signed: ephemeral.agree(&signed)?,
            ephemeral_one_time: one_time_key.map(|key| ephemeral.agree(&key)).transpose()?,
            kem: kem_secret,
        };
        let responder = Responder {
            account: &recipient.account,
            identity: recipient.identity,
            signed,
            one_time: one_time_key,
            kem: kem.key(),
        };
        let agreed = secrets.derive(&handshake.transcript(&responder));
        Ok((handshake, agreed, signed))
    }

    /// Computes the responder's side (PQXDH §3.4). That the two sides agree shows only when the
    /// first message authenticates.
    pub(crate) fn respond(&self, keys: &ResponderKeys<'_>) -> Result<Agreed, RespondError> {
        let ids = (keys.signed.id(), keys.kem.id(), keys.one_time.map(OneTimePrekey::id));
        if ids != (self.signed, self.kem, self.one_time) {
            return Err(RespondError::OtherPrekeys);
        }
        let kem_public = keys.kem.secret().public();
        let responder = Responder {
            account: keys.account,
            identity: keys.identity.public(),
            signed: keys.signed.secret().public(),
            one_time: keys.one_time.map(|prekey| prekey.secret().public()),
            kem: kem_public.key(),
        };
        let secrets = self.agree(keys).map_err(|_| RespondError::Unreadable)?;
        Ok(secrets.derive(&self.transcript(&responder)))
    }

    fn agree(&self, keys: &ResponderKeys<'_>) -> Result<Secrets, ZeroSharedSecret> {
        let one_time = keys.one_time.map(|prekey| prekey.secret().agree(&self.ephemeral));
        Ok(Secrets {
            identity_signed: keys.signed.secret().agree(&self.identity)?,
            ephemeral_identity: keys.identity.agree(&self.ephemeral)?,
            ephemeral_signed: keys.signed.secret().agree(&self.ephemeral)?,
            ephemeral_one_time: one_time.transpose()?,
            kem: keys.kem.secret().decapsulate(&self.ciphertext),
        })
    }

    /// `th`. EncEC and EncKEM begin with different bytes, so no key can be read as one of the
    /// other kind (PQXDH §2.1).
    fn transcript(&self, responder: &Responder<'_>) -> [u8; 32] {
        let mut out = Writer::default();
        let curve = |out: &mut Writer, key: &DhPublic| {
            out.u8(ENCODE_EC);
            key.write(out);
        };
        out.bytes(b"plico/1 transcript\0");
        out.u16(SUITE);
        curve(&mut out, &self.identity);
        curve(&mut out, &self.ephemeral);
        curve(&mut out, &responder.identity);
        curve(&mut out, &responder.signed);
        out.u8(u8::from(responder.one_time.is_some()));
        if let Some(one_time) = &responder.one_time {
            curve(&mut out, one_time);
        }
        out.u8(ENCODE_KEM);
        responder.kem.write(&mut out);
        self.ciphertext.write(&mut out);
        self.write_ids(&mut out);
        responder.account.write(&mut out);
        sha256(&[&out.into_vec()])
    }

    fn write_ids(&self, out: &mut Writer) {
        self.signed.write(out);
        self.one_time.unwrap_or(NO_PREKEY).write(out);
        self.kem.write(out);
    }
}

/// The plaintext of box1.
impl Wire for Handshake {
    fn write(&self, out: &mut Writer) {
        out.u16(SUITE);
        out.u8(u8::from(self.one_time.is_some()));
        self.identity.write(out);
        self.ephemeral.write(out);
        self.write_ids(out);
        self.ciphertext.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u16()? != SUITE {
            return Err(DecodeError::BadValue { field: "suite" });
        }
        let has_one_time = reader.flag("has_opk")?;
        let (identity, ephemeral) = (Wire::read(reader)?, Wire::read(reader)?);
        let (signed, one_time) = (Wire::read(reader)?, PrekeyId::read(reader)?);
        if has_one_time != (one_time != NO_PREKEY) {
            return Err(DecodeError::BadValue { field: "opk_id" });
        }
        Ok(Self {
            identity,
            ephemeral,
            signed,
            one_time: has_one_time.then_some(one_time),
            kem: Wire::read(reader)?,
            ciphertext: Wire::read(reader)?,
        })
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity: _, ephemeral: _, signed, one_time, kem, ciphertext: _ } = self;
        write!(f, "Handshake({signed:?}, {kem:?}, {one_time:?})")
    }
}

/// The responder's public keys, as both sides hash them.
struct Responder<'a> {
    account: &'a AccountKey,
    identity: DhPublic,
    signed: DhPublic,
    one_time: Option<DhPublic>,
    kem: &'a KemKey,
}

/// DH1 to DH4 and SS, named by the keys that agreed.
struct Secrets {
    identity_signed: SharedSecret,
    ephemeral_identity: SharedSecret,
    ephemeral_signed: SharedSecret,
    ephemeral_one_time: Option<SharedSecret>,
    kem: KemSharedSecret,
}

impl Secrets {
    fn derive(self, transcript: &[u8; 32]) -> Agreed {
        let one_time = self.ephemeral_one_time.as_ref();
        let prk = hkdf::extract(
            &[0; 32],
            &[
                &[0xff; 32],
                self.identity_signed.expose_secret(),
                self.ephemeral_identity.expose_secret(),
                self.ephemeral_signed.expose_secret(),
                one_time.map_or(&[], |secret| secret.expose_secret().as_slice()),
                self.kem.expose_secret(),
            ],
        );
        let okm = hkdf::expand::<128>(&prk, &[b"plico/1 X25519_SHA-256_ML-KEM-768\0", transcript]);
        Agreed {
            id: SessionId::new(part::<96, 32, 128>(&okm)),
            start: Start {
                root: RootKey::new(part::<0, 32, 128>(&okm)),
                header_key: HeaderKey::new(part::<32, 32, 128>(&okm)),
                next_header_key: HeaderKey::new(part::<64, 32, 128>(&okm)),
                ad: AssociatedData::new(sha256(&[b"plico/1 ad\0", transcript])),
            },
        }
    }
}

impl From<OpenError> for RespondError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Duplicate | OpenError::Unreadable => Self::Unreadable,
        }
    }
}

const ENCODE_EC: u8 = 0x05;
const ENCODE_KEM: u8 = 0x0a;
/// The id that names no prekey.
const NO_PREKEY: PrekeyId = PrekeyId(0);

#[cfg(test)]
mod tests;
