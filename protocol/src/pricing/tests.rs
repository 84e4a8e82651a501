//! Prices at the edges of time, and rate cards that say two things. The cross product of all
//! inputs is compared with a second implementation in the workspace's tests.

use super::*;
use crate::id::{AddressTag, TicketCommitment, TicketId};
use crate::ledger::{BadLedgerKey, LedgerKeyBody};
use crate::limits::{
    PRICE_MILLIONTHS_MAX, RATE_CARD_BYTES_MAX, RATE_CARD_TARIFFS_MAX, RATE_CARD_TIERS_MAX,
    TARIFF_NAME_BYTES_MAX,
};
use crate::reputation::Tier;
use crate::signature::{AuthoritySecret, LedgerSecret};
use crate::ticket::{Categories, Epoch};
use crate::wire::{DecodeError, Wire};

const NOW: Minute = Minute(30_000_000);

fn zone(code: &[u8; 2]) -> Zone {
    Zone::new(*code).unwrap()
}

/// Service is free in the window; one zone at 3 cents, one at 5, marketing only in the second.
fn fields() -> CardFields {
    let tariff = |name: &str, countries: &[&[u8; 2]], cents: u64, marketing| Tariff {
        name: name.to_owned(),
        countries: countries.iter().map(|code| zone(code)).collect(),
        prices: Prices {
            service: Some(Millionths(cents * 10_000)),
            utility: Some(Millionths(cents * 10_000)),
            authentication: Some(Millionths(0)),
            marketing,
        },
    };
    CardFields {
        issued: NOW,
        valid_from: NOW,
        valid_until: NOW.plus(100),
        currency: Currency::new(*b"EUR").unwrap(),
        window_hours: 24,
        window_days_per_month: 31,
        free_in_window: Categories::of(&[Category::Service]),
        subscription: Some(Subscription {
            amount: Millionths(10_000_000),
            days: 30,
            grace_days: 14,
        }),
        inbox_free_per_day: 10_000,
        tiers: vec![250, 2_000, TIER_UNLIMITED],
        tariffs: vec![
            tariff("near", &[b"DE", b"FR"], 3, None),
            tariff("far", &[b"AU", b"US"], 5, Some(Millionths(90_000))),
        ],
    }
}

fn ticket() -> TicketFields {
    TicketFields {
        categories: Categories::ALL,
        zone: zone(b"FR"),
        messages_max: 50,
        opened_at: NOW,
        free_until: Some(NOW.plus(50)),
        valid_until: NOW.plus(80),
        epoch: Epoch(1),
        tag: AddressTag::new([0; 16]),
        commitment: TicketCommitment::new([0; 32]),
        id: TicketId::new([0; 16]),
    }
}

/// The price of a message of an account that can pay anything, up to any limit.
fn check(ticket: &TicketFields, category: Category, after: u32) -> Result<Price, NoPrice> {
    let standing = Standing { suspended: false, available: Millionths(u64::MAX) };
    let card = fields().check().unwrap();
    let at = NOW.plus(after);
    price(ticket, category, &card, &standing, Millionths(u64::MAX), at).map(|yes| *yes.price())
}

fn charge(cents: u64, zone: Zone, category: Category) -> Charge {
    let currency = Currency::new(*b"EUR").unwrap();
    Charge { amount: Millionths(cents * 10_000), currency, zone, category }
}

#[test]
fn service_is_free_until_the_minute_the_window_ends() {
    let free = Price::Free { reason: FreeReason::Window, until: NOW.plus(50) };
    let paid = Price::Charge(charge(3, zone(b"FR"), Category::Service));
    assert_eq!(check(&ticket(), Category::Service, 0), Ok(free));
    assert_eq!(check(&ticket(), Category::Service, 49), Ok(free));
    assert_eq!(check(&ticket(), Category::Service, 50), Ok(paid));
    assert_eq!(check(&ticket(), Category::Service, 79), Ok(paid));
    assert_eq!(check(&ticket(), Category::Service, 80), Err(NoPrice::TicketExpired));
}

