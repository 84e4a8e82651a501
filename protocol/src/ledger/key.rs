//! The authority's word for the key that signs what the relay counts.
//!
//! SPEC.md §14.1. `Ed25519(authority, "plico/1 ledger key" || 0 || body)`. A key of its own, because
//! the authority may be kept away from the relay, which signs a head with every commit.

use crate::armour;
use crate::id::{AuthorityKey, LedgerKey, SignatureBytes};
use crate::limits::LEDGER_KEY_HOURS_MAX;
use crate::signature::{AuthoritySecret, Verify};
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// What the authority states of a ledger key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerKeyBody {
    /// The key.
    pub key: LedgerKey,
    /// First hour of validity.
    pub valid_from: Hour,
    /// First hour after validity.
    pub valid_to: Hour,
}

/// A ledger key with the authority's signature, not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerKeyCertificate {
    body: LedgerKeyBody,
    signature: SignatureBytes,
}

/// A ledger key whose certificate was checked. Made only by [`LedgerKeyCertificate::verify`] and
/// [`LedgerKeyBody::sign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedLedgerKey(LedgerKeyCertificate);

/// Why a ledger key is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLedgerKey {
    /// Not signed by this authority.
    #[error("the ledger key is not signed by the authority that was expected")]
    Signature,
    /// It vouches for nothing of this hour.
    #[error("the ledger key is not valid in the hour of what it signed")]
    NotValid,
}

impl LedgerKeyBody {
    /// Signs the body.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where the validity is empty or over 400 days: what no one could read is not
    /// signed.
    pub fn sign(self, authority: &AuthoritySecret) -> Result<VerifiedLedgerKey, DecodeError> {
        self.check_fields()?;
        let signature = authority.sign(&signed_message(&self));
        Ok(VerifiedLedgerKey(LedgerKeyCertificate { body: self, signature }))
    }

    fn check_fields(&self) -> Result<(), DecodeError> {
        let end_max = self.valid_from.plus(LEDGER_KEY_HOURS_MAX);
        if self.valid_to <= self.valid_from || end_max < self.valid_to {
            return Err(DecodeError::BadValue { field: "valid_to" });
        }
        Ok(())
    }
}

impl LedgerKeyCertificate {
    /// Checks the signature, and nothing that changes with time.
    ///
    /// # Errors
    ///
    /// [`BadLedgerKey::Signature`].
    pub fn verify(self, authority: &AuthorityKey) -> Result<VerifiedLedgerKey, BadLedgerKey> {
        authority
            .verify(&signed_message(&self.body), &self.signature)
            .map_err(|_| BadLedgerKey::Signature)?;
        Ok(VerifiedLedgerKey(self))
    }

    /// What the certificate claims. Nobody vouches for it before [`LedgerKeyCertificate::verify`].
    pub fn claims(&self) -> &LedgerKeyBody {
        &self.body
    }

    /// The text of a ledger key file.
    pub fn to_text(&self) -> String {
        armour::to_text(PREFIX, &self.encode())
    }

    /// Reads a ledger key file; the signature is not checked yet.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn from_text(text: &str) -> Result<Self, DecodeError> {
        let bytes = armour::from_text(PREFIX, text, BYTES)
            .ok_or(DecodeError::BadValue { field: "ledger_key_file" })?;
        Self::decode(bytes)
    }
}

impl VerifiedLedgerKey {
    /// The key, for what is dated within its validity (see [`VerifiedLedgerKey::valid_at`]).
    pub fn key(&self) -> &LedgerKey {
        &self.0.body.key
    }

    /// What the certificate states.
    pub fn body(&self) -> &LedgerKeyBody {
        &self.0.body
    }

    /// The certificate itself, to store or send.
    pub fn certificate(&self) -> &LedgerKeyCertificate {
        &self.0
    }

    /// The key, if it vouches for what is dated `hour`.
    ///
    /// # Errors
    ///
    /// [`BadLedgerKey::NotValid`].
    pub fn valid_at(&self, hour: Hour) -> Result<&LedgerKey, BadLedgerKey> {
        let LedgerKeyBody { key, valid_from, valid_to } = &self.0.body;
        if hour < *valid_from || *valid_to <= hour {
            return Err(BadLedgerKey::NotValid);
        }
        Ok(key)
    }
}

impl Wire for LedgerKeyBody {
    fn write(&self, out: &mut Writer) {
        let Self { key, valid_from, valid_to } = self;
        out.u8(VERSION);
        key.write(out);
        valid_from.write(out);
        valid_to.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "ledger_key_version" });
        }
        let body = Self {
            key: Wire::read(reader)?,
            valid_from: Wire::read(reader)?,
            valid_to: Wire::read(reader)?,
        };
        body.check_fields()?;
        Ok(body)
    }
}

impl Wire for LedgerKeyCertificate {
    fn write(&self, out: &mut Writer) {
        self.body.write(out);
        self.signature.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { body: Wire::read(reader)?, signature: Wire::read(reader)? })
    }
}

fn signed_message(body: &LedgerKeyBody) -> Vec<u8> {
    [b"plico/1 ledger key\0".as_slice(), &body.encode()].concat()
}

const VERSION: u8 = 1;
const BYTES: usize = 1 + LedgerKey::BYTES + 4 + 4 + SignatureBytes::BYTES;
const PREFIX: &str = "plico-ledger-key-1:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::LedgerSecret;

    fn body() -> LedgerKeyBody {
        LedgerKeyBody {
            key: LedgerSecret::from_seed(&[1; 32]).public(),
            valid_from: Hour(100),
            valid_to: Hour(100 + LEDGER_KEY_HOURS_MAX),
        }
    }

    fn authority() -> AuthoritySecret {
        AuthoritySecret::from_seed(&[5; 32])
    }

    #[test]
    fn a_ledger_key_verifies_under_its_authority_alone() {
        let signed = *body().sign(&authority()).unwrap().certificate();
        let received = LedgerKeyCertificate::decode(signed.encode()).unwrap();
        assert_eq!(*received.verify(&authority().public()).unwrap().key(), body().key);
        assert_eq!(LedgerKeyCertificate::from_text(&received.to_text()), Ok(received));
        let other = AuthoritySecret::from_seed(&[6; 32]).public();
        assert_eq!(received.verify(&other), Err(BadLedgerKey::Signature));
    }

    #[test]
    fn any_flipped_byte_is_refused() {
        let bytes = body().sign(&authority()).unwrap().certificate().encode();
        assert_eq!(bytes.len(), BYTES);
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let believed = LedgerKeyCertificate::decode(bytes)
                .is_ok_and(|received| received.verify(&authority().public()).is_ok());
            assert!(!believed, "byte {at}");
        }
    }

    #[test]
    fn a_ledger_key_vouches_for_the_hours_of_its_validity_alone() {
        let verified = body().sign(&authority()).unwrap();
        assert_eq!(verified.valid_at(Hour(99)), Err(BadLedgerKey::NotValid));
        assert_eq!(verified.valid_at(Hour(100)), Ok(&body().key));
        assert_eq!(verified.valid_at(body().valid_to.minus(1)), Ok(&body().key));
        assert_eq!(verified.valid_at(body().valid_to), Err(BadLedgerKey::NotValid));
    }

    #[test]
    fn a_validity_that_is_empty_or_too_long_is_not_signed() {
        let refused = Err(DecodeError::BadValue { field: "valid_to" });
        for valid_to in [body().valid_from, body().valid_to.plus(1)] {
            let body = LedgerKeyBody { valid_to, ..body() };
            assert_eq!(body.sign(&authority()), refused);
        }
    }
}
