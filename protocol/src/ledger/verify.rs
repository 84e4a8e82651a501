//! Whether a statement is what the relay signed, and what the business has receipts for.
//!
//! SPEC.md §14.5. Each check names the line that disagrees, so that the two sides can talk about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{AccountKey, SubmitId};
use crate::ledger::{
    Amount, BadHead, Entry, EntryKind, EntrySequence, Frontier, Generation, HeadBody, Message,
    Receipt, Statement, TooMuch, TotalKey, Totals, VerifiedHead, VerifiedLedgerKey, statement,
};
use crate::ticket::Category;

/// A receipt as a business keeps it: verified when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The receipt.
    pub receipt: Receipt,
    /// The entry that settled or released it, once an earlier statement showed it.
    pub ended: Option<EntrySequence>,
}

/// What a business knows of its own ledger.
#[derive(Clone, Debug)]
pub struct Books {
    /// Whose.
    pub account: AccountKey,
    /// The ledger keys its relay used, certified.
    pub keys: Vec<VerifiedLedgerKey>,
    /// Its receipts, by entry.
    pub receipts: BTreeMap<EntrySequence, Kept>,
    /// The last head it saw.
    pub head: Option<VerifiedHead>,
    /// What it read of the ledger up to that head, in its order. Of what lies among a statement's
    /// entries only restores are looked at.
    pub read: Vec<Entry>,
}

/// A statement that agrees with everything its reader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its totals, summed up anew.
    pub totals: Totals,
    /// Its head.
    pub head: VerifiedHead,
    /// What settled or released which accept.
    pub ended: BTreeMap<EntrySequence, EntrySequence>,
    /// Whether it was stated so early that more of its period may come.
    pub provisional: bool,
}

/// The first line that disagrees. Lines are named by their sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The head does not count.
    #[error("the statement's head is not one of this relay and account: {0}")]
    Head(#[from] BadHead),
    /// An entry that must be there is not.
    #[error("line {} is left out", .0.0)]
    Omitted(EntrySequence),
    /// An entry of the period was entered after the statement ends.
    #[error("line {} is of the same days, and was entered after this was stated", .0.0)]
    Outdated(EntrySequence),
    /// The last head counts more than the statement, and nobody knows here what.
    #[error("line {} was entered after this was stated, and is not known here; it may be of the same days", .0.0)]
    Unread(EntrySequence),
    /// The relay lost lines since, and said so.
    #[error("the relay went on from a backup after this was stated, which lacks some of its lines")]
    Restored,
    /// The relay said that it lost lines, and which is not known here: another line may be in their place.
    #[error(
        "the relay went on from a backup before this was stated, and what it went on with was not read here yet"
    )]
    UnreadRestore,
    /// An entry that the business has no receipt for.
    #[error("line {} was added: there is no receipt for it", .0.0)]
    Added(EntrySequence),
    /// Another amount than was agreed.
    #[error("line {} says {} {}, agreed were {} {}", .line.0, .found.millionths, .found.currency, .agreed.millionths, .agreed.currency)]
    Amount {
        /// The line.
        line: EntrySequence,
        /// What it says.
        found: Amount,
        /// What the receipt says, or the accept it belongs to.
        agreed: Amount,
    },
    /// Another category than was declared.
    #[error("line {} says {:?}, declared was {:?}", .line.0, .found, .declared)]
    Category {
        /// The line.
        line: EntrySequence,
        /// What it says.
        found: Category,
        /// What the receipt says, or the accept it belongs to.
        declared: Category,
    },
    /// Something else of the line is not as it was agreed.
    #[error("line {} differs from its receipt", .0.0)]
    Altered(EntrySequence),
    /// One message is charged a second time.
    #[error("line {} charges again what line {} charged", .line.0, .first.0)]
    Twice {
        /// The second charge.
        line: EntrySequence,
        /// The first.
        first: EntrySequence,
    },
    /// The relay signed a receipt, and the tree has something else in its place.
    #[error("the receipt for line {} was signed, and is not in the tree", .0.0)]
    NotInTree(EntrySequence),
    /// Two heads were signed that do not belong to the same books.
    #[error("the relay signed two books: with {one} and with {other} entries")]
    Heads {
        /// The size of one.
        one: u64,
        /// The size of the other.
        other: u64,
    },
    /// The lines are not those that the head signs.
    #[error("the lines from {} on are not the ones that were signed", .0.0)]
    Unsigned(EntrySequence),
    /// The sum is wrong.
    #[error("the total of {} is wrong", .0.kind.name())]
    Total(TotalKey),
    /// The amounts pass what can be held.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
}

