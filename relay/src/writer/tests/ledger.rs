//! What messages cost: reserved, settled or released once, and never joined to a mailbox.

mod dues;
mod ended;
mod grown;
mod history;
mod paid;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use plico_protocol::frame::{Acceptance, RelayFrame, Sequence};
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Amount, Entry, EntryKind, EntryReason, EntrySequence, Generation, Proof, Receipt, VerifiedHead,
};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::{Category, Ticket};
use plico_protocol::time::{Day, Hour};
use plico_protocol::wire::Wire;

use crate::admin::ledger::{Days, LedgerLine, lines};
use crate::decide::SWEPT_KEY;
use crate::ledger::Signer;
use crate::request::{Pricing, Request};
use crate::rows::{Rows, SweptRow};
use crate::store::{Change, CommitError, Disk, Memory, ReadError, Reader, Store, Table};
use crate::writer::Limits;
use crate::writer::fixture::{
    START, Seeded, UTILITY, World, acknowledge, bank, card, code, keys, person, revoke,
};

/// Ten messages' worth.
const CREDIT: Millionths = Millionths(10 * UTILITY.0);

/// A relay with a rate card, and a mailbox of which the bank has a ticket.
struct Shop {
    world: World,
    ticket: Ticket,
    next: u8,
}

impl Shop {
    fn over(store: Arc<dyn Store>) -> Self {
        let limits = Limits { credit: CREDIT, ..Limits::default() };
        let mut world = World::over(store, keys(), limits);
        world.call(Request::Open { address: person(1) }).unwrap();
        let ticket = world.mint(person(1), 999, true);
        Self { world, ticket, next: 0 }
    }

    fn new() -> Self {
        Self::over(Arc::new(Memory::open(&Disk::default()).unwrap()))
    }

    /// A utility message, which costs [`UTILITY`], for at most `price_max`.
    fn priced(&mut self, price_max: Millionths) -> Request {
        self.next += 1;
        let mut request = self.world.to_mailbox(self.next, person(1), &self.ticket);
        if let Request::SubmitToMailbox { category, pricing, .. } = &mut request {
            *category = Category::Utility;
            *pricing = Pricing { card: Some(card()), certified: true, price_max };
        }
        request
    }

    fn send(&mut self) -> Box<Receipt> {
        let request = self.priced(UTILITY);
        receipt(self.world.call(request))
    }

    fn entries(&self) -> Vec<Entry> {
        let from = EntrySequence(0);
        self.world.view().ledger_entries(&bank().account, from, 10_000).unwrap()
    }

    fn head(&self, since: u64) -> (VerifiedHead, Proof) {
        let (ring, now) = (self.world.keys.ring(), self.world.now());
        let key = self.world.keys.ledger_key(now).unwrap();
        let secret = ring.ledger().unwrap();
        let signer = Signer { secret, certificate: *key.certificate(), hour: now.hour() };
        let headed = self.world.view().ledger_head(&bank().account, since, &signer).unwrap();
        (headed.head.verify(&bank().account, &key).unwrap(), headed.link)
    }

    /// Passes to the next day and settles.
    fn next_day(&mut self) {
        self.world.pass_hours(24);
        self.world.sweep();
    }

    /// What ended the accept with this sequence.
    fn outcome(&self, accept: EntrySequence) -> Option<(EntryKind, EntryReason)> {
        let entries = self.entries();
        let mut ended = entries.iter().filter(|entry| entry.kind != EntryKind::Accept);
        let mine = ended.find(|entry| entry.message.unwrap().accept == accept);
        mine.map(|entry| (entry.kind, entry.reason))
    }
}

fn receipt(reply: crate::request::Reply) -> Box<Receipt> {
    match reply {
        Ok(RelayFrame::Accepted(Acceptance { receipt: Some(receipt), .. })) => receipt,
        other => panic!("no receipt: {other:?}"),
    }
}

#[test]
fn a_message_that_costs_is_answered_with_a_receipt_and_a_free_one_without() {
    let mut shop = Shop::new();
    let key = shop.world.keys.ledger_key(shop.world.now()).unwrap();
    let receipt = shop.send();
    let head = receipt.verify(&bank().account, &key).unwrap();
    assert_eq!(receipt.entry, shop.entries()[0]);
    assert_eq!((head.body().size, receipt.entry.amount.millionths), (1, UTILITY));
    let mut free = shop.priced(Millionths::ZERO);
    if let Request::SubmitToMailbox { category, .. } = &mut free {
        *category = Category::Service;
    }
    let Ok(RelayFrame::Accepted(Acceptance { receipt: None, .. })) = shop.world.call(free) else {
        panic!("an answer in the window is free")
    };
    assert_eq!(shop.entries().len(), 1);
}

