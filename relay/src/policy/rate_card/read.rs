//! From TOML to rate cards: one function for each kind of table.

use std::collections::BTreeMap;
use std::ops::Range;

use plico_protocol::limits::{
    PRICE_MILLIONTHS_MAX, RATE_CARD_TARIFFS_MAX, RATE_CARD_TIERS_MAX, SUBSCRIPTION_DAYS_MAX,
    SUBSCRIPTION_GRACE_DAYS_MAX, TARIFF_NAME_BYTES_MAX, WINDOW_DAYS_PER_MONTH_MAX,
    WINDOW_HOURS_MAX,
};
use plico_protocol::pricing::{
    CardFields, Currency, Millionths, Prices, RateCard, Subscription, TIER_UNLIMITED, Tariff,
    is_tariff_name,
};
use plico_protocol::ticket::{Categories, Category, Zone};
use plico_protocol::time::Minute;
use toml::de::{DeTable, DeValue};

use super::countries;
use super::page::{Page, Section, Value};

/// Every card of the file that can be read, in the order of time.
pub(super) fn cards<'a>(page: &mut Page<'a>, text: &'a str, now: Minute) -> Vec<RateCard> {
    let file = match DeTable::parse(text) {
        Ok(file) => file,
        Err(error) => {
            let span = error.span().unwrap_or_default();
            page.error(&span, format!("this is not TOML: {}", error.message()));
            return Vec::new();
        }
    };
    let top = page.section(file.get_ref(), 0..0, &["currency", "card"]);
    let currency = top.required(page, "currency").and_then(|value| currency(page, value));
    let Some(listed) = top.required(page, "card") else { return Vec::new() };
    let tables = page.tables("card", listed);
    if tables.is_empty() {
        page.error(&listed.span(), "there is no card; add a [[card]]");
    }
    let mut cards = Vec::new();
    for (table, span) in tables {
        cards.push(card(page, table, span, currency, now));
    }
    periods(page, cards)
}

/// A card of the file, whatever else of it can be read.
struct Listed {
    span: Range<usize>,
    /// Its first minute and the first after it.
    period: Option<(Minute, Minute)>,
    fields: Option<CardFields>,
}

/// Gives each card without an end the next one's beginning, and finds gaps and overlaps; of the file
/// as a whole, so not before each card's period can be read.
fn periods(page: &mut Page<'_>, cards: Vec<Listed>) -> Vec<RateCard> {
    let together = cards.into_iter().map(|card| card.period.map(|period| (period, card)));
    let Some(mut cards) = together.collect::<Option<Vec<_>>>() else { return Vec::new() };
    cards.sort_by_key(|((from, _), _)| *from);
    let begins: Vec<Minute> = cards.iter().skip(1).map(|((from, _), _)| *from).collect();
    let mut read = Vec::new();
    for (at, ((from, until), Listed { span, fields, .. })) in cards.into_iter().enumerate() {
        let next = begins.get(at).copied();
        let until = if until == OPEN { next.unwrap_or(OPEN) } else { until };
        match next {
            Some(next) if next < until || next == from => {
                page.error(
                    &span,
                    "the next card begins before this one ends; let one card hold at a time",
                );
            }
            Some(next) if until < next => {
                page.warn(&span, "no card holds between this one's end and the next one's beginning: every message a business sends then is refused");
            }
            None if until != OPEN => {
                page.warn(&span, "no card follows this one: once it ends, every message a business sends is refused; leave `valid_until` out, or add the next card in time");
            }
            _ => (),
        }
        let Some(fields) = fields else { continue };
        match (CardFields { valid_until: until, ..fields }).check() {
            Ok(card) => read.push(card),
            // Otherwise what is wrong was said where it stands.
            Err(error) if !page.has_errors() => {
                page.error(&span, format!("this card says two things: {error}"));
            }
            Err(_) => (),
        }
    }
    read
}

fn currency(page: &mut Page<'_>, value: &Value<'_>) -> Option<Currency> {
    let text = page.text("currency", value)?;
    let code = text.as_bytes().try_into().ok().and_then(Currency::new);
    if code.is_none() {
        page.error(&value.span(), "`currency` must be three capital letters, such as \"EUR\"");
    }
    code
}

