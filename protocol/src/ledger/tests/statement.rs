//! What a statement's reader notices: an honest one agrees, and each way of cheating names its line.

use super::{account, head, ledger_key};
use crate::id::SubmitId;
use crate::ledger::entry::tests::{accept, euros, settle};
use crate::ledger::*;
use crate::signature::AccountSecret;
use crate::ticket::Category;
use crate::time::Hour;
use crate::wire::Wire;

/// The first and the last hour of the period: days 2 and 3.
const PERIOD: Period = Period { from: Hour(48), to: Hour(96) };

/// Both sides of a ledger.
#[derive(Clone)]
struct World {
    entries: Vec<Entry>,
    books: Books,
}

impl World {
    /// Day 1: an accept. Day 2: it is settled, and two more are accepted. Day 3: one of them is
    /// settled, the other released, another is accepted.
    fn new() -> Self {
        let keys = vec![ledger_key().1];
        let receipts = Default::default();
        let books = Books { account: account(), keys, receipts, head: None, read: Vec::new() };
        let mut world = Self { entries: Vec::new(), books };
        world.accept(30, 1);
        world.end(2, 0);
        world.accept(50, 2);
        world.accept(51, 3);
        world.end(3, 2);
        let released = Entry {
            kind: EntryKind::Release,
            reason: EntryReason::NotOffered,
            ..settle(5, 3, &world.entries[3])
        };
        world.entries.push(released);
        world.accept(80, 4);
        world.books.head = Some(world.head(0));
        world
    }

    /// With a receipt, as a business gets one.
    fn accept(&mut self, hour: u32, id: u8) {
        let sequence = self.size();
        let entry = accept(sequence, hour, id);
        let mut growth = Growth::new(tree(&self.entries));
        growth.push(entry.hash());
        self.entries.push(entry);
        let head = *head(growth.frontier(), 0).head();
        let receipt = Receipt { entry, path: growth.finish().inclusion(sequence).unwrap(), head };
        let kept = Kept { receipt, ended: None };
        self.books.receipts.insert(EntrySequence(sequence), kept);
    }

    fn end(&mut self, day: u32, accepted: usize) {
        let entry = settle(self.size(), day, &self.entries[accepted]);
        self.entries.push(entry);
    }

