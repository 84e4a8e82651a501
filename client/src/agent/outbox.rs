//! Messages on their way out: stored before `send` returns, in order for each peer, followed until
//! the relay says what became of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use plico_endpoint::id::ContentId;
use plico_protocol::frame::{Acceptance, RelayFrame, Submission};
use plico_protocol::id::SubmitId;
use plico_protocol::limits::SUBMISSION_MEMORY_HOURS;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::Timestamp;

use super::journal::{self, News, Stored};
use super::outgoing::{MessageState, Outgoing, Stage, Verdict, final_state, submit_id, verdict};
use crate::state::{Name, Rows, State, StateError, Table};

/// Every message that is not done, without its bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    done: HashMap<ContentId, MessageState>,
}

#[derive(Debug)]
struct Entry {
    peer: u64,
    id: ContentId,
    step: Step,
    /// When there is something to do.
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Waiting,
    Sealed { first: bool },
    Accepted { submit: SubmitId, checks: u32 },
}

impl Outbox {
    /// Reads what is on its way, and forgets what was done two days ago.
    pub(crate) fn load(state: &mut State, now: Timestamp) -> Result<Self, StateError> {
        let forgotten = now.hour().minus(SUBMISSION_MEMORY_HOURS);
        let rows = state.write::<_, StateError>(|rows| {
            rows.delete_where::<Outgoing>(
                Table::Outgoing,
                |outgoing| matches!(outgoing.stage, Stage::Done { at, .. } if at < forgotten),
            )?;
            rows.ordered::<Outgoing>(Table::Outgoing)
        })?;
        let mut outbox = Self::default();
        for (number, outgoing) in &rows {
            outbox.note(*number, outgoing, now);
        }
        Ok(outbox)
    }

    /// Stores a message at the end of the queue and gives its number.
    pub(crate) fn push(
        &mut self,
        state: &mut State,
        outgoing: &Outgoing,
        now: Timestamp,
    ) -> Result<u64, StateError> {
        let number = state.write::<_, StateError>(|rows| {
            let number = rows.next_number(Table::Outgoing)?;
            rows.put(Table::Outgoing, Name::Number(number), outgoing)?;
            Ok(number)
        })?;
        self.note(number, outgoing, now);
        Ok(number)
    }

    /// Reads a message.
    pub(crate) fn get(rows: &Rows<'_>, number: u64) -> Result<Option<Outgoing>, StateError> {
        rows.get(Table::Outgoing, Name::Number(number))
    }

    /// Stores a message that came further; [`Self::note`] follows the commit.
    pub(crate) fn put(rows: &Rows<'_>, number: u64, outgoing: &Outgoing) -> Result<(), StateError> {
        rows.put(Table::Outgoing, Name::Number(number), outgoing)
    }

    /// Takes a stored message into the index.
    pub(crate) fn note(&mut self, number: u64, outgoing: &Outgoing, now: Timestamp) {
        let Outgoing { peer, id, not_before, .. } = *outgoing;
        let (step, at) = match &outgoing.stage {
            Stage::Waiting => (Step::Waiting, not_before),
            Stage::Sealed { first, .. } => (Step::Sealed { first: *first }, now),
            Stage::Accepted { submit } => {
                (Step::Accepted { submit: *submit, checks: 0 }, after(now, CHECK_MS_MIN))
            }
            Stage::Done { state, .. } => {
                self.entries.remove(&number);
                self.done.insert(id, *state);
                return;
            }
        };
        self.entries.insert(number, Entry { peer, id, step, at });
    }

    /// The next message to seal of each peer, oldest first. One that waits for its time lets others
    /// pass.
    pub(crate) fn waiting(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let mut peers = HashSet::new();
        let due = |entry: &Entry| entry.step == Step::Waiting && entry.at <= now;
        let entries = self.entries.iter().filter(|(_, entry)| due(entry));
        entries
            .filter(|(_, entry)| peers.insert(entry.peer))
            .map(|(number, entry)| (*number, entry.peer))
            .collect()
    }

    /// Whether a peer's first message of a session is not accepted yet.
    pub(crate) fn first_in_progress(&self, peer: u64) -> bool {
        let first = Step::Sealed { first: true };
        self.entries.values().any(|entry| entry.peer == peer && entry.step == first)
    }

    /// Whether anything of a peer is not accepted yet.
    pub(crate) fn has_unaccepted(&self, peer: u64) -> bool {
        let accepted = |entry: &Entry| matches!(entry.step, Step::Accepted { .. });
        self.entries.values().any(|entry| entry.peer == peer && !accepted(entry))
    }

    /// What to submit, in order: (number, peer).
    pub(crate) fn to_submit(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let due = |entry: &Entry| matches!(entry.step, Step::Sealed { .. }) && entry.at <= now;
        let entries = self.entries.iter().filter(|(_, entry)| due(entry));
        entries.map(|(number, entry)| (*number, entry.peer)).collect()
    }

