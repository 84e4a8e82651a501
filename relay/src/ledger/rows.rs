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

/// What an envelope that has ended leaves for the day's settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingRow {
    pub(crate) account: AccountKey,
    /// The UTC day in which the envelope ended.
    pub(crate) day: Day,
    /// What becomes of its charge, if it had one.
    pub(crate) charge: Option<Outcome>,
    /// Whether it was delivered, and sent outside a window: its sender is judged by it.
    pub(crate) unasked: bool,
}

/// The entry of the payment that was entered under a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReferenceRow {
    pub(crate) entry: EntrySequence,
}

/// How a charge ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) accept: EntrySequence,
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
    const BYTES: usize = AccountKey::BYTES + 4 + (1 + 8 + 1) + 1;
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
        let Self { account, day, charge, unasked } = self;
        account.write(out);
        out.u32(day.0);
        out.u8(u8::from(charge.is_some()));
        // As long as with one: the length of a row must not say what was charged.
        let none = Outcome { accept: EntrySequence::default(), reason: EntryReason::Itself };
        let Outcome { accept, reason } = charge.unwrap_or(none);
        accept.write(out);
        reason.write(out);
        out.u8(u8::from(*unasked));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let account = Wire::read(reader)?;
        let day = Day(reader.u32()?);
        let is_charged = reader.flag("is_charged")?;
        let outcome = Outcome { accept: Wire::read(reader)?, reason: Wire::read(reader)? };
        let charge = Some(outcome).filter(|_| is_charged);
        Ok(Self { account, day, charge, unasked: reader.flag("unasked")? })
    }
}

/// Levels between stored subtrees: a row for every 256 entries, and at most 255 hashes to make for a
/// level of a proof.
pub(crate) const TILE_LEVELS: u8 = 8;
