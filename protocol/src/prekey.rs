//! Prekeys as the relay and a person see them: public halves signed by the business's account.
//!
//! SPEC.md §7. Signature message:
//! `"plico/1 prekey" || 0 || u8 type || u32 id || u32 not_after || key` (PQXDH revision 3 §3.2
//! signs the key alone; the type, id and end are added so that none can be swapped).

use crate::id::{AccountKey, DhKey, SignatureBytes};
use crate::limits::{BUNDLE_USE_HOURS_MAX, ONE_TIME_PREKEYS_PER_FRAME_MAX, PREKEY_HOURS_MAX};
use crate::signature::{AccountSecret, Verify};
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Bytes of an ML-KEM-768 encapsulation key (FIPS 203 table 3).
pub const KEM_KEY_BYTES: usize = 1184;

/// Names one prekey of an account; 0 is reserved for "no one-time key".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrekeyId(pub u32);

wire_byte!(
    /// What a prekey is for; signed with it.
    PrekeyType, "prekey_type" {
        /// X25519, used by many handshakes, replaced daily.
        Signed = 1,
        /// ML-KEM-768, used by many handshakes, replaced daily.
        Kem = 2,
        /// X25519, used by one handshake.
        OneTime = 3,
    }
);

/// The key inside a prekey.
pub trait PrekeyBytes: Wire + Clone {
    /// The bytes that are signed and hashed.
    fn key_bytes(&self) -> &[u8];
}

/// A public prekey with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPrekey<K> {
    /// Chosen by the business; rises.
    pub id: PrekeyId,
    /// The first hour in which it is no longer valid.
    pub not_after: Hour,
    /// The public key.
    pub key: K,
    /// By the account key.
    pub signature: SignatureBytes,
}

/// An ML-KEM-768 encapsulation key as it travels, not yet checked (FIPS 203 §7.2).
#[derive(Clone, PartialEq, Eq)]
pub struct KemKey(Box<[u8; KEM_KEY_BYTES]>);

/// What a person needs to begin a session: fetched by account, used within 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Whose prekeys these are.
    pub account: AccountKey,
    /// The signed X25519 prekey.
    pub signed: SignedPrekey<DhKey>,
    /// The signed ML-KEM-768 prekey.
    pub kem: SignedPrekey<KemKey>,
    /// A one-time X25519 prekey, handed out once; absent when they ran out.
    pub one_time: Option<SignedPrekey<DhKey>>,
}

/// What a business publishes: replaces the signed prekeys, adds one-time prekeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The signed X25519 prekey.
    pub signed: SignedPrekey<DhKey>,
    /// The signed ML-KEM-768 prekey.
    pub kem: SignedPrekey<KemKey>,
    /// One-time prekeys up to this id are void: a business that was restored from a backup lost
    /// their private halves. 0 voids none.
    pub void: PrekeyId,
    /// Further one-time prekeys with rising ids above those that are void, at most 100.
    pub one_time: Vec<SignedPrekey<DhKey>>,
}

/// A bundle whose signatures and times were checked. Made only by [`Bundle::verify`].
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    bundle: Bundle,
    fetched: Hour,
}

/// Why a bundle or publication is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPrekey {
    /// A signature does not verify under the account key.
    #[error("the signature of prekey {} does not verify under the account key", .0.0)]
    Signature(PrekeyId),
    /// The prekey is past its end.
    #[error("prekey {} expired", .0.0)]
    Expired(PrekeyId),
    /// The prekey's end is further away than any honest one.
    #[error("prekey {} ends more than 30 days ahead", .0.0)]
    TooLong(PrekeyId),
    /// Id 0 means "none" and cannot name a key.
    #[error("prekey id 0 is reserved")]
    ZeroId,
    /// One-time ids must rise, above those that are void.
    #[error("one-time prekey ids must rise above those that are void; {} does not", .0.0)]
    Order(PrekeyId),
    /// The bundle is of another account than the one asked for.
    #[error("the bundle belongs to another account")]
    OtherAccount,
    /// The bundle was fetched too long ago.
    #[error("the bundle was fetched more than 24 hours ago")]
    Stale,
}

impl<K: PrekeyBytes> SignedPrekey<K> {
    /// Signs a public prekey.
    pub fn sign(
        kind: PrekeyType,
        id: PrekeyId,
        not_after: Hour,
        key: K,
        by: &AccountSecret,
    ) -> Self {
        let signature = by.sign(&signed_message(kind, id, not_after, key.key_bytes()));
        Self { id, not_after, key, signature }
    }

