//! How many free messages an account sent, by UTC day: for the operator, in no ledger.
//!
//! A count that was written with each message would join an account's row and a mailbox's by their
//! commit. So it is in memory until the day is over, and what a crash takes with it is not counted.

use std::collections::BTreeMap;

use plico_protocol::id::AccountKey;
use plico_protocol::time::Day;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::rows::Sealed;
use crate::store::Table;

/// What is counted and not stored yet: an entry for each business that sent something since.
#[derive(Debug, Default)]
pub(crate) struct FreeCounts(BTreeMap<(Day, AccountKey), u64>);

/// Of an account and a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreeRow {
    pub(crate) count: u64,
}

impl FreeCounts {
    /// Whether everything is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one.
    pub(crate) fn add(&mut self, day: Day, account: AccountKey) {
        let count = self.0.entry((day, account)).or_default();
        *count = count.saturating_add(1);
    }

    /// Those of the days before one, at most so many.
    pub(crate) fn before(
        &self,
        day: Day,
        limit: usize,
    ) -> impl Iterator<Item = (Day, AccountKey, u64)> {
        let counts = self.0.iter().map(|((of, account), count)| (*of, *account, *count));
        counts.take_while(move |(of, ..)| *of < day).take(limit)
    }

    /// Forgets what is stored.
    pub(crate) fn stored(&mut self, day: Day, account: AccountKey) {
        self.0.remove(&(day, account));
    }
}

impl Sealed for FreeRow {
    const TABLE: Table = Table::Free;
    const BYTES: usize = 8;
}

impl Wire for FreeRow {
    fn write(&self, out: &mut Writer) {
        out.u64(self.count);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { count: reader.u64()? })
    }
}
