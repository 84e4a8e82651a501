//! What became of everything, once everyone had the time to come to an end.

use std::collections::BTreeMap;

use plico_client::{ContentId, MessageState};
use plico_protocol::id::Address;
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::time::Timestamp;

use crate::simulation::checker::Judge;
use crate::simulation::checker::messages::{Message, Progress, is_final};
use crate::simulation::checker::readers::Talk;
use crate::simulation::checker::relay::{Fate, Submission};
use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{End, Words};

impl Judge {
    /// Judges the end, if there is one.
    pub(super) fn end(&mut self) {
        let Some(healed) = self.healed else { return };
        let said = self.messages.said.iter().filter(|(_, said)| said.progress != Progress::Void);
        let said: Vec<(Words, ContentId)> =
            said.filter_map(|(words, said)| Some((*words, said.id?))).collect();
        for (words, id) in said {
            let arrived = self.arrived(words, id, healed);
            self.note(arrived);
            let heard = self.heard(words, id);
            self.note(heard);
        }
        for open in self.ledgers.open() {
            self.note(Err(open));
        }
        let mailboxes = self.mailboxes();
        for forgotten in self.consents.forgotten(&mailboxes) {
            self.note(Err(forgotten));
        }
        self.found.extend(self.consents.undone(&mailboxes, &self.talks()));
    }

    /// A message was shown to whom it was for, or lost by a rule.
    fn arrived(&mut self, words: Words, id: ContentId, healed: Timestamp) -> Result<(), Violation> {
        let Some(said) = self.messages.said.get(&words).cloned() else { return Ok(()) };
        if self.readers.has_shown(words) {
            return Ok(());
        }
        let taken = self.messages.submissions(&mut self.relay, self.now, said.end, id);
        let of = |fate| taken.iter().find(|known| known.fate == fate);
        if let Some(delivered) = of(Fate::Delivered) {
            let is_lost = self.is_dropped(&said, delivered)
                || self.is_lost_for_good(&said, delivered, healed);
            return otherwise(is_lost, Violation::AcknowledgedNotShown { id, words });
        }
        if of(Fate::Queued).is_some() {
            return Err(Violation::NotFetched { id, words });
        }
        if of(Fate::Expired).is_some() || of(Fate::Ended).is_some() {
            return Ok(());
        }
        if let Some(unreadable) = of(Fate::Unreadable) {
            let is_due = self.is_unreadable_due(&said, id, unreadable);
            return otherwise(is_due, Violation::UndulyUnreadable { id, words });
        }
        // Nobody took it: whether that was due was judged when the sender was told.
        let told = self.messages.states(said.end, id).last().copied();
        let is_over = told.is_some_and(is_final) || said.progress == Progress::Unknown;
        otherwise(is_over, Violation::NotSent { id, words })
    }

    /// The sender of a message that was stored heard its end, if it has one: what did not open waits
    /// for another session, longer than a run lasts.
    fn heard(&mut self, words: Words, id: ContentId) -> Result<(), Violation> {
        let Some(said) = self.messages.said.get(&words).cloned() else { return Ok(()) };
        let taken = self.messages.submissions(&mut self.relay, self.now, said.end, id);
        let waits = taken.iter().any(|of| matches!(of.fate, Fate::Queued | Fate::Unreadable));
        let is_over = self.messages.states(said.end, id).iter().any(|state| is_final(*state));
        let is_lost = said.progress == Progress::Unknown;
        otherwise(is_over || waits || is_lost, Violation::NeverTold { id, words })
    }

    /// Whether a device dropped a message unseen, because its person took the ticket back that it
    /// came under. The relay may have heard of that later.
    fn is_dropped(&self, said: &Message, delivered: &Submission) -> bool {
        let taken_back = |minted| {
            said.talk
                .is_some_and(|talk| self.consents.has_taken_back(talk, minted..=delivered.ended))
        };
        delivered.minted.is_some_and(taken_back)
    }

    /// Whether the business acknowledged a message and lost its state before it showed it, and the
    /// device repeats it no more: it is too old, or its person took every ticket back.
    fn is_lost_for_good(&self, said: &Message, delivered: &Submission, healed: Timestamp) -> bool {
        let is_lost = self.messages.restored_since(delivered.ended);
        let is_old = said.at.hour().plus(RETENTION_HOURS) <= healed.hour().plus(LATE_HOURS);
        let is_unwanted = said.talk.is_some_and(|talk| self.consents.has_taken_back(talk, ..));
        said.end != End::Business && is_lost && (is_old || is_unwanted)
    }

    /// Whether a message may have failed to open for good. A person's device sends it again until it
    /// opens, unless the person said goodbye or it is too old; a business, only where it still has it
    /// and the person begins another session.
    fn is_unreadable_due(&self, said: &Message, id: ContentId, unreadable: &Submission) -> bool {
        match said.end {
            End::Person(_) => {
                let told = self.messages.states(said.end, id).last();
                // Expired, where the relay had forgotten the outcome when the device came back: that
                // this was after 30 days was judged when it was told.
                matches!(told, Some(MessageState::Unreadable | MessageState::Expired))
            }
            End::Business if self.messages.restored_before(unreadable.ended) => true,
            End::Business => {
                let sealed = self.messages.seals(said.end, id).last().map(|seal| seal.at);
                said.talk.zip(sealed).is_some_and(|((person, _), sealed)| {
                    self.messages.began(End::Person(person)).any(|began| sealed <= began)
                })
            }
        }
    }

    /// Which mailbox a conversation has, as the business wrote to it.
    fn mailboxes(&self) -> BTreeMap<Talk, Address> {
        let said = self.messages.said.values().filter(|said| said.end == End::Business);
        let known = said.filter_map(|said| {
            let seal = self.messages.seals(End::Business, said.id?).last()?;
            Some((said.talk?, seal.sealed.to))
        });
        known.collect()
    }

    /// Which conversation a person's content is of.
    fn talks(&self) -> BTreeMap<(u8, ContentId), Talk> {
        let known = self.messages.said.values().filter_map(|said| match said.end {
            End::Person(person) => Some(((person, said.id?), said.talk?)),
            End::Business => None,
        });
        known.collect()
    }
}

fn otherwise(is_due: bool, violation: Violation) -> Result<(), Violation> {
    if is_due { Ok(()) } else { Err(violation) }
}

/// After all is well, what waits may wait for a day, and the day's last status as long.
const LATE_HOURS: u32 = 96;
