//! What a business makes of the lines and heads it reads: what it keeps, tells, and does not believe.

use plico_protocol::id::SubmitId;
use plico_protocol::ledger::{
    Amount, EntryReason, Frontier, Generation, Growth, HeadBody, LedgerKeyBody, Message, Proof,
    Rate,
};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::signature::{AuthoritySecret, LedgerSecret};
use plico_protocol::ticket::{Category, Zone};
use plico_protocol::time::Hour;

use super::super::tests::{Place, hello, ticket};
use super::*;
use crate::agent::journal::{News, Stored};
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::Stage;

/// A relay's side of one account's ledger.
struct Relay {
    entries: Vec<Entry>,
    generation: u32,
}

fn authority() -> AuthoritySecret {
    AuthoritySecret::from_seed(&[5; 32])
}

fn secret() -> LedgerSecret {
    LedgerSecret::from_seed(&[1; 32])
}

fn id(n: u8) -> ContentId {
    ContentId::new([n; 16])
}

impl Relay {
    fn new() -> Self {
        Self { entries: Vec::new(), generation: 0 }
    }

    fn next(&self) -> EntrySequence {
        EntrySequence(count(&self.entries))
    }

    /// Accepts a message.
    fn accept(&mut self, n: u8) -> Entry {
        let entry = Entry {
            sequence: self.next(),
            hour: Hour(100),
            kind: EntryKind::Accept,
            reason: EntryReason::OutsideWindow,
            message: Some(Message {
                submission: SubmitId::compose(Hour(100), [n; 12]),
                accept: self.next(),
                rate: Rate { category: Category::Utility, zone: Zone::UNKNOWN },
            }),
            generation: Generation(0),
            amount: Amount {
                millionths: Millionths(50_000),
                currency: Currency::new(*b"EUR").unwrap(),
            },
        };
        self.entries.push(entry);
        entry
    }

    fn end(&mut self, accept: &Entry, reason: EntryReason) {
        let settled = matches!(reason, EntryReason::Opened | EntryReason::Offered);
        let kind = if settled { EntryKind::Settle } else { EntryKind::Release };
        let (sequence, hour) = (self.next(), Hour(96));
        self.entries.push(Entry { sequence, hour, kind, reason, ..*accept });
    }

    fn restored(&mut self, kept: usize, generation: u32) {
        self.entries.truncate(kept);
        self.generation = generation;
        let (kind, reason) = (EntryKind::Restored, EntryReason::Itself);
        let amount = Amount { millionths: Millionths(0), ..self.entries[0].amount };
        let generation = Generation(generation);
        let (sequence, message) = (self.next(), None);
        self.entries.push(Entry {
            sequence,
            hour: Hour(100),
            kind,
            reason,
            message,
            generation,
            amount,
        });
    }

    fn head(&self, place: &Place, since: u64) -> Headed {
        let mut known = std::collections::BTreeMap::new();
        let mut tree = Frontier::default();
        for entry in &self.entries {
            tree.push(entry.hash(), |subtree, hash| {
                known.insert(subtree, *hash);
            });
        }
        let body = HeadBody {
            account: place.core.identity.account.public(),
            generation: Generation(self.generation),
            size: tree.size(),
            root: tree.root(),
            hour: Hour(100),
        };
        let hash = |subtree| known.get(&subtree).copied().ok_or(());
        let link = Proof::consistency(since, tree.size(), hash).unwrap().unwrap_or_default();
        let valid_to = Hour(9_000);
        let key = LedgerKeyBody { key: secret().public(), valid_from: Hour(0), valid_to };
        let key = *key.sign(&authority()).unwrap().certificate();
        Headed { key, head: *body.sign(&secret()).head(), link }
    }
}

/// A business of that relay, which has the receipts of everything accepted so far.
fn place(relay: &Relay) -> Place {
    let mut place = Place::new();
    place.core.ledger.authority = Some(authority().public());
    keep_receipts(&mut place, relay);
    place
}

fn keep_receipts(place: &mut Place, relay: &Relay) {
    let mut growth = Growth::new(Frontier::default());
    for entry in &relay.entries {
        growth.push(entry.hash());
        if entry.kind != EntryKind::Accept {
            continue;
        }
        let path = growth.clone().finish().inclusion(entry.sequence.0).unwrap();
        let head = relay.head(place, 0).head;
        let kept = Kept { receipt: Receipt { entry: *entry, path, head }, ended: None };
        let n = entry.message.unwrap().submission.as_bytes()[15];
        let row = KeptRow { kept, customer: u64::from(n), id: id(n) };
        let name = Name::Number(entry.sequence.0);
        let put = |rows: &crate::state::Rows<'_>| rows.put(Table::Receipt, name, &row);
        place.core.state.write::<_, StateError>(put).unwrap();
    }
}

