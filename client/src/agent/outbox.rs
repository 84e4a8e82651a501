//! Messages on their way out: stored before `send` returns, in order for each peer, followed until
//! the relay says what became of them.

mod again;

use std::collections::{BTreeMap, HashMap, HashSet};

use plico_endpoint::id::ContentId;
use plico_protocol::frame::{RelayFrame, Submission, SubmissionState};
use plico_protocol::id::SubmitId;
use plico_protocol::limits::SUBMISSION_MEMORY_HOURS;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::Timestamp;

use super::history;
use super::journal::{self, News, Stored};
use super::outgoing::{
    Counts, Delay, MessageState, Outgoing, Stage, Verdict, final_state, submit_id, verdict,
};
use crate::probe::Point;
use crate::state::{Name, Rows, State, StateError, Table};

/// Every message that is not done, without its bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    done: HashMap<ContentId, MessageState>,
    /// The last place given in an allowance that all messages share.
    paced: Option<Timestamp>,
    pub(crate) counts: Option<Counts>,
}

#[derive(Debug)]
struct Entry {
    peer: u64,
    id: ContentId,
    step: Step,
    /// When there is something to do.
    at: Timestamp,
    attempts: Attempts,
}

/// What is known of a submission's attempts.
#[derive(Debug, Default)]
struct Attempts {
    /// One is on its way.
    asked: bool,
    /// The answer to one was lost: it may have been accepted.
    unanswered: bool,
    /// The refusal of a later one. It stands only if the relay does not remember the id.
    doubt: Option<(SubmitId, Refusal)>,
    /// Why the relay did not take the last one.
    delay: Option<Delay>,
}

