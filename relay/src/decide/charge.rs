//! What a message costs its account: reserved when it is accepted, and settled or released once its
//! envelope has ended.
//!
//! The commit that ends an envelope writes a pending row and touches no account. Settlements enter the
//! ledger once the day is over, in commits of their own and in the order of the rows' random names: so
//! neither hours nor commits join an entry to a mailbox.

use std::collections::{BTreeMap, btree_map};

use getrandom::rand_core::CryptoRng;
use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Amount, Entry, EntryKind, EntryReason, EntrySequence, Generation, Message, Rate,
};
use plico_protocol::pricing::{Charge, Currency, Millionths, NoPrice, Price, Standing, price};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::{Category, CheckedTicket};
use plico_protocol::time::{Day, Hour, Timestamp};

use crate::decide::submit::Submitted;
use crate::decide::sweep::{SWEPT_KEY, readable, swept};
use crate::decide::{Decision, Denied, Draft, FactError, Facts};
use crate::ledger::{AccountRow, EntryRow, LedgerFull, Line, PendingRow};
use crate::request::Pricing;
use crate::rows::{Fate, OriginRow, SweptRow};
use crate::store::Table;

/// One step of the settlement of the days before today; gives whether more is due.
pub(crate) fn settle(
    facts: &Facts<'_>,
    now: Timestamp,
    fresh: &mut dyn CryptoRng,
) -> (Result<bool, Refusal>, Decision) {
    let mut draft = Draft { facts, now, fresh, decision: Decision::default() };
    match draft.settle() {
        Ok(more) => (Ok(more), draft.decision),
        Err(error) => (Err(error.into_refusal()), Decision::default()),
    }
}

impl Draft<'_> {
    /// Reserves what a message costs; none for a free one.
    pub(super) fn charge(
        &mut self,
        submitted: &Submitted<'_>,
        ticket: &CheckedTicket,
        category: Category,
        pricing: &Pricing,
    ) -> Result<Option<Entry>, Denied> {
        let Pricing { card, certified, price_max } = pricing;
        let card = card.as_ref().ok_or_else(|| Refusal::from(NoPrice::CardNotValid))?;
        let mut account = self.facts.account(submitted.account)?;
        let available = account.available(self.facts.limits.credit);
        let standing = Standing { suspended: false, available };
        let minute = self.now.minute();
        let priced = price(ticket.fields(), category, card, &standing, *price_max, minute);
        let priced = priced.map_err(Refusal::from)?;
        let Price::Charge(charge) = priced.price() else { return Ok(None) };
        if !certified {
            let why = "the relay's ledger key is not certified, so nothing can be charged";
            return Err(Refusal::because(Code::NotPriced, why).into());
        }
        check_currency(&account, charge.currency)?;
        let reason = match ticket.fields().free_until {
            Some(end) if minute < end => EntryReason::InWindow,
            Some(_) => EntryReason::OutsideWindow,
            None => EntryReason::Standing,
        };
        let line = accept(submitted, charge, self.now.hour(), reason);
        let entry = self.append(&mut account, line).map_err(full)?;
        self.put(*self.facts.rows.account(submitted.account).as_bytes(), &account);
        Ok(Some(entry))
    }

    /// Notes what a business paid.
    pub(super) fn pay(
        &mut self,
        account: &AccountKey,
        amount: Amount,
    ) -> Result<RelayFrame, Denied> {
        let mut row = self.facts.account(account)?;
        check_currency(&row, amount.currency)?;
        let line = Line {
            hour: self.now.hour(),
            kind: EntryKind::Payment,
            reason: EntryReason::Itself,
            message: None,
            generation: Generation::default(),
            amount,
        };
        let entry = self.append(&mut row, line).map_err(full)?;
        self.put(*self.facts.rows.account(account).as_bytes(), &row);
        Ok(RelayFrame::Entries(vec![entry]))
    }

    /// Leaves word of what became of a charged envelope.
    pub(super) fn end_charge(&mut self, origin: &OriginRow, fate: Fate) {
        let (Some(accept), Some(stamped)) = (origin.charge, &origin.origin) else { return };
        let reason = match fate {
            Fate::Delivered => EntryReason::Opened,
            Fate::Unreadable => EntryReason::Unreadable,
            Fate::Expired if origin.offered => EntryReason::Offered,
            Fate::Expired | Fate::Queued => EntryReason::NotOffered,
        };
        let account = stamped.origin.account;
        let row = PendingRow { account, accept, day: self.now.day(), reason };
        let name: [u8; 16] = self.random();
        self.put(name, &row);
    }

    /// Everything pending of days before today, a bounded number of rows at a time. One pass over the
    /// names finds them all: none of such a day is added any more.
    fn settle(&mut self) -> Result<bool, FactError> {
        let today = self.now.day();
        let swept = swept(self.facts, self.now)?;
        if today <= swept.settled {
            return Ok(false);
        }
        let rows =
            self.facts.scan_keys(Table::Pending, &[], &swept.cursor, SETTLED_PER_STEP_MAX)?;
        let next = rows.last().filter(|_| rows.len() == SETTLED_PER_STEP_MAX);
        let mut accounts = BTreeMap::new();
        for key in &rows {
            self.settle_one(key, today, &mut accounts)?;
        }
        for (account, row) in &accounts {
            self.put(*self.facts.rows.account(account).as_bytes(), row);
        }
        let cursor = next.and_then(|key| <[u8; 16]>::try_from(key.as_ref()).ok());
        let settled = if cursor.is_some() { swept.settled } else { today };
        // The row under the cursor is settled by now, or of today.
        self.put(SWEPT_KEY, &SweptRow { settled, cursor: cursor.unwrap_or_default(), ..swept });
        Ok(cursor.is_some())
    }

    /// A damaged row is removed: it must not hold the others up.
    fn settle_one(
        &mut self,
        key: &[u8],
        today: Day,
        accounts: &mut BTreeMap<AccountKey, AccountRow>,
    ) -> Result<(), FactError> {
        let pending = readable(self.facts.sealed::<PendingRow>(key))?.flatten();
        let Some(pending) = pending else {
            self.remove(Table::Pending, key);
            return Ok(());
        };
        if today <= pending.day {
            return Ok(());
        }
        self.remove(Table::Pending, key);
        let accepted = readable(self.facts.entry(&pending.account, pending.accept))?.flatten();
        let Some(accepted) = accepted else { return Ok(()) };
        let account = match accounts.entry(pending.account) {
            btree_map::Entry::Occupied(account) => account.into_mut(),
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(self.facts.account(&pending.account)?)
            }
        };
        if let Err(error) = self.append(account, end(&accepted, &pending)) {
            tracing::error!(target: "plico_relay::writer", error = %error, "not settled");
        }
        Ok(())
    }

    /// Writes an entry, after word of a restore if it is the first one since; the account's row is the
    /// caller's to write.
    fn append(&mut self, account: &mut AccountRow, line: Line) -> Result<Entry, LedgerFull> {
        let generation = self.facts.generation;
        if account.generation != generation {
            self.write(account, restored(generation, self.now.hour(), line.amount.currency))?;
        }
        self.write(account, line)
    }

    fn write(&mut self, account: &mut AccountRow, line: Line) -> Result<Entry, LedgerFull> {
        let entry = account.append(line)?;
        self.put(self.facts.rows.entry(&account.account, entry.sequence), &EntryRow(entry));
        self.decision.appended.push((account.account, entry));
        Ok(entry)
    }
}