#[test]
fn what_is_not_free_in_the_window_is_charged_in_it() {
    let paid = Price::Charge(charge(3, zone(b"FR"), Category::Utility));
    assert_eq!(check(&ticket(), Category::Utility, 0), Ok(paid));
    let standing_consent = TicketFields { free_until: None, ..ticket() };
    let paid = Price::Charge(charge(3, zone(b"FR"), Category::Service));
    assert_eq!(check(&standing_consent, Category::Service, 0), Ok(paid));
}

#[test]
fn a_free_answer_ends_with_the_first_of_window_ticket_and_card() {
    let until = |ticket: &TicketFields| check(ticket, Category::Service, 0);
    let free = |after| Ok(Price::Free { reason: FreeReason::Window, until: NOW.plus(after) });
    let long = TicketFields { free_until: Some(NOW.plus(500)), ..ticket() };
    assert_eq!(until(&long), free(80));
    assert_eq!(until(&TicketFields { valid_until: NOW.plus(900), ..long }), free(100));
    let nothing = Price::Free { reason: FreeReason::RateCard, until: NOW.plus(80) };
    assert_eq!(check(&ticket(), Category::Authentication, 0), Ok(nothing));
}

#[test]
fn an_unknown_zone_is_priced_as_the_dearest() {
    for code in [b"ZZ", b"BR"] {
        let ticket = TicketFields { zone: zone(code), ..ticket() };
        let paid = Price::Charge(charge(5, zone(code), Category::Utility));
        assert_eq!(check(&ticket, Category::Utility, 0), Ok(paid));
    }
}

#[test]
fn marketing_needs_a_price_and_the_persons_word() {
    assert_eq!(check(&ticket(), Category::Marketing, 0), Err(NoPrice::NotPriced));
    let far = TicketFields { zone: zone(b"US"), ..ticket() };
    let paid = Price::Charge(charge(9, zone(b"US"), Category::Marketing));
    assert_eq!(check(&far, Category::Marketing, 0), Ok(paid));
    let categories = Categories::of(&[Category::Service, Category::Utility]).unwrap();
    let quiet = TicketFields { categories, ..far };
    assert_eq!(check(&quiet, Category::Marketing, 0), Err(NoPrice::CategoryNotAllowed));
    let free_in_window = Some(Categories::ALL);
    let refused = CardFields { free_in_window, ..fields() }.check();
    assert_eq!(refused.err(), Some(DecodeError::BadValue { field: "free_in_window" }));
}

#[test]
fn a_price_is_taken_up_to_the_limit_and_what_the_account_can_pay() {
    let card = fields().check().unwrap();
    let of = |limit, available, suspended| {
        let standing = Standing { suspended, available: Millionths(available) };
        let limit = Millionths(limit);
        price(&ticket(), Category::Utility, &card, &standing, limit, NOW).map(|yes| *yes.price())
    };
    let cost = charge(3, zone(b"FR"), Category::Utility);
    assert_eq!(of(30_000, 30_000, false), Ok(Price::Charge(cost)));
    assert_eq!(of(29_999, 30_000, false), Err(NoPrice::OverLimit(cost)));
    assert_eq!(of(0, 30_000, false), Err(NoPrice::OverLimit(cost)));
    assert_eq!(of(30_000, 29_999, false), Err(NoPrice::NoCredit(cost)));
    assert_eq!(of(30_000, 30_000, true), Err(NoPrice::Suspended));
    let refusal = Refusal::from(NoPrice::OverLimit(cost));
    assert!(refusal.text.starts_with("it costs 0.03 EUR: "), "{}", refusal.text);
}

#[test]
fn a_card_holds_from_its_first_minute_until_its_end() {
    let ticket = TicketFields { valid_until: NOW.plus(900), ..ticket() };
    assert!(check(&ticket, Category::Utility, 99).is_ok());
    assert_eq!(check(&ticket, Category::Utility, 100), Err(NoPrice::CardNotValid));
    let card = fields().check().unwrap();
    assert!(!card.holds_at(Minute(NOW.0 - 1)));
    assert!(card.holds_at(NOW));
}

