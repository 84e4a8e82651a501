//! Sealing values at rest.
//!
//! XChaCha20-Poly1305 is ChaCha20-Poly1305 (RFC 8439) under a key that HChaCha20 derives for each
//! nonce (draft-irtf-cfrg-xchacha-03 §2.3). The cipher is that of the TLS provider: a row of some
//! hundred bytes takes it a third of the instructions that portable code takes, and a message is
//! three rows sealed and three opened. The provider wipes the derived key when it frees it.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use chacha20::{R20, hchacha};
use getrandom::rand_core::CryptoRng;
use plico_protocol::wire::{DecodeError, Wire, Writer};
use zeroize::Zeroizing;

use crate::keys::SealKey;
use crate::rows::Rows;
use crate::store::{Change, Table};

/// A value that is stored sealed, with the same length whatever it says.
pub(crate) trait Sealed: Wire {
    /// Its table.
    const TABLE: Table;
    /// Bytes of its encoding.
    const BYTES: usize;

    /// Its encoding, in one allocation.
    fn encoded(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(Self::BYTES);
        self.write(&mut out);
        out.into_vec()
    }
}

/// A stored value is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// Changed on disk, moved to another row, or sealed under another key.
    #[error("a row of `{table}` does not open: it was altered, or the key directory is another's")]
    Seal {
        /// Its table.
        table: &'static str,
    },
    /// Of a form this program does not write.
    #[error("a row of `{table}` does not decode: {error}")]
    Form {
        /// Its table.
        table: &'static str,
        /// What was wrong.
        error: DecodeError,
    },
}

impl Rows {
    /// A change that writes `value`, sealed.
    pub(crate) fn put<R: Sealed>(
        &self,
        key: impl Into<Vec<u8>>,
        value: &R,
        fresh: &mut dyn CryptoRng,
    ) -> Change {
        let key = key.into();
        let sealed = self.seal(R::TABLE, &key, &value.encoded(), fresh);
        Change::put(R::TABLE, key, sealed)
    }

    /// Opens a value read at `key`.
    pub(crate) fn open<R: Sealed>(&self, key: &[u8], sealed: &[u8]) -> Result<R, BadRow> {
        let table = R::TABLE.name();
        if sealed.len() != NONCE_BYTES + R::BYTES + TAG_BYTES {
            return Err(BadRow::Seal { table });
        }
        let plain = self.open_bytes(R::TABLE, key, sealed).ok_or(BadRow::Seal { table })?;
        R::decode(plain).map_err(|error| BadRow::Form { table, error })
    }

    /// Seals an encoding for its row.
    pub(crate) fn seal(
        &self,
        table: Table,
        key: &[u8],
        plain: &[u8],
        fresh: &mut dyn CryptoRng,
    ) -> Bytes {
        let mut nonce = [0; NONCE_BYTES];
        fresh.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let associated = Aad::from(associated(table, key));
        let tag = cipher(&self.seal, &nonce).zip(sealed.get_mut(NONCE_BYTES..)).and_then(
            |((cipher, nonce), text)| {
                cipher.seal_in_place_separate_tag(nonce, associated, text).ok()
            },
        );
        // Fails for more than 256 GiB, or without memory for a key. Nothing is then stored in
        // clear: an empty value does not open.
        let Some(tag) = tag else { return Bytes::new() };
        sealed.extend_from_slice(tag.as_ref());
        sealed.into()
    }

    fn open_bytes(&self, table: Table, key: &[u8], sealed: &[u8]) -> Option<Bytes> {
        let (nonce, sealed) = sealed.split_first_chunk()?;
        let (cipher, nonce) = cipher(&self.seal, nonce)?;
        let mut text = sealed.to_vec();
        let associated = Aad::from(associated(table, key));
        let bytes = cipher.open_in_place(nonce, associated, &mut text).ok()?.len();
        text.truncate(bytes);
        Some(text.into())
    }
}

/// The cipher of one nonce, and what is left of the nonce.
fn cipher(key: &SealKey, nonce: &[u8; NONCE_BYTES]) -> Option<(LessSafeKey, Nonce)> {
    let (derives, rest) = nonce.split_first_chunk::<16>()?;
    let derived = hchacha::<R20>(key.expose_secret().into(), derives.into());
    let derived = Zeroizing::new(<[u8; 32]>::from(derived));
    let key = UnboundKey::new(&CHACHA20_POLY1305, &*derived).ok()?;
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().skip(4).zip(rest) {
        *to = *from;
    }
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
}

fn associated(table: Table, key: &[u8]) -> Vec<u8> {
    [b"plico/1 value\0".as_slice(), &[table.byte()], key].concat()
}

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
