//! What an account owes for a period, with everything it takes to check it offline.
//!
//! SPEC.md §14.5. A statement lists every entry since its opening, whatever day it is dated: entries
//! that lead from one known root to a signed one cannot lack any, nor have one too many.

use std::collections::BTreeMap;

use crate::ledger::{Amount, Entry, EntryKind, Frontier, Head, Proof, Rate};
use crate::limits::STATEMENT_ENTRIES_MAX;
use crate::pricing::{Currency, Millionths};
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// The hours that a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first.
    pub from: Hour,
    /// The first one after it.
    pub to: Hour,
}

/// What is summed up in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotalKey {
    /// What the entries do.
    pub kind: EntryKind,
    /// What their messages were priced as; none where there is no message.
    pub rate: Option<Rate>,
    /// The currency of their amounts.
    pub currency: Currency,
}

/// One line of totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many entries.
    pub count: u64,
    /// Their amounts together.
    pub sum: Millionths,
}

/// Totals by line.
pub type Totals = BTreeMap<TotalKey, Total>;

/// A statement, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub period: Period,
    /// The tree before the first entry listed.
    pub opening: Frontier,
    /// Every entry from the opening to the head.
    pub entries: Vec<Entry>,
    /// Of the entries dated in the period.
    pub totals: Totals,
    /// Signs all of it.
    pub head: Head,
    /// Joins the head with the one its reader has, where that lies before the entries listed.
    pub link: Proof,
}

/// The amounts together pass what can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amounts together are more than can be held")]
pub struct TooMuch;

impl Period {
    /// Whether an entry is dated in it.
    pub fn contains(&self, hour: Hour) -> bool {
        self.from <= hour && hour < self.to
    }
}

impl Statement {
    /// Whether more of its period may come, as its head is dated: what ends on a day enters the ledger
    /// after that day (SPEC.md §14.6).
    pub(super) fn is_provisional(&self) -> bool {
        self.head.claims().hour < self.period.to.plus(HOURS_PER_DAY)
    }
}

impl TotalKey {
    /// The line that an entry counts in.
    pub fn of(entry: &Entry) -> Self {
        let Entry { kind, message, amount, .. } = entry;
        Self { kind: *kind, rate: message.map(|message| message.rate), currency: amount.currency }
    }
}

/// Sums up the entries dated in a period.
///
/// # Errors
///
/// [`TooMuch`].
pub fn totals<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    period: Period,
) -> Result<Totals, TooMuch> {
    let mut totals = Totals::new();
    for entry in entries.into_iter().filter(|entry| period.contains(entry.hour)) {
        let total = totals.entry(TotalKey::of(entry)).or_default();
        total.count = total.count.saturating_add(1);
        total.sum = total.sum.checked_add(entry.amount.millionths).ok_or(TooMuch)?;
    }
    Ok(totals)
}

impl Wire for Period {
    fn write(&self, out: &mut Writer) {
        self.from.write(out);
        self.to.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { from: Wire::read(reader)?, to: Wire::read(reader)? })
    }
}

impl Wire for Statement {
    fn write(&self, out: &mut Writer) {
        let Self { period, opening, entries, totals, head, link } = self;
        out.u8(VERSION);
        period.write(out);
        opening.write(out);
        out.count(entries.len());
        entries.iter().for_each(|entry| entry.write(out));
        out.count(totals.len());
        for (TotalKey { kind, rate, currency }, Total { count, sum }) in totals {
            kind.write(out);
            out.optional(rate.as_ref());
            Amount { millionths: *sum, currency: *currency }.write(out);
            out.u64(*count);
        }
        head.write(out);
        link.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "statement_version" });
        }
        let period = Wire::read(reader)?;
        let opening = Wire::read(reader)?;
        let count = reader.count("entries", STATEMENT_ENTRIES_MAX)?;
        let entries = (0..count).map(|_| Entry::read(reader)).collect::<Result<_, _>>()?;
        let totals = read_totals(reader)?;
        let head = Wire::read(reader)?;
        Ok(Self { period, opening, entries, totals, head, link: Wire::read(reader)? })
    }
}

fn read_totals(reader: &mut Reader) -> Result<Totals, DecodeError> {
    let mut totals = Totals::new();
    for _ in 0..reader.count("totals", TOTALS_MAX)? {
        let kind = Wire::read(reader)?;
        let rate = reader.optional("has_rate")?;
        let Amount { millionths: sum, currency } = Wire::read(reader)?;
        let key = TotalKey { kind, rate, currency };
        let rises = totals.last_key_value().is_none_or(|(last, _)| *last < key);
        if !rises {
            return Err(DecodeError::BadValue { field: "totals" });
        }
        totals.insert(key, Total { count: reader.u64()?, sum });
    }
    Ok(totals)
}

const VERSION: u8 = 1;
const HOURS_PER_DAY: u32 = 24;
/// Three kinds of message entries in four categories and all zones there can be, and the rest.
const TOTALS_MAX: usize = 3 * 4 * 26 * 26 + 16;