#[test]
fn a_tier_beyond_the_cards_list_is_its_last() {
    let card = fields().check().unwrap();
    let reach = [0, 1, 2, 3, 255].map(|tier| card.reach(Tier(tier)));
    assert_eq!(reach, [250, 2_000, TIER_UNLIMITED, TIER_UNLIMITED, TIER_UNLIMITED]);
}

#[test]
fn a_card_that_says_two_things_is_refused() {
    let refused = |field, change: &dyn Fn(&mut CardFields)| {
        let mut fields = fields();
        change(&mut fields);
        assert_eq!(fields.check().err(), Some(DecodeError::BadValue { field }));
    };
    refused("valid_until", &|card| card.valid_until = card.valid_from);
    refused("window_hours", &|card| card.window_hours = 0);
    refused("window_hours", &|card| card.window_hours = 73);
    refused("window_days_per_month", &|card| card.window_days_per_month = 32);
    refused("subscription_days", &|card| card.subscription.as_mut().unwrap().days = 0);
    refused("subscription_days", &|card| card.subscription.as_mut().unwrap().days = 401);
    refused("grace_days", &|card| card.subscription.as_mut().unwrap().grace_days = 401);
    refused("inbox_free_per_day", &|card| card.inbox_free_per_day = 0);
    refused("tiers", &|card| card.tiers = vec![]);
    refused("tiers", &|card| card.tiers = vec![0, 5]);
    refused("tiers", &|card| card.tiers = vec![250, 250]);
    refused("tiers", &|card| card.tiers = (1..=9).collect());
    refused("tariffs", &|card| card.tariffs.clear());
    refused("tariff_name", &|card| card.tariffs[0].name = " near".into());
    refused("tariff_name", &|card| card.tariffs[0].name = "a\u{202e}b".into());
    refused("countries", &|card| card.tariffs[0].countries.reverse());
    refused("countries", &|card| card.tariffs[0].countries = vec![]);
    refused("countries", &|card| card.tariffs[0].countries.push(Zone::UNKNOWN));
    refused("countries", &|card| card.tariffs[0].countries.push(zone(b"US")));
    let over = Some(Millionths(PRICE_MILLIONTHS_MAX + 1));
    refused("price", &|card| card.tariffs[0].prices.utility = over);
}

#[test]
fn a_card_re_encodes_and_any_flipped_byte_is_refused() {
    let key = LedgerSecret::from_seed(&[1; 32]);
    let body =
        LedgerKeyBody { key: key.public(), valid_from: NOW.hour(), valid_to: NOW.hour().plus(1) };
    let trusted = body.sign(&AuthoritySecret::from_seed(&[2; 32])).unwrap();
    let signed = fields().check().unwrap().sign(&key);
    let bytes = signed.signed().encode();
    let received = |bytes: &[u8]| SignedRateCard::decode(bytes.to_vec()).unwrap().verify(&trusted);
    assert_eq!(received(&bytes), Ok(signed));
    for at in 4..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(received(&bytes).is_err(), "byte {at}");
    }
    let late = CardFields { issued: NOW.plus(60), ..fields() }.check().unwrap().sign(&key);
    let refused = received(&late.signed().encode());
    assert_eq!(refused, Err(BadRateCard::Key(BadLedgerKey::NotValid)));
}

#[test]
fn the_largest_card_fits_its_bound() {
    let mut letters = (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| [a, b]));
    let price = Some(Millionths(1));
    let prices = Prices { service: price, utility: price, authentication: price, marketing: price };
    let tariffs = (0..RATE_CARD_TARIFFS_MAX).map(|at| Tariff {
        name: "n".repeat(TARIFF_NAME_BYTES_MAX),
        countries: if at == 0 {
            letters.by_ref().take(600).map(|code| zone(&code)).collect()
        } else {
            vec![zone(&letters.next().unwrap())]
        },
        prices,
    });
    let tiers = (1..).take(RATE_CARD_TIERS_MAX).collect();
    let fields = CardFields { tariffs: tariffs.collect(), tiers, ..fields() };
    let card = fields.check().unwrap();
    assert!(card.encode().len() + 64 <= RATE_CARD_BYTES_MAX);
    assert_eq!(RateCard::decode(card.encode()), Ok(card));
}
