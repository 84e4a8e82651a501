//! Subscriptions: owed at the end of each period, once, within what an account may owe, and what becomes
//! of who does not pay.

use plico_protocol::reputation::{AccountStanding, Dues, Unpaid};
use plico_protocol::time::{Day, Timestamp};

use super::*;
use crate::admin::ledger::balance;
use crate::policy::rate_card::RateCards;
use crate::rules::Current;
use crate::writer::Event;

const TWENTY: Millionths = Millionths(20_000_000);
const SUBSCRIBED: &str = "subscription = { amount = 20, days = 30, grace_days = 14 }";

fn cards(text: &str) -> RateCards {
    let zone = "[[card.zone]]\nname = \"one\"\ncountries = [\"FR\"]\nutility = 0.05\n";
    let text = format!("currency = \"EUR\"\n[[card]]\n{text}\n{zone}");
    RateCards::parse(&text, START.minute()).unwrap()
}

/// A relay that asks for a subscription, and an account that was first used today.
struct Office {
    disk: Disk,
    shop: Shop,
    cards: Current<RateCards>,
}

impl Office {
    fn new(text: &str, credit: Millionths) -> Self {
        let disk = Disk::default();
        let cards = Current::new(cards(text));
        let shop = Self::opened(&disk, &cards, credit, 7);
        let mut office = Self { disk, shop, cards };
        office.pay(Millionths(1));
        office
    }

    fn opened(disk: &Disk, cards: &Current<RateCards>, credit: Millionths, seed: u64) -> Shop {
        let store = Arc::new(Memory::open(disk).unwrap());
        let limits = Limits { credit, ..Limits::default() };
        let mut world = World::seeded(store, keys(), limits, seed);
        world.core = world.core.charging(cards.clone());
        world.call(Request::Open { address: person(1) }).unwrap();
        let ticket = world.mint(person(1), 999, true);
        Shop { world, ticket, next: 0 }
    }

