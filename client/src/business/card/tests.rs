//! Which cards are believed, and that the price told is the price a relay computes.

use std::sync::Arc;

use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{Acceptance, Consent, RelayFrame, Submission};
use plico_protocol::id::{Address, DhKey, SubmitId, TicketCommitment, TicketId, TicketOpening};
use plico_protocol::ledger::{
    Amount, Entry, EntryKind, EntryReason, EntrySequence, Frontier, Generation, Growth, HeadBody,
    LedgerKeyBody, LedgerKeyCertificate, Message, Rate, Receipt,
};
use plico_protocol::link::RelayLink;
use plico_protocol::mac::MacKey;
use plico_protocol::pricing::{
    CardFields, Charge, Currency, Millionths, NoPrice, Price, Prices, RateCard, Standing, Tariff,
    price,
};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::reputation::{AccountStanding, Dues, Reputation, Unpaid};
use plico_protocol::signature::{AuthoritySecret, LedgerSecret};
use plico_protocol::stamp::Reason;
use plico_protocol::ticket::{
    Categories, Category, Epoch, Ticket, TicketFields, TicketKeyId, Zone,
};
use plico_protocol::time::{Day, Hour, Minute, Timestamp};

use super::super::event::Trouble;
use super::super::price::PriceError;
use super::super::record::CustomerRecord;
use super::super::standing::OwnStanding;
use super::super::tests::Place;
use super::super::uses::{self, Uses};
use super::super::{BusinessConnectError, CustomerId};
use super::*;
use crate::clock::Clock;
use crate::state::Rows;

const NOW: Minute = Minute(29_900_000);

struct Still(Minute);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(u64::from(self.0.0) * 60_000)
    }
}

fn authority() -> AuthoritySecret {
    AuthoritySecret::from_seed(&[5; 32])
}

fn ledger_key(seed: u8, authority: &AuthoritySecret) -> LedgerKeyCertificate {
    let key = LedgerSecret::from_seed(&[seed; 32]).public();
    let valid_from = NOW.hour().minus(100);
    let body = LedgerKeyBody { key, valid_from, valid_to: Hour(valid_from.0 + 9_600) };
    *body.sign(authority).unwrap().certificate()
}

/// A card that holds from one minute to before another, with service at this price in France.
fn card(issued: Minute, from: Minute, until: Minute, service: u64) -> RateCard {
    let prices = Prices { service: Some(Millionths(service)), ..Prices::default() };
    fields(issued, from, until, prices).check().unwrap()
}

fn fields(issued: Minute, valid_from: Minute, valid_until: Minute, prices: Prices) -> CardFields {
    let zone = |code: &[u8; 2]| Zone::new(*code).unwrap();
    let far = Prices { service: Some(Millionths(90_000)), utility: None, ..prices };
    let tariff =
        |name: &str, zone, prices| Tariff { name: name.to_owned(), countries: vec![zone], prices };
    CardFields {
        issued,
        valid_from,
        valid_until,
        currency: Currency::new(*b"EUR").unwrap(),
        window_hours: 24,
        window_days_per_month: 31,
        free_in_window: Categories::of(&[Category::Service]),
        subscription: None,
        inbox_free_per_day: 1,
        tiers: vec![250],
        tariffs: vec![tariff("near", zone(b"FR"), prices), tariff("far", zone(b"US"), far)],
    }
}

fn brought(card: RateCard) -> RelayFrame {
    let signed = card.sign(&LedgerSecret::from_seed(&[1; 32])).signed().clone();
    RelayFrame::RateCard { key: ledger_key(1, &authority()), card: signed }
}

/// A business of a relay of that authority, at [`NOW`].
fn place() -> Place {
    let mut place = Place::new();
    place.core.clock = Arc::new(Still(NOW));
    let authority = authority().public();
    let (pin, auth) = ("A".repeat(43), Pin::of_authority(&authority));
    let link = format!("plico://relay.example:4433/?pin={pin}&auth={auth}");
    let link: RelayLink = link.parse().unwrap();
    place.core.identity.relay = Some(link);
    place.core.ledger.authority = Some(authority);
    place
}

fn service_price(place: &mut Place) -> Option<u64> {
    let card = place.core.card_now()?;
    card.rate(Zone::new(*b"FR").unwrap(), Category::Service).map(|price| price.0)
}

fn day() -> (Minute, Minute) {
    (NOW, NOW.plus(1_440))
}

