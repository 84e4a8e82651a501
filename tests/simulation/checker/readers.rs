//! What applications are shown: only what was said to them, in order, once.

use std::collections::{BTreeMap, BTreeSet};

use plico_client::{ContentId, EventId};

use crate::simulation::checker::messages::{Messages, Progress};
use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{End, Peer, Words};

/// A person's conversation.
pub(crate) type Talk = (u8, Peer);

/// What was shown so far.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    /// What each end's state knows as shown.
    shown: BTreeMap<Words, EventId>,
    /// Everything that was ever shown.
    ever: BTreeSet<Words>,
    /// Which customer of the business a conversation is, and the other way round.
    customers: BTreeMap<Talk, Peer>,
    talks: BTreeMap<Peer, Talk>,
}

/// What the business knew when it was copied.
#[derive(Debug)]
pub(crate) struct Known {
    shown: BTreeSet<Words>,
    customers: BTreeMap<Talk, Peer>,
    talks: BTreeMap<Peer, Talk>,
}

/// Words that an application is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) end: End,
    pub(crate) event: EventId,
    pub(crate) from: Peer,
    pub(crate) id: ContentId,
    pub(crate) words: Words,
}

impl Readers {
    /// An application is shown words. `is_late` says that their envelope did not open at first, so
    /// that what was said later may come before.
    pub(crate) fn show(
        &mut self,
        messages: &mut Messages,
        shown: Shown,
        is_late: bool,
    ) -> Result<(), Violation> {
        self.is_said(messages, shown)?;
        self.is_own(messages, shown)?;
        let Shown { end, event, words, .. } = shown;
        self.ever.insert(words);
        let again = self.shown.insert(words, event);
        match again {
            Some(earlier) if earlier != event => return Err(Violation::ShownTwice { end, words }),
            Some(_) => return Ok(()),
            None if is_late => return Ok(()),
            None => (),
        }
        match self.later(messages, words) {
            Some(after) => Err(Violation::OutOfOrder { end, words, after }),
            None => Ok(()),
        }
    }

    /// Whether words were shown.
    pub(crate) fn has_shown(&self, words: Words) -> bool {
        self.ever.contains(&words)
    }

    /// What the business knows now.
    pub(crate) fn copy(&self) -> Known {
        let (customers, talks) = (self.customers.clone(), self.talks.clone());
        Known { shown: self.shown.keys().copied().collect(), customers, talks }
    }

    /// The business goes on from a copy: what it was shown since is news to it, and it numbers new
    /// customers as it did others.
    pub(crate) fn restore(&mut self, messages: &Messages, known: &Known) {
        let to_business = |words: &Words| {
            messages.said.get(words).is_some_and(|said| matches!(said.end, End::Person(_)))
        };
        self.shown.retain(|words, _| !to_business(words) || known.shown.contains(words));
        (self.customers, self.talks) = (known.customers.clone(), known.talks.clone());
    }

    /// The conversation of a customer.
    pub(crate) fn talk_of(&self, customer: Peer) -> Option<Talk> {
        self.talks.get(&customer).copied()
    }

    /// Said by the other side, under this id.
    fn is_said(&self, messages: &mut Messages, shown: Shown) -> Result<(), Violation> {
        let Shown { end, id, words, .. } = shown;
        let said = messages.said.get(&words).filter(|said| is_between(said.end, end));
        let Some(said) = said else { return Err(Violation::NobodySaid { end, words }) };
        let sender = said.end;
        if said.progress == Progress::Void {
            return Err(match said.answering {
                Some(event) => Violation::AnsweredAndShown { end: sender, event, words },
                None => Violation::NobodySaid { end, words },
            });
        }
        if said.id.is_some_and(|stored| stored != id) {
            return Err(Violation::OtherId { end, words });
        }
        messages.seen(words, id);
        Ok(())
    }

    /// In the conversation it was said in.
    fn is_own(&mut self, messages: &Messages, shown: Shown) -> Result<(), Violation> {
        let Shown { end, from, words, .. } = shown;
        let Some(said) = messages.said.get(&words) else { return Ok(()) };
        let mixed = Err(Violation::Mixed { end, words, from });
        let (talk, customer) = match (said.end, end) {
            (End::Person(person), _) => ((person, said.to), from),
            (End::Business, End::Person(person)) => ((person, from), said.to),
            (End::Business, End::Business) => return mixed,
        };
        if let Some(said_to) = said.talk {
            if said_to != talk {
                return mixed;
            }
            if said.end == End::Business {
                return Ok(());
            }
        }
        let known = *self.customers.entry(talk).or_insert(customer);
        let of = *self.talks.entry(customer).or_insert(talk);
        if known == customer && of == talk { Ok(()) } else { mixed }
    }

    /// What was shown of the same conversation and was said after these words.
    fn later(&self, messages: &Messages, words: Words) -> Option<Words> {
        let said = messages.said.get(&words)?;
        let mut shown =
            self.shown.keys().filter_map(|other| Some((*other, messages.said.get(other)?)));
        let after = shown.find(|(_, other)| {
            (other.end, other.talk, other.to) == (said.end, said.talk, said.to)
                && said.place < other.place
        });
        after.map(|(other, _)| other)
    }
}

fn is_between(from: End, to: End) -> bool {
    matches!((from, to), (End::Person(_), End::Business) | (End::Business, End::Person(_)))
}