fn card<'a>(
    page: &mut Page<'a>,
    table: &DeTable<'a>,
    span: Range<usize>,
    currency: Option<Currency>,
    now: Minute,
) -> Listed {
    let card = page.section(table, span, CARD_KEYS);
    let date = |page: &mut Page<'a>, name, absent| match card.value(name) {
        Some(value) => page.minute(name, value),
        None => Some(absent),
    };
    let valid_from = date(page, "valid_from", Minute(0));
    let valid_until = date(page, "valid_until", OPEN);
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && until <= from
    {
        page.error(&card.span, "`valid_until` must be later than `valid_from`");
    }
    let period = valid_from.zip(valid_until);
    let fields = fields(page, &card, period, currency, now);
    Listed { span: card.span, period, fields }
}

/// What the card says; nothing if a part cannot be read, but every part is looked at.
fn fields<'a>(
    page: &mut Page<'a>,
    card: &Section<'_, 'a>,
    period: Option<(Minute, Minute)>,
    currency: Option<Currency>,
    now: Minute,
) -> Option<CardFields> {
    let hours = number(page, card, "window_hours", 24, u32::from(WINDOW_HOURS_MAX));
    let days_max = u32::from(WINDOW_DAYS_PER_MONTH_MAX);
    let days = number(page, card, "window_days_per_month", days_max, days_max);
    let inbox = number(page, card, "inbox_free_per_day", 100_000, u32::MAX);
    let free = free_in_window(page, card);
    let subscription = card.value("subscription").map(|value| subscription(page, value));
    let tiers = tiers(page, card);
    let tariffs = tariffs(page, card);
    let (valid_from, valid_until) = period?;
    Some(CardFields {
        issued: now,
        valid_from,
        valid_until,
        currency: currency?,
        window_hours: u8::try_from(hours?).ok()?,
        window_days_per_month: u8::try_from(days?).ok()?,
        free_in_window: free?,
        subscription: match subscription {
            Some(subscription) => Some(subscription?),
            None => None,
        },
        inbox_free_per_day: inbox?,
        tiers: tiers?,
        tariffs: tariffs?,
    })
}

/// A number from 1 on, with its value where it is left out.
fn number(
    page: &mut Page<'_>,
    card: &Section<'_, '_>,
    name: &str,
    absent: u32,
    max: u32,
) -> Option<u32> {
    match card.value(name) {
        Some(value) => page.number(name, value, 1..=max),
        None => Some(absent),
    }
}

fn free_in_window<'a>(page: &mut Page<'a>, card: &Section<'_, 'a>) -> Option<Option<Categories>> {
    let Some(value) = card.value("free_in_window") else {
        return Some(Categories::of(&[Category::Service]));
    };
    let mut free = Vec::new();
    for element in page.list("free_in_window", value) {
        let name = element.get_ref().as_str().unwrap_or_default();
        match Category::ALL.iter().find(|category| category.name() == name) {
            Some(Category::Marketing) => {
                page.error(
                    &element.span(),
                    "marketing is never free; price it in each zone instead, 0 if you must",
                );
            }
            Some(category) => free.push(*category),
            None => {
                let text = "must be \"service\", \"utility\" or \"authentication\"";
                page.error(&element.span(), text);
            }
        }
    }
    Some(Categories::of(&free))
}

fn subscription<'a>(page: &mut Page<'a>, value: &Value<'a>) -> Option<Subscription> {
    let Some(table) = value.get_ref().as_table() else {
        let text = "write `subscription` as { amount = 20.00, days = 30, grace_days = 14 }";
        page.error(&value.span(), text);
        return None;
    };
    let section = page.section(table, value.span(), &["amount", "days", "grace_days"]);
    let amount = section.required(page, "amount").and_then(|value| fee(page, value));
    let days = section.required(page, "days");
    let days =
        days.and_then(|days| page.number("days", days, 1..=u32::from(SUBSCRIPTION_DAYS_MAX)));
    let grace_days = match section.value("grace_days") {
        Some(grace) => page.number("grace_days", grace, 0..=u32::from(SUBSCRIPTION_GRACE_DAYS_MAX)),
        None => Some(GRACE_DAYS),
    };
    Some(Subscription {
        amount: amount?,
        days: u16::try_from(days?).ok()?,
        grace_days: u16::try_from(grace_days?).ok()?,
    })
}