#[test]
fn the_receipts_of_one_commit_have_one_head_and_repeating_gives_one_again() {
    let mut shop = Shop::new();
    let key = shop.world.keys.ledger_key(shop.world.now()).unwrap();
    let mut batch: Vec<Request> = (0..5).map(|_| shop.priced(UTILITY)).collect();
    batch.push(batch[0].clone());
    let repeated = batch[2].clone();
    let replies = shop.world.core.commit_batch(batch).unwrap();
    let receipts: Vec<_> = replies.into_iter().map(receipt).collect();
    for receipt in &receipts {
        assert_eq!(receipt.head, receipts[0].head);
        receipt.verify(&bank().account, &key).unwrap();
    }
    assert_eq!(receipts[0].entry, receipts[5].entry, "the same submission is charged once");
    shop.send();
    let again = receipt(shop.world.call(repeated));
    assert_eq!(again.entry, receipts[2].entry);
    assert_eq!(again.verify(&bank().account, &key).unwrap().body().size, 6);
}

#[test]
fn opened_and_offered_are_settled_and_unreadable_and_unseen_released_the_day_after() {
    let mut shop = Shop::new();
    let (opened, unreadable) = (shop.send(), shop.send());
    let (offered, unseen) = (shop.send(), shop.send());
    shop.world.call(acknowledge(person(1), 2, &[2])).unwrap();
    let up_to = Sequence(3);
    shop.world.call(Request::Offer { address: person(1), up_to }).unwrap();
    shop.world.call(revoke(person(1))).unwrap();
    shop.world.sweep();
    assert_eq!(shop.entries().len(), 4, "nothing is settled on the day itself");
    let today = shop.world.now().day();
    shop.next_day();
    for (receipt, expected) in [
        (opened, (EntryKind::Settle, EntryReason::Opened)),
        (unreadable, (EntryKind::Release, EntryReason::Unreadable)),
        (offered, (EntryKind::Settle, EntryReason::Offered)),
        (unseen, (EntryKind::Release, EntryReason::NotOffered)),
    ] {
        assert_eq!(shop.outcome(receipt.entry.sequence), Some(expected));
    }
    let ended = shop.entries().split_off(4);
    assert!(ended.iter().all(|entry| entry.hour.0 == today.0 * 24), "dated by the day");
    shop.next_day();
    assert_eq!(shop.entries().len(), 8, "each is settled once");
}

#[test]
fn nobody_reads_for_free_by_revoking_at_once() {
    let mut shop = Shop::new();
    let (handed, unseen) = (shop.send(), shop.send());
    shop.world.call(Request::Revoke { address: person(1), handed: Sequence(1) }).unwrap();
    shop.next_day();
    let outcome = |receipt: Box<Receipt>| shop.outcome(receipt.entry.sequence).unwrap();
    assert_eq!(outcome(handed), (EntryKind::Settle, EntryReason::Offered));
    assert_eq!(outcome(unseen), (EntryKind::Release, EntryReason::NotOffered));
}

#[test]
fn what_expires_is_paid_for_only_if_it_was_offered() {
    let mut shop = Shop::new();
    let (offered, unseen) = (shop.send(), shop.send());
    shop.world.call(Request::Offer { address: person(1), up_to: Sequence(1) }).unwrap();
    shop.world.pass_hours(720);
    shop.world.sweep();
    shop.next_day();
    let outcome = |receipt: Box<Receipt>| shop.outcome(receipt.entry.sequence).unwrap();
    assert_eq!(outcome(offered), (EntryKind::Settle, EntryReason::Offered));
    assert_eq!(outcome(unseen), (EntryKind::Release, EntryReason::NotOffered));
}

#[test]
fn what_expired_while_the_relay_was_down_is_dated_by_its_last_hour() {
    let mut shop = Shop::new();
    shop.send();
    let last = shop.world.now().hour().plus(720).day();
    shop.world.pass_hours(720 + 3 * 24);
    shop.world.sweep();
    shop.next_day();
    let dated: Vec<_> = shop.entries().iter().map(|entry| entry.hour).collect();
    assert_eq!(dated[1..], [Hour(last.0 * 24)]);
}

#[test]
fn credit_and_price_limit_hold_at_the_limit_and_not_one_past_it() {
    let mut shop = Shop::new();
    let dear = shop.priced(Millionths(UTILITY.0 - 1));
    assert_eq!(code(shop.world.call(dear)), Code::OverPriceLimit);
    for _ in 0..10 {
        shop.send();
    }
    let eleventh = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(eleventh.clone())), Code::NoCredit);
    shop.world.call(acknowledge(person(1), 10, &[10])).unwrap();
    shop.next_day();
    // What was released may be reserved again; what was settled is owed.
    receipt(shop.world.call(eleventh));
    let twelfth = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(twelfth)), Code::NoCredit);
}

