//! What businesses are charged: each accepted price ends once, as what became of its envelope, by the
//! end of the day after; no balance passes its limit; the books are those that the heads are of.
//!
//! Lines of other kinds than accept, settle and release enter balances and are not judged.

use std::collections::{BTreeMap, BTreeSet};

use plico_protocol::id::{AccountKey, SubmitId};
use plico_protocol::ledger::{
    Entry as Line, EntryKind, EntryReason, Frontier, Head, Message, Receipt, TreeHash,
};
use plico_protocol::pricing::{Charge, Millionths, NoPrice, Price, Standing, price};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::{Minute, Timestamp};

use crate::simulation::checker::relay::{Fate, Offered, Relay, Submission};
use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{Priced, Ruling};

/// Every account's books.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    credit: Millionths,
    books: BTreeMap<AccountKey, Book>,
    charges: BTreeMap<SubmitId, Reserved>,
    /// Submissions whose price was ruled on once.
    priced: BTreeSet<SubmitId>,
}

/// An account's lines, and what follows from them.
#[derive(Debug, Default)]
struct Book {
    lines: Vec<Line>,
    tree: Frontier,
    /// Of the tree of the first so many lines.
    roots: Vec<TreeHash>,
    paid: u64,
    owed: u64,
    reserved: u64,
    /// When the last batch was written, and the least that was available before and in it.
    written: Option<Timestamp>,
    least: Millionths,
}

/// A price that was reserved.
#[derive(Debug)]
struct Reserved {
    accept: Line,
    ended: bool,
}

impl Ledgers {
    /// How far everyone may owe.
    pub(crate) fn credit(&mut self, credit: Millionths) {
        self.credit = credit;
    }

    /// The relay wrote a line.
    pub(crate) fn entered(
        &mut self,
        relay: &mut Relay,
        now: Timestamp,
        account: AccountKey,
        line: &Line,
    ) -> Result<(), Violation> {
        let credit = self.credit;
        let book = self.books.entry(account).or_default();
        book.begin(now, credit);
        let place = line.sequence;
        if usize::try_from(place.0).unwrap() != book.lines.len() {
            return Err(Violation::OutOfPlace { place });
        }
        book.append(line);
        let available = book.available(credit);
        book.least = book.least.min(available.unwrap_or_default());
        match (line.kind, line.message) {
            (EntryKind::Accept, Some(of)) => {
                let reserved = Reserved { accept: *line, ended: false };
                let before = self.charges.insert(of.submission, reserved);
                if before.is_some() || of.accept != place {
                    return Err(Violation::ChargedTwice { submit: of.submission });
                }
                available.map(drop).ok_or(Violation::LimitPassed { place })
            }
            (EntryKind::Settle | EntryKind::Release, Some(of)) => self.ended(relay, now, line, &of),
            _ => Ok(()),
        }
    }

    /// A price ends: once, of an envelope that did, and as that did.
    fn ended(
        &mut self,
        relay: &mut Relay,
        now: Timestamp,
        line: &Line,
        of: &Message,
    ) -> Result<(), Violation> {
        let (place, submit) = (line.sequence, of.submission);
        let Some(reserved) = self.charges.get_mut(&submit).filter(|reserved| {
            reserved.accept.message == Some(*of) && reserved.accept.amount == line.amount
        }) else {
            return Err(Violation::EndsNothing { place });
        };
        if std::mem::replace(&mut reserved.ended, true) {
            return Err(Violation::EndedTwice { submit });
        }
        let known = relay.submission(now, &submit);
        let Some(known) = known.filter(|known| known.fate != Fate::Queued) else {
            return Err(Violation::EndsNothing { place });
        };
        let (kind, reason) = (line.kind, line.reason);
        if reason == EntryReason::NotOffered && known.handed {
            return Err(Violation::ReadForFree { submit });
        }
        if !endings(&known).contains(&(kind, reason)) {
            return Err(Violation::WronglyEnded { submit, reason, fate: known.fate });
        }
        let day = known.ended.hour().day();
        if line.hour.0 != day.0 * 24 || now.hour().day() <= day {
            return Err(Violation::WronglyDated { place });
        }
        Ok(())
    }

