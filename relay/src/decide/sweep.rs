//! Expiry and forgetting, exact to the hour and in bounded steps.
//!
//! Each hour's bucket is emptied once the hour has come, catching up over all hours in which the
//! relay was down. Readers do not wait for it: what is due is hidden at once.

use std::collections::{BTreeMap, btree_map};

use bytes::Bytes;
use getrandom::rand_core::CryptoRng;
use plico_protocol::refusal::Refusal;
use plico_protocol::time::{Hour, Timestamp};

use crate::decide::{Decision, Draft, Effect, FactError, Facts};
use crate::ledger::PendingRow;
use crate::rows::{Fate, QueueRow, RowName, SweptRow, sequence_of};
use crate::store::Table;

/// Where in [`Table::Meta`] it is kept how far the sweeps came.
pub(crate) const SWEPT_KEY: &[u8] = b"swept";

/// One step; gives whether more is due.
pub(crate) fn sweep(
    facts: &Facts<'_>,
    now: Timestamp,
    fresh: &mut dyn CryptoRng,
) -> (Result<bool, Refusal>, Decision) {
    let mut draft = Draft { facts, now, fresh, decision: Decision::default() };
    match draft.sweep() {
        Ok(more) => (Ok(more), draft.decision),
        Err(error) => (Err(error.into_refusal()), Decision::default()),
    }
}

/// How far the sweeps came within a bucket: what they removed before it is there still for a store that
/// looks, so a step that began at the beginning would pass over all of it, and a large hour would take
/// time by the square of what ends in it. In memory alone: a relay that begins again passes over it once.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<Table, Mark>);

/// The last row that a step took from a bucket it did not empty.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    hour: Hour,
    key: Bytes,
}

impl Marks {
    /// Takes what a step reached; none once it has emptied its buckets.
    pub(crate) fn set(&mut self, index: Table, mark: Option<Mark>) {
        match mark {
            Some(mark) => self.0.insert(index, mark),
            None => self.0.remove(&index),
        };
    }

    /// Where a bucket is to be read from.
    fn within(&self, index: Table, hour: Hour) -> &[u8] {
        self.0.get(&index).filter(|mark| mark.hour == hour).map_or(&[], |mark| &mark.key)
    }
}

/// What one step may still do.
struct Budget {
    rows: usize,
    hours: usize,
}

impl Draft<'_> {
    fn sweep(&mut self) -> Result<bool, FactError> {
        let now = self.now.hour();
        let swept = self.facts.swept(self.now)?;
        let mut budget = Budget { rows: ROWS_PER_STEP_MAX, hours: HOURS_PER_STEP_MAX };
        let next = SweptRow {
            expire: self.expire(swept.expire, &mut budget)?,
            forget: self.forget(swept.forget, &mut budget)?,
            ..swept
        };
        if next != swept {
            self.put(SWEPT_KEY, &next);
        }
        Ok(next.expire <= now || next.forget <= now)
    }

    /// Gives the first hour that may still hold something.
    fn expire(&mut self, from: Hour, budget: &mut Budget) -> Result<Hour, FactError> {
        let (mut queues, mut ended) = (BTreeMap::new(), Vec::new());
        let next = self.each_due(Table::Expiries, from, budget, |draft, entry| {
            draft.expire_one(entry, &mut queues, &mut ended)
        })?;
        self.put_expired(ended);
        for (name, queue) in queues {
            self.put(*name.as_bytes(), &queue);
        }
        Ok(next)
    }

    fn forget(&mut self, from: Hour, budget: &mut Budget) -> Result<Hour, FactError> {
        let hours = budget.hours;
        let submissions = self.each_due(Table::Forgets, from, budget, |draft, entry| {
            draft.remove(Table::Submissions, entry);
            Ok(())
        })?;
        // The same hours once more: otherwise neither of the two would ever pass them all. The buckets
        // of this table hold the rows themselves.
        budget.hours = hours;
        let reports = self.each_due(Table::Reports, from, budget, |_, _| Ok(()))?;
        Ok(submissions.min(reports))
    }

    /// Calls `end` with every entry of every due bucket, as far as the budget goes, and removes
    /// it. A clock that was set back begins again at its own hour: what came in since is due
    /// after it.
    fn each_due(
        &mut self,
        index: Table,
        from: Hour,
        budget: &mut Budget,
        mut end: impl FnMut(&mut Self, &[u8]) -> Result<(), FactError>,
    ) -> Result<Hour, FactError> {
        let now = self.now.hour();
        let (mut hour, mut mark) = (from.min(now), None);
        while hour <= now && 0 < budget.hours && 0 < budget.rows {
            let bucket = self.facts.rows.bucket(index, hour);
            let after = self.facts.marks.within(index, hour);
            let due = self.facts.scan_keys(index, bucket.as_bytes(), after, budget.rows)?;
            for key in &due {
                if let Some((_, entry)) = key.split_first_chunk::<16>() {
                    end(self, entry)?;
                }
                self.remove(index, key.clone());
            }
            budget.rows -= due.len();
            if budget.rows == 0 {
                mark = due.last().map(|key| Mark { hour, key: key.clone() });
                break;
            }
            budget.hours -= 1;
            hour = hour.plus(1);
        }
        self.decision.effects.push(Effect::SweptTo(index, mark));
        Ok(hour)
    }

    /// Damaged rows are removed as they are: retention must hold, and nothing may block a sweep.
    fn expire_one(
        &mut self,
        entry: &[u8],
        queues: &mut BTreeMap<RowName, QueueRow>,
        pending: &mut Vec<PendingRow>,
    ) -> Result<(), FactError> {
        let Some((name, _)) = entry.split_first_chunk::<16>() else { return Ok(()) };
        let name = RowName::new(*name);
        let sequence = sequence_of(entry).unwrap_or_default();
        self.remove(Table::Envelopes, entry);
        self.remove(Table::Origins, entry);
        let Some(origin) = readable(self.facts.origin(entry))?.flatten() else { return Ok(()) };
        pending.extend(self.ended(&origin, Fate::Expired));
        readable(self.take_away(&name, sequence, &origin, Fate::Expired))?;
        // Several envelopes of one queue may end in one step; its row is written once.
        match queues.entry(name) {
            btree_map::Entry::Occupied(mut queue) => queue.get_mut().let_go(&origin),
            btree_map::Entry::Vacant(vacant) => {
                if let Some(queue) = readable(self.facts.queue_named(&name))?.flatten() {
                    vacant.insert(queue).let_go(&origin);
                }
            }
        }
        Ok(())
    }
}

/// Nothing for a damaged row; a store that fails still fails.
pub(super) fn readable<T>(fact: Result<T, FactError>) -> Result<Option<T>, FactError> {
    match fact {
        Ok(value) => Ok(Some(value)),
        Err(FactError::Row(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Rows ended in one commit: a few milliseconds, between which requests pass.
const ROWS_PER_STEP_MAX: usize = 500;
/// Hours looked at in one commit: 40 days of downtime in one step.
const HOURS_PER_STEP_MAX: usize = 1_000;
