//! What applications said and what they were told became of it, held against the relay.

use std::collections::BTreeMap;

use plico_client::{ContentId, EventId, MessageState};
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::refusal::Code;
use plico_protocol::time::Timestamp;

use crate::simulation::checker::readers::Talk;
use crate::simulation::checker::relay::{Fate, Relay, Submission};
use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{End, Peer, Sealed, Words};

/// Every message of a run.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(crate) said: BTreeMap<Words, Message>,
    seals: BTreeMap<(End, ContentId), Vec<Seal>>,
    told: BTreeMap<(End, ContentId), Vec<MessageState>>,
    /// Peers that a person said goodbye to.
    left: Vec<(End, Peer)>,
    /// When the business lost its state and went on from a copy.
    restored: Vec<Timestamp>,
}

/// What the business was told until it was copied.
#[derive(Debug)]
pub(crate) struct Told(BTreeMap<(End, ContentId), Vec<MessageState>>);

/// Words an application asked to send.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) end: End,
    pub(crate) to: Peer,
    /// When it was said.
    pub(crate) at: Timestamp,
    /// The person's conversation it belongs to, as far as it is known.
    pub(crate) talk: Option<Talk>,
    /// Rises from one message to the next.
    pub(crate) place: usize,
    pub(crate) answering: Option<EventId>,
    pub(crate) progress: Progress,
    /// None as long as nobody saw it: the call did not return.
    pub(crate) id: Option<ContentId>,
}

/// How a call to send went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It did not return: the message may be stored or not.
    Unknown,
    /// It is stored.
    Stored,
    /// It is not: the call said so, or the event that it answers was shown again.
    Void,
}

/// A submission that an end made, and when.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    pub(crate) at: Timestamp,
    pub(crate) sealed: Sealed,
}

impl Messages {
    pub(crate) fn asked(&mut self, words: Words, message: Message) {
        self.said.insert(words, message);
    }

    pub(crate) fn stored(&mut self, words: Words, id: ContentId) {
        self.seen(words, id);
        self.said.entry(words).and_modify(|message| message.progress = Progress::Stored);
    }

    /// Words are seen under an id: they exist, though the call may not have returned.
    pub(crate) fn seen(&mut self, words: Words, id: ContentId) {
        self.said.entry(words).and_modify(|message| message.id = Some(id));
    }

    pub(crate) fn void(&mut self, words: Words) {
        self.said.entry(words).and_modify(|message| message.progress = Progress::Void);
    }

    /// The event is shown again, so that no call that answered it came through.
    pub(crate) fn shown_again(&mut self, end: End, event: EventId) {
        let answers = self.said.values_mut().filter(|message| {
            message.end == end
                && message.answering == Some(event)
                && message.progress == Progress::Unknown
        });
        answers.for_each(|message| message.progress = Progress::Void);
    }

    pub(crate) fn left(&mut self, end: End, peer: Peer) {
        self.left.push((end, peer));
    }

    pub(crate) fn sealed(&mut self, at: Timestamp, end: End, id: ContentId, sealed: &Sealed) {
        let seal = Seal { at, sealed: sealed.clone() };
        self.seals.entry((end, id)).or_default().push(seal);
    }

    /// What the business was told so far.
    pub(crate) fn copy(&self) -> Told {
        let told = self.told.iter().filter(|((end, _), _)| *end == End::Business);
        Told(told.map(|(of, states)| (*of, states.clone())).collect())
    }

    /// The business goes on from a copy: what it said since may be gone, with what it was told.
    pub(crate) fn restore(&mut self, now: Timestamp, copied: usize, told: &Told) {
        self.restored.push(now);
        self.told.retain(|(end, _), _| *end != End::Business);
        self.told.extend(told.0.iter().map(|(of, states)| (*of, states.clone())));
        let said = self.said.values_mut();
        for lost in said.filter(|said| said.end == End::Business && copied < said.place) {
            // Its answer went out, and it is asked again.
            lost.answering = None;
            if lost.progress == Progress::Stored {
                lost.progress = Progress::Unknown;
            }
        }
    }

    /// Whether the business lost its state once at this time or later.
    pub(crate) fn restored_since(&self, then: Timestamp) -> bool {
        self.restored.iter().any(|restored| then <= *restored)
    }

    /// Whether the business had lost its state once by this time.
    pub(crate) fn restored_before(&self, then: Timestamp) -> bool {
        self.restored.iter().any(|restored| *restored <= then)
    }

    /// Every submission made of content, oldest first.
    pub(crate) fn seals(&self, end: End, id: ContentId) -> &[Seal] {
        self.seals.get(&(end, id)).map_or(&[], Vec::as_slice)
    }

    /// When an end began sessions.
    pub(crate) fn began(&self, end: End) -> impl Iterator<Item = Timestamp> {
        let of_end = self.seals.iter().filter(move |((by, _), _)| *by == end);
        let seals = of_end.flat_map(|(_, seals)| seals);
        seals.filter(|seal| seal.sealed.first).map(|seal| seal.at)
    }