    /// What to ask the relay about: (number, peer, id).
    pub(crate) fn to_check(&self, now: Timestamp) -> Vec<(u64, u64, SubmitId)> {
        let due = self.entries.iter().filter(|(_, entry)| entry.at <= now);
        due.filter_map(|(number, entry)| match entry.step {
            Step::Accepted { submit, .. } => Some((*number, entry.peer, submit)),
            Step::Waiting | Step::Sealed { .. } => None,
        })
        .collect()
    }

    /// Comes back to a message later.
    pub(crate) fn later(&mut self, number: u64, now: Timestamp, ms: u64) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.at = after(now, ms);
        }
    }

    /// Asks again later what became of a message: after a second, doubling to an hour.
    fn check_later(&mut self, number: u64, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&number)
            && let Step::Accepted { checks, .. } = &mut entry.step
        {
            *checks = checks.saturating_add(1);
            let ms = CHECK_MS_MIN << (*checks).min(CHECKS_DOUBLING);
            entry.at = after(now, ms.min(CHECK_MS_MAX));
        }
    }

    /// Notes that the relay has a message.
    pub(crate) fn accepted(
        &mut self,
        state: &mut State,
        number: u64,
        acceptance: &Acceptance,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let submit = acceptance.id;
        let change = |outgoing: &mut Outgoing| outgoing.accepted(submit);
        self.progress(state, number, MessageState::Accepted, now, change)
    }

    /// Does what a refusal asks for; gives the code if it is final.
    pub(crate) fn refused(
        &mut self,
        state: &mut State,
        number: u64,
        refusal: &Refusal,
        now: Timestamp,
    ) -> Result<Option<Code>, StateError> {
        match verdict(refusal) {
            Verdict::Again { ms } => {
                self.later(number, now, ms);
                Ok(None)
            }
            Verdict::NewId => {
                let change = |outgoing: &mut Outgoing| {
                    let Stage::Sealed { first, .. } = outgoing.stage else { return };
                    if let Some(submission) = outgoing.submission() {
                        outgoing.sealed(&Submission { id: submit_id(now), ..submission }, first);
                    }
                };
                self.progress(state, number, MessageState::Queued, now, change)?;
                Ok(None)
            }
            Verdict::Final(code) => {
                self.finish(state, number, MessageState::Refused(code), now)?;
                Ok(Some(code))
            }
        }
    }

    /// Takes the answer to the question what became of a message.
    pub(crate) fn status(
        &mut self,
        state: &mut State,
        number: u64,
        frame: &RelayFrame,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let last = match frame {
            RelayFrame::State(state) => final_state(*state),
            _ => None,
        };
        match last {
            Some(last) => self.finish(state, number, last, now),
            None => {
                self.check_later(number, now);
                Ok(())
            }
        }
    }

    /// Ends a message.
    pub(crate) fn finish(
        &mut self,
        state: &mut State,
        number: u64,
        last: MessageState,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.progress(state, number, last, now, |outgoing| outgoing.done(last, now))
    }

    /// Stores what became of a message together with the event that says so.
    fn progress(
        &mut self,
        state: &mut State,
        number: u64,
        became: MessageState,
        now: Timestamp,
        change: impl FnOnce(&mut Outgoing),
    ) -> Result<(), StateError> {
        let changed = state.write::<_, StateError>(|rows| {
            let Some(mut outgoing) = Self::get(rows, number)? else { return Ok(None) };
            change(&mut outgoing);
            Self::put(rows, number, &outgoing)?;
            if became != MessageState::Queued {
                let news = News::State { id: outgoing.id, state: became };
                journal::push(rows, &Stored { peer: outgoing.peer, at: now, news })?;
            }
            Ok(Some(outgoing))
        })?;
        if let Some(outgoing) = changed {
            self.note(number, &outgoing, now);
        }
        Ok(())
    }

    /// When there is something to do next, of what is not due yet.
    pub(crate) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.at).filter(|at| now < *at).min()
    }

    /// What became of a message.
    pub(crate) fn state_of(&self, id: ContentId) -> Option<MessageState> {
        let mut entries = self.entries.values();
        let state = entries.find(|entry| entry.id == id).map(|entry| match entry.step {
            Step::Waiting | Step::Sealed { .. } => MessageState::Queued,
            Step::Accepted { .. } => MessageState::Accepted,
        });
        state.or_else(|| self.done.get(&id).copied())
    }
}

fn after(now: Timestamp, ms: u64) -> Timestamp {
    Timestamp(now.0.saturating_add(ms))
}

const CHECK_MS_MIN: u64 = 1_000;
const CHECK_MS_MAX: u64 = 3_600_000;
const CHECKS_DOUBLING: u32 = 12;

#[cfg(test)]
mod tests;