fn fee<'a>(page: &mut Page<'a>, value: &Value<'a>) -> Option<Millionths> {
    let amount = up_to(page, "amount", value, SUBSCRIPTION_MAX)?;
    if SUBSCRIPTION_DEAR < amount {
        let text = format!(
            "{amount} for one period is dear; amounts are in units of the currency, so twenty euros \
             are 20.00"
        );
        page.warn(&value.span(), text);
    }
    Some(amount)
}

fn tiers<'a>(page: &mut Page<'a>, card: &Section<'_, 'a>) -> Option<Vec<u32>> {
    let Some(value) = card.value("tiers") else { return Some(TIERS.to_vec()) };
    let mut tiers = Vec::new();
    for element in page.list("tiers", value) {
        let tier = match element.get_ref().as_str() {
            Some("unlimited") => Some(TIER_UNLIMITED),
            Some(_) => {
                page.error(&element.span(), "must be a number, or \"unlimited\"");
                None
            }
            None => page.number("tiers", element, 1..=TIER_UNLIMITED - 1),
        };
        if let (Some(tier), Some(before)) = (tier, tiers.last().copied().flatten())
            && tier <= before
        {
            page.error(&element.span(), "each tier must allow more than the one before");
        }
        tiers.push(tier);
    }
    let count = 1..=RATE_CARD_TIERS_MAX;
    if !count.contains(&tiers.len()) {
        page.error(&value.span(), format!("give 1 to {RATE_CARD_TIERS_MAX} tiers"));
    }
    tiers.into_iter().collect()
}

fn tariffs<'a>(page: &mut Page<'a>, card: &Section<'_, 'a>) -> Option<Vec<Tariff>> {
    let value = card.required(page, "zone")?;
    let mut taken = BTreeMap::new();
    let mut tariffs = Vec::new();
    let tables = page.tables("card.zone", value);
    let count = 1..=RATE_CARD_TARIFFS_MAX;
    if !count.contains(&tables.len()) {
        page.error(&value.span(), format!("give 1 to {RATE_CARD_TARIFFS_MAX} zones"));
    }
    let mut complete = true;
    for (table, span) in tables {
        match tariff(page, table, span, &mut taken) {
            Some(tariff) => tariffs.push(tariff),
            None => complete = false,
        }
    }
    let missing = countries::all().filter(|country| !taken.contains_key(country));
    let missing: Vec<String> = missing.map(|country| country.to_string()).collect();
    if !missing.is_empty() {
        let shown = missing.iter().take(8).cloned().collect::<Vec<_>>().join(" ");
        let text = format!(
            "countries in no zone: {} ({shown} …); they are priced like ZZ, an unknown place, as \
             the dearest",
            missing.len()
        );
        page.warn(&card.span, text);
    }
    complete.then_some(tariffs)
}

fn tariff<'a>(
    page: &mut Page<'a>,
    table: &DeTable<'a>,
    span: Range<usize>,
    taken: &mut BTreeMap<Zone, String>,
) -> Option<Tariff> {
    let zone = page.section(table, span, ZONE_KEYS);
    // All of it is looked at before anything is given up: each mistake is named in one run.
    let name = zone.required(page, "name").and_then(|value| name(page, value));
    let listed = zone.required(page, "countries");
    let countries = listed.map(|value| countries_of(page, value, name.as_deref(), taken));
    let mut price = |category| rate(page, &zone, category);
    let [service, utility] = [Category::Service, Category::Utility].map(&mut price);
    let [authentication, marketing] = [Category::Authentication, Category::Marketing].map(price);
    let (name, countries) = (name?, countries?);
    let prices = Prices {
        service: service?,
        utility: utility?,
        authentication: authentication?,
        marketing: marketing?,
    };
    if prices == Prices::default() {
        page.warn(
            &zone.span,
            "this zone prices no category, so nothing that is not free can be sent there",
        );
    }
    Some(Tariff { name, countries, prices })
}