    fn size(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    fn head(&self, generation: u32) -> VerifiedHead {
        head(&tree(&self.entries), generation)
    }

    /// Of everything but the first entry.
    fn statement(&self) -> Statement {
        self.statement_from(1)
    }

    fn statement_from(&self, opening: usize) -> Statement {
        let (before, entries) = self.entries.split_at(opening);
        Statement {
            period: PERIOD,
            opening: tree(before),
            entries: entries.to_vec(),
            totals: totals(entries, PERIOD).unwrap(),
            head: *self.head(0).head(),
            link: Proof::default(),
        }
    }

    /// What the reader says of books that were changed and signed anew.
    fn cheated(&self, change: impl FnOnce(&mut Vec<Entry>)) -> Result<(), Disagreement> {
        let mut cheat = self.clone();
        change(&mut cheat.entries);
        for (at, entry) in cheat.entries.iter_mut().enumerate() {
            entry.sequence = EntrySequence(u64::try_from(at).unwrap());
        }
        check(&cheat.statement(), &self.books)
    }

    /// What the reader says of a statement that was changed after it was made.
    fn forged(&self, change: impl FnOnce(&mut Statement)) -> Result<(), Disagreement> {
        let mut statement = self.statement();
        change(&mut statement);
        statement.totals = totals(&statement.entries, PERIOD).unwrap();
        check(&statement, &self.books)
    }
}

fn tree(entries: &[Entry]) -> Frontier {
    let mut tree = Frontier::default();
    entries.iter().for_each(|entry| tree.push(entry.hash(), |_, _| ()));
    tree
}

fn paid(sequence: u64, hour: u32) -> Entry {
    let (kind, reason) = (EntryKind::Payment, EntryReason::Itself);
    Entry { kind, reason, message: None, ..accept(sequence, hour, 4) }
}

fn restored(sequence: u64, hour: u32, generation: u32) -> Entry {
    let (kind, generation) = (EntryKind::Restored, Generation(generation));
    Entry { kind, generation, amount: euros(0), ..paid(sequence, hour) }
}

fn check(statement: &Statement, books: &Books) -> Result<(), Disagreement> {
    verify(statement, books).map(|_| ())
}

fn line(sequence: u64) -> EntrySequence {
    EntrySequence(sequence)
}

#[test]
fn an_honest_statement_agrees_and_survives_its_encoding() {
    let world = World::new();
    let statement = world.statement();
    assert_eq!(Statement::decode(statement.encode()), Ok(statement.clone()));
    let verified = verify(&statement, &world.books).unwrap();
    let sum = |kind| {
        let of = |(key, total): (&TotalKey, &Total)| (key.kind == kind).then_some(total.sum.0);
        verified.totals.iter().filter_map(of).sum::<u64>()
    };
    assert_eq!(sum(EntryKind::Settle), 100_000, "two settlements of 0.05 are dated in the period");
    assert_eq!(sum(EntryKind::Accept), 150_000);
    assert_eq!(verified.ended, [(line(0), line(1)), (line(2), line(4)), (line(3), line(5))].into());
    for opening in 0..=1 {
        assert_eq!(check(&world.statement_from(opening), &world.books), Ok(()));
    }
}

#[test]
fn an_omitted_line_is_named() {
    let world = World::new();
    for at in 1..world.entries.len() {
        let omitted = world.forged(|statement| {
            statement.entries.remove(at - 1);
        });
        assert_eq!(omitted, Err(Disagreement::Omitted(line(at.try_into().unwrap()))));
    }
    assert_eq!(check(&world.statement_from(3), &world.books), Err(Disagreement::Omitted(line(2))));
    // Signed anew without it: the receipt shows what was there.
    let signed = world.cheated(|entries| entries.truncate(6));
    assert_eq!(signed, Err(Disagreement::Omitted(line(6))));
}

#[test]
fn an_added_line_is_named() {
    let world = World::new();
    let invented = world.cheated(|entries| entries.push(accept(7, 90, 9)));
    assert_eq!(invented, Err(Disagreement::Added(line(7))));
    let of_nothing = world.cheated(|entries| {
        let settled = settle(7, 3, &accept(4, 60, 9));
        entries.push(settled);
    });
    assert_eq!(of_nothing, Err(Disagreement::Added(line(7))));
}

#[test]
fn an_altered_amount_is_named_on_either_line() {
    let world = World::new();
    let agreed = euros(50_000);
    for at in [2_usize, 4] {
        let dearer = |entry: &mut Entry| entry.amount = euros(90_000);
        let expected = Err(Disagreement::Amount {
            line: line(at.try_into().unwrap()),
            found: euros(90_000),
            agreed,
        });
        assert_eq!(world.cheated(|entries| dearer(&mut entries[at])), expected);
        assert_eq!(world.forged(|statement| dearer(&mut statement.entries[at - 1])), expected);
    }
}

#[test]
fn an_altered_category_is_named_on_either_line() {
    let world = World::new();
    for at in [3_usize, 5] {
        let altered = world.cheated(|entries| {
            let message = entries[at].message.as_mut().unwrap();
            message.rate.category = Category::Marketing;
        });
        let (found, declared) = (Category::Marketing, Category::Utility);
        let line = line(at.try_into().unwrap());
        assert_eq!(altered, Err(Disagreement::Category { line, found, declared }));
    }
}

#[test]
fn a_message_charged_twice_is_named_with_the_first_charge() {
    let world = World::new();
    let settled_again = world.cheated(|entries| entries.push(settle(7, 3, &entries[2])));
    assert_eq!(settled_again, Err(Disagreement::Twice { line: line(7), first: line(4) }));
    let released_too = world.cheated(|entries| entries.push(settle(7, 3, &entries[3])));
    assert_eq!(released_too, Err(Disagreement::Twice { line: line(7), first: line(5) }));
    // What an earlier statement settled is remembered beside the receipt.
    let mut world = World::new();
    world.books.receipts.get_mut(&line(0)).unwrap().ended = Some(line(1));
    world.end(3, 0);
    let again = check(&world.statement_from(2), &world.books);
    assert_eq!(again, Err(Disagreement::Twice { line: line(7), first: line(1) }));
}

#[test]
fn two_heads_that_are_not_consistent_are_named() {
    let world = World::new();
    // Nothing that the business has a receipt for was changed, and yet the books are others.
    let other = world.cheated(|entries| entries[5].reason = EntryReason::Unreadable);
    assert_eq!(other, Err(Disagreement::Heads { one: 7, other: 7 }));
    // A head before the lines listed must be joined by the statement's proof.
    let mut early = world.clone();
    early.books.receipts.clear();
    early
        .books
        .receipts
        .extend(world.books.receipts.range(line(6)..).map(|(at, k)| (*at, k.clone())));
    early.books.head = Some(head(&tree(&world.entries[..1]), 0));
    let period = Period { from: Hour(80), to: Hour(96) };
    let mut statement = Statement { period, ..world.statement_from(6) };
    statement.totals = totals(&statement.entries, period).unwrap();
    assert_eq!(check(&statement, &early.books), Err(Disagreement::Heads { one: 1, other: 7 }));
    statement.link = consistency(&world.entries, 1);
    assert_eq!(check(&statement, &early.books), Ok(()));
    // One after them must be led to by what was read since, and a proof does not do.
    let mut later = world.clone();
    later.accept(96, 5);
    later.accept(97, 6);
    later.books.head = Some(later.head(0));
    let statement = Statement { link: consistency(&later.entries, 7), ..world.statement() };
    assert_eq!(check(&statement, &later.books), Err(Disagreement::Unread(line(7))));
    later.books.read = later.entries[..8].to_vec();
    assert_eq!(check(&statement, &later.books), Err(Disagreement::Unread(line(8))));
    later.books.read = later.entries.clone();
    assert_eq!(check(&statement, &later.books), Ok(()));
    later.books.read[7].hour = Hour(97);
    let other = check(&statement, &later.books);
    assert_eq!(other, Err(Disagreement::Heads { one: 9, other: 7 }));
}

#[test]
fn a_line_of_the_period_outside_the_statement_is_named() {
    let world = World::new();
    let after = |hour| {
        let mut later = world.clone();
        later.entries.push(paid(7, hour));
        later.books.head = Some(later.head(0));
        later.books.read = later.entries.clone();
        check(&world.statement(), &later.books)
    };
    // The payment has no receipt that would be missed.
    assert_eq!(after(95), Err(Disagreement::Outdated(line(7))));
    assert_eq!(after(48), Err(Disagreement::Outdated(line(7))));
    assert_eq!(after(96), Ok(()), "of the next period");
    assert_eq!(after(47), Ok(()), "of the one before");
    // Nor has the settlement in front of the lines.
    let mut reader = world.clone();
    assert_eq!(check(&world.statement_from(2), &reader.books), Ok(()));
    reader.books.read = world.entries.clone();
    let front = check(&world.statement_from(2), &reader.books);
    assert_eq!(front, Err(Disagreement::Omitted(line(1))));
    // Whatever generation counts more: a relay that was restored is no reason to hide a line.
    let mut restored = world.clone();
    restored.entries.push(paid(7, 95));
    restored.books.head = Some(restored.head(9));
    assert_eq!(check(&world.statement(), &restored.books), Err(Disagreement::Unread(line(7))));
    restored.books.read = restored.entries.clone();
    assert_eq!(check(&world.statement(), &restored.books), Err(Disagreement::Outdated(line(7))));
}

#[test]
fn until_a_day_after_its_period_a_statement_is_provisional() {
    let world = World::new();
    let to = |to| {
        let mut statement = world.statement();
        let dated = statement.head.claims().hour;
        statement.period.to = Hour(dated.0 + 1).minus(to);
        statement.totals = totals(&statement.entries, statement.period).unwrap();
        verify(&statement, &world.books).map(|verified| verified.provisional)
    };
    assert_eq!(to(0), Ok(true), "its last hour is not over");
    assert_eq!(to(24), Ok(true), "what ended on its last day may not be settled");
    assert_eq!(to(25), Ok(false));
}

#[test]
fn a_receipt_that_was_signed_and_is_not_in_the_tree_is_named() {
    let world = World::new();
    let replaced = world.cheated(|entries| {
        let message = entries[2].message.as_mut().unwrap();
        message.submission = SubmitId::compose(Hour(50), [99; 12]);
        entries[4].message = entries[2].message;
    });
    assert_eq!(replaced, Err(Disagreement::NotInTree(line(2))));
    let displaced = world.cheated(|entries| entries[6] = settle(6, 3, &accept(5, 50, 9)));
    assert_eq!(displaced, Err(Disagreement::Added(line(6))));
    let displaced = world.cheated(|entries| entries[6] = paid(6, 80));
    assert_eq!(displaced, Err(Disagreement::NotInTree(line(6))));
}

#[test]
fn lines_that_are_not_the_signed_ones_and_wrong_totals_are_named() {
    let world = World::new();
    let unsigned = world.forged(|statement| statement.entries[4].hour = Hour(48));
    assert_eq!(unsigned, Err(Disagreement::Unsigned(line(4))), "as far as the last receipt's head");
    let mut statement = world.statement();
    let (key, total) = statement.totals.iter_mut().next().unwrap();
    total.count += 1;
    let key = *key;
    assert_eq!(check(&statement, &world.books), Err(Disagreement::Total(key)));
}

#[test]
fn a_statement_of_another_account_or_key_is_refused() {
    let mut world = World::new();
    let statement = world.statement();
    world.books.account = AccountSecret::from_seed(&[9; 32]).public();
    let refused = check(&statement, &world.books);
    assert_eq!(refused, Err(Disagreement::Head(BadHead::OtherAccount)));
    world.books.keys.clear();
    assert_eq!(check(&statement, &world.books), Err(Disagreement::Head(BadHead::Signature)));
}

#[test]
fn what_a_restore_took_away_is_not_disputed() {
    let mut world = World::new();
    // The relay went on from a backup with five entries.
    world.entries.truncate(5);
    world.entries.push(restored(5, 90, 7));
    let mut statement = world.statement();
    statement.head = *world.head(7).head();
    assert_eq!(check(&statement, &world.books), Ok(()));
    // Before anything was charged again, its heads say so alone.
    let unsaid = world.entries.pop().unwrap();
    let mut statement = world.statement();
    statement.head = *world.head(7).head();
    assert_eq!(check(&statement, &world.books), Ok(()));
    world.entries.push(unsaid);
    let mut statement = world.statement();
    // Without a restore to account for it, the receipt of line 6 is missed.
    statement.head = *world.head(0).head();
    assert_eq!(check(&statement, &world.books), Err(Disagreement::Omitted(line(6))));
}

/// A ledger that went on in generation 7 from its first line, and a statement from line 4 on.
fn restored_before() -> (World, Statement) {
    let mut world = World::new();
    world.entries.truncate(1);
    world.entries.push(restored(1, 40, 7));
    let paid = [46, 47, 60, 61, 62].into_iter().zip(2..).map(|(hour, at)| paid(at, hour));
    world.entries.extend(paid);
    let mut statement = world.statement_from(4);
    statement.head = *world.head(7).head();
    (world, statement)
}

#[test]
fn a_restore_before_the_lines_accounts_for_what_it_lost_once_it_was_read() {
    let (mut world, statement) = restored_before();
    assert_eq!(check(&statement, &world.books), Err(Disagreement::UnreadRestore));
    world.books.read = World::new().entries;
    let of_before = check(&statement, &world.books);
    assert_eq!(of_before, Err(Disagreement::UnreadRestore), "the lines that were lost say nothing");
    world.books.read = world.entries.clone();
    world.books.head = Some(world.head(7));
    assert_eq!(check(&statement, &world.books), Ok(()));
    // It accounts for nothing that came after it.
    let mut paid_before = statement;
    paid_before.period.from = Hour(47);
    paid_before.totals = totals(&paid_before.entries, paid_before.period).unwrap();
    assert_eq!(check(&paid_before, &world.books), Err(Disagreement::Omitted(line(3))));
}

#[test]
fn a_restore_that_is_claimed_and_not_shown_accounts_for_nothing() {
    let (mut world, _) = restored_before();
    world.entries[1] = paid(1, 50);
    let mut statement = world.statement_from(4);
    statement.head = *world.head(7).head();
    world.books.receipts.clear();
    world.books.read = world.entries.clone();
    world.books.head = Some(world.head(0));
    assert_eq!(check(&statement, &world.books), Err(Disagreement::UnreadRestore));
    // The books that were promised were read.
    world.books.head = Some(world.head(7));
    assert_eq!(check(&statement, &world.books), Err(Disagreement::Omitted(line(1))));
    // What was accepted before it is missed as well.
    world.books.receipts = World::new().books.receipts.split_off(&line(6));
    assert_eq!(check(&statement, &world.books), Err(Disagreement::NotInTree(line(6))));
}

#[test]
fn what_was_charged_since_a_restore_is_not_charged_again() {
    let mut world = World::new();
    world.entries.truncate(1);
    world.entries.push(restored(1, 40, 7));
    world.end(1, 0);
    world.end(2, 0);
    world.books.receipts.retain(|at, _| at.0 == 0);
    world.books.read = world.entries.clone();
    world.books.head = Some(world.head(7));
    let mut statement = world.statement_from(3);
    statement.head = *world.head(7).head();
    let ended = |world: &mut World, at| {
        world.books.receipts.get_mut(&line(0)).unwrap().ended = Some(line(at));
    };
    ended(&mut world, 2);
    let again = check(&statement, &world.books);
    assert_eq!(again, Err(Disagreement::Twice { line: line(3), first: line(2) }));
    // One that the restore took away is.
    ended(&mut world, 1);
    assert_eq!(check(&statement, &world.books), Ok(()));
}

#[test]
fn a_head_from_before_a_restore_is_joined_to_the_lines_behind_it() {
    let (mut world, mut statement) = restored_before();
    world.books.read = world.entries.clone();
    world.books.head = Some(head(&tree(&world.entries[..1]), 0));
    world.books.receipts.clear();
    assert_eq!(check(&statement, &world.books), Err(Disagreement::UnreadRestore));
    statement.link = consistency(&world.entries, 1);
    assert_eq!(check(&statement, &world.books), Ok(()));
}

#[test]
fn a_statement_whose_lines_a_restore_took_away_accuses_nobody() {
    let world = World::new();
    for size in [6, 7, 9] {
        let mut reader = world.clone();
        reader.entries.truncate(5);
        while reader.size() < size {
            reader.entries.push(paid(reader.size(), 30));
        }
        reader.books.read = reader.entries.clone();
        reader.books.head = Some(reader.head(7));
        let restored = check(&world.statement(), &reader.books);
        assert_eq!(restored, Err(Disagreement::Restored), "with {size} lines");
    }
}

/// That the first `old` entries are the beginning of all of them.
fn consistency(entries: &[Entry], old: u64) -> Proof {
    let mut known = std::collections::BTreeMap::new();
    let mut tree = Frontier::default();
    for entry in entries {
        tree.push(entry.hash(), |subtree, hash| {
            known.insert(subtree, *hash);
        });
    }
    Proof::consistency(old, tree.size(), |subtree| known.get(&subtree).copied().ok_or(()))
        .unwrap()
        .unwrap()
}