#[test]
fn a_card_is_kept_over_a_restart_and_ends_when_it_says() {
    let (from, until) = day();
    let mut place = place();
    place.core.card_came(brought(card(NOW, from, until, 7))).unwrap();
    assert_eq!(service_price(&mut place), Some(7));
    assert_eq!(place.core.card.due, Timestamp(u64::from(until.0) * 60_000));
    place.core.card = OwnCard::load(&mut place.core.state).unwrap();
    assert_eq!(service_price(&mut place), Some(7));
    assert_eq!(place.core.card.due, Timestamp(0), "it may have changed meanwhile");
    for minute in [Minute(from.0 - 1), until] {
        place.core.clock = Arc::new(Still(minute));
        assert_eq!(service_price(&mut place), None);
    }
}

#[test]
fn no_card_is_believed_that_the_authority_does_not_stand_behind() {
    let (from, until) = day();
    let signed = |card: RateCard, seed: u8| {
        card.sign(&LedgerSecret::from_seed(&[seed; 32])).signed().clone()
    };
    let good = || card(NOW, from, until, 7);
    let own = ledger_key(1, &authority());
    let other = ledger_key(1, &AuthoritySecret::from_seed(&[6; 32]));
    let old = card(Minute(NOW.0 - 200 * 60), from, until, 7);
    for (what, key, card) in [
        ("signed by another key", own, signed(good(), 2)),
        ("a key of another authority", other, signed(good(), 1)),
        ("issued before the key's time", own, signed(old, 1)),
        ("not yet valid", own, signed(card(NOW, NOW.plus(1), until, 7), 1)),
        ("expired", own, signed(card(NOW, Minute(0), NOW, 7), 1)),
    ] {
        let mut place = place();
        place.core.card_came(RelayFrame::RateCard { key, card }).unwrap();
        assert_eq!(service_price(&mut place), None, "{what}");
        assert_eq!(place.core.trouble, Some(Trouble::RateCard), "{what}");
    }
}

#[test]
fn a_card_of_another_relay_prices_nothing() {
    let (from, until) = day();
    let mut place = place();
    place.core.card_came(brought(card(NOW, from, until, 7))).unwrap();
    let relay = place.core.identity.relay.as_mut().unwrap();
    relay.authority = Pin::of_authority(&AuthoritySecret::from_seed(&[6; 32]).public());
    assert_eq!(service_price(&mut place), None);
}

#[test]
fn of_two_cards_the_one_issued_later_counts() {
    let (from, until) = day();
    let mut place = place();
    for (issued, price, counts) in [(10, 7, 7), (9, 8, 7), (11, 9, 9)] {
        let issued = Minute(NOW.0 - 60 + issued);
        place.core.card_came(brought(card(issued, from, until, price))).unwrap();
        assert_eq!(service_price(&mut place), Some(counts));
    }
}

#[test]
fn who_waits_for_a_card_is_told_that_there_is_none() {
    let mut place = place();
    let (answer, mut told) = oneshot::channel();
    place.core.ask_card(answer);
    let refusal = Refusal::new(Code::NoRateCard);
    place.core.card_came(RelayFrame::Refused(refusal)).unwrap();
    let refused = Err(BusinessConnectError::Trouble(Trouble::Refused(Code::NoRateCard)));
    assert_eq!(told.try_recv().unwrap(), refused);
    assert_eq!(place.core.trouble, None);
    let hour = 3_600_000;
    assert!(place.core.card.due.0 < u64::from(NOW.0) * 60_000 + hour, "it asks again soon");
}

/// Customers who gave one ticket each: what is allowed × where × until when it is free and valid.
fn tickets() -> Vec<TicketFields> {
    let some = |categories: &[Category]| Categories::of(categories).unwrap();
    let allowed = [Categories::ALL, some(&[Category::Service]), some(&[Category::Utility])];
    let mut tickets = Vec::new();
    for categories in allowed {
        for zone in [b"FR", b"US", b"ZZ"] {
            for free_until in [None, Some(NOW), Some(NOW.plus(10))] {
                for valid_until in [NOW, NOW.plus(1_000)] {
                    tickets.push(TicketFields {
                        categories,
                        zone: Zone::new(*zone).unwrap(),
                        messages_max: 1,
                        opened_at: Minute(1),
                        free_until,
                        valid_until,
                        epoch: Epoch(1),
                        tag: plico_protocol::id::AddressTag::new([0; 16]),
                        commitment: TicketCommitment::new([0; 32]),
                        id: TicketId::new([0; 16]),
                    });
                }
            }
        }
    }
    tickets
}

fn customers(place: &mut Place, tickets: &[TicketFields]) {
    place
        .core
        .state
        .write::<_, StateError>(|rows| {
            for (id, fields) in (0..).zip(tickets) {
                let ticket = Ticket::mint(fields, TicketKeyId(1), &MacKey::new([3; 32]));
                let given = Some((ticket, TicketOpening::new([4; 32])));
                let windowed = fields.free_until.is_some();
                CustomerRecord {
                    identity: DhKey::new([1; 32]),
                    address: Address::new([2; 32]),
                    session: plico_endpoint::id::SessionId::new([3; 32]),
                    profile_name: None,
                    window: given.filter(|_| windowed),
                    standing: given.filter(|_| !windowed),
                    uses: Uses::default(),
                }
                .put(rows, id)?;
            }
            Ok(())
        })
        .unwrap();
}