    /// Checks id, times and signature.
    ///
    /// # Errors
    ///
    /// [`BadPrekey`].
    pub fn verify(
        &self,
        kind: PrekeyType,
        account: &AccountKey,
        now: Hour,
    ) -> Result<(), BadPrekey> {
        if self.id.0 == 0 {
            return Err(BadPrekey::ZeroId);
        }
        if self.not_after <= now {
            return Err(BadPrekey::Expired(self.id));
        }
        // One hour of slack: the business's clock may be ahead of ours.
        if now.plus(PREKEY_HOURS_MAX + 1) < self.not_after {
            return Err(BadPrekey::TooLong(self.id));
        }
        let message = signed_message(kind, self.id, self.not_after, self.key.key_bytes());
        account.verify(&message, &self.signature).map_err(|_| BadPrekey::Signature(self.id))
    }
}

impl Bundle {
    /// Checks every signature and time, and that the bundle is for `account` and fresh.
    ///
    /// # Errors
    ///
    /// [`BadPrekey`].
    pub fn verify(
        self,
        account: &AccountKey,
        fetched: Hour,
        now: Hour,
    ) -> Result<VerifiedBundle, BadPrekey> {
        if self.account != *account {
            return Err(BadPrekey::OtherAccount);
        }
        if fetched.plus(BUNDLE_USE_HOURS_MAX) < now {
            return Err(BadPrekey::Stale);
        }
        self.signed.verify(PrekeyType::Signed, account, now)?;
        self.kem.verify(PrekeyType::Kem, account, now)?;
        if let Some(one_time) = &self.one_time {
            one_time.verify(PrekeyType::OneTime, account, now)?;
        }
        Ok(VerifiedBundle { bundle: self, fetched })
    }
}

impl VerifiedBundle {
    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Whether it may be used at `now`: it was fetched at most 24 hours ago, and no prekey has ended.
    pub fn holds_at(&self, now: Hour) -> bool {
        let Bundle { account: _, signed, kem, one_time } = &self.bundle;
        let one_time = one_time.as_ref().map(|prekey| prekey.not_after);
        let ends = [Some(signed.not_after), Some(kem.not_after), one_time];
        let fresh = now <= self.fetched.plus(BUNDLE_USE_HOURS_MAX);
        fresh && ends.into_iter().flatten().all(|end| now < end)
    }
}

impl Publication {
    /// Checks every signature, time and the order of ids.
    ///
    /// # Errors
    ///
    /// [`BadPrekey`].
    pub fn verify(&self, account: &AccountKey, now: Hour) -> Result<(), BadPrekey> {
        self.signed.verify(PrekeyType::Signed, account, now)?;
        self.kem.verify(PrekeyType::Kem, account, now)?;
        let mut last = self.void;
        for prekey in &self.one_time {
            prekey.verify(PrekeyType::OneTime, account, now)?;
            if prekey.id <= last {
                return Err(BadPrekey::Order(prekey.id));
            }
            last = prekey.id;
        }
        Ok(())
    }
}

impl KemKey {
    /// Takes the bytes as they are.
    pub fn new(bytes: Box<[u8; KEM_KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; KEM_KEY_BYTES] {
        &self.0
    }
}

impl core::fmt::Debug for KemKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KemKey(…)")
    }
}

impl PrekeyBytes for DhKey {
    fn key_bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PrekeyBytes for KemKey {
    fn key_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Wire for KemKey {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.0.as_slice());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array().map(|bytes| Self(Box::new(bytes)))
    }
}

impl Wire for PrekeyId {
    fn write(&self, out: &mut Writer) {
        out.u32(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u32().map(Self)
    }
}

impl<K: PrekeyBytes> Wire for SignedPrekey<K> {
    fn write(&self, out: &mut Writer) {
        let Self { id, not_after, key, signature } = self;
        id.write(out);
        not_after.write(out);
        key.write(out);
        signature.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            id: Wire::read(reader)?,
            not_after: Wire::read(reader)?,
            key: Wire::read(reader)?,
            signature: Wire::read(reader)?,
        })
    }
}

impl Wire for Bundle {
    fn write(&self, out: &mut Writer) {
        let Self { account, signed, kem, one_time } = self;
        account.write(out);
        signed.write(out);
        kem.write(out);
        out.optional(one_time.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            account: Wire::read(reader)?,
            signed: Wire::read(reader)?,
            kem: Wire::read(reader)?,
            one_time: reader.optional("has_one_time")?,
        })
    }
}

