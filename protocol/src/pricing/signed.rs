//! A rate card under the relay's signature, as clients fetch and keep it. SPEC.md §15.1.

use bytes::Bytes;

use super::card::RateCard;
use crate::id::SignatureBytes;
use crate::ledger::{BadLedgerKey, VerifiedLedgerKey};
use crate::limits::RATE_CARD_BYTES_MAX;
use crate::signature::{LedgerSecret, Verify};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A rate card as it travels: neither read nor verified. Keeps the received bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRateCard {
    bytes: Bytes,
}

/// A rate card whose signature was checked. Made only by [`SignedRateCard::verify`] and
/// [`RateCard::sign`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRateCard {
    signed: SignedRateCard,
    card: RateCard,
}

/// Why a rate card is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRateCard {
    /// The bytes are no rate card.
    #[error("the rate card cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Not signed by this key.
    #[error("the rate card is not signed by the relay's ledger key")]
    Signature,
    /// Issued at a time for which the key vouches for nothing.
    #[error("{0}")]
    Key(#[from] BadLedgerKey),
}

impl RateCard {
    /// Signs the card with the relay's ledger key.
    pub fn sign(self, key: &LedgerSecret) -> VerifiedRateCard {
        let body = self.encode();
        let signature = key.sign(&signed_message(&body));
        let bytes = Bytes::from([body.as_slice(), signature.as_bytes()].concat());
        VerifiedRateCard { signed: SignedRateCard { bytes }, card: self }
    }
}

impl SignedRateCard {
    /// Reads it and checks the signature, and that the key was valid when it was issued.
    ///
    /// # Errors
    ///
    /// [`BadRateCard`].
    pub fn verify(self, key: &VerifiedLedgerKey) -> Result<VerifiedRateCard, BadRateCard> {
        let mut reader = Reader::new(self.bytes.clone());
        let card = RateCard::read(&mut reader)?;
        let signature = SignatureBytes::read(&mut reader)?;
        reader.finish()?;
        let body = self.bytes.slice(..self.bytes.len() - SignatureBytes::BYTES);
        let key = key.valid_at(card.fields().issued.hour())?;
        key.verify(&signed_message(&body), &signature).map_err(|_| BadRateCard::Signature)?;
        Ok(VerifiedRateCard { signed: self, card })
    }
}

impl VerifiedRateCard {
    /// What it states.
    pub fn card(&self) -> &RateCard {
        &self.card
    }

    /// The card as signed, to store or send.
    pub fn signed(&self) -> &SignedRateCard {
        &self.signed
    }
}

impl core::fmt::Debug for SignedRateCard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SignedRateCard({} bytes)", self.bytes.len())
    }
}

impl Wire for SignedRateCard {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.bytes);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { bytes: reader.sized("rate_card", RATE_CARD_BYTES_MAX)? })
    }
}

fn signed_message(body: &[u8]) -> Vec<u8> {
    [b"plico/1 rate card\0", body].concat()
}