/// Checks a statement against what a business knows.
///
/// # Errors
///
/// [`Disagreement`]: the first line that disagrees.
pub fn verify(statement: &Statement, books: &Books) -> Result<Verified, Disagreement> {
    let head = verified_head(statement, books)?;
    let check = Check { statement, books, head, restores: restores(statement, books) };
    check.whole().map_err(|why| match why {
        Disagreement::Outdated(_) | Disagreement::Unread(_) | Disagreement::Restored => why,
        _ if check.is_behind_restore() => Disagreement::UnreadRestore,
        _ => why,
    })
}

struct Check<'a> {
    statement: &'a Statement,
    books: &'a Books,
    head: VerifiedHead,
    restores: BTreeSet<(EntrySequence, Generation)>,
}

impl Check<'_> {
    fn whole(&self) -> Result<Verified, Disagreement> {
        let Self { statement, head, .. } = *self;
        let ended = self.lines()?;
        self.missing()?;
        self.roots()?;
        self.outside()?;
        let totals = statement::totals(&statement.entries, statement.period)?;
        if let Some(key) = first_difference(&totals, &statement.totals) {
            return Err(Disagreement::Total(key));
        }
        Ok(Verified { totals, head, ended, provisional: statement.is_provisional() })
    }

    /// Every line against its receipt and against the lines before it.
    fn lines(&self) -> Result<BTreeMap<EntrySequence, EntrySequence>, Disagreement> {
        let mut expected = self.statement.opening.size();
        let mut accepted = self.accepted_before();
        let mut ended = self.ended_before();
        let mut ends = BTreeMap::new();
        for entry in &self.statement.entries {
            let line = entry.sequence;
            if line.0 != expected {
                let missing = EntrySequence(expected);
                let gap = missing < line;
                return Err(if gap {
                    Disagreement::Omitted(missing)
                } else {
                    Disagreement::Added(line)
                });
            }
            expected += 1;
            match (entry.kind, entry.message) {
                (EntryKind::Accept, Some(message)) => {
                    self.receipted(entry, &message)?;
                    if let Some(first) = accepted.insert(message.submission, line) {
                        return Err(Disagreement::Twice { line, first });
                    }
                }
                (EntryKind::Settle | EntryKind::Release, Some(message)) => {
                    let accept = self.accept(message.accept).ok_or(Disagreement::Added(line))?;
                    if let Some(first) = ended.insert(message.accept, line) {
                        return Err(Disagreement::Twice { line, first });
                    }
                    same_charge(entry, accept)?;
                    ends.insert(message.accept, line);
                }
                _ => (),
            }
        }
        let end = self.head.body().size;
        match expected < end {
            true => Err(Disagreement::Omitted(EntrySequence(expected))),
            false if expected == end => Ok(ends),
            false => Err(Disagreement::Added(EntrySequence(end))),
        }
    }

    /// An accept must be the one that the business has a receipt for.
    fn receipted(&self, entry: &Entry, message: &Message) -> Result<(), Disagreement> {
        let line = entry.sequence;
        let kept = self.books.receipts.get(&line).ok_or(Disagreement::Added(line))?;
        let agreed = &kept.receipt.entry;
        if self.is_lost(kept) {
            // The restore may have kept it; else this is another message's line.
            return if entry == agreed { Ok(()) } else { Err(Disagreement::Added(line)) };
        }
        if agreed.message.map(|of| of.submission) != Some(message.submission) {
            return Err(Disagreement::NotInTree(line));
        }
        same_charge(entry, agreed)?;
        if entry == agreed { Ok(()) } else { Err(Disagreement::Altered(line)) }
    }

    /// Every receipt of the period, and of the lines listed, has its line.
    fn missing(&self) -> Result<(), Disagreement> {
        let listed = self.statement.opening.size()..self.head.body().size;
        for (line, kept) in self.books.receipts.iter().filter(|(_, kept)| !self.is_lost(kept)) {
            let of_period = self.statement.period.contains(kept.receipt.entry.hour);
            let is_listed = listed.contains(&line.0);
            // An accept in its place was compared; anything else there is not what was signed.
            let other = is_listed && self.entry(*line).is_none_or(|e| e.kind != EntryKind::Accept);
            if other {
                return Err(Disagreement::NotInTree(*line));
            }
            if of_period && !is_listed {
                return Err(Disagreement::Omitted(*line));
            }
        }
        Ok(())
    }

    /// The lines lead to the signed root, through the root of every head that the business has.
    fn roots(&self) -> Result<(), Disagreement> {
        let heads = self.known_heads();
        let sizes: BTreeSet<u64> = heads.iter().map(|head| head.size).collect();
        let mut roots = BTreeMap::new();
        let mut tree = self.statement.opening.clone();
        roots.insert(tree.size(), tree.root());
        for entry in &self.statement.entries {
            tree.push(entry.hash(), |_, _| ());
            if sizes.contains(&tree.size()) {
                roots.insert(tree.size(), tree.root());
            }
        }
        let end = self.head.body();
        let agrees = |head: &HeadBody| roots.get(&head.size) == Some(&head.root);
        if tree.root() != end.root {
            let signed = heads.iter().filter(|head| agrees(head)).map(|head| head.size).max();
            let from = signed.unwrap_or(self.statement.opening.size());
            return Err(Disagreement::Unsigned(EntrySequence(from)));
        }
        let differs = |head: &&&HeadBody| roots.contains_key(&head.size) && !agrees(head);
        if let Some(other) = heads.iter().find(differs) {
            return Err(self.other_books(other));
        }
        self.linked(tree)
    }

    /// The last head, where it lies before or after the lines listed, whose end is `tree`.
    fn linked(&self, tree: Frontier) -> Result<(), Disagreement> {
        let Some(known) = self.books.head.filter(|head| !self.is_past_restore(head.body())) else {
            return Ok(());
        };
        let (one, other) = (known.body().size, self.head.body().size);
        if other < one {
            return self.followed(tree, known.body());
        }
        if self.statement.opening.size() <= one {
            return Ok(());
        }
        // Also where a restore lies between the two: it left everything that this head counts.
        let (early, late) = (&known.body().root, &self.head.body().root);
        let joined = self.statement.link.verify_consistency((one, early), (other, late));
        joined.map_err(|_| Disagreement::Heads { one, other })
    }

    /// Whether the entries that were read since lead from the statement's tree to a later head's. A
    /// proof is no substitute: it hides what lies between, a payment of the period perhaps.
    fn followed(&self, mut tree: Frontier, known: &HeadBody) -> Result<(), Disagreement> {
        let end = self.head.body().size;
        for entry in self.books.read.iter().skip_while(|entry| entry.sequence.0 < end) {
            if tree.size() == known.size || entry.sequence.0 != tree.size() {
                break;
            }
            tree.push(entry.hash(), |_, _| ());
        }
        if tree.size() != known.size {
            return Err(Disagreement::Unread(EntrySequence(tree.size())));
        }
        if tree.root() == known.root { Ok(()) } else { Err(self.other_books(known)) }
    }

    /// A head that the lines do not lead to or through.
    fn other_books(&self, known: &HeadBody) -> Disagreement {
        let head = self.head.body();
        match head.generation < known.generation {
            true => Disagreement::Restored,
            false => Disagreement::Heads { one: known.size, other: head.size },
        }
    }

    /// Nothing that was read and is dated in the period lies outside the lines listed: there is no
    /// receipt that would be missed for a payment or a subscription.
    fn outside(&self) -> Result<(), Disagreement> {
        let Some(known) = self.books.head else { return Ok(()) };
        let known = known.body();
        let lost = self.restored_after(known.generation).map_or(u64::MAX, |from| from.0);
        let (opening, end) = (self.statement.opening.size(), self.head.body().size);
        for entry in &self.books.read {
            let at = entry.sequence.0;
            let is_listed = (opening..end).contains(&at);
            let counts = at < known.size.min(lost) && self.statement.period.contains(entry.hour);
            if counts && !is_listed {
                let outside =
                    if at < opening { Disagreement::Omitted } else { Disagreement::Outdated };
                return Err(outside(entry.sequence));
            }
        }
        Ok(())
    }

    /// The heads of which the tree that is listed must be a part or a continuation.
    fn known_heads(&self) -> Vec<&HeadBody> {
        let receipts = self.books.receipts.values().map(|kept| kept.receipt.head.claims());
        let last = self.books.head.iter().map(VerifiedHead::body);
        receipts.chain(last).filter(|head| !self.is_past_restore(head)).collect()
    }

    fn is_lost(&self, kept: &Kept) -> bool {
        let Receipt { entry, head, .. } = &kept.receipt;
        let restored = self.restored_after(head.claims().generation);
        restored.is_some_and(|from| from <= entry.sequence)
    }

    /// Whether a restore took away some of the entries that a head counted.
    fn is_past_restore(&self, head: &HeadBody) -> bool {
        self.restored_after(head.generation).is_some_and(|from| from.0 < head.size)
    }

    /// Where the first generation after `generation` begins. Where that is not known it is the end: a
    /// relay that claims a restore, and shows none, could else leave out what it likes.
    fn restored_after(&self, generation: Generation) -> Option<EntrySequence> {
        let known = self.restores.iter().find(|(_, began)| generation < *began);
        let head = self.head.body();
        let claimed = generation < head.generation;
        known.map(|(from, _)| *from).or(claimed.then_some(EntrySequence(head.size)))
    }

    /// Whether a restore that was not read may account for what disagrees: it lies before the lines
    /// listed, and the reader has receipts or a head from before it.
    fn is_behind_restore(&self) -> bool {
        let stated = self.head.body().generation;
        let last = self.books.head.map(|head| head.body().generation);
        let receipts = self.books.receipts.values();
        let mut heads = receipts.map(|kept| kept.receipt.head.claims().generation).chain(last);
        let Some(before) = self.statement.opening.size().checked_sub(1) else { return false };
        let is_read =
            last.is_some_and(|last| stated <= last) && self.read(EntrySequence(before)).is_some();
        !is_read && heads.any(|generation| generation < stated)
    }

    fn entry(&self, line: EntrySequence) -> Option<&Entry> {
        let at = line.0.checked_sub(self.statement.opening.size())?;
        self.statement.entries.get(usize::try_from(at).ok()?)
    }

    fn read(&self, line: EntrySequence) -> Option<&Entry> {
        let read = &self.books.read;
        let at = read.binary_search_by_key(&line, |entry| entry.sequence);
        at.ok().and_then(|at| read.get(at))
    }

    /// An accept, from the lines or, if it is earlier, from its receipt.
    fn accept(&self, line: EntrySequence) -> Option<&Entry> {
        let kept = || self.books.receipts.get(&line).map(|kept| &kept.receipt.entry);
        let opening = EntrySequence(self.statement.opening.size());
        let entry = if opening <= line { self.entry(line) } else { kept() };
        entry.filter(|entry| entry.kind == EntryKind::Accept)
    }

    fn before(&self) -> impl Iterator<Item = (&EntrySequence, &Kept)> {
        self.books.receipts.range(..EntrySequence(self.statement.opening.size()))
    }

    fn accepted_before(&self) -> BTreeMap<SubmitId, EntrySequence> {
        let submission = |kept: &Kept| kept.receipt.entry.message.map(|of| of.submission);
        self.before().filter_map(|(line, kept)| Some((submission(kept)?, *line))).collect()
    }

    fn ended_before(&self) -> BTreeMap<EntrySequence, EntrySequence> {
        let opening = EntrySequence(self.statement.opening.size());
        let ended = |kept: &Kept| {
            let ended = kept.ended.filter(|ended| *ended < opening)?;
            self.stands(kept, ended).then_some(ended)
        };
        self.before().filter_map(|(line, kept)| Some((*line, ended(kept)?))).collect()
    }

    /// Whether what ended a charge is there still: a restore may have given its line to another. What it
    /// kept, and what was ended since, must not be charged again.
    fn stands(&self, kept: &Kept, ended: EntrySequence) -> bool {
        let Receipt { entry, head, .. } = &kept.receipt;
        let restored = self.restored_after(head.claims().generation);
        let is_kept = restored.is_none_or(|from| ended < from);
        let is_it = |other: &Entry| {
            let ends = other.kind != EntryKind::Accept;
            ends && other.message.is_some_and(|of| of.accept == entry.sequence)
        };
        is_kept || self.read(ended).is_none_or(is_it)
    }
}

