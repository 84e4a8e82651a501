//! Changes of consent: one that was stored is carried out at the relay, and a block holds until its
//! person says or allows something.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use plico_client::ContentId;
use plico_protocol::id::{Address, SubmitId};
use plico_protocol::time::Timestamp;

use crate::simulation::checker::readers::Talk;
use crate::simulation::checker::violation::{Found, Violation};
use crate::simulation::history::{Ruling, Wish};

/// What people wished and what the relay did.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    wished: Vec<(usize, Talk, Wish)>,
    /// When every ticket of a conversation was taken back, or may have been.
    taken_back: BTreeMap<Talk, Vec<Timestamp>>,
    /// Places of rulings, by mailbox.
    ruled: BTreeMap<Address, Vec<(usize, Done)>>,
    /// Where people said or allowed something, which ends a block.
    acted: BTreeMap<Talk, Vec<usize>>,
    /// What people's devices sealed, where, of which content.
    sealed: Vec<(usize, (u8, ContentId), SubmitId)>,
    /// Where the relay took a submission first.
    accepted: BTreeMap<SubmitId, usize>,
}

/// A block, from where the relay has nothing older to carry out until its person acts.
struct Block<'a> {
    talk: Talk,
    mailbox: Address,
    ruled: &'a [(usize, Done)],
    /// Both ends excluded.
    from: usize,
    until: usize,
}

/// What was done for a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Minted { standing: bool },
    Changed,
    Revoked,
    Closed,
}

impl Consents {
    /// An application asks for a change, which is stored unless it is killed just now.
    pub(crate) fn wishing(&mut self, (place, now): (usize, Timestamp), talk: Talk, wish: Wish) {
        match wish {
            Wish::Revoke | Wish::Goodbye => self.taken_back.entry(talk).or_default().push(now),
            Wish::Change(_) | Wish::Standing(_) => self.acted(place, talk),
        }
    }

    /// A person says something, or allows it.
    pub(crate) fn acted(&mut self, place: usize, talk: Talk) {
        self.acted.entry(talk).or_default().push(place);
    }

    /// A person's device sealed content.
    pub(crate) fn sealed(&mut self, place: usize, content: (u8, ContentId), submit: SubmitId) {
        self.sealed.push((place, content, submit));
    }

    /// Whether every ticket of a conversation was taken back at some time of these.
    pub(crate) fn has_taken_back(&self, talk: Talk, times: impl RangeBounds<Timestamp>) -> bool {
        let taken_back = self.taken_back.get(&talk).into_iter().flatten();
        taken_back.into_iter().any(|at| times.contains(at))
    }

    pub(crate) fn wished(&mut self, place: usize, talk: Talk, wish: Wish) {
        self.wished.push((place, talk, wish));
    }

    pub(crate) fn ruled(&mut self, place: usize, ruling: &Ruling) {
        let (mailbox, done) = match ruling {
            Ruling::Minted { mailbox, ticket } => {
                (mailbox, Done::Minted { standing: ticket.free_until.is_none() })
            }
            Ruling::TermsChanged { mailbox, .. } => (mailbox, Done::Changed),
            Ruling::Revoked { mailbox } => (mailbox, Done::Revoked),
            Ruling::Closed { mailbox } => (mailbox, Done::Closed),
            Ruling::Accepted { submit, .. } => {
                self.accepted.entry(*submit).or_insert(place);
                return;
            }
            _ => return,
        };
        self.ruled.entry(*mailbox).or_default().push((place, done));
    }

    /// Every wish for a mailbox that was not carried out. One wished before a mailbox was opened has
    /// nothing to change there.
    pub(crate) fn forgotten(&self, mailboxes: &BTreeMap<Talk, Address>) -> Vec<Violation> {
        let wished = self.wished.iter().filter_map(|(place, talk, wish)| {
            let mailbox = mailboxes.get(talk)?;
            let ruled = self.ruled.get(mailbox)?;
            let is_open = ruled.iter().any(|(at, _)| at < place);
            let done = ruled.iter().any(|(at, done)| place < at && done.carries_out(*wish));
            let forgotten = Violation::WishForgotten { person: talk.0, mailbox: *mailbox };
            (is_open && !done).then_some(forgotten)
        });
        wished.collect()
    }

    /// Every block under which the relay took a message of its person's with a ticket that was
    /// minted since and holds. `talks` says which conversation content is of.
    pub(crate) fn undone(
        &self,
        mailboxes: &BTreeMap<Talk, Address>,
        talks: &BTreeMap<(u8, ContentId), Talk>,
    ) -> Vec<Found> {
        let blocks = self.wished.iter().filter(|(_, _, wish)| *wish == Wish::Revoke);
        let blocks = blocks.filter_map(|(place, talk, _)| self.block(*place, *talk, mailboxes));
        let undone = blocks.filter_map(|block| {
            let place = self.taken_with_ticket(&block, talks)?;
            let violation = Violation::BlockUndone { person: block.talk.0, mailbox: block.mailbox };
            Some(Found { place, violation })
        });
        undone.collect()
    }

    /// A block as it is stored. What was on its way to the relay before it is carried out before it.
    fn block(
        &self,
        stored: usize,
        talk: Talk,
        mailboxes: &BTreeMap<Talk, Address>,
    ) -> Option<Block<'_>> {
        let mailbox = *mailboxes.get(&talk)?;
        let ruled = self.ruled.get(&mailbox)?;
        let is_open = ruled.iter().any(|(at, _)| *at < stored);
        let from = if is_open { ended_after(ruled, stored)? } else { stored };
        let acted = self.acted.get(&talk).into_iter().flatten();
        let until = acted.copied().find(|at| stored < *at).unwrap_or(usize::MAX);
        Some(Block { talk, mailbox, ruled, from, until })
    }

    /// Where the relay takes such a message.
    fn taken_with_ticket(
        &self,
        block: &Block<'_>,
        talks: &BTreeMap<(u8, ContentId), Talk>,
    ) -> Option<usize> {
        let Block { talk, ruled, from, until, mailbox: _ } = *block;
        let given = ruled.iter().filter(|(at, done)| from < *at && *at < until && done.gives());
        let sealed = self.sealed.iter().filter(|(_, of, _)| talks.get(of) == Some(&talk));
        let sealed: Vec<_> = sealed.filter(|(at, _, _)| *at < until).collect();
        given
            .flat_map(|(minted, _)| {
                let ended = ended_after(ruled, *minted);
                let after = sealed.iter().filter(move |(at, _, _)| minted < at);
                let taken = after.filter_map(|(_, _, submit)| self.accepted.get(submit).copied());
                taken.filter(move |taken| ended.is_none_or(|ended| *taken < ended))
            })
            .min()
    }
}

/// Where every ticket of a mailbox ends next.
fn ended_after(ruled: &[(usize, Done)], place: usize) -> Option<usize> {
    let mut ends = ruled.iter().filter(|(_, done)| matches!(done, Done::Revoked | Done::Closed));
    ends.find(|(at, _)| place < *at).map(|(at, _)| *at)
}

impl Done {
    /// Whether there is a ticket more.
    fn gives(self) -> bool {
        matches!(self, Self::Minted { .. } | Self::Changed)
    }

    /// A mailbox that is closed has no consent to change.
    fn carries_out(self, wish: Wish) -> bool {
        self == Self::Closed
            || match wish {
                Wish::Revoke => self == Self::Revoked,
                Wish::Change(_) => self == Self::Changed,
                Wish::Standing(_) => self == Self::Minted { standing: true },
                Wish::Goodbye => false,
            }
    }
}