/// Reads what is new, as the agent does, and gives from which line on.
fn read(place: &mut Place, relay: &Relay) -> u64 {
    let from = place.core.ledger.lines().size();
    let fresh = relay.entries[usize::try_from(from).unwrap()..].to_vec();
    place.core.entries_came(RelayFrame::Entries(fresh)).unwrap();
    let since = place.core.ledger.record.as_ref().map_or(0, |record| record.head.claims().size);
    let headed = relay.head(place, since);
    place.core.head_came(RelayFrame::Headed(Box::new(headed))).unwrap();
    from
}

fn kept(place: &mut Place) -> Vec<Entry> {
    place.core.state.read(Lines::read).unwrap()
}

/// What the application is told, in order: of which message and why.
fn told(place: &mut Place) -> Vec<(u64, ContentId, EntryReason)> {
    let events = place.core.state.read(|rows| rows.ordered::<Stored>(Table::Event)).unwrap();
    let charge = |(_, stored): (u64, Stored)| match stored.news {
        News::Charge { id, reason, amount: _ } => Some((stored.peer, id, reason)),
        _ => None,
    };
    events.into_iter().filter_map(charge).collect()
}

#[test]
fn lines_are_read_on_from_where_they_were_read_to_and_told_once() {
    let mut relay = Relay::new();
    let (one, two) = (relay.accept(1), relay.accept(2));
    let mut place = place(&relay);
    assert_eq!(read(&mut place, &relay), 0);
    relay.end(&one, EntryReason::Opened);
    assert_eq!(read(&mut place, &relay), 2);
    place.core.ledger = OwnLedger::load(&mut place.core.state).unwrap();
    place.core.ledger.authority = Some(authority().public());
    relay.end(&two, EntryReason::NotOffered);
    assert_eq!(read(&mut place, &relay), 3);
    assert_eq!(read(&mut place, &relay), 4);
    assert_eq!(kept(&mut place), relay.entries);
    let expected = [(1, id(1), EntryReason::Opened), (2, id(2), EntryReason::NotOffered)];
    assert_eq!(told(&mut place), expected);
    assert_eq!(place.core.trouble, None);
}

#[test]
fn what_contradicts_a_receipt_or_ends_a_charge_again_is_not_told() {
    let mut relay = Relay::new();
    let (one, two) = (relay.accept(1), relay.accept(2));
    let mut place = place(&relay);
    let mut dearer = two;
    dearer.amount.millionths = Millionths(60_000);
    relay.end(&dearer, EntryReason::Opened);
    relay.end(&one, EntryReason::Opened);
    relay.end(&one, EntryReason::Offered);
    read(&mut place, &relay);
    relay.end(&one, EntryReason::Offered);
    read(&mut place, &relay);
    assert_eq!(told(&mut place), [(1, id(1), EntryReason::Opened)]);
}

#[test]
fn lines_that_no_head_stands_for_are_not_kept() {
    let mut relay = Relay::new();
    let one = relay.accept(1);
    let mut place = place(&relay);
    read(&mut place, &relay);
    relay.end(&one, EntryReason::Opened);
    let mut other = relay.entries[1];
    other.reason = EntryReason::Offered;
    for page in [vec![other], vec![relay.entries[0]]] {
        place.core.entries_came(RelayFrame::Entries(page)).unwrap();
        let headed = relay.head(&place, 1);
        place.core.head_came(RelayFrame::Headed(Box::new(headed))).unwrap();
        assert_eq!(core::mem::take(&mut place.core.trouble), Some(Trouble::Ledger));
    }
    // A head of lines that the relay does not show.
    place.core.entries_came(RelayFrame::Entries(Vec::new())).unwrap();
    let headed = relay.head(&place, 1);
    place.core.head_came(RelayFrame::Headed(Box::new(headed))).unwrap();
    assert_eq!(place.core.trouble, None, "they may have come after the last page");
    place.core.entries_came(RelayFrame::Entries(Vec::new())).unwrap();
    assert_eq!(place.core.trouble, Some(Trouble::Ledger));
    assert_eq!(kept(&mut place), relay.entries[..1]);
    assert_eq!(told(&mut place), []);
}

#[test]
fn a_head_that_does_not_continue_the_last_is_not_kept_and_told() {
    let mut relay = Relay::new();
    relay.accept(1);
    let mut place = place(&relay);
    read(&mut place, &relay);
    let mut other = Relay::new();
    other.accept(2);
    other.accept(3);
    let headed = other.head(&place, 1);
    place.core.head_came(RelayFrame::Headed(Box::new(headed))).unwrap();
    assert_eq!(place.core.trouble, Some(Trouble::Ledger));
    assert_eq!(place.core.ledger.record.as_ref().unwrap().head, relay.head(&place, 0).head);
}