fn verified_head(statement: &Statement, books: &Books) -> Result<VerifiedHead, Disagreement> {
    let mut refused = BadHead::Signature;
    for key in &books.keys {
        match statement.head.verify(&books.account, key) {
            Ok(head) => return Ok(head),
            Err(error) => refused = error,
        }
    }
    Err(refused.into())
}

/// Where generations begin, as listed or read. A line alone excuses nothing: the head must say so too.
fn restores(statement: &Statement, books: &Books) -> BTreeSet<(EntrySequence, Generation)> {
    let last = statement.head.claims().generation;
    let restored = |e: &&Entry| e.kind == EntryKind::Restored && e.generation <= last;
    let entries = statement.entries.iter().chain(&books.read).filter(restored);
    entries.map(|entry| (entry.sequence, entry.generation)).collect()
}

/// That an entry charges what was agreed.
fn same_charge(entry: &Entry, agreed: &Entry) -> Result<(), Disagreement> {
    let line = entry.sequence;
    if entry.amount != agreed.amount {
        return Err(Disagreement::Amount { line, found: entry.amount, agreed: agreed.amount });
    }
    let (Some(found), Some(declared)) = (entry.message, agreed.message) else {
        return Err(Disagreement::Altered(line));
    };
    if found.rate.category != declared.rate.category {
        let (found, declared) = (found.rate.category, declared.rate.category);
        return Err(Disagreement::Category { line, found, declared });
    }
    let same = found.rate == declared.rate && found.submission == declared.submission;
    if same { Ok(()) } else { Err(Disagreement::Altered(line)) }
}

fn first_difference(one: &Totals, other: &Totals) -> Option<TotalKey> {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
    keys.into_iter().find(|key| one.get(key) != other.get(key))
}
