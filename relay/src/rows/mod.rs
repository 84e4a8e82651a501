//! What the tables hold and how rows are named and sealed.
//!
//! A row is named `HMAC(row key, "plico/1 row" || 0 || u8 table || name)[..16]`, so that neither
//! keys nor values show an address, an account, a `submit_id` or an hour. Sealed values are
//! `nonce 24 | ciphertext | tag 16` (XChaCha20-Poly1305, random nonce) of one length per table;
//! the associated data is `"plico/1 value" || 0 || u8 table || row key`, so that a value moved to
//! another row does not open.
//!
//! | table | key | value | sealed | kept |
//! |---|---|---|---|---|
//! | `meta` | `schema` | `u32` version | no | always |
//! | | `swept` | next hour to expire, next hour to forget, settled days and where the settlement under way stands, generation of the ledgers; shows that the key directory fits | yes | always |
//! | `queues` | name(address) | kind, epoch, end of the window, on how many days of which month windows were opened and on which the last, counters, last and acknowledged sequence | yes | mailbox: until closed; inbox: always |
//! | `envelopes` | name(address) ‖ `u64` sequence | the envelope | no: end-to-end ciphertext | until acknowledged, revoked, closed or 30 days |
//! | `origins` | the same | submission, expiry hour, size class, origin and stamp | yes | the same |
//! | `expiries` | bucket(hour) ‖ name(address) ‖ sequence | empty | | the same |
//! | `submissions` | name(submit_id) | digest, state, acceptance, expiry and outcome | yes | 48 h past the outcome, 49 h past acceptance at least |
//! | `forgets` | bucket(hour) ‖ name(submit_id) | empty | | the same, from the outcome on |
//! | `certificates` | `u64` serial | certificate | no: public | always |
//! | `revocations` | `u64` serial | empty | no: public | always |
//! | `prekeys` | name(account) | signed prekeys, counters | yes | until replaced |
//! | `one_time_prekeys` | name(account) ‖ `u32` id | prekey | yes | until handed out or expired |
//! | `profiles` | name(account) | profile | yes | until replaced, or the account's last certificate is revoked |
//! | `reports` | bucket(hour of forgetting) ‖ name(stamp) | empty | | 62 days past the message, as long as its stamp verifies |
//! | | bucket(hour of forgetting) ‖ name(day, account, address tag) | empty | | until the end of the UTC day |
//! | `standings` | name(account) | tier, whether suspended and since when; of each of seven days, how many reports and how many deliveries outside windows | yes | always |
//! | `accounts` | name(account) | account, balance, frontier of its tree | yes | always |
//! | `entries` | name(account) ‖ `u64` sequence | ledger entry: kind, hour, submit_id, category, zone, amount | yes | always |
//! | `tiles` | name(account) ‖ `u8` level ‖ `u64` index | hash of 256 entries, or of 256 such | yes | always |
//! | `pending` | random | account, day, accepted entry and outcome if it was charged, whether it was delivered outside a window | yes | until the day's settlement |
//!
//! `bucket(hour)` is a name like any other, of the hour in the index's table: "expire hour h" names
//! the bucket and scans it, and a reader of the disk learns only which rows share an hour.

mod certified;
mod record;
mod seal;
mod standing;
mod swept;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use certified::CertificateRow;
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
use plico_protocol::time::Hour;

use crate::keys::{Ring, SealKey};
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

    /// The key of an entry of an account's ledger.
    pub(crate) fn entry(&self, account: &AccountKey, sequence: EntrySequence) -> Vec<u8> {
        self.entries_from(account, sequence).1
    }

    /// The beginning of the keys of an account's entries, and the key of one of them.
    pub(crate) fn entries_from(
        &self,
        account: &AccountKey,
        sequence: EntrySequence,
    ) -> (RowName, Vec<u8>) {
        let name = self.name(Table::Entries, account.as_bytes());
        (name, name.holding(&sequence.0.to_be_bytes()))
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