/// The price limit under which a message that may cost 5 millionths is submitted.
fn limit_of_next(place: &mut Place) -> Millionths {
    let message = crate::Message::from("hello").at_most(Millionths(5));
    let id = place.core.send(crate::CustomerId(1), message, Category::Utility).unwrap().unwrap();
    let now = place.core.now();
    let (number, _) = *place.core.outbox.waiting(now).first().unwrap();
    place.core.seal(number).unwrap();
    let outgoing = place.core.state.read(|rows| Outbox::get(rows, number)).unwrap().unwrap();
    assert_eq!(outgoing.id, id);
    let Stage::Sealed { submission, .. } = outgoing.stage else { panic!("{:?}", outgoing.stage) };
    Submission::decode(submission).unwrap().consent.unwrap().price_max
}

#[test]
fn nothing_is_paid_until_a_head_continues_the_last_again() {
    let mut relay = Relay::new();
    relay.accept(1);
    let mut place = place(&relay);
    let envelope = place.first(&hello(ticket(10, 1, true)));
    place.core.take(&envelope).unwrap();
    read(&mut place, &relay);
    assert_eq!(limit_of_next(&mut place), Millionths(5));
    let mut other = Relay::new();
    other.accept(2);
    other.accept(3);
    let headed = other.head(&place, 1);
    place.core.head_came(RelayFrame::Headed(Box::new(headed))).unwrap();
    assert_eq!(limit_of_next(&mut place), Millionths(0));
    let authority = place.core.ledger.authority;
    place.core.ledger = OwnLedger::load(&mut place.core.state).unwrap();
    place.core.ledger.authority = authority;
    assert_eq!(limit_of_next(&mut place), Millionths(0), "a restart forgives nothing");
    read(&mut place, &relay);
    assert_eq!(limit_of_next(&mut place), Millionths(5));
}

#[test]
fn a_ledger_that_grew_is_read_to_the_head_that_is_there() {
    let mut relay = Relay::new();
    relay.accept(1);
    relay.accept(2);
    relay.accept(3);
    let mut place = place(&relay);
    place.core.entries_came(RelayFrame::Entries(vec![relay.entries[0]])).unwrap();
    let headed = relay.head(&place, 0);
    place.core.head_came(RelayFrame::Headed(Box::new(headed))).unwrap();
    assert_eq!(kept(&mut place), []);
    let behind_head = relay.accept(4);
    let page = vec![relay.entries[1], relay.entries[2], behind_head];
    place.core.entries_came(RelayFrame::Entries(page)).unwrap();
    assert_eq!(kept(&mut place), relay.entries[..3]);
    assert_eq!(read(&mut place, &relay), 3);
}

#[test]
fn a_restored_relay_is_read_from_its_beginning_and_what_it_settles_anew_is_told() {
    let mut relay = Relay::new();
    let (one, two) = (relay.accept(1), relay.accept(2));
    relay.end(&one, EntryReason::Opened);
    let mut place = place(&relay);
    relay.end(&two, EntryReason::Opened);
    read(&mut place, &relay);
    // The restore lost the second settlement; it is decided anew, and otherwise.
    relay.restored(3, 9);
    relay.end(&two, EntryReason::NotOffered);
    read(&mut place, &relay);
    assert_eq!(kept(&mut place), [], "the lines that were kept may be others now");
    let page = relay.entries.clone();
    place.core.entries_came(RelayFrame::Entries(page)).unwrap();
    assert_eq!(kept(&mut place), relay.entries);
    let first = [(1, id(1), EntryReason::Opened), (2, id(2), EntryReason::Opened)];
    let anew = (2, id(2), EntryReason::NotOffered);
    assert_eq!(told(&mut place), [first.as_slice(), &[anew]].concat());
    assert_eq!(place.core.trouble, None);
}

#[test]
fn a_statement_of_the_days_after_a_restore_knows_of_it() {
    let mut relay = Relay::new();
    let one = relay.accept(1);
    for n in 2..=4 {
        relay.accept(n);
    }
    let mut place = place(&relay);
    read(&mut place, &relay);
    relay.restored(1, 9);
    relay.end(&one, EntryReason::Opened);
    let (sequence, kind) = (relay.next(), EntryKind::Payment);
    let generation = Generation(0);
    relay.entries.push(Entry { sequence, kind, generation, hour: Hour(120), ..relay.entries[1] });
    let (answer, mut answered) = oneshot::channel();
    place.core.ledger.ask(Period { from: Hour(120), to: Hour(144) }, answer);
    place.core.ledger.heard = 1;
    read(&mut place, &relay);
    place.core.entries_came(RelayFrame::Entries(relay.entries.clone())).unwrap();
    let CheckedStatement { statement, verified } = *answered.try_recv().unwrap().unwrap();
    assert_eq!(statement.entries, relay.entries[3..]);
    assert_eq!(verified.map(|verified| verified.provisional), Ok(true));
    // The restore lies before a statement that was kept, too, and was read.
    let kept = place.core.check_statement(statement).unwrap();
    assert_eq!(kept.verified.map(|verified| verified.provisional), Ok(true));
}
