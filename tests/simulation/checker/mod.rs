//! Judges a history: what must hold whatever happened to whom.
//!
//! Reading order: [`violation`] (what is looked for), [`relay`] (the relay as it promised to be),
//! [`messages`] (what was said, and what its sender was told), [`readers`] (what was shown),
//! [`events`] (at least once, in order), [`consent`] (what a person wished), [`ledger`] (what is
//! charged), [`ending`] (what became of everything).
//!
//! A rule excuses nothing because something was done to somebody, but only where the specification
//! lets a message be lost: what waited at the relay when its mailbox was revoked or closed, or for
//! 30 days; what was refused for a reason that held; what did not open after a session was lost. And a
//! relay that is killed forgets to whom it handed out what in the last five seconds, which may then be
//! read for free.

mod consent;
mod ending;
mod events;
mod ledger;
mod messages;
mod readers;
mod relay;
#[cfg(test)]
mod tests;
mod violation;

pub(crate) use violation::{Found, Violation};

use plico_client::{ContentId, EventId};
use plico_protocol::time::Timestamp;

use crate::simulation::checker::consent::Consents;
use crate::simulation::checker::events::{Events, Journal};
use crate::simulation::checker::ledger::Ledgers;
use crate::simulation::checker::messages::{Message, Messages, Progress, Told};
use crate::simulation::checker::readers::{Known, Readers, Shown};
use crate::simulation::checker::relay::{Fate, Relay};
use crate::simulation::history::{End, Entry, Fact, History, News, Peer, Wish, Words};

/// Everything in a history that must not be, oldest first.
pub(crate) fn check(history: &History) -> Vec<Found> {
    let mut judge = Judge::default();
    for (place, entry) in history.entries.iter().enumerate() {
        judge.place = place;
        judge.take(entry);
    }
    judge.end();
    judge.found
}

/// What failed, with the entries before it.
pub(crate) fn report(history: &History, found: &[Found]) -> String {
    let lines = found.iter().map(|found| format!("{found}\n"));
    let until = found.first().map_or(history.entries.len(), |found| found.place);
    format!("{}after:\n{}", lines.collect::<String>(), history.tail(until, TAIL_ENTRIES))
}

/// What is known up to a place.
#[derive(Debug)]
struct Judge {
    place: usize,
    now: Timestamp,
    relay: Relay,
    ledgers: Ledgers,
    messages: Messages,
    readers: Readers,
    events: Events,
    consents: Consents,
    /// The business's state as it was copied last.
    copy: Option<Copied>,
    healed: Option<Timestamp>,
    found: Vec<Found>,
}

/// What the business knew when its state was copied.
#[derive(Debug)]
struct Copied {
    place: usize,
    told: Told,
    known: Known,
    journal: Journal,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            place: 0,
            now: Timestamp(0),
            relay: Relay::default(),
            ledgers: Ledgers::default(),
            messages: Messages::default(),
            readers: Readers::default(),
            events: Events::default(),
            consents: Consents::default(),
            copy: None,
            healed: None,
            found: Vec::new(),
        }
    }
}