    /// Every state told of a message.
    pub(crate) fn states(&self, end: End, id: ContentId) -> &[MessageState] {
        self.told.get(&(end, id)).map_or(&[], Vec::as_slice)
    }

    /// What the relay took of content.
    pub(crate) fn submissions(
        &self,
        relay: &mut Relay,
        now: Timestamp,
        end: End,
        id: ContentId,
    ) -> Vec<Submission> {
        let seals = self.seals(end, id).iter();
        seals.filter_map(|seal| relay.submission(now, &seal.sealed.submit)).collect()
    }

    /// An application is told what became of a message.
    pub(crate) fn told(
        &mut self,
        relay: &mut Relay,
        now: Timestamp,
        (end, to): (End, Peer),
        id: ContentId,
        state: MessageState,
    ) -> Result<(), Violation> {
        let told = self.told.entry((end, id)).or_default();
        let last = told.iter().copied().find(|state| is_final(*state));
        told.push(state);
        // What was delivered goes out again to a business that lost it, and may then be lost for good.
        let is_repeat = !self.restored.is_empty() && last == Some(MessageState::Delivered);
        if let Some(first) = last.filter(|_| !is_repeat) {
            return Err(Violation::ToldAfterTheEnd { end, id, first, then: state });
        }
        let taken = self.submissions(relay, now, end, id);
        let due = match state {
            MessageState::Accepted if taken.is_empty() => {
                return Err(Violation::FalselyAccepted { end, id });
            }
            MessageState::Accepted => true,
            MessageState::Delivered => has_shown(&taken, Fate::Delivered, now),
            MessageState::Waiting { .. } => true,
            MessageState::Unreadable => {
                has_shown(&taken, Fate::Unreadable, now) && self.is_given_up(now, (end, to), id)
            }
            MessageState::Expired => self.is_expiry_due(now, (end, to), id, &taken),
            MessageState::Forgotten => end == End::Business && is_forgotten(&taken, now),
            MessageState::Refused(code) => self.is_refusal_due(relay, now, (end, id), code),
            MessageState::Queued | MessageState::Failed => false,
        };
        if due { Ok(()) } else { Err(Violation::FalselyTold { end, id, state }) }
    }

    /// Whether a message may be told as expired: it is, or, to a person, its outcome is so old that the
    /// relay forgot it, or it never went out and its person closed the conversation, or no relay took a
    /// business's in 30 days.
    fn is_expiry_due(
        &self,
        now: Timestamp,
        (end, to): (End, Peer),
        id: ContentId,
        taken: &[Submission],
    ) -> bool {
        let expired = |known: &Submission| match known.fate {
            Fate::Expired | Fate::Ended => true,
            Fate::Queued => false,
            // A business pays: what it is told was lost, it may send and pay for twice.
            Fate::Delivered | Fate::Unreadable => {
                end != End::Business && known.forgotten() <= now.hour()
            }
        };
        let left = taken.is_empty() && self.left.contains(&(end, to));
        let waited = taken.is_empty() && end == End::Business && self.is_old(now, end, id);
        left || waited || taken.iter().any(expired)
    }

    fn is_old(&self, now: Timestamp, end: End, id: ContentId) -> bool {
        let said = self.said.values().find(|said| said.end == end && said.id == Some(id));
        // What a device says by itself was composed before it was sealed.
        let sealed = self.seals(end, id).first().map(|seal| seal.at);
        let at = said.map(|said| said.at).or(sealed);
        at.is_some_and(|at| at.hour().plus(RETENTION_HOURS) <= now.hour())
    }

    /// Whether a message that did not open goes out no more: it is 30 days old, or its person said
    /// goodbye.
    fn is_given_up(&self, now: Timestamp, (end, to): (End, Peer), id: ContentId) -> bool {
        self.left.contains(&(end, to)) || self.is_old(now, end, id)
    }

    /// Whether a message may be told as refused: the writer refused it so, or its ticket is one that
    /// is refused before.
    fn is_refusal_due(
        &self,
        relay: &Relay,
        now: Timestamp,
        (end, id): (End, ContentId),
        code: Code,
    ) -> bool {
        self.seals(end, id).iter().any(|Seal { at: _, sealed }| {
            let before = sealed.ticket.is_some_and(|ticket| match code {
                Code::TicketExpired => ticket.valid_until <= now.minute(),
                Code::CategoryNotAllowed => {
                    sealed.category.is_some_and(|category| !ticket.categories.contains(category))
                }
                _ => false,
            });
            before || relay.has_refused(&sealed.submit, code)
        })
    }
}

/// Whether no other state follows.
pub(crate) fn is_final(state: MessageState) -> bool {
    use MessageState::{Accepted, Queued, Waiting};
    !matches!(state, Queued | Accepted | Waiting { .. })
}

fn has_shown(taken: &[Submission], fate: Fate, now: Timestamp) -> bool {
    taken.iter().any(|known| known.fate == fate && known.shows() <= now.hour())
}

/// Whether the relay may have forgotten what became of one.
fn is_forgotten(taken: &[Submission], now: Timestamp) -> bool {
    taken.iter().any(|known| known.fate != Fate::Queued && known.forgotten() <= now.hour())
}
