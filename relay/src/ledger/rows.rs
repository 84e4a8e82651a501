//! The other rows of the ledger.

use plico_protocol::id::{AccountKey, SubmitId};
use plico_protocol::ledger::{
    Amount, Entry, EntryReason, EntrySequence, Frontier, Message, Rate, Subtree, TreeHash,
};
use plico_protocol::time::Day;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::rows::Sealed;
use crate::store::Table;

/// Entries of an account, in order: those whose numbers divided by [`ENTRIES_PER_ROW`] are the same. As
/// long with one as with all. What a commit appends to an account is a row or two, and not as many as
/// entries: each row costs a seal and a sorted insertion. A row names no more than the account's own row,
/// which every such commit writes too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EntriesRow(pub(crate) Vec<Entry>);

/// The root of a complete subtree whose level is a multiple of [`TILE_LEVELS`]: what is between is
/// hashed again when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileRow(pub(crate) TreeHash);

/// What envelopes that have ended leave for the day's settlement: one that a person's device or the
/// person ended, or several of an account that expired in one step of the sweeps. When those expire is
/// known from when they were accepted; what a device ends together, it received together, so that has a
/// row for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingRow {
    pub(crate) account: AccountKey,
    /// The UTC day in which they ended.
    pub(crate) day: Day,
    /// What becomes of their charges, at most [`OUTCOMES_PER_ROW`].
    pub(crate) charges: Vec<Outcome>,
    /// How many were delivered, and sent outside a window: their sender is judged by them.
    pub(crate) unasked: u16,
}

/// The entry of the payment that was entered under a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReferenceRow {
    pub(crate) entry: EntrySequence,
}

/// A price that is reserved, as the entry says that ends it. Kept beside the envelope, so that a settlement
/// does not look the accept up; whoever can open the one row opens the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) message: Message,
    pub(crate) amount: Amount,
}

/// How a charge ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) of: Reserved,
    /// Of the settle or release to come.
    pub(crate) reason: EntryReason,
}

impl EntriesRow {
    /// Whether the account's next entry stands in it.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < ENTRIES_PER_ROW as usize
    }

    /// The entry with this number, if it is there.
    pub(crate) fn entry(&self, sequence: EntrySequence) -> Option<Entry> {
        self.0.iter().find(|entry| entry.sequence == sequence).copied()
    }

    /// What a subtree hashes to whose entries are all in this row; none if they are not.
    pub(crate) fn subtree(&self, subtree: Subtree) -> Option<TreeHash> {
        let leaves = subtree.leaves();
        let within = self.0.iter().filter(|entry| leaves.contains(&entry.sequence.0));
        let mut tree = Frontier::default();
        within.for_each(|entry| tree.push(entry.hash(), |_, _| ()));
        (tree.size() == leaves.end - leaves.start).then(|| tree.root())
    }
}

impl Sealed for EntriesRow {
    const TABLE: Table = Table::Entries;
    const BYTES: usize = 1 + ENTRIES_PER_ROW as usize * Entry::BYTES;
}

impl Sealed for TileRow {
    const TABLE: Table = Table::Tiles;
    const BYTES: usize = TreeHash::BYTES;
}

impl Sealed for PendingRow {
    const TABLE: Table = Table::Pending;
    const BYTES: usize = AccountKey::BYTES + 4 + (1 + OUTCOMES_PER_ROW * OUTCOME_BYTES) + 2;
}

impl Sealed for ReferenceRow {
    const TABLE: Table = Table::References;
    const BYTES: usize = 8;
}

impl Wire for ReferenceRow {
    fn write(&self, out: &mut Writer) {
        self.entry.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { entry: Wire::read(reader)? })
    }
}

impl Reserved {
    /// What an accept reserves; none for another kind of entry.
    pub(crate) fn by(accept: &Entry) -> Option<Self> {
        Some(Self { message: accept.message?, amount: accept.amount })
    }

    pub(crate) const BYTES: usize = SubmitId::BYTES + 8 + (1 + 2) + (3 + 8);
}

impl Wire for EntriesRow {
    fn write(&self, out: &mut Writer) {
        let Self(entries) = self;
        let start = out.len();
        out.u8(u8::try_from(entries.len()).unwrap_or(u8::MAX));
        entries.iter().for_each(|entry| entry.write(out));
        let written = out.len() - start;
        out.zeros(Self::BYTES.saturating_sub(written));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let count = usize::from(reader.u8()?);
        let entries = (0..count).map(|_| Entry::read(reader)).collect::<Result<Vec<_>, _>>()?;
        reader.take((Self::BYTES - 1).saturating_sub(count * Entry::BYTES))?;
        Ok(Self(entries))
    }
}

impl Wire for TileRow {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Wire::read(reader).map(Self)
    }
}

impl Wire for Reserved {
    fn write(&self, out: &mut Writer) {
        let Self { message: Message { submission, accept, rate }, amount } = self;
        submission.write(out);
        accept.write(out);
        rate.write(out);
        amount.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (submission, accept) = (Wire::read(reader)?, EntrySequence::read(reader)?);
        let message = Message { submission, accept, rate: Rate::read(reader)? };
        Ok(Self { message, amount: Amount::read(reader)? })
    }
}

impl Wire for Outcome {
    fn write(&self, out: &mut Writer) {
        self.of.write(out);
        self.reason.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { of: Wire::read(reader)?, reason: Wire::read(reader)? })
    }
}

impl Wire for PendingRow {
    fn write(&self, out: &mut Writer) {
        let Self { account, day, charges, unasked } = self;
        account.write(out);
        out.u32(day.0);
        out.u8(u8::try_from(charges.len()).unwrap_or(u8::MAX));
        charges.iter().for_each(|charge| charge.write(out));
        out.zeros(OUTCOMES_PER_ROW.saturating_sub(charges.len()) * OUTCOME_BYTES);
        out.u16(*unasked);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let account = Wire::read(reader)?;
        let day = Day(reader.u32()?);
        let count = usize::from(reader.u8()?);
        let charges = (0..count).map(|_| Outcome::read(reader)).collect::<Result<_, _>>()?;
        reader.take(OUTCOMES_PER_ROW.saturating_sub(count) * OUTCOME_BYTES)?;
        Ok(Self { account, day, charges, unasked: reader.u16()? })
    }
}

const OUTCOME_BYTES: usize = Reserved::BYTES + 1;
/// Charges of one row: what expires in an hour is mostly several of an account, and each row costs two
/// seals, and is written twice.
pub(crate) const OUTCOMES_PER_ROW: usize = 8;

/// Levels between stored subtrees: a row for every 256 entries, and at most 255 hashes to make for a
/// level of a proof.
pub(crate) const TILE_LEVELS: u8 = 8;
/// Levels of a tree that one row of entries is.
pub(crate) const ROW_LEVELS: u8 = 4;
/// Entries of a row: what a business sends within one commit is seldom more, and a row written for one of
/// them is shorter than its account's.
pub(crate) const ENTRIES_PER_ROW: u64 = 1 << ROW_LEVELS;
