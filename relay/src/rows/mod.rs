//! How rows are named and sealed.
//!
//! A row is named `HMAC(row key, "plico/1 row" || 0 || u8 table || name)[..16]`, so that neither
//! keys nor values show an address, an account, a `submit_id` or an hour. Sealed values are
//! `nonce 24 | ciphertext | tag 16` (XChaCha20-Poly1305, random nonce) of one length per table;
//! the associated data is `"plico/1 value" || 0 || u8 table || row key`, so that a value moved to
//! another row does not open.
//!
//! docs/data.md lists the tables, what each column says, and for how long.
//!
//! `bucket(hour)` is a name like any other, of the hour in the index's table: "expire hour h" names
//! the bucket and scans it, and a reader of the disk learns only which rows share an hour.

mod certified;
mod optional;
mod record;
mod seal;
mod standing;
mod swept;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use certified::CertificateRow;
pub(crate) use optional::{read_optional, write_optional};
pub(crate) use record::{
    Fate, OneTimeRow, OriginRow, PrekeysRow, ProfileRow, QueueKind, QueueRow, SubmissionRow,
};
pub use seal::BadRow;
pub(crate) use seal::Sealed;
pub(crate) use standing::StandingRow;
pub(crate) use swept::{Pass, Stage, SweptRow};
pub use view::{StoredEnvelope, View, ViewError};

use plico_protocol::frame::Sequence;
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::ledger::{EntrySequence, Subtree};
use plico_protocol::mac::{MacKey, first16};
use plico_protocol::prekey::PrekeyId;
use plico_protocol::time::{Day, Hour};

use crate::keys::{Ring, SealKey};
use crate::ledger::ENTRIES_PER_ROW;
use crate::store::Table;

/// Names rows and seals values. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    row: MacKey,
    seal: SealKey,
}

/// The opaque name of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowName([u8; 16]);

impl Rows {
    /// Uses a ring's row and seal key, which never change.
    pub(crate) fn new(ring: &Ring) -> Self {
        Self { row: ring.row().clone(), seal: ring.seal().clone() }
    }

    /// Of a mailbox or inbox.
    pub(crate) fn queue(&self, address: &Address) -> RowName {
        self.name(Table::Queues, address.as_bytes())
    }

    /// Of a submission.
    pub(crate) fn submission(&self, id: &SubmitId) -> RowName {
        self.name(Table::Submissions, id.as_bytes())
    }

    /// Of an account's prekeys.
    pub(crate) fn prekeys(&self, account: &AccountKey) -> RowName {
        self.name(Table::Prekeys, account.as_bytes())
    }

    /// Of an account's profile.
    pub(crate) fn profile(&self, account: &AccountKey) -> RowName {
        self.name(Table::Profiles, account.as_bytes())
    }

    /// Of an account's balance.
    pub(crate) fn account(&self, account: &AccountKey) -> RowName {
        self.name(Table::Accounts, account.as_bytes())
    }

    /// The beginning of the keys of an account's entries.
    pub(crate) fn entries(&self, account: &AccountKey) -> RowName {
        self.name(Table::Entries, account.as_bytes())
    }

    /// The beginning of the keys of an account's counts of free messages, and the key of a day's.
    pub(crate) fn free(&self, account: &AccountKey, day: Day) -> (RowName, Vec<u8>) {
        let name = self.name(Table::Free, account.as_bytes());
        (name, name.holding(&day.0.to_be_bytes()))
    }

    /// Of the reference under which an account's payment was entered.
    pub(crate) fn reference(&self, account: &AccountKey, reference: &str) -> RowName {
        let (account, reference) = (account.as_bytes().as_slice(), reference.as_bytes());
        self.name(Table::References, &[account, reference].concat())
    }

    /// The key of a subtree of an account's tree.
    pub(crate) fn tile(&self, account: &AccountKey, subtree: Subtree) -> Vec<u8> {
        let Subtree { level, index } = subtree;
        let place = [[level].as_slice(), &index.to_be_bytes()].concat();
        self.name(Table::Tiles, account.as_bytes()).holding(&place)
    }

    /// Of an hour in an index: [`Table::Expiries`], [`Table::Forgets`] or [`Table::Reports`].
    pub(crate) fn bucket(&self, index: Table, hour: Hour) -> RowName {
        self.name(index, &hour.0.to_be_bytes())
    }

    fn name(&self, table: Table, name: &[u8]) -> RowName {
        RowName(first16(self.row.mac(&[b"plico/1 row\0", &[table.byte()], name])))
    }
}

impl RowName {
    /// Takes a name as it was stored.
    pub(crate) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The name's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The key of an envelope or origin of this queue.
    pub(crate) fn at(&self, sequence: Sequence) -> Vec<u8> {
        [self.0.as_slice(), &sequence.0.to_be_bytes()].concat()
    }

    /// The key of an entry in the bucket of this name.
    pub(crate) fn holding(&self, entry: &[u8]) -> Vec<u8> {
        [self.0.as_slice(), entry].concat()
    }

    /// The key of the row in which an entry of this account stands.
    pub(crate) fn with_entry(&self, sequence: EntrySequence) -> Vec<u8> {
        self.holding(&(sequence.0 / ENTRIES_PER_ROW).to_be_bytes())
    }

    /// The key of a one-time prekey of this account.
    pub(crate) fn one_time(&self, id: PrekeyId) -> Vec<u8> {
        self.holding(&id.0.to_be_bytes())
    }
}

impl core::fmt::Debug for RowName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RowName(…)")
    }
}

/// The sequence at the end of a key made by [`RowName::at`].
pub(crate) fn sequence_of(key: &[u8]) -> Option<Sequence> {
    key.last_chunk().map(|bytes| Sequence(u64::from_be_bytes(*bytes)))
}
