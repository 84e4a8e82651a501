//! What a business owes, for its operator: totals by day, and payments.

use std::collections::BTreeMap;

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Amount, EntrySequence, Total, TotalKey};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::time::Day;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::rows::{View, ViewError};

/// What of one kind a day had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// The UTC day the entries are dated.
    pub day: Day,
    /// What they are.
    pub key: TotalKey,
    /// How many, and how much.
    pub total: Total,
}

/// UTC days, from one to before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Day,
    /// The first one after them.
    pub to: Day,
}

/// What a business paid and owes, and how far it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// What the amounts are of; none before the first.
    pub currency: Option<Currency>,
    /// Payments together, less corrections.
    pub paid: Millionths,
    /// Settlements and subscriptions together.
    pub owed: Millionths,
    /// Accepted, and neither settled nor released.
    pub reserved: Millionths,
    /// How far it may owe.
    pub credit: Millionths,
    /// Whether that was set for it alone.
    pub own_credit: bool,
    /// What all this lacks of the subscription that is due: paid, an unpaid account is so no more.
    pub lacking: Millionths,
}

/// The balance of an account; `credit` is the relay's setting, `subscription` what is owed
/// of it by now.
///
/// # Errors
///
/// [`ViewError`].
pub(crate) fn balance(
    view: &View,
    account: &AccountKey,
    credit: Millionths,
    subscription: Millionths,
) -> Result<Balance, ViewError> {
    let row = view.account(account)?;
    Ok(Balance {
        currency: row.currency,
        paid: row.paid,
        owed: row.owed,
        reserved: row.reserved,
        credit: row.credit.unwrap_or(credit),
        own_credit: row.credit.is_some(),
        lacking: row.lacks(subscription, credit),
    })
}

/// Whether a payment can be entered: a line, once written, stays.
///
/// # Errors
///
/// Why not, for the operator.
pub(crate) fn check_payment(paid: Millionths, amount: Millionths) -> Result<(), String> {
    if amount == Millionths::ZERO {
        return Err("a payment of 0.00 pays nothing; nothing was entered".to_owned());
    }
    if paid.checked_add(amount).is_none() {
        let most = Millionths(u64::MAX - paid.0);
        return Err(format!(
            "{amount} is over the limit: with the {paid} paid before, at most {most} can be \
             entered; nothing was"
        ));
    }
    Ok(())
}

/// Whether so much can be taken back of what was entered as paid.
///
/// # Errors
///
/// Why not, for the operator.
pub(crate) fn check_correction(paid: Millionths, amount: Millionths) -> Result<(), String> {
    if amount == Millionths::ZERO {
        return Err("a correction of 0.00 corrects nothing; nothing was entered".to_owned());
    }
    if paid < amount {
        return Err(format!(
            "{paid} is entered as paid, so {amount} cannot be taken back; nothing was"
        ));
    }
    Ok(())
}

/// The totals of an account by day, in the order of days; the last ones if there are too many. Reads
/// the whole ledger: its entries are not quite in the order of their days.
///
/// # Errors
///
/// [`ViewError`].
pub(crate) fn lines(
    view: &View,
    account: &AccountKey,
    days: Days,
) -> Result<Vec<LedgerLine>, ViewError> {
    let mut totals: BTreeMap<(Day, TotalKey), Total> = BTreeMap::new();
    let mut from = EntrySequence(0);
    loop {
        let page = view.ledger_entries(account, from, PAGE_ENTRIES)?;
        for entry in page.iter().filter(|entry| days.contains(entry.hour.day())) {
            let total = totals.entry((entry.hour.day(), TotalKey::of(entry))).or_default();
            total.count = total.count.saturating_add(1);
            let sum = total.sum.checked_add(entry.amount.millionths);
            total.sum = sum.unwrap_or(total.sum);
        }
        match page.last() {
            Some(last) if page.len() == PAGE_ENTRIES => from = EntrySequence(last.sequence.0 + 1),
            _ => break,
        }
    }
    let skipped = totals.len().saturating_sub(LINES_MAX);
    let line = |((day, key), total)| LedgerLine { day, key, total };
    Ok(totals.into_iter().skip(skipped).map(line).collect())
}

impl Days {
    /// Every day.
    pub const ALL: Self = Self { from: Day(0), to: Day(u32::MAX) };

    /// Whether a day is among them.
    pub fn contains(&self, day: Day) -> bool {
        (self.from..self.to).contains(&day)
    }
}

impl Balance {
    /// What may still be charged: credit and payments, less what is owed and reserved.
    pub fn available(&self) -> Millionths {
        let bound = self.owed.0.saturating_add(self.reserved.0);
        Millionths(self.credit.0.saturating_add(self.paid.0).saturating_sub(bound))
    }
}

impl Wire for Balance {
    fn write(&self, out: &mut Writer) {
        let Self { currency, paid, owed, reserved, credit, own_credit, lacking } = self;
        out.optional(currency.as_ref());
        for sum in [paid, owed, reserved, credit] {
            sum.write(out);
        }
        out.u8(u8::from(*own_credit));
        lacking.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            currency: reader.optional("has_currency")?,
            paid: Wire::read(reader)?,
            owed: Wire::read(reader)?,
            reserved: Wire::read(reader)?,
            credit: Wire::read(reader)?,
            own_credit: reader.flag("own_credit")?,
            lacking: Wire::read(reader)?,
        })
    }
}

impl Wire for Days {
    fn write(&self, out: &mut Writer) {
        let Self { from, to } = self;
        out.u32(from.0);
        out.u32(to.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { from: Day(reader.u32()?), to: Day(reader.u32()?) })
    }
}

impl Wire for LedgerLine {
    fn write(&self, out: &mut Writer) {
        let Self { day, key: TotalKey { kind, rate, currency }, total } = self;
        out.u32(day.0);
        kind.write(out);
        out.optional(rate.as_ref());
        Amount { millionths: total.sum, currency: *currency }.write(out);
        out.u64(total.count);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let day = Day(reader.u32()?);
        let kind = Wire::read(reader)?;
        let rate = reader.optional("has_rate")?;
        let Amount { millionths: sum, currency } = Wire::read(reader)?;
        let total = Total { count: reader.u64()?, sum };
        Ok(Self { day, key: TotalKey { kind, rate, currency }, total })
    }
}

/// Entries read at once.
const PAGE_ENTRIES: usize = 1_000;
/// Lines of one answer, 29 bytes each: four years of ten kinds a day.
pub const LINES_MAX: usize = 15_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_back_than_was_paid() {
        let said = |paid, amount| check_correction(Millionths(paid), Millionths(amount));
        assert_eq!(said(5, 5), Ok(()));
        assert!(said(5, 0).unwrap_err().contains("corrects nothing"));
        assert!(said(5, 6).unwrap_err().contains("cannot be taken back"));
    }

    #[test]
    fn a_payment_is_more_than_nothing_and_what_can_be_added() {
        let said = |paid, amount| check_payment(Millionths(paid), Millionths(amount));
        assert_eq!(said(5, 1), Ok(()));
        assert_eq!(said(0, u64::MAX), Ok(()));
        assert!(said(5, 0).unwrap_err().contains("0.00 pays nothing"));
        let over = said(1_000_000, u64::MAX).unwrap_err();
        assert!(over.contains("is over the limit: with the 1.00 paid before"), "{over}");
    }
}
