//! Messages that go out again: held until they may, and put in order with what was lost besides.

use plico_endpoint::id::ContentId;
use plico_protocol::refusal::Refusal;
use plico_protocol::time::Timestamp;

use super::{Entry, Outbox, Settled, Step};
use crate::agent::outgoing::{Delay, MessageState, Outgoing, Stage};
use crate::state::{Name, Rows, State, StateError, Table};

impl Outbox {
    /// Holds a message back, and with it what of the same peer was to go out after it.
    pub(crate) fn hold(
        &mut self,
        state: &mut State,
        number: u64,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let Some(peer) = self.entries.get(&number).map(|entry| entry.peer) else { return Ok(()) };
        let behind =
            |entry: &Entry| entry.peer == peer && entry.step == Step::Waiting && entry.at <= now;
        let behind = self.entries.range(number..).filter(|(_, entry)| behind(entry));
        let held: Vec<u64> = behind.map(|(number, _)| *number).chain([number]).collect();
        for number in held {
            let change = |_: &Rows<'_>, outgoing: &mut Outgoing| {
                outgoing.stage = Stage::Held { until };
                Ok(true)
            };
            self.progress(state, number, MessageState::Waiting { until }, now, change)?;
        }
        Ok(())
    }

    /// Until when what is sent to a peer now must wait behind what is held.
    pub(crate) fn held_until(&self, peer: u64) -> Option<Timestamp> {
        let held = self.entries.values().filter(|entry| entry.peer == peer);
        held.filter_map(|entry| match entry.step {
            Step::Held { until } => Some(until),
            Step::Waiting | Step::Sealed { .. } | Step::Accepted { .. } => None,
        })
        .max()
    }

    /// Comes back then to a message that the relay refused for now.
    pub(super) fn put_off(&mut self, number: u64, refusal: &Refusal, until: Timestamp) -> Settled {
        let Some(entry) = self.entries.get_mut(&number) else { return Settled::Nothing };
        entry.at = until;
        entry.attempts.delay = Some(Delay { refusal: refusal.clone(), until });
        if entry.attempts.unanswered { Settled::Nothing } else { Settled::Later }
    }

    /// Why the relay does not take a message for now; none if it was not asked yet, or has it.
    pub(crate) fn delay(&self, id: ContentId) -> Option<&Delay> {
        let entry = self.entries.values().find(|entry| entry.id == id)?;
        entry.attempts.delay.as_ref()
    }

    /// Forgets a message that says nothing any more.
    pub(crate) fn discard(&mut self, state: &mut State, number: u64) -> Result<(), StateError> {
        state.write(|rows| rows.delete(Table::Outgoing, Name::Number(number)))?;
        self.entries.remove(&number);
        Ok(())
    }

    /// What of a peer is not done.
    pub(crate) fn open(&self, peer: u64) -> Vec<u64> {
        self.numbers(|entry| entry.peer == peer)
    }

    /// What of a peer was sealed at least once, and is not done.
    pub(crate) fn sent(&self, peer: u64) -> Vec<u64> {
        self.numbers(|entry| entry.peer == peer && entry.step != Step::Waiting)
    }

    fn numbers(&self, of: impl Fn(&Entry) -> bool) -> Vec<u64> {
        let entries = self.entries.iter().filter(|(_, entry)| of(entry));
        entries.map(|(number, _)| *number).collect()
    }

    /// Reads messages.
    pub(crate) fn get_all(rows: &Rows<'_>, numbers: &[u64]) -> Result<Vec<Outgoing>, StateError> {
        let found = numbers.iter().filter_map(|number| Self::get(rows, *number).transpose());
        found.collect()
    }

    /// Queues messages again, to be sealed anew, together with others: under new numbers, in the
    /// order of the history and what is not in it last. [`Self::renumber`] follows the commit.
    pub(crate) fn queue_again(
        rows: &Rows<'_>,
        numbers: &[u64],
        mut more: Vec<Outgoing>,
    ) -> Result<Vec<(u64, Outgoing)>, StateError> {
        more.extend(Self::get_all(rows, numbers)?);
        more.sort_by_key(|outgoing| outgoing.place.unwrap_or(u64::MAX));
        for number in numbers {
            rows.delete(Table::Outgoing, Name::Number(*number))?;
        }
        let queued = more.into_iter().map(|mut outgoing| {
            outgoing.stage = Stage::Waiting;
            Ok((Self::add(rows, &outgoing)?, outgoing))
        });
        queued.collect()
    }

    /// Takes what was queued again into the index, in place of its former numbers.
    pub(crate) fn renumber(&mut self, before: &[u64], queued: &[(u64, Outgoing)], now: Timestamp) {
        for number in before {
            self.entries.remove(number);
        }
        for (number, outgoing) in queued {
            self.note(*number, outgoing, now);
        }
    }
}
