//! The other rows of the ledger.

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Entry, EntryReason, EntrySequence, TreeHash};
use plico_protocol::time::Day;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::rows::Sealed;
use crate::store::Table;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryRow(pub(crate) Entry);

/// The root of a complete subtree whose level is a multiple of [`TILE_LEVELS`]: what is between is
/// hashed again when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileRow(pub(crate) TreeHash);

/// A charge whose envelope has ended and that waits for the day's settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingRow {
    pub(crate) account: AccountKey,
    pub(crate) accept: EntrySequence,
    /// The UTC day in which the envelope ended.
    pub(crate) day: Day,
    /// Of the settle or release to come.
    pub(crate) reason: EntryReason,
}

impl Sealed for EntryRow {
    const TABLE: Table = Table::Entries;
    const BYTES: usize = Entry::BYTES;
}

impl Sealed for TileRow {
    const TABLE: Table = Table::Tiles;
    const BYTES: usize = TreeHash::BYTES;
}

impl Sealed for PendingRow {
    const TABLE: Table = Table::Pending;
    const BYTES: usize = AccountKey::BYTES + 8 + 4 + 1;
}

impl Wire for EntryRow {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Wire::read(reader).map(Self)
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

impl Wire for PendingRow {
    fn write(&self, out: &mut Writer) {
        let Self { account, accept, day, reason } = self;
        account.write(out);
        accept.write(out);
        out.u32(day.0);
        reason.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            account: Wire::read(reader)?,
            accept: Wire::read(reader)?,
            day: Day(reader.u32()?),
            reason: Wire::read(reader)?,
        })
    }
}

/// Levels between stored subtrees: a row for every 256 entries, and at most 255 hashes to make for a
/// level of a proof.
pub(crate) const TILE_LEVELS: u8 = 8;
