//! Sealing values at rest.

use bytes::Bytes;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use getrandom::rand_core::CryptoRng;
use plico_protocol::wire::{DecodeError, Wire};
use zeroize::Zeroizing;

use crate::rows::Rows;
use crate::store::{Change, Table};

/// A value that is stored sealed, with the same length whatever it says.
pub(crate) trait Sealed: Wire {
    /// Its table.
    const TABLE: Table;
    /// Bytes of its encoding.
    const BYTES: usize;
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
        let sealed = self.seal(R::TABLE, &key, &value.encode(), fresh);
        Change::put(R::TABLE, key, sealed)
    }

    /// Opens a value read at `key`.
    pub(crate) fn open<R: Sealed>(&self, key: &[u8], sealed: &[u8]) -> Result<R, BadRow> {
        let table = R::TABLE.name();
        if sealed.len() != NONCE_BYTES + R::BYTES + TAG_BYTES {
            return Err(BadRow::Seal { table });
        }
        let plain = self.open_bytes(R::TABLE, key, sealed).ok_or(BadRow::Seal { table })?;
        let plain = Bytes::copy_from_slice(&plain);
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
        let cipher = XChaCha20Poly1305::new(self.seal.expose_secret().into());
        let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(plain);
        let done =
            cipher.encrypt_in_place(&XNonce::from(nonce), &associated(table, key), &mut sealed);
        // Fails for more than 256 GiB only. Nothing is then stored in clear: an empty value does
        // not open.
        if done.is_err() {
            return Bytes::new();
        }
        sealed.splice(..0, nonce);
        sealed.into()
    }

    fn open_bytes(&self, table: Table, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let cipher = XChaCha20Poly1305::new(self.seal.expose_secret().into());
        let mut plain = Zeroizing::new(sealed.to_vec());
        cipher
            .decrypt_in_place(&XNonce::from(*nonce), &associated(table, key), &mut *plain)
            .ok()?;
        Some(plain)
    }
}

fn associated(table: Table, key: &[u8]) -> Vec<u8> {
    [b"plico/1 value\0".as_slice(), &[table.byte()], key].concat()
}

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
