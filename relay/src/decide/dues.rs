//! What an account costs beside its messages: entered when a period is over, if balance and credit cover
//! it. An account that did not pay sends nothing after a while. SPEC.md §14.7.

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{EntryKind, EntryReason, Generation};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::reputation::{Dues, Reputation};
use plico_protocol::time::Day;

use crate::clock::rfc3339_day;
use crate::decide::settle::Next;
use crate::decide::sweep::readable;
use crate::decide::{Denied, Draft, FactError};
use crate::ledger::{AccountRow, Line};
use crate::policy::dues::{Calendar, Owed, PERIODS_PER_DAY_MAX};
use crate::writer::Event;

/// What is known of who may send.
pub(super) struct Sender {
    pub(super) row: AccountRow,
    pub(super) reputation: Reputation,
}

impl<'a> Draft<'a> {
    /// None where no subscription is asked for.
    pub(super) fn calendar(&self) -> Result<Option<Calendar<'a>>, FactError> {
        let from = self.facts.swept(self.now)?.dues_from;
        Ok(Calendar::new(self.facts.rate_cards, from, self.now))
    }

    /// What an account owes for itself.
    pub(super) fn dues(&self, account: &AccountKey) -> Result<Dues, FactError> {
        let Some(calendar) = self.calendar()? else { return Ok(Dues::default()) };
        Ok(calendar.shown(self.facts.account(account)?.periods))
    }

    /// An account that may send: neither suspended, nor unpaid when its days of grace are over.
    pub(super) fn sender(&self, account: &AccountKey) -> Result<Sender, Denied> {
        let reputation = self.facts.standing(account, self.now.day())?.reputation;
        if reputation.suspended {
            return Err(Code::Suspended.into());
        }
        let row = self.facts.account(account)?;
        let calendar = self.calendar()?;
        let refuses = |calendar: Calendar<'_>| calendar.refuses(&calendar.current(row.periods));
        if let Some(unpaid) = calendar.and_then(refuses) {
            let since = rfc3339_day(unpaid.since);
            let why = format!("the subscription is unpaid since {since}; pay the relay's operator");
            return Err(Refusal::because(Code::Unpaid, why).into());
        }
        Ok(Sender { row, reputation })
    }

    /// Notes that an account is used: its first period begins.
    pub(super) fn use_account(&mut self, account: &AccountKey) -> Result<(), FactError> {
        let mut row = self.facts.account(account)?;
        if row.use_from(self.now.day()) {
            self.put_account(row);
        }
        Ok(())
    }

    /// What has fallen due of some accounts.
    pub(super) fn dues_of_some(&mut self, from: &[u8]) -> Result<Next, FactError> {
        if self.calendar()?.is_none() {
            return Ok(None);
        }
        let (rows, next) = self.some_rows::<AccountRow>(from)?;
        for (_, row) in rows {
            let Some(AccountRow { account, .. }) = row else { continue };
            let Some(before) = readable(self.facts.account(&account))? else { continue };
            let mut row = before.clone();
            self.enter_dues(&mut row)?;
            if row != before {
                self.put_account(row);
            }
        }
        Ok(next)
    }

    /// Enters what has fallen due, the earlier first, as far as it is covered; the row is the caller's
    /// to write. Nothing where no receipt could be signed, in another currency than the account's, or
    /// before its first use.
    pub(super) fn enter_dues(&mut self, row: &mut AccountRow) -> Result<(), FactError> {
        let Some(calendar) = self.calendar()?.filter(|_| self.facts.certified) else {
            return Ok(());
        };
        if row.periods.begun == Day(0) {
            return Ok(());
        }
        let before = calendar.current(row.periods);
        row.periods = before;
        for _ in 0..PERIODS_PER_DAY_MAX {
            let owed = calendar.next(&row.periods);
            if !calendar.is_due(&row.periods, &owed) {
                row.periods = calendar.settled(&row.periods);
                return Ok(());
            }
            if row.currency.is_some_and(|kept| kept != owed.amount.currency) {
                tracing::error!(target: "plico_relay::writer", "a subscription in another currency");
                return Ok(());
            }
            if row.available(self.facts.limits.credit) < owed.amount.millionths {
                row.periods = calendar.uncovered(&row.periods);
                break;
            }
            // What was covered late is owed from the day on which it was.
            let late = calendar.unpaid(&before).is_some();
            let day = if late { self.now.day() } else { owed.due };
            if let Err(error) = self.append(row, subscription(&owed, day)) {
                tracing::error!(target: "plico_relay::writer", error = %error, "not charged");
                return Ok(());
            }
            row.periods = Calendar::entered(&row.periods, &owed);
        }
        if let Some(unpaid) = calendar.unpaid(&row.periods).filter(|_| before != row.periods) {
            self.wake(Event::Unpaid { account: row.account, stops: unpaid.stops });
        }
        Ok(())
    }
}

fn subscription(owed: &Owed, day: Day) -> Line {
    Line {
        hour: day.begin(),
        kind: EntryKind::Subscription,
        reason: EntryReason::Itself,
        message: None,
        generation: Generation::default(),
        amount: owed.amount,
    }
}