    fn pay(&mut self, millionths: Millionths) -> Vec<Entry> {
        let currency = Currency::new(*b"EUR").unwrap();
        let amount = Amount { millionths, currency };
        let request =
            Request::Pay { account: bank().account, amount, reference: None, correction: false };
        match self.shop.world.call(request) {
            Ok(RelayFrame::Entries(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }

    /// So many days later, at the same time of day, and settled.
    fn on_day(&mut self, days: u32) {
        let ms = u64::from(days) * 24 * 3_600_000;
        self.shop.world.clock.set(Timestamp(START.0 + ms));
        self.shop.world.sweep();
    }

    /// The days on which subscriptions are dated, counted from the first.
    fn charged(&self) -> Vec<u32> {
        let entries = self.shop.entries();
        let lines = entries.iter().filter(|entry| entry.kind == EntryKind::Subscription);
        lines.map(|entry| entry.hour.day().0 - START.day().0).collect()
    }

    fn dues(&mut self) -> Dues {
        match self.shop.world.call(Request::Standing { account: bank().account }) {
            Ok(RelayFrame::Standing(AccountStanding { dues, .. })) => dues,
            other => panic!("{other:?}"),
        }
    }

    /// What comes of a message that would be free.
    fn sent(&mut self) -> Result<(), Code> {
        self.shop.ticket = self.shop.world.mint(person(1), 999, true);
        let mut request = self.shop.priced(Millionths::ZERO);
        if let Request::SubmitToMailbox { category, .. } = &mut request {
            *category = Category::Service;
        }
        self.shop.world.call(request).map(|_| ()).map_err(|refusal| refusal.code)
    }
}

fn day(days: u32) -> Day {
    Day(START.day().0 + days)
}

#[test]
fn a_period_costs_nothing_until_it_is_over_and_then_once() {
    let mut office = Office::new(SUBSCRIBED, TWENTY);
    assert_eq!(office.dues(), Dues { due: Some(day(30)), unpaid: None });
    office.on_day(29);
    assert!(office.charged().is_empty());
    office.on_day(30);
    assert_eq!(office.charged(), [30]);
    assert_eq!(office.shop.entries().last().unwrap().amount.millionths, TWENTY);
    assert_eq!(office.dues(), Dues { due: Some(day(60)), unpaid: None });
    office.shop.world.sweep();
    office.on_day(31);
    assert_eq!(office.charged(), [30]);
}

#[test]
fn a_relay_that_was_down_charges_each_period_once_and_dates_it_whatever_crashes() {
    let credit = Millionths(TWENTY.0 * 9);
    let Office { disk, cards, mut shop } = Office::new(SUBSCRIBED, credit);
    let late = Timestamp(START.0 + 95 * 24 * 3_600_000);
    for seed in 1..=9 {
        drop(shop);
        shop = Office::opened(&disk, &cards, credit, seed);
        shop.world.clock.set(late);
        shop.world.core.settle().unwrap();
    }
    let mut office = Office { disk, cards, shop };
    assert_eq!(office.charged(), [30, 60, 90]);
    assert_eq!(office.dues().due, Some(day(120)));
}

#[test]
fn a_subscription_is_entered_up_to_the_limit_and_not_one_past_it() {
    // One millionth was paid.
    let mut covered = Office::new(SUBSCRIBED, Millionths(TWENTY.0 - 1));
    covered.on_day(30);
    assert_eq!((covered.charged(), covered.dues().unpaid), (vec![30], None));
    let mut office = Office::new(SUBSCRIBED, Millionths(TWENTY.0 - 2));
    office.on_day(30);
    let unpaid = Some(Unpaid { since: day(30), stops: day(44) });
    assert_eq!((office.charged(), office.dues().unpaid), (vec![], unpaid));
    let stops = day(44);
    let event = Event::Unpaid { account: bank().account, stops };
    assert!(office.shop.world.woken.take().contains(&event));
}

#[test]
fn who_does_not_pay_sends_for_the_days_of_grace_and_a_payment_lifts_it_at_once() {
    let mut office = Office::new(SUBSCRIBED, Millionths::ZERO);
    office.on_day(43);
    assert_eq!(office.dues().unpaid, Some(Unpaid { since: day(43), stops: day(57) }), "just found");
    office.on_day(56);
    assert_eq!(office.sent(), Ok(()));
    office.on_day(57);
    assert_eq!(office.sent(), Err(Code::Unpaid));
    office.shop.world.call(acknowledge(person(1), 1, &[])).expect("what was accepted is delivered");
    assert_eq!(office.pay(Millionths(TWENTY.0 - 2)).len(), 1, "one millionth short");
    assert_eq!(office.sent(), Err(Code::Unpaid));
    let kinds: Vec<_> = office.pay(Millionths(1)).iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Payment, EntryKind::Subscription]);
    assert_eq!(office.charged(), [57], "dated by the day on which it was covered");
    assert_eq!(office.sent(), Ok(()));
    assert_eq!(office.dues(), Dues { due: Some(day(60)), unpaid: None });
}

#[test]
fn the_days_on_which_an_account_was_refused_count_in_no_period() {
    let mut office = Office::new(SUBSCRIBED, Millionths::ZERO);
    for days in 0..=300 {
        office.on_day(days);
    }
    assert_eq!(office.dues().unpaid, Some(Unpaid { since: day(30), stops: day(44) }));
    office.pay(TWENTY);
    assert_eq!(office.charged(), [300]);
    // Of the second period the fourteen days of grace are over.
    assert_eq!(office.dues(), Dues { due: Some(day(300 + 30 - 14)), unpaid: None });
}

#[test]
fn what_was_released_covers_what_was_unpaid_the_day_after() {
    let mut office = Office::new(SUBSCRIBED, TWENTY);
    office.on_day(29);
    office.shop.ticket = office.shop.world.mint(person(1), 999, true);
    office.shop.send();
    office.on_day(30);
    assert_eq!(office.dues().unpaid.map(|unpaid| unpaid.since), Some(day(30)));
    office.shop.world.call(acknowledge(person(1), 1, &[1])).unwrap();
    office.on_day(31);
    assert_eq!((office.charged(), office.dues().unpaid), (vec![31], None));
}

#[test]
fn without_a_subscription_nothing_is_owed_and_one_that_comes_begins_with_its_day() {
    let mut office = Office::new("", Millionths::ZERO);
    office.on_day(100);
    assert_eq!((office.charged(), office.dues()), (vec![], Dues::default()));
    office.cards.replace(cards(SUBSCRIBED));
    assert_eq!(office.dues().due, Some(day(130)));
    office.on_day(130);
    assert_eq!(office.dues().unpaid.map(|unpaid| unpaid.since), Some(day(130)));
    office.on_day(150);
    assert_eq!(office.sent(), Err(Code::Unpaid));
    office.cards.replace(cards(""));
    assert_eq!(office.sent(), Ok(()), "nobody is asked for anything any more");
    office.on_day(151);
    office.cards.replace(cards(SUBSCRIBED));
    assert_eq!(office.dues(), Dues { due: Some(day(181)), unpaid: None });
}

#[test]
fn a_period_has_the_price_and_length_of_the_card_that_held_when_it_began() {
    let first = "valid_until = 2026-12-01\nsubscription = { amount = 20, days = 30 }";
    let zone = "[[card.zone]]\nname = \"one\"\ncountries = [\"FR\"]\nutility = 0.05\n";
    let second = "valid_from = 2026-12-01\nsubscription = { amount = 5, days = 7 }";
    let mut office = Office::new(&format!("{first}\n{zone}[[card]]\n{second}"), CREDIT);
    office.pay(TWENTY);
    office.on_day(36);
    assert_eq!(office.charged(), [30]);
    office.pay(TWENTY);
    office.on_day(44);
    assert_eq!(office.charged(), [30, 37, 44]);
    let amounts: Vec<_> = office.shop.entries().iter().map(|e| e.amount.millionths.0).collect();
    assert_eq!(amounts[2..], [20_000_000, 20_000_000, 5_000_000, 5_000_000]);
}

#[test]
fn nothing_is_charged_that_no_key_could_sign_and_nothing_is_forgiven_for_that() {
    let mut office = Office::new(SUBSCRIBED, TWENTY);
    // Longer than the key is certified.
    office.on_day(500);
    assert_eq!((office.charged(), office.dues().due), (vec![], Some(day(30))));
}

#[test]
fn more_credit_lifts_what_was_unpaid_as_a_payment_does() {
    let mut office = Office::new(SUBSCRIBED, Millionths::ZERO);
    office.on_day(30);
    let currency = Currency::new(*b"EUR").unwrap();
    let account = bank().account;
    let credit = |millionths| Some(Amount { millionths, currency });
    // One millionth was paid.
    let short = Request::SetCredit { account, credit: credit(Millionths(TWENTY.0 - 2)) };
    assert_eq!(office.shop.world.call(short), Ok(RelayFrame::Entries(vec![])));
    let enough = Request::SetCredit { account, credit: credit(Millionths(TWENTY.0 - 1)) };
    office.shop.world.call(enough).unwrap();
    assert_eq!((office.charged(), office.dues().unpaid), (vec![30], None));
}

#[test]
fn an_account_that_was_never_used_has_no_period_though_its_credit_is_set() {
    let mut office = Office::new(SUBSCRIBED, Millionths::ZERO);
    let account = crate::writer::fixture::other_account();
    let currency = Currency::new(*b"EUR").unwrap();
    let credit = Some(Amount { millionths: TWENTY, currency });
    office.shop.world.call(Request::SetCredit { account, credit }).unwrap();
    office.on_day(40);
    let row = office.shop.world.view().account(&account).unwrap();
    assert_eq!((row.owed, row.periods.begun), (Millionths::ZERO, Day(0)));
}

#[test]
fn what_an_unpaid_account_is_said_to_lack_makes_it_paid_and_no_less_does() {
    let often = "subscription = { amount = 20, days = 10, grace_days = 14 }";
    for (text, periods) in [(SUBSCRIBED, 1), (often, 2)] {
        let mut office = Office::new(text, Millionths::ZERO);
        let lacking = |office: &Office| {
            let (view, account) = (office.shop.world.view(), bank().account);
            let owed = view.owed(&account, &office.cards.get(), office.shop.world.now()).unwrap();
            balance(&view, &account, Millionths::ZERO, owed).unwrap().lacking
        };
        assert_eq!(lacking(&office), Millionths::ZERO);
        (1..50).for_each(|day| office.on_day(day));
        let lacks = Millionths(periods * TWENTY.0 - 1);
        assert_eq!(lacking(&office), lacks, "one was paid at the beginning");
        office.pay(Millionths(lacks.0 - 1));
        assert!(office.dues().unpaid.is_some());
        assert_eq!(lacking(&office), Millionths(1));
        office.pay(Millionths(1));
        assert_eq!(office.dues().unpaid, None);
        assert_eq!(lacking(&office), Millionths::ZERO);
    }
}