impl Judge {
    fn take(&mut self, entry: &Entry) {
        self.now = entry.at;
        let place = self.place;
        match &entry.fact {
            Fact::Asked { end, to, words, answering } => {
                self.asked((*end, *to), *words, *answering);
            }
            Fact::Stored { end, words, id } => self.stored(*end, *words, *id),
            Fact::Declined { words, .. } => self.messages.void(*words),
            Fact::Wishing { person, to, wish } => {
                if *wish == Wish::Goodbye {
                    self.messages.left(End::Person(*person), *to);
                }
                self.consents.wishing((place, entry.at), (*person, *to), *wish);
            }
            Fact::Wished { person, to, wish } => {
                self.consents.wished(place, (*person, *to), *wish);
            }
            Fact::Next(end) => self.events.ask(*end),
            Fact::Shown { end, event, news } => self.shown(*end, *event, *news),
            Fact::Handled { end, event } => self.events.handled(*end, *event),
            Fact::Sealed { end, id, sealed } => {
                if let End::Person(person) = end {
                    self.consents.sealed(place, (*person, *id), sealed.submit);
                }
                self.messages.sealed(entry.at, *end, *id, sealed);
            }
            Fact::Ruled(ruling) => {
                self.consents.ruled(place, ruling);
                let ruled = self.relay.rule(entry.at, ruling);
                self.note(ruled);
                let charged = self.ledgers.ruled(entry.at, ruling);
                self.note(charged);
            }
            Fact::Credit(credit) => self.ledgers.credit(*credit),
            Fact::Entered { account, line } => {
                let entered = self.ledgers.entered(&mut self.relay, entry.at, *account, line);
                self.note(entered);
            }
            Fact::Handed { queue, sequence } => self.relay.handed(entry.at, *queue, *sequence),
            Fact::Read { account, lines, head } => {
                let read = self.ledgers.read(*account, lines, head);
                self.note(read);
            }
            // A copy lacks the receipts since.
            Fact::Disputed(_) if self.messages.restored_before(self.now) => (),
            Fact::Disputed(disagreement) => self.note(Err(Violation::Disputed(*disagreement))),
            Fact::BackedUp => self.copied(),
            Fact::Restored => self.restored(),
            Fact::Killed(end) | Fact::Closed(end) => self.events.ended(*end),
            Fact::Healed => self.healed = Some(self.now),
            Fact::Quiet => {
                for overdue in self.ledgers.overdue(&mut self.relay, entry.at) {
                    self.note(Err(overdue));
                }
            }
            Fact::RelayKilled { .. } => self.relay.killed(),
            Fact::RelayOpened => self.relay.started(),
            Fact::Opened(_) | Fact::RelayClosed | Fact::DiskFull(_) | Fact::Cut { .. } => (),
        }
    }

    fn asked(&mut self, (end, to): (End, Peer), words: Words, answering: Option<EventId>) {
        let talk = match end {
            End::Person(person) => {
                self.consents.acted(self.place, (person, to));
                Some((person, to))
            }
            End::Business => self.readers.talk_of(to),
        };
        let (at, place, progress, id) = (self.now, self.place, Progress::Unknown, None);
        self.messages.asked(words, Message { end, to, at, talk, place, answering, progress, id });
        if answering.is_some() {
            self.events.ask(end);
        }
    }

    fn stored(&mut self, end: End, words: Words, id: ContentId) {
        self.messages.stored(words, id);
        let answered = self.messages.said.get(&words).and_then(|message| message.answering);
        if let Some(event) = answered {
            self.events.handled(end, event);
        }
    }

    fn shown(&mut self, end: End, event: EventId, news: News) {
        let first = match self.events.show(end, event, news) {
            Ok(first) => first,
            Err(violation) => return self.note(Err(violation)),
        };
        if !first {
            self.messages.shown_again(end, event);
        }
        let judged = match news {
            News::Message { from, id, words: Some(words) } => {
                let is_late = self.is_late(words);
                let shown = Shown { end, event, from, id, words };
                self.readers.show(&mut self.messages, shown, is_late)
            }
            News::Became { to, id, state } if first => {
                self.messages.told(&mut self.relay, self.now, (end, to), id, state)
            }
            _ => Ok(()),
        };
        self.note(judged);
    }

    /// Whether words may come after what was said later: they went out again, because their envelope
    /// did not open, or because the business lost what it had.
    fn is_late(&mut self, words: Words) -> bool {
        let Some(said) = self.messages.said.get(&words) else { return false };
        let (end, Some(id)) = (said.end, said.id) else { return false };
        let taken = self.messages.submissions(&mut self.relay, self.now, end, id);
        taken.iter().any(|known| match known.fate {
            Fate::Unreadable => true,
            Fate::Delivered => self.messages.restored_since(known.ended),
            Fate::Queued | Fate::Expired | Fate::Ended => false,
        })
    }

    fn copied(&mut self) {
        let (place, told, known) = (self.place, self.messages.copy(), self.readers.copy());
        let journal = self.events.copy(End::Business);
        self.copy = Some(Copied { place, told, known, journal });
    }

    fn restored(&mut self) {
        let Some(Copied { place, told, known, journal }) = &self.copy else { return };
        self.readers.restore(&self.messages, known);
        self.messages.restore(self.now, *place, told);
        self.events.restore(End::Business, journal);
    }

    fn note(&mut self, judged: Result<(), Violation>) {
        if let Err(violation) = judged {
            self.found.push(Found { place: self.place, violation });
        }
    }
}

/// Entries shown before the first violation.
const TAIL_ENTRIES: usize = 60;