/// What an answer of the relay settled for a message's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nothing yet, or nothing but what is stored and told already.
    Nothing,
    /// The relay has it.
    Accepted,
    /// The relay will not take it.
    Refused(Code),
    /// The relay does not have it, and takes it no earlier than [`Outbox::delay`] says.
    Later,
    /// The recipient could not open it; the owner ends it or begins another session.
    Unreadable,
    /// The relay does not know what it took; the owner ends it or sends it again.
    Forgotten,
    /// The ticket it went out with is none; the owner ends it or waits for another.
    TicketEnded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Waiting,
    Held { until: Timestamp },
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
        for entry in outbox.entries.values_mut() {
            // The last process may have submitted it.
            entry.attempts.unanswered = matches!(entry.step, Step::Sealed { .. });
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
        let number = state.write(|rows| Self::add(rows, outgoing))?;
        state.reached(Point::AfterQueue);
        self.note(number, outgoing, now);
        Ok(number)
    }

    /// The same within a transaction; [`Self::note`] follows the commit.
    pub(crate) fn add(rows: &Rows<'_>, outgoing: &Outgoing) -> Result<u64, StateError> {
        let number = rows.next_number(Table::Outgoing)?;
        Self::put(rows, number, outgoing)?;
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
            Stage::Held { until } => (Step::Held { until: *until }, *until),
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
        let attempts = Attempts::default();
        self.entries.insert(number, Entry { peer, id, step, at, attempts });
    }

    /// The next message to seal of each peer, oldest first. One that waits for its time lets others
    /// pass, but not one that went out before: they were written after it.
    pub(crate) fn waiting(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let mut peers = HashSet::new();
        let next = |entry: &Entry| match entry.step {
            Step::Waiting => entry.at <= now,
            Step::Held { .. } => true,
            Step::Sealed { .. } | Step::Accepted { .. } => false,
        };
        let entries = self.entries.iter().filter(|(_, entry)| next(entry));
        entries
            .filter(|(_, entry)| peers.insert(entry.peer))
            .filter(|(_, entry)| entry.at <= now)
            .map(|(number, entry)| (*number, entry.peer))
            .collect()
    }

    /// Whether a peer's first message of a session is not accepted yet.
    pub(crate) fn first_in_progress(&self, peer: u64) -> bool {
        let first = |entry: &Entry| matches!(entry.step, Step::Sealed { first: true });
        self.entries.values().any(|entry| entry.peer == peer && first(entry))
    }

    /// Whether anything of a peer is not accepted yet.
    pub(crate) fn has_unaccepted(&self, peer: u64) -> bool {
        self.unaccepted(peer).next().is_some()
    }

    /// The messages to a peer that no relay has.
    pub(crate) fn unaccepted(&self, peer: u64) -> impl Iterator<Item = u64> {
        let accepted = |entry: &Entry| matches!(entry.step, Step::Accepted { .. });
        let entries = self.entries.iter();
        let open = entries.filter(move |(_, entry)| entry.peer == peer && !accepted(entry));
        open.map(|(number, _)| *number)
    }

    /// What to submit, in order: (number, peer), one message of each peer. Only its answer tells
    /// whether the relay refuses one for now, and by then it may have taken the next, if that is
    /// shorter or there is room again: the peer would see that one first.
    pub(crate) fn to_submit(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let mut peers = HashSet::new();
        let sealed = |entry: &Entry| matches!(entry.step, Step::Sealed { .. });
        let due = |entry: &Entry| entry.attempts.doubt.is_none() && entry.at <= now;
        let entries = self.entries.iter().filter(|(_, entry)| sealed(entry));
        entries
            .filter(|(_, entry)| peers.insert(entry.peer))
            .filter(|(_, entry)| due(entry))
            .map(|(number, entry)| (*number, entry.peer))
            .collect()
    }

    /// Notes that a message is being submitted.
    pub(crate) fn submitting(&mut self, number: u64) {
        if let Some(Entry { attempts, .. }) = self.entries.get_mut(&number) {
            attempts.unanswered |= core::mem::replace(&mut attempts.asked, true);
        }
    }

    /// Whether a message is not done.
    pub(crate) fn is_open(&self, id: ContentId) -> bool {
        self.entries.values().any(|entry| entry.id == id)
    }

    /// What to ask the relay about: (number, peer, id).
    pub(crate) fn to_check(&self, now: Timestamp) -> Vec<(u64, u64, SubmitId)> {
        let due = self.entries.iter().filter(|(_, entry)| entry.at <= now);
        due.filter_map(|(number, entry)| match entry.step {
            Step::Accepted { submit, .. } => Some((*number, entry.peer, submit)),
            Step::Sealed { .. } => {
                let (submit, _) = entry.attempts.doubt.as_ref()?;
                Some((*number, entry.peer, *submit))
            }
            Step::Waiting | Step::Held { .. } => None,
        })
        .collect()
    }

    /// Comes back to a message later.
    pub(crate) fn later(&mut self, number: u64, now: Timestamp, ms: u64) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.at = after(now, ms);
        }
    }

    /// Comes back at once to what of a peer waits.
    pub(crate) fn resume(&mut self, peer: u64, now: Timestamp) {
        let waits = |entry: &&mut Entry| entry.peer == peer && entry.step == Step::Waiting;
        for entry in self.entries.values_mut().filter(waits) {
            entry.at = entry.at.min(now);
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

    /// Takes the answer to a submission.
    pub(crate) fn submitted(
        &mut self,
        state: &mut State,
        number: u64,
        frame: &RelayFrame,
        now: Timestamp,
    ) -> Result<Settled, StateError> {
        match frame {
            RelayFrame::Accepted(acceptance) => self.accepted(state, number, acceptance.id, now),
            RelayFrame::Refused(refusal) => self.refused(state, number, refusal, now),
            _ => Ok(Settled::Nothing),
        }
    }

    /// Notes that the relay has a message.
    fn accepted(
        &mut self,
        state: &mut State,
        number: u64,
        submit: SubmitId,
        now: Timestamp,
    ) -> Result<Settled, StateError> {
        let counts = self.counts;
        let change = |rows: &Rows<'_>, outgoing: &mut Outgoing| {
            // What was sealed again meanwhile has another id.
            let submission = outgoing.submission().filter(|submission| submission.id == submit);
            let Some(submission) = submission else { return Ok(false) };
            counts.map(|count| count(rows, outgoing.peer, &submission, now)).transpose()?;
            outgoing.accepted(submit);
            Ok(true)
        };
        let changed = self.progress(state, number, MessageState::Accepted, now, change)?;
        Ok(if changed { Settled::Accepted } else { Settled::Nothing })
    }

    /// Does what a refusal asks for.
    fn refused(
        &mut self,
        state: &mut State,
        number: u64,
        refusal: &Refusal,
        now: Timestamp,
    ) -> Result<Settled, StateError> {
        if !self.entries.contains_key(&number) {
            // Queued again meanwhile, under another number.
            return Ok(Settled::Nothing);
        }
        let verdict = verdict(refusal);
        if self.is_doubtful(number, verdict, refusal.code) {
            let sealed = state.read(|rows| Self::get(rows, number))?;
            let id = sealed.and_then(|outgoing| outgoing.submission()).map(|sealed| sealed.id);
            if let (Some(entry), Some(id)) = (self.entries.get_mut(&number), id) {
                entry.attempts.doubt = Some((id, refusal.clone()));
                entry.at = now;
                return Ok(Settled::Nothing);
            }
        }
        match verdict {
            Verdict::Again { ms } => {
                let from = self.pace(refusal, now, ms);
                Ok(self.put_off(number, refusal, after(from, ms)))
            }
            Verdict::NewId => {
                self.rename(state, number, now)?;
                Ok(Settled::Nothing)
            }
            Verdict::OtherTicket => Ok(Settled::TicketEnded),
            Verdict::Final(code) => {
                self.finish(state, number, MessageState::Refused(code), now)?;
                Ok(Settled::Refused(code))
            }
        }
    }

    /// When a refused message begins to wait. Where an allowance that all share is used up, one
    /// behind the other: if all waited alike, all but one would be refused again, and again.
    fn pace(&mut self, refusal: &Refusal, now: Timestamp, ms: u64) -> Timestamp {
        if !refusal.rule().is_some_and(|rule| SHARED_RULES.contains(&rule)) {
            return now;
        }
        let from = self.paced.unwrap_or(now).max(now);
        self.paced = Some(after(from, ms));
        from
    }

    /// Gives a sealed message another id.
    fn rename(&mut self, state: &mut State, number: u64, now: Timestamp) -> Result<(), StateError> {
        let Some(outgoing) = state.read(|rows| Self::get(rows, number))? else { return Ok(()) };
        let Stage::Sealed { first, .. } = outgoing.stage else { return Ok(()) };
        let Some(submission) = outgoing.submission() else { return Ok(()) };
        let renamed = Submission { id: submit_id(now), ..submission };
        state.sealed(outgoing.id, &renamed, first);
        let change = |_: &Rows<'_>, outgoing: &mut Outgoing| {
            outgoing.sealed(&renamed, first);
            Ok(true)
        };
        self.progress(state, number, MessageState::Queued, now, change).map(drop)
    }

    /// Whether an earlier attempt may have been accepted that this refusal says nothing of: the
    /// relay checks disk, certificate and ticket before it looks whether it knows the id.
    fn is_doubtful(&mut self, number: u64, verdict: Verdict, code: Code) -> bool {
        let Some(Entry { attempts, .. }) = self.entries.get_mut(&number) else { return false };
        attempts.asked = false;
        let last = matches!(verdict, Verdict::Final(_) | Verdict::OtherTicket);
        let checked_first = last || matches!(code, Code::StorageFull | Code::RateLimited);
        attempts.unanswered && checked_first
    }

    /// Takes the answer to the question what became of a message.
    pub(crate) fn status(
        &mut self,
        state: &mut State,
        number: u64,
        frame: &RelayFrame,
        now: Timestamp,
    ) -> Result<Settled, StateError> {
        let Some(entry) = self.entries.get_mut(&number) else { return Ok(Settled::Nothing) };
        let RelayFrame::State(became) = frame else {
            self.later(number, now, CHECK_REFUSED_MS);
            return Ok(Settled::Nothing);
        };
        if let Some((id, refusal)) = entry.attempts.doubt.take() {
            if *became != SubmissionState::Unknown {
                return self.accepted(state, number, id, now);
            }
            entry.attempts.unanswered = false;
            return self.refused(state, number, &refusal, now);
        }
        if !matches!(entry.step, Step::Accepted { .. }) {
            // Sealed again meanwhile.
            return Ok(Settled::Nothing);
        }
        match final_state(*became) {
            Some(MessageState::Unreadable) => return Ok(Settled::Unreadable),
            Some(MessageState::Forgotten) => return Ok(Settled::Forgotten),
            Some(last) => self.finish(state, number, last, now)?,
            None => self.check_later(number, now),
        }
        Ok(Settled::Nothing)
    }

    /// Ends a message.
    pub(crate) fn finish(
        &mut self,
        state: &mut State,
        number: u64,
        last: MessageState,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let change = |_: &Rows<'_>, outgoing: &mut Outgoing| {
            outgoing.done(last, now);
            Ok(true)
        };
        self.progress(state, number, last, now, change).map(drop)
    }

    /// Stores what became of a message together with the event that says so, if `change` made it
    /// so; whether it did.
    fn progress(
        &mut self,
        state: &mut State,
        number: u64,
        became: MessageState,
        now: Timestamp,
        change: impl FnOnce(&Rows<'_>, &mut Outgoing) -> Result<bool, StateError>,
    ) -> Result<bool, StateError> {
        let changed = state.write::<_, StateError>(|rows| {
            let Some(mut outgoing) = Self::get(rows, number)? else { return Ok(None) };
            if !change(rows, &mut outgoing)? {
                return Ok(None);
            }
            Self::put(rows, number, &outgoing)?;
            if let Some(place) = outgoing.place.filter(|_| became == MessageState::Delivered) {
                history::delivered(rows, outgoing.peer, place, now.hour())?;
            }
            if !outgoing.tells(became) {
                return Ok(Some(outgoing));
            }
            if let Some(place) = outgoing.place {
                history::became(rows, outgoing.peer, place, became)?;
            }
            if became != MessageState::Queued {
                let news = News::State { id: outgoing.id, state: became };
                journal::push(rows, &Stored { peer: outgoing.peer, at: now, news })?;
            }
            Ok(Some(outgoing))
        })?;
        if let Some(outgoing) = &changed {
            match became {
                MessageState::Queued => (),
                MessageState::Accepted => state.reached(Point::AfterAccepted),
                _ => state.reached(Point::AfterDone),
            }
            self.note(number, outgoing, now);
        }
        Ok(changed.is_some())
    }

    /// When there is something to do next, of what is not due yet.
    pub(crate) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.at).filter(|at| now < *at).min()
    }

    /// Forgets what is under way to a peer that is forgotten; gives its numbers.
    pub(crate) fn forget(&mut self, peer: u64) -> Vec<u64> {
        let gone = self.entries.extract_if(.., |_, entry| entry.peer == peer);
        gone.map(|(number, _)| number).collect()
    }

    /// What became of a message.
    pub(crate) fn state_of(&self, id: ContentId) -> Option<MessageState> {
        let mut entries = self.entries.values();
        let state = entries.find(|entry| entry.id == id).map(|entry| match entry.step {
            Step::Waiting | Step::Sealed { .. } => MessageState::Queued,
            Step::Held { until } => MessageState::Waiting { until },
            Step::Accepted { .. } => MessageState::Accepted,
        });
        state.or_else(|| self.done.get(&id).copied())
    }
}

fn after(now: Timestamp, ms: u64) -> Timestamp {
    Timestamp(now.0.saturating_add(ms))
}

/// Rules of a relay (SPEC.md §12.1) that count what this application sends to anybody.
const SHARED_RULES: [&str; 3] = ["account_submissions", "submissions", "frames"];
const CHECK_MS_MIN: u64 = 1_000;
const CHECK_MS_MAX: u64 = 3_600_000;
/// After a refused question.
const CHECK_REFUSED_MS: u64 = 30_000;
const CHECKS_DOUBLING: u32 = 12;

#[cfg(test)]
mod tests;
