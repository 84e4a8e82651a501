//! Rows as they lie on the relay's disk, opened and sealed with its keys.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::Entry as Line;
use plico_protocol::mac::{MacKey, first16};
use plico_protocol::wire::Wire;
use plico_relay::keys::Ring;
use plico_relay::store::{Change, Table};

/// The keys of rows.
pub(crate) struct AtRest {
    row: MacKey,
    seal: XChaCha20Poly1305,
    /// Whose entries begin with a name: an account's row is written before its first entry, or with it.
    accounts: Mutex<BTreeMap<[u8; 16], AccountKey>>,
}

impl AtRest {
    pub(crate) fn new(ring: &Ring) -> Self {
        let seal = XChaCha20Poly1305::new(ring.seal().expose_secret().into());
        Self { row: ring.row().clone(), seal, accounts: Mutex::default() }
    }

    /// The lines of ledgers that are new in what is written, by account; `before` gives a row as it was.
    pub(crate) fn lines(
        &self,
        changes: &[Change],
        before: impl Fn(&Change) -> Change,
    ) -> Vec<(AccountKey, Line)> {
        let of = |table: Table| changes.iter().filter(move |change| change.table == table);
        let mut accounts = self.accounts.lock().unwrap();
        for row in of(Table::Accounts) {
            let account = AccountKey::new(*self.open(row).first_chunk().unwrap());
            accounts.insert(self.name(Table::Entries, account.as_bytes()), account);
        }
        let mut lines = Vec::new();
        for row in of(Table::Entries) {
            let account = accounts[row.key.first_chunk::<16>().unwrap()];
            let old = before(row);
            let known = if old.value.is_some() { self.open(&old)[0] } else { 0 };
            let plain = Bytes::from(self.open(row));
            for number in usize::from(known)..usize::from(plain[0]) {
                let start = 1 + number * Line::BYTES;
                let line = Line::decode(plain.slice(start..start + Line::BYTES)).unwrap();
                lines.push((account, line));
            }
        }
        lines
    }

    /// What a row that is written says.
    pub(crate) fn open(&self, row: &Change) -> Vec<u8> {
        let sealed = row.value.as_ref().unwrap();
        let (nonce, sealed) = sealed.split_first_chunk::<24>().unwrap();
        let mut plain = sealed.to_vec();
        let associated = associated(row);
        self.seal.decrypt_in_place(&XNonce::from(*nonce), &associated, &mut plain).unwrap();
        plain
    }

    /// The same row, saying something else.
    pub(crate) fn altered(&self, row: &Change, alter: impl FnOnce(&mut Vec<u8>)) -> Change {
        let mut plain = self.open(row);
        alter(&mut plain);
        let nonce = row.value.as_ref().and_then(|sealed| sealed.first_chunk::<24>()).unwrap();
        self.seal.encrypt_in_place(&XNonce::from(*nonce), &associated(row), &mut plain).unwrap();
        let sealed = Bytes::from([nonce.as_slice(), &plain].concat());
        Change { value: Some(sealed), ..row.clone() }
    }

    fn name(&self, table: Table, name: &[u8]) -> [u8; 16] {
        first16(self.row.mac(&[b"plico/1 row\0", &[table.byte()], name]))
    }
}

fn associated(row: &Change) -> Vec<u8> {
    [b"plico/1 value\0".as_slice(), &[row.table.byte()], &row.key].concat()
}