#[test]
fn the_credit_of_an_account_takes_the_place_of_the_setting_up_to_its_limit() {
    let mut shop = Shop::new();
    let (account, currency) = (bank().account, Currency::new(*b"EUR").unwrap());
    let allow = |shop: &mut Shop, credit: Option<u64>| {
        let credit =
            credit.map(|count| Amount { millionths: Millionths(count * UTILITY.0), currency });
        shop.world.call(Request::SetCredit { account, credit })
    };
    allow(&mut shop, Some(2)).unwrap();
    shop.send();
    shop.send();
    let third = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(third)), Code::NoCredit);
    allow(&mut shop, Some(0)).unwrap();
    let third = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(third)), Code::NoCredit, "what is reserved stays so");
    allow(&mut shop, None).unwrap();
    for _ in 2..10 {
        shop.send();
    }
    let eleventh = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(eleventh)), Code::NoCredit);
}

#[test]
fn nothing_is_charged_that_cannot_be_signed() {
    let mut shop = Shop::new();
    let mut request = shop.priced(UTILITY);
    if let Request::SubmitToMailbox { pricing, .. } = &mut request {
        pricing.certified = false;
    }
    assert_eq!(code(shop.world.call(request)), Code::NotPriced);
    assert!(shop.entries().is_empty());
}

#[test]
fn each_head_continues_the_one_before() {
    let mut shop = Shop::new();
    let (mut last, _) = shop.head(0);
    for count in 1..=4 {
        for _ in 0..count {
            shop.send();
        }
        shop.world.call(acknowledge(person(1), shop.next.into(), &[])).unwrap();
        shop.next_day();
        shop.ticket = shop.world.mint(person(1), 999, true);
        let (head, link) = shop.head(last.body().size);
        assert_eq!(last.precedes(&head, &link), Ok(()));
        last = head;
    }
    assert_eq!(last.body().size, 20);
}

#[test]
fn a_restored_relay_says_so_in_its_heads_and_in_each_ledger() {
    let disk = Disk::default();
    let mut shop = Shop::over(Arc::new(Memory::open(&disk).unwrap()));
    shop.send();
    let (before, _) = shop.head(0);
    let Shop { world, ticket, next } = shop;
    let keys = world.keys.clone();
    let rows = Rows::new(&keys.ring());
    drop(world);
    let store = Memory::open(&disk).unwrap();
    let hour = START.hour();
    let swept = SweptRow { generation: Generation(9), ..SweptRow::begun(hour) };
    store.commit(&[rows.put(SWEPT_KEY, &swept, &mut Seeded(5))]).unwrap();
    let limits = Limits { credit: CREDIT, ..Limits::default() };
    let world = World::seeded(Arc::new(store), keys, limits, 8);
    let mut shop = Shop { world, ticket, next };
    let (restored, link) = shop.head(1);
    assert_eq!(before.precedes(&restored, &link), Ok(()));
    assert_eq!(restored.body().generation, Generation(9));
    let receipts = [shop.send(), shop.send()];
    let kinds: Vec<_> = shop.entries().iter().map(|entry| entry.kind).collect();
    let accept = EntryKind::Accept;
    assert_eq!(kinds, [accept, EntryKind::Restored, accept, accept]);
    let key = shop.world.keys.ledger_key(shop.world.now()).unwrap();
    for receipt in receipts {
        let head = receipt.verify(&bank().account, &key).unwrap();
        assert_eq!(head.body().generation, Generation(9));
    }
}

#[test]
fn free_messages_are_counted_by_day_apart_from_every_message() {
    let store = Memory::open(&Disk::default()).unwrap();
    let watched = Arc::new(Watched { store, commits: Mutex::default() });
    let mut shop = Shop::over(watched.clone());
    let free = |shop: &mut Shop| {
        let mut request = shop.priced(Millionths::ZERO);
        if let Request::SubmitToMailbox { category, .. } = &mut request {
            *category = Category::Service;
        }
        shop.world.call(request.clone()).unwrap();
        shop.world.call(request).expect("repeated, it is one message");
    };
    let counts = |shop: &Shop| shop.world.view().free_counts(&bank().account, Day(0), 99).unwrap();
    let first = shop.world.now().day();
    for _ in 0..3 {
        free(&mut shop);
    }
    shop.send();
    shop.world.sweep();
    assert_eq!(counts(&shop), [], "nothing on the day itself");
    shop.next_day();
    assert_eq!(counts(&shop), [(first, 3)]);
    shop.ticket = shop.world.mint(person(1), 999, true);
    free(&mut shop);
    // A relay that stops stores what it has; what begins again in the same day adds to it.
    shop.world.core.leave().unwrap();
    free(&mut shop);
    shop.next_day();
    assert_eq!(counts(&shop), [(first, 3), (Day(first.0 + 1), 2)]);
    let commits = watched.commits.lock().unwrap();
    let alone = BTreeSet::from([Table::Free]);
    let with_counts: Vec<_> = commits.iter().filter(|t| t.contains(&Table::Free)).collect();
    assert!(with_counts.len() == 3 && with_counts.iter().all(|tables| **tables == alone));
}