/// As the relay computes it, for a business that allows so much.
fn at_relay(
    ticket: &TicketFields,
    category: Category,
    card: &RateCard,
    limit: u64,
    now: Minute,
) -> Result<Price, NoPrice> {
    let standing = Standing { suspended: false, available: Millionths(u64::MAX) };
    let answer = price(ticket, category, card, &standing, Millionths(limit), now);
    answer.map(|yes| *yes.price())
}

#[test]
fn the_price_told_is_the_price_charged_whatever_the_inputs() {
    let (tickets, mut place) = (tickets(), place());
    customers(&mut place, &tickets);
    let prices = Prices {
        service: Some(Millionths(30_000)),
        utility: Some(Millionths(50_000)),
        authentication: Some(Millionths(0)),
        marketing: None,
    };
    let (mut free, mut charged, mut refused) = (0, 0, 0);
    for (from, until) in [(Minute(0), Minute(u32::MAX)), (NOW, NOW.plus(5))] {
        let card = fields(NOW, from, until, prices).check().unwrap();
        place.core.card = OwnCard::load(&mut place.core.state).unwrap();
        place.core.clock = Arc::new(Still(NOW));
        place.core.card_came(brought(card.clone())).unwrap();
        for now in [Minute(NOW.0 - 1), NOW, NOW.plus(5), NOW.plus(10)] {
            place.core.clock = Arc::new(Still(now));
            for (id, ticket) in (0..).zip(&tickets) {
                for category in Category::ALL {
                    let told = place.core.price(CustomerId(id), *category).unwrap();
                    let relay = |limit| at_relay(ticket, *category, &card, limit, now);
                    match told {
                        Ok(Price::Free { .. }) => {
                            free += 1;
                            assert_eq!(relay(0), Ok(told.unwrap()));
                        }
                        Ok(Price::Charge(charge @ Charge { amount, .. })) => {
                            charged += 1;
                            assert_eq!(relay(amount.0), Ok(Price::Charge(charge)));
                            assert_eq!(relay(amount.0 - 1), Err(NoPrice::OverLimit(charge)));
                        }
                        Err(PriceError::NoCard) => assert!(!card.holds_at(now)),
                        Err(PriceError::NotTaken(why)) => {
                            refused += 1;
                            assert_eq!(relay(u64::MAX), Err(why));
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    }
    assert_eq!((free, charged, refused), (96, 138, 846), "a kind that never came was not compared");
}

#[test]
fn no_price_is_told_where_the_account_or_the_ticket_is_refused() {
    let (from, until) = day();
    let mut place = place();
    let open = TicketFields { free_until: Some(NOW.plus(10)), ..tickets()[0] };
    let open = TicketFields { valid_until: NOW.plus(1_000), ..open };
    let over = TicketFields { free_until: Some(NOW), messages_max: 9, ..open };
    let expired = TicketFields { valid_until: NOW, ..open };
    customers(&mut place, &[open, over, expired]);
    place.core.card_came(brought(card(NOW, from, until, 7))).unwrap();
    let told = |place: &mut Place, id| place.core.price(CustomerId(id), Category::Service).unwrap();
    assert!(told(&mut place, 0).is_ok() && told(&mut place, 1).is_ok());

    // As the relay counts: messages_max is 1 and 9, and 5 go out after a window.
    for (id, ticket, taken) in [(0, open, 1), (1, over, 5)] {
        let ticket = Ticket::mint(&ticket, TicketKeyId(1), &MacKey::new([3; 32]));
        let consent = Consent { ticket, ..consent() };
        let envelope = EnvelopeBytes(bytes::Bytes::new());
        let (submission, to) = (SubmitId::compose(NOW.hour(), [1; 12]), Address::new([2; 32]));
        let submission = Submission { id: submission, to, consent: Some(consent), envelope };
        let at = Timestamp(u64::from(NOW.0) * 60_000);
        for _ in 0..taken {
            assert!(told(&mut place, id).is_ok(), "{id}");
            let count = |rows: &Rows<'_>| uses::count(rows, id, &submission, at);
            place.core.state.write::<_, StateError>(count).unwrap();
        }
    }
    assert_eq!(told(&mut place, 0), Err(PriceError::UsedUp));
    assert_eq!(told(&mut place, 1), Err(PriceError::Unanswered));

    let today = place.core.now().day();
    let unpaid = |stops| Dues { due: None, unpaid: Some(Unpaid { since: Day(1), stops }) };
    let suspended = Reputation { suspended: true, ..Reputation::default() };
    let good = AccountStanding::default();
    for (standing, refusal) in [
        (AccountStanding { reputation: suspended, ..good }, Some(NoPrice::Suspended.into())),
        (AccountStanding { dues: unpaid(today), ..good }, Some(PriceError::Unpaid)),
        (AccountStanding { dues: unpaid(Day(today.0 + 1)), ..good }, None),
    ] {
        place.core.standing_came(&RelayFrame::Standing(standing)).unwrap();
        // Kept over a restart; the account is looked at before the mailbox, and after the ticket.
        place.core.standing = OwnStanding::load(&mut place.core.state).unwrap();
        let told_first = refusal.clone().unwrap_or(PriceError::UsedUp);
        assert_eq!(told(&mut place, 0), Err(told_first));
        assert_eq!(told(&mut place, 2), Err(NoPrice::TicketExpired.into()));
    }
}

/// A consent to service in France at any price.
fn consent() -> Consent {
    let france =
        |ticket: &&TicketFields| ticket.zone.as_bytes() == b"FR" && NOW < ticket.valid_until;
    let ticket = tickets()
        .iter()
        .find(france)
        .map(|ticket| Ticket::mint(ticket, TicketKeyId(1), &MacKey::new([3; 32])));
    Consent {
        ticket: ticket.unwrap(),
        opening: TicketOpening::new([4; 32]),
        category: Category::Service,
        price_max: Millionths(u64::MAX),
    }
}

fn charged(millionths: u64, currency: &[u8; 3], category: Category, zone: &[u8; 2]) -> Entry {
    let rate = Rate { category, zone: Zone::new(*zone).unwrap() };
    let (submission, accept) = (SubmitId::compose(NOW.hour(), [1; 12]), EntrySequence(0));
    Entry {
        sequence: accept,
        hour: NOW.hour(),
        kind: EntryKind::Accept,
        reason: EntryReason::Standing,
        message: Some(Message { submission, accept, rate }),
        generation: Generation(0),
        amount: Amount {
            millionths: Millionths(millionths),
            currency: Currency::new(*currency).unwrap(),
        },
    }
}

fn accepted(place: &Place, entry: Entry) -> RelayFrame {
    let account = place.core.identity.account.public();
    let mut growth = Growth::new(Frontier::default());
    growth.push(entry.hash());
    let grown = growth.finish();
    let path = grown.inclusion(0).unwrap();
    let (size, root, hour) = (grown.frontier().size(), grown.root(), NOW.hour());
    let body = HeadBody { account, generation: Generation(0), size, root, hour };
    let head = *body.sign(&LedgerSecret::from_seed(&[1; 32])).head();
    let id = entry.message.unwrap().submission;
    let receipt = Some(Box::new(Receipt { entry, path, head }));
    let (reason, free_until) = (Reason::OutsideWindow, None);
    RelayFrame::Accepted(Acceptance { id, reason, free_until, receipt })
}

#[test]
fn a_receipt_that_differs_in_anything_from_the_card_has_it_fetched() {
    let (from, until) = day();
    for (entry, agrees) in [
        (charged(7, b"EUR", Category::Service, b"FR"), true),
        (charged(8, b"EUR", Category::Service, b"FR"), false),
        (charged(7, b"USD", Category::Service, b"FR"), false),
        (charged(7, b"EUR", Category::Utility, b"FR"), false),
        (charged(7, b"EUR", Category::Service, b"US"), false),
    ] {
        let mut place = place();
        place.core.card_came(brought(card(NOW, from, until, 7))).unwrap();
        let due = place.core.card.due;
        let frame = accepted(&place, entry);
        place.core.compare_price(&consent(), &frame);
        assert_eq!(place.core.card.due == due, agrees, "{:?}", entry.amount);
    }
}

#[test]
fn a_price_limit_allows_no_charge_in_another_currency_than_the_card_has() {
    let (from, until) = day();
    let mut place = place();
    let consent = Consent { price_max: Millionths(7), ..consent() };
    let allowed = |place: &Place, millionths, currency| {
        let amount = charged(millionths, currency, Category::Service, b"FR").amount;
        place.core.is_allowed(Some(&consent), &amount)
    };
    assert!(allowed(&place, 7, b"USD"), "nothing is known of what it meant");
    place.core.card_came(brought(card(NOW, from, until, 7))).unwrap();
    assert!(allowed(&place, 7, b"EUR"));
    assert!(!allowed(&place, 8, b"EUR"));
    assert!(!allowed(&place, 7, b"USD"));
}
