//! The settlement of past days: what became of charges enters the ledgers, what was delivered is counted
//! for its business, and then businesses are judged.
//!
//! The commit that ends an envelope writes a pending row and touches no account. What it says of the
//! account is entered once the day is over, in commits of their own and in the order of the rows' random
//! names: so neither hours nor commits join an account to a mailbox.

use std::collections::{BTreeMap, btree_map};

use bytes::Bytes;
use getrandom::rand_core::CryptoRng;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{EntryKind, EntryReason, Generation};
use plico_protocol::refusal::Refusal;
use plico_protocol::stamp::Reason;
use plico_protocol::time::{Day, Timestamp};

use crate::decide::sweep::{SWEPT_KEY, readable};
use crate::decide::{Decision, Draft, Effect, FactError, Facts};
use crate::ledger::{AccountRow, FreeRow, Line, OUTCOMES_PER_ROW, Outcome, PendingRow};
use crate::rows::{Fate, OriginRow, Pass, Sealed, Stage, StandingRow, SweptRow};
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

/// One step of storing what is counted in memory, before the relay stops; gives whether there is more.
pub(crate) fn leave(
    facts: &Facts<'_>,
    now: Timestamp,
    fresh: &mut dyn CryptoRng,
) -> (Result<bool, Refusal>, Decision) {
    let mut draft = Draft { facts, now, fresh, decision: Decision::default() };
    match draft.store_free(Day(u32::MAX)) {
        Ok(more) => (Ok(more), draft.decision),
        Err(error) => (Err(error.into_refusal()), Decision::default()),
    }
}

/// The row a pass goes on from, which is looked at once more; none at the end of the table.
pub(super) type Next = Option<[u8; 16]>;

/// The accounts that one step changes.
#[derive(Default)]
struct Touched {
    accounts: BTreeMap<AccountKey, AccountRow>,
    standings: BTreeMap<AccountKey, StandingRow>,
}