/// Notes which tables each commit wrote.
struct Watched {
    store: Memory,
    commits: Mutex<Vec<BTreeSet<Table>>>,
}

impl Store for Watched {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let tables = changes.iter().map(|change| change.table).collect();
        self.commits.lock().unwrap().push(tables);
        self.store.commit(changes)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        self.store.reader()
    }

    fn recover(&self) -> Result<(), CommitError> {
        self.store.recover()
    }
}

#[test]
fn no_settlement_shares_a_commit_with_a_mailbox_and_no_end_with_an_account() {
    let store = Memory::open(&Disk::default()).unwrap();
    let watched = Arc::new(Watched { store, commits: Mutex::default() });
    let mut shop = Shop::over(watched.clone());
    for _ in 0..6 {
        shop.send();
    }
    watched.commits.lock().unwrap().clear();
    shop.world.call(acknowledge(person(1), 4, &[2])).unwrap();
    shop.next_day();
    let commits = watched.commits.lock().unwrap();
    let of = |table: Table| commits.iter().filter(move |tables| tables.contains(&table));
    assert!(of(Table::Accounts).count() == 1 && of(Table::Queues).count() == 1);
    let touches_mailbox = [Table::Queues, Table::Envelopes, Table::Origins, Table::Submissions];
    for tables in of(Table::Accounts) {
        assert!(touches_mailbox.iter().all(|table| !tables.contains(table)), "{tables:?}");
    }
}

/// Stores what it says it has no room for: a full disk may end a commit after its rows are there.
struct Doubtful {
    store: Memory,
    is_full: AtomicBool,
}

impl Store for Doubtful {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.store.commit(changes)?;
        if self.is_full.load(Ordering::SeqCst) { Err(CommitError::Full) } else { Ok(()) }
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        self.store.reader()
    }

    fn recover(&self) -> Result<(), CommitError> {
        Ok(())
    }
}

#[test]
fn a_refused_commit_that_is_there_after_all_is_charged_once_and_built_upon() {
    let store = Memory::open(&Disk::default()).unwrap();
    let doubtful = Arc::new(Doubtful { store, is_full: AtomicBool::new(false) });
    let mut shop = Shop::over(doubtful.clone());
    let key = shop.world.keys.ledger_key(shop.world.now()).unwrap();
    shop.send();
    doubtful.is_full.store(true, Ordering::SeqCst);
    let request = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(request.clone())), Code::StorageFull);
    doubtful.is_full.store(false, Ordering::SeqCst);
    let repeated = receipt(shop.world.call(request));
    let next = shop.send();
    for (number, receipt) in [(1, repeated), (2, next)] {
        assert_eq!(receipt.entry.sequence, EntrySequence(number));
        receipt.verify(&bank().account, &key).unwrap();
    }
    assert_eq!(shop.entries().len(), 3);
}

#[test]
fn entries_are_read_from_any_one_on_and_as_many_as_asked_for() {
    let mut shop = Shop::new();
    let account = bank().account;
    shop.world.call(Request::SetCredit { account, credit: Some(euros(1_000)) }).unwrap();
    for _ in 0..40 {
        shop.send();
    }
    let read = |from, limit| {
        let read = shop.world.view().ledger_entries(&account, EntrySequence(from), limit).unwrap();
        read.iter().map(|entry| entry.sequence.0).collect::<Vec<_>>()
    };
    for from in [0, 1, 15, 16, 17, 31, 39, 40, 99] {
        for limit in [0, 1, 15, 16, 17, 99] {
            let expected = (from..40).take(limit).collect::<Vec<_>>();
            assert_eq!(read(from, limit), expected, "{limit} from {from} on");
        }
    }
}

fn euros(count: u64) -> Amount {
    let currency = Currency::new(*b"EUR").unwrap();
    Amount { millionths: Millionths(count * Millionths::UNIT.0), currency }
}
