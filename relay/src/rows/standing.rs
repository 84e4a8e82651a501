//! What is kept of reports: which were made, until they cannot be made again, and how many each
//! business has.

use plico_protocol::id::{AccountKey, AddressTag};
use plico_protocol::reputation::{AccountStanding, Dues, Inputs, Reputation};
use plico_protocol::stamp::StampedOrigin;
use plico_protocol::time::{Day, Hour};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::keys::STAMP_KEY_DAYS_KEPT;
use crate::policy::reputation::{Counts, DAYS};
use crate::rows::{RowName, Rows, Sealed};
use crate::store::Table;

/// A business's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StandingRow {
    pub(crate) reputation: Reputation,
    pub(crate) counts: Counts,
}

impl StandingRow {
    /// Of an account of which the first thing is counted today.
    pub(crate) fn new(today: Day) -> Self {
        Self { reputation: Reputation::new(today), counts: Counts::default() }
    }

    /// What is told of an account of which nothing was counted yet: the day does not move with the asking.
    pub(crate) fn untouched() -> Self {
        Self::new(Day(0))
    }

    /// What its business and the operator are told.
    pub(crate) fn shown(&self, today: Day, dues: Dues) -> AccountStanding {
        AccountStanding { reputation: self.reputation, inputs: self.counts.inputs(today), dues }
    }
}

impl Rows {
    /// Of an account's standing.
    pub(crate) fn standing(&self, account: &AccountKey) -> RowName {
        self.name(Table::Standings, account.as_bytes())
    }

    /// The key under which a message is known as reported, in the bucket of the hour from which on
    /// its stamp does not verify.
    pub(crate) fn report_of_stamp(&self, stamped: &StampedOrigin) -> Vec<u8> {
        let over = Day(stamped.origin.hour.day().0.saturating_add(STAMP_KEY_DAYS_KEPT)).end();
        self.report(over, &[&[1], stamped.stamp.as_bytes().as_slice()].concat())
    }

    /// The key under which a mailbox is known to have reported an account on a day, in the bucket of
    /// that day's end.
    pub(crate) fn report_of_mailbox(
        &self,
        day: Day,
        account: &AccountKey,
        tag: &AddressTag,
    ) -> Vec<u8> {
        let (account, tag) = (account.as_bytes().as_slice(), tag.as_bytes().as_slice());
        self.report(day.end(), &[&[2], day.0.to_be_bytes().as_slice(), account, tag].concat())
    }

    fn report(&self, over: Hour, name: &[u8]) -> Vec<u8> {
        self.bucket(Table::Reports, over).holding(self.name(Table::Reports, name).as_bytes())
    }
}

impl Sealed for StandingRow {
    const TABLE: Table = Table::Standings;
    const BYTES: usize = (1 + 1 + 4) + 4 + DAYS * (4 + 4);
}

impl Wire for StandingRow {
    fn write(&self, out: &mut Writer) {
        let Self { reputation, counts: Counts { newest, days } } = self;
        reputation.write(out);
        out.u32(newest.0);
        for day in days {
            day.write(out);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (reputation, newest) = (Wire::read(reader)?, Day(reader.u32()?));
        let mut days = [Inputs::default(); DAYS];
        for day in &mut days {
            *day = Wire::read(reader)?;
        }
        Ok(Self { reputation, counts: Counts { newest, days } })
    }
}
