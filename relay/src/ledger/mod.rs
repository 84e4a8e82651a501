//! What businesses owe: their accounts' balances, entries and trees. SPEC.md §14.
//!
//! A decision appends entries; when its batch is whole, [`Books`] says what the trees look like then,
//! so that one signed head per account and commit answers for all of them. Nothing here knows a
//! mailbox, and a settlement is committed apart from everything that touches one.

mod account;
mod books;
mod free;
mod rows;
mod view;

pub(crate) use account::{AccountRow, LedgerFull, Line};
pub(crate) use books::{Books, Path, Shown, hash_of};
pub(crate) use free::{FreeCounts, FreeRow};
pub(crate) use rows::{
    ENTRIES_PER_ROW, EntriesRow, OUTCOMES_PER_ROW, Outcome, PendingRow, ROW_LEVELS, ReferenceRow,
    Reserved, TILE_LEVELS, TileRow,
};
pub(crate) use view::{Signer, missing};