impl Draft<'_> {
    /// What is left to settle of an envelope that has ended: its charge, and its delivery if a business is
    /// judged by it. Only what was sent outside a window is: a business is not judged for what it was
    /// asked.
    pub(super) fn ended(&self, origin: &OriginRow, fate: Fate) -> Option<PendingRow> {
        let stamped = origin.origin.as_ref()?;
        let reason = match fate {
            Fate::Delivered => EntryReason::Opened,
            Fate::Unreadable => EntryReason::Unreadable,
            Fate::Expired if origin.offered => EntryReason::Offered,
            Fate::Expired | Fate::Queued => EntryReason::NotOffered,
        };
        let charge = origin.charge.map(|of| Outcome { of, reason });
        let was_delivered = matches!(reason, EntryReason::Opened | EntryReason::Offered);
        let unasked = was_delivered && stamped.origin.reason == Reason::OutsideWindow;
        if charge.is_none() && !unasked {
            return None;
        }
        // What expired ended with its last hour, however late a relay that was down takes it away.
        let day = self.now.hour().min(origin.expires).day();
        let (account, charges) = (stamped.origin.account, charge.into_iter().collect());
        Some(PendingRow { account, day, charges, unasked: u16::from(unasked) })
    }

    pub(super) fn put_pending(&mut self, row: &PendingRow) {
        let name: [u8; 16] = self.random();
        self.put(name, row);
    }

    /// Leaves word of what expired in one step, in as few rows as it takes; in the order of their
    /// senders' random ids, which says nothing of mailboxes.
    pub(super) fn put_expired(&mut self, ended: Vec<PendingRow>) {
        let mut together = BTreeMap::<_, PendingRow>::new();
        for PendingRow { account, day, charges, unasked } in ended {
            let empty = || PendingRow { account, day, charges: Vec::new(), unasked: 0 };
            let row = together.entry((account, day)).or_insert_with(empty);
            row.charges.extend(charges);
            row.unasked = row.unasked.saturating_add(unasked);
        }
        for PendingRow { account, day, mut charges, mut unasked } in together.into_values() {
            charges.sort_by_key(|charge| charge.of.message.submission);
            let mut rest = charges.as_slice();
            loop {
                let (first, others) = rest.split_at(rest.len().min(OUTCOMES_PER_ROW));
                let charges = first.to_vec();
                self.put_pending(&PendingRow { account, day, charges, unasked });
                (rest, unasked) = (others, 0);
                if rest.is_empty() {
                    break;
                }
            }
        }
    }

    /// One pass over the pending rows of the days before its own, then over standings and accounts, a
    /// bounded number of rows at a time. It finds everything but what expired on such a day and was
    /// taken away only after it: that is left to the next pass.
    fn settle(&mut self) -> Result<bool, FactError> {
        let today = self.now.day();
        let swept = self.facts.swept(self.now)?;
        if today <= swept.settled {
            return Ok(false);
        }
        if self.store_free(today)? {
            return Ok(true);
        }
        let Pass { day, stage, cursor } = swept.pass.going_on(swept.settled, today);
        let next = match stage {
            Stage::Pending => self.settle_some(day, &cursor)?,
            Stage::Standings => self.judge_some(swept.settled, &cursor)?,
            Stage::Accounts => self.dues_of_some(&cursor)?,
        };
        let stage = if next.is_some() { Some(stage) } else { stage.next() };
        let pass = Pass { day, stage: stage.unwrap_or_default(), cursor: next.unwrap_or_default() };
        let settled = if stage.is_some() { swept.settled } else { day };
        let asked = !self.facts.certified || self.calendar()?.is_some();
        let dues_from = if asked { swept.dues_from } else { self.now.day() };
        self.put(SWEPT_KEY, &SweptRow { settled, pass, dues_from, ..swept });
        Ok(settled < today)
    }

    /// Stores how many free messages accounts sent before a day; gives whether there were any.
    fn store_free(&mut self, before: Day) -> Result<bool, FactError> {
        let facts = self.facts;
        let mut any = false;
        for (day, account, count) in facts.free.before(before, ROWS_PER_STEP_MAX) {
            let (_, key) = facts.rows.free(&account, day);
            // The relay may have stopped, and begun again, in the day.
            let stored = readable(facts.sealed::<FreeRow>(&key))?.flatten();
            let stored = stored.map(|row| row.count).unwrap_or_default();
            self.put(key, &FreeRow { count: stored.saturating_add(count) });
            self.decision.effects.push(Effect::FreeStored(day, account));
            any = true;
        }
        Ok(any)
    }

    fn settle_some(&mut self, day: Day, from: &[u8]) -> Result<Next, FactError> {
        let (pending, mut next) = self.some_rows::<PendingRow>(from)?;
        let mut touched = Touched::default();
        for (key, row) in pending {
            if LINES_PER_STEP_MAX <= self.decision.appended.len() {
                next = key.as_ref().try_into().ok();
                break;
            }
            self.settle_one(key, row, day, &mut touched)?;
        }
        for row in touched.accounts.into_values() {
            self.put_account(row);
        }
        let rows = self.facts.rows;
        for (account, row) in &touched.standings {
            self.put(*rows.standing(account).as_bytes(), row);
        }
        Ok(next)
    }

    /// A damaged row is removed: it must not hold the others up.
    fn settle_one(
        &mut self,
        key: Bytes,
        pending: Option<PendingRow>,
        day: Day,
        touched: &mut Touched,
    ) -> Result<(), FactError> {
        let Some(pending) = pending else {
            self.remove(Table::Pending, key);
            return Ok(());
        };
        if day <= pending.day {
            return Ok(());
        }
        self.remove(Table::Pending, key);
        if 0 < pending.unasked {
            let standing = match touched.standings.entry(pending.account) {
                btree_map::Entry::Occupied(standing) => standing.into_mut(),
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(self.facts.standing(&pending.account, pending.day)?)
                }
            };
            standing.counts.add(pending.day, 0, u32::from(pending.unasked));
        }
        for outcome in &pending.charges {
            self.end_accept(&pending, *outcome, touched)?;
        }
        Ok(())
    }

    fn end_accept(
        &mut self,
        pending: &PendingRow,
        outcome: Outcome,
        touched: &mut Touched,
    ) -> Result<(), FactError> {
        let account = match touched.accounts.entry(pending.account) {
            btree_map::Entry::Occupied(account) => account.into_mut(),
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(self.facts.account(&pending.account)?)
            }
        };
        let line = end(outcome, pending.day);
        if let Err(error) = self.append(account, line) {
            tracing::error!(target: "plico_relay::writer", error = %error, "not settled");
        }
        Ok(())
    }

    /// Judges whose deliveries were counted, only now that all of them are: against the first few
    /// hundred of ten thousand, twenty reports would suspend.
    fn judge_some(&mut self, since: Day, from: &[u8]) -> Result<Next, FactError> {
        let today = self.now.day();
        let (rows, next) = self.some_rows::<StandingRow>(from)?;
        for (key, standing) in rows {
            let Some(standing) = standing.filter(|row| row.counts.delivered_since(since)) else {
                continue;
            };
            let reputation = standing.reputation.judged(&standing.counts.inputs(today), today);
            if reputation != standing.reputation {
                self.put(key, &StandingRow { reputation, ..standing });
            }
        }
        Ok(next)
    }

    /// The next rows of a table, none for one that is damaged, and the last key if there may be more.
    #[expect(clippy::type_complexity, reason = "said in the sentence above")]
    pub(super) fn some_rows<R: Sealed>(
        &self,
        from: &[u8],
    ) -> Result<(Vec<(Bytes, Option<R>)>, Next), FactError> {
        let rows = self.facts.scan_readable::<R>(from, ROWS_PER_STEP_MAX)?;
        let next = rows.last().filter(|_| rows.len() == ROWS_PER_STEP_MAX);
        let next = next.and_then(|(key, _)| <[u8; 16]>::try_from(key.as_ref()).ok());
        Ok((rows, next))
    }
}

/// What ends an accept, dated by the day in which its envelope ended.
fn end(Outcome { of, reason }: Outcome, day: Day) -> Line {
    let kind = match reason {
        EntryReason::Opened | EntryReason::Offered => EntryKind::Settle,
        _ => EntryKind::Release,
    };
    Line {
        hour: day.begin(),
        kind,
        reason,
        message: Some(of.message),
        generation: Generation::default(),
        amount: of.amount,
    }
}

/// Rows looked at in one commit, between which requests pass: at most 6 µs each, so less than the
/// largest commit of messages takes (512, of some 35 µs). Each step waits for a sync and writes every
/// account it touches.
const ROWS_PER_STEP_MAX: usize = 2_000;
/// Lines entered in one commit, and at most those of a row more: as long as that takes.
pub(super) const LINES_PER_STEP_MAX: usize = 4_000;