fn check_currency(account: &AccountRow, currency: Currency) -> Result<(), Denied> {
    if account.currency.is_some_and(|kept| kept != currency) {
        let why = "the account is kept in another currency than the rate card";
        return Err(Refusal::because(Code::NotPriced, why).into());
    }
    Ok(())
}

fn accept(submitted: &Submitted<'_>, charge: &Charge, hour: Hour, reason: EntryReason) -> Line {
    let Charge { amount, currency, zone, category } = *charge;
    Line {
        hour,
        kind: EntryKind::Accept,
        reason,
        message: Some(Message {
            submission: *submitted.id,
            accept: EntrySequence::default(),
            rate: Rate { category, zone },
        }),
        generation: Generation::default(),
        amount: Amount { millionths: amount, currency },
    }
}

/// What ends an accept, dated by the day in which its envelope ended.
fn end(accepted: &Entry, pending: &PendingRow) -> Line {
    let kind = match pending.reason {
        EntryReason::Opened | EntryReason::Offered => EntryKind::Settle,
        _ => EntryKind::Release,
    };
    Line {
        hour: Hour(pending.day.0.saturating_mul(24)),
        kind,
        reason: pending.reason,
        message: accepted.message,
        generation: Generation::default(),
        amount: accepted.amount,
    }
}

/// What earlier generations had from here on is lost.
fn restored(generation: Generation, hour: Hour, currency: Currency) -> Line {
    Line {
        hour,
        kind: EntryKind::Restored,
        reason: EntryReason::Itself,
        message: None,
        generation,
        amount: Amount { millionths: Millionths::ZERO, currency },
    }
}

fn full(error: LedgerFull) -> Denied {
    tracing::error!(target: "plico_relay::writer", error = %error, "a charge was refused");
    crate::decide::busy().into()
}

/// Rows looked at in one commit: some milliseconds, between which requests pass.
const SETTLED_PER_STEP_MAX: usize = 500;
