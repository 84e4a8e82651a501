//! Changes of consent: one that was stored is carried out at the relay.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use plico_protocol::id::Address;
use plico_protocol::time::Timestamp;

use crate::simulation::checker::readers::Talk;
use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{Ruling, Wish};

/// What people wished and what the relay did.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    wished: Vec<(usize, Talk, Wish)>,
    /// When every ticket of a conversation was taken back, or may have been.
    taken_back: BTreeMap<Talk, Vec<Timestamp>>,
    /// Places of rulings, by mailbox.
    ruled: BTreeMap<Address, Vec<(usize, Done)>>,
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
    pub(crate) fn wishing(&mut self, now: Timestamp, talk: Talk, wish: Wish) {
        if matches!(wish, Wish::Revoke | Wish::Goodbye) {
            self.taken_back.entry(talk).or_default().push(now);
        }
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
}

impl Done {
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