impl Wire for Publication {
    fn write(&self, out: &mut Writer) {
        let Self { signed, kem, void, one_time } = self;
        signed.write(out);
        kem.write(out);
        void.write(out);
        out.count(one_time.len());
        for prekey in one_time {
            prekey.write(out);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let signed = Wire::read(reader)?;
        let kem = Wire::read(reader)?;
        let void = Wire::read(reader)?;
        let count = reader.count("one_time", ONE_TIME_PREKEYS_PER_FRAME_MAX)?;
        let one_time = (0..count).map(|_| Wire::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { signed, kem, void, one_time })
    }
}

fn signed_message(kind: PrekeyType, id: PrekeyId, not_after: Hour, key: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(b"plico/1 prekey\0");
    kind.write(&mut out);
    id.write(&mut out);
    not_after.write(&mut out);
    out.bytes(key);
    out.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Hour = Hour(500_000);

    fn bundle() -> (Bundle, AccountKey) {
        let account = AccountSecret::from_seed(&[1; 32]);
        let dh = DhKey::new([9; 32]);
        let kem = KemKey::new(Box::new([8; KEM_KEY_BYTES]));
        let end = NOW.plus(PREKEY_HOURS_MAX);
        let bundle = Bundle {
            account: account.public(),
            signed: SignedPrekey::sign(PrekeyType::Signed, PrekeyId(1), end, dh, &account),
            kem: SignedPrekey::sign(PrekeyType::Kem, PrekeyId(2), end, kem, &account),
            one_time: Some(SignedPrekey::sign(PrekeyType::OneTime, PrekeyId(3), end, dh, &account)),
        };
        (bundle, account.public())
    }

    fn check(change: impl FnOnce(&mut Bundle), now: Hour) -> Option<BadPrekey> {
        let (mut bundle, account) = bundle();
        change(&mut bundle);
        bundle.verify(&account, NOW, now).err()
    }

    #[test]
    fn an_honest_bundle_verifies_and_round_trips() {
        assert_eq!(check(|_| (), NOW), None);
        let (bundle, _) = bundle();
        assert_eq!(Bundle::decode(bundle.encode()), Ok(bundle));
    }

    #[test]
    fn a_prekey_used_as_another_type_does_not_verify() {
        let swap = |b: &mut Bundle| b.signed = b.one_time.clone().unwrap();
        assert_eq!(check(swap, NOW), Some(BadPrekey::Signature(PrekeyId(3))));
    }

    #[test]
    fn times_are_checked_at_their_edges() {
        assert_eq!(check(|_| (), NOW.plus(24)), None);
        assert_eq!(check(|_| (), NOW.plus(25)), Some(BadPrekey::Stale));
        let (bundle, account) = bundle();
        let prekey = &bundle.signed;
        let last = prekey.not_after.minus(1);
        assert_eq!(prekey.verify(PrekeyType::Signed, &account, last), Ok(()));
        let end = prekey.not_after;
        let expired = Err(BadPrekey::Expired(PrekeyId(1)));
        assert_eq!(prekey.verify(PrekeyType::Signed, &account, end), expired);
        let too_long = Err(BadPrekey::TooLong(PrekeyId(1)));
        assert_eq!(prekey.verify(PrekeyType::Signed, &account, NOW.minus(2)), too_long);
    }

    #[test]
    fn a_bundle_that_was_verified_is_usable_for_a_day_and_until_its_first_prekey_ends() {
        let holds = |now: Hour| {
            let (bundle, account) = bundle();
            let verified = bundle.verify(&account, NOW, NOW).unwrap();
            verified.holds_at(now)
        };
        assert!(holds(NOW) && holds(NOW.plus(24)) && !holds(NOW.plus(25)));
        let (mut bundle, account) = bundle();
        let secret = AccountSecret::from_seed(&[1; 32]);
        let (end, key) = (NOW.plus(2), bundle.signed.key);
        let ends_soon = SignedPrekey::sign(PrekeyType::OneTime, PrekeyId(3), end, key, &secret);
        bundle.one_time = Some(ends_soon);
        let verified = bundle.verify(&account, NOW, NOW).unwrap();
        assert!(verified.holds_at(NOW.plus(1)) && !verified.holds_at(end));
    }

    #[test]
    fn a_moved_end_does_not_verify() {
        let later = |b: &mut Bundle| b.kem.not_after = b.kem.not_after.minus(1);
        assert_eq!(check(later, NOW), Some(BadPrekey::Signature(PrekeyId(2))));
    }

    #[test]
    fn published_one_time_ids_must_rise() {
        let (bundle, account) = bundle();
        let again = bundle.one_time.clone().unwrap();
        let mut publication = Publication {
            signed: bundle.signed,
            kem: bundle.kem,
            void: PrekeyId(0),
            one_time: vec![again.clone(), again],
        };
        assert_eq!(publication.verify(&account, NOW), Err(BadPrekey::Order(PrekeyId(3))));
        publication.one_time.pop();
        assert_eq!(publication.verify(&account, NOW), Ok(()));
        publication.void = PrekeyId(3);
        assert_eq!(publication.verify(&account, NOW), Err(BadPrekey::Order(PrekeyId(3))));
        assert_eq!(Publication::decode(publication.encode()), Ok(publication));
    }
}