    /// What a message costs is what it must, and its receipt fits the books.
    pub(crate) fn ruled(&mut self, now: Timestamp, ruling: &Ruling) -> Result<(), Violation> {
        let priced = match ruling {
            Ruling::Priced(priced) => priced,
            Ruling::Unanswered { submit } => {
                self.priced.insert(*submit);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Priced { submit, outcome, .. } = &**priced;
        match outcome {
            Err(code) if self.is_refused(now, priced, *code) => Ok(()),
            Err(code) => Err(Violation::RefusedUnduly { submit: *submit, code: *code }),
            Ok(receipt) => {
                if self.priced.insert(*submit) && !self.is_charged(now, priced, receipt.as_deref())
                {
                    return Err(Violation::WronglyCharged { submit: *submit });
                }
                let fits = receipt.as_ref().is_none_or(|receipt| self.has(*submit, receipt));
                if fits { Ok(()) } else { Err(Violation::NotInTree { submit: *submit }) }
            }
        }
    }

    /// Whether a message that was accepted costs this now.
    fn is_charged(&self, now: Timestamp, priced: &Priced, receipt: Option<&Receipt>) -> bool {
        let Ok(expected) = price_of(priced, now.minute(), Millionths(u64::MAX)) else {
            return false;
        };
        match (expected, receipt.map(|receipt| &receipt.entry)) {
            (Price::Free { .. }, None) => true,
            (Price::Charge(Charge { amount, .. }), Some(line)) => {
                let reason = match priced.ticket.free_until {
                    Some(end) if now.minute() < end => EntryReason::InWindow,
                    Some(_) => EntryReason::OutsideWindow,
                    None => EntryReason::Standing,
                };
                (line.amount.millionths, line.reason, line.hour) == (amount, reason, now.hour())
            }
            _ => false,
        }
    }

    /// Whether a message is refused so for its price, or was at some time in its batch.
    fn is_refused(&self, now: Timestamp, priced: &Priced, code: Code) -> bool {
        let least = self.books.get(&priced.account).map_or(self.credit, |book| {
            let available = book.available(self.credit).unwrap_or_default();
            if book.written == Some(now) { book.least } else { available }
        });
        let refused = price_of(priced, now.minute(), least).err();
        refused.is_some_and(|why| Refusal::from(why).code == code)
    }

    /// Whether a receipt is of the line by which a message is charged, in these books.
    fn has(&self, submit: SubmitId, receipt: &Receipt) -> bool {
        let Receipt { entry, path, head } = receipt;
        let charged = self.charges.get(&submit).is_some_and(|of| of.accept == *entry);
        let (place, size) = (entry.sequence.0, head.claims().size);
        let in_tree = path.verify_inclusion(entry.hash(), place, size, &head.claims().root);
        charged && in_tree.is_ok() && self.is_of_books(head)
    }

    fn is_of_books(&self, head: &Head) -> bool {
        let claims = head.claims();
        let Some(book) = self.books.get(&claims.account) else { return claims.size == 0 };
        let last = usize::try_from(claims.size).unwrap().checked_sub(1);
        last.is_none_or(|last| book.roots.get(last) == Some(&claims.root))
    }

    /// A business reads what was written, all of it, and a head of it.
    pub(crate) fn read(
        &self,
        account: AccountKey,
        lines: &[Line],
        head: &Head,
    ) -> Result<(), Violation> {
        let written = self.books.get(&account).map_or(&[][..], |book| &book.lines);
        let size = usize::try_from(head.claims().size).unwrap();
        let agrees = written == lines && size == lines.len() && self.is_of_books(head);
        if agrees { Ok(()) } else { Err(Violation::ReadOtherwise { account }) }
    }

    /// Nothing is under way: what ended before today is settled or released.
    pub(crate) fn overdue(&self, relay: &mut Relay, now: Timestamp) -> Vec<Violation> {
        let open = self.charges.iter().filter(|(_, charge)| !charge.ended);
        let overdue = open.filter(|(submit, _)| {
            let known = relay.submission(now, submit);
            let ended = known.filter(|known| known.fate != Fate::Queued);
            ended.is_some_and(|known| known.ended.hour().day() < now.hour().day())
        });
        overdue.map(|(submit, _)| Violation::NotEnded { submit: *submit }).collect()
    }

    /// Nothing is left that was reserved and never ended.
    pub(crate) fn open(&self) -> Vec<Violation> {
        let open = self.charges.iter().filter(|(_, charge)| !charge.ended);
        open.map(|(submit, _)| Violation::NotEnded { submit: *submit }).collect()
    }
}

impl Book {
    /// A batch begins, or goes on.
    fn begin(&mut self, now: Timestamp, credit: Millionths) {
        if self.written.replace(now) != Some(now) {
            self.least = self.available(credit).unwrap_or_default();
        }
    }

    fn append(&mut self, line: &Line) {
        let amount = line.amount.millionths.0;
        match line.kind {
            EntryKind::Accept => self.reserved += amount,
            EntryKind::Release => self.reserved = self.reserved.saturating_sub(amount),
            EntryKind::Settle => {
                self.reserved = self.reserved.saturating_sub(amount);
                self.owed += amount;
            }
            EntryKind::Subscription => self.owed += amount,
            EntryKind::Payment => self.paid += amount,
            EntryKind::Restored => (),
            EntryKind::Correction => self.paid -= amount,
        }
        self.lines.push(*line);
        self.tree.push(line.hash(), |_, _| ());
        self.roots.push(self.tree.root());
    }

    /// None where more is owed and reserved than may be.
    fn available(&self, credit: Millionths) -> Option<Millionths> {
        let limit = credit.0.checked_add(self.paid)?;
        limit.checked_sub(self.owed + self.reserved).map(Millionths)
    }
}

/// How what was reserved for an envelope may end.
fn endings(known: &Submission) -> Vec<(EntryKind, EntryReason)> {
    let offered = (EntryKind::Settle, EntryReason::Offered);
    let unseen = (EntryKind::Release, EntryReason::NotOffered);
    match (known.fate, known.offered) {
        (Fate::Queued, _) => vec![],
        (Fate::Delivered, _) => vec![(EntryKind::Settle, EntryReason::Opened)],
        (Fate::Unreadable, _) => vec![(EntryKind::Release, EntryReason::Unreadable)],
        (Fate::Expired | Fate::Ended, Offered::Yes) => vec![offered],
        (Fate::Expired | Fate::Ended, Offered::Late) => vec![offered, unseen],
        (Fate::Expired | Fate::Ended, Offered::No) => vec![unseen],
    }
}

fn price_of(priced: &Priced, now: Minute, available: Millionths) -> Result<Price, NoPrice> {
    let Priced { ticket, category, pricing, .. } = priced;
    let card = pricing.card.as_ref().ok_or(NoPrice::CardNotValid)?;
    let standing = Standing { suspended: false, available };
    price(ticket, *category, card, &standing, pricing.price_max, now).map(|paid| *paid.price())
}