/// The countries of a list, rising.
fn countries_of<'a>(
    page: &mut Page<'a>,
    value: &Value<'a>,
    tariff: Option<&str>,
    taken: &mut BTreeMap<Zone, String>,
) -> Vec<Zone> {
    let listed = page.list("countries", value);
    if matches!(value.get_ref(), DeValue::Array(array) if array.is_empty()) {
        page.error(&value.span(), "a zone needs at least one country, such as [\"FR\"]");
    }
    let tariff = tariff.unwrap_or("without a name");
    let mut countries: Vec<_> =
        listed.iter().filter_map(|element| country(page, element, tariff, taken)).collect();
    countries.sort_unstable();
    countries
}

fn name(page: &mut Page<'_>, value: &Value<'_>) -> Option<String> {
    let name = page.text("name", value)?;
    if !is_tariff_name(&name) {
        let text = format!(
            "`name` must have 1 to {TARIFF_NAME_BYTES_MAX} ASCII characters and no space at its ends"
        );
        page.error(&value.span(), text);
    }
    Some(name)
}

fn country(
    page: &mut Page<'_>,
    value: &Value<'_>,
    tariff: &str,
    taken: &mut BTreeMap<Zone, String>,
) -> Option<Zone> {
    let span = value.span();
    let code = value.get_ref().as_str().and_then(|text| text.as_bytes().try_into().ok());
    let Some(zone) = code.and_then(Zone::new) else {
        page.error(
            &span,
            "a country is two capital letters in quotes (ISO 3166-1), such as \"FR\"",
        );
        return None;
    };
    if zone == Zone::UNKNOWN {
        page.error(
            &span,
            "ZZ is no country but an unknown place, priced as the dearest; take it out",
        );
        return None;
    }
    if !countries::is_assigned(zone) {
        let hint = countries::meant(zone).map(|meant| format!("; did you mean {meant}?"));
        let hint = hint.unwrap_or_default();
        page.warn(&span, format!("{zone} is not assigned to a country in ISO 3166-1{hint}"));
    }
    if let Some(other) = taken.insert(zone, tariff.to_owned()) {
        page.error(&span, format!("{zone} is in the zone \"{other}\" already; keep it in one"));
        return None;
    }
    Some(zone)
}

/// A price, none where messages of the category are not taken; nothing if what is written is no
/// price.
fn rate<'a>(
    page: &mut Page<'a>,
    zone: &Section<'_, 'a>,
    category: Category,
) -> Option<Option<Millionths>> {
    let name = category.name();
    let Some(value) = zone.value(name) else { return Some(None) };
    let price = up_to(page, name, value, Millionths(PRICE_MILLIONTHS_MAX))?;
    if DEAR < price {
        let text = format!(
            "{price} for one message is dear; prices are in units of the currency, so five cents \
             are 0.05"
        );
        page.warn(&value.span(), text);
    }
    Some(Some(price))
}

/// An amount, nothing if it is none or more than could be meant.
fn up_to<'a>(
    page: &mut Page<'a>,
    name: &str,
    value: &Value<'a>,
    max: Millionths,
) -> Option<Millionths> {
    let amount = page.amount(name, value)?;
    if max < amount {
        page.error(&value.span(), format!("`{name}` is {amount}, but at most {max} is possible"));
        return None;
    }
    Some(amount)
}

/// Without an end.
pub(super) const OPEN: Minute = Minute(u32::MAX);
/// Above it somebody probably wrote cents.
const DEAR: Millionths = Millionths::UNIT;
/// A million units for one period: above it somebody wrote millionths. The protocol has no such limit.
const SUBSCRIPTION_MAX: Millionths = Millionths(1_000_000 * Millionths::UNIT.0);
/// Above it somebody probably wrote cents.
const SUBSCRIPTION_DEAR: Millionths = Millionths(1_000 * Millionths::UNIT.0);
/// Days of grace where a card names none: time to make a transfer, over a holiday too.
const GRACE_DAYS: u32 = 14;
const TIERS: [u32; 5] = [250, 2_000, 10_000, 100_000, TIER_UNLIMITED];
const CARD_KEYS: &[&str] = &[
    "valid_from",
    "valid_until",
    "window_hours",
    "window_days_per_month",
    "free_in_window",
    "subscription",
    "inbox_free_per_day",
    "tiers",
    "zone",
];
const ZONE_KEYS: &[&str] =
    &["name", "countries", "service", "utility", "authentication", "marketing"];
