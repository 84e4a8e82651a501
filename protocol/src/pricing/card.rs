//! The rate card: what a relay charges in one period, complete enough to compute every price
//! without asking. SPEC.md §15.1.

use super::money::{Currency, Millionths};
use crate::limits::{
    PRICE_MILLIONTHS_MAX, RATE_CARD_COUNTRIES_MAX, RATE_CARD_TARIFFS_MAX, RATE_CARD_TIERS_MAX,
    SUBSCRIPTION_DAYS_MAX, SUBSCRIPTION_GRACE_DAYS_MAX, TARIFF_NAME_BYTES_MAX,
    WINDOW_DAYS_PER_MONTH_MAX, WINDOW_HOURS_MAX,
};
use crate::reputation::Tier;
use crate::ticket::{Categories, Category, Zone};
use crate::time::Minute;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Everything a rate card states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFields {
    /// When the relay signed it. Of two that hold in one minute the later one counts.
    pub issued: Minute,
    /// The first minute in which it holds.
    pub valid_from: Minute,
    /// The first minute in which it no longer holds.
    pub valid_until: Minute,
    /// What its amounts are in.
    pub currency: Currency,
    /// Hours of a window, 1 to 72.
    pub window_hours: u8,
    /// Days of a calendar month (UTC) on which one mailbox may open a window, 1 to 31.
    pub window_days_per_month: u8,
    /// What is free while a ticket's window is open; never marketing.
    pub free_in_window: Option<Categories>,
    /// What an account costs beside its messages, if anything.
    pub subscription: Option<Subscription>,
    /// People's messages that one inbox takes free of charge in a UTC day; at least 1.
    pub inbox_free_per_day: u32,
    /// Distinct mailboxes an account may reach outside windows in a UTC day, by tier, lowest
    /// first; [`TIER_UNLIMITED`] may be the last.
    pub tiers: Vec<u32>,
    /// Prices by groups of countries. What is in none is priced as the dearest.
    pub tariffs: Vec<Tariff>,
}

/// A rate card that says one thing only. Made by [`CardFields::check`] and by decoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateCard(CardFields);

/// What an account costs in each period, owed at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// How much.
    pub amount: Millionths,
    /// Days of a period, 1 to 400.
    pub days: u16,
    /// For how many days an account that did not pay may still send, 0 to 400.
    pub grace_days: u16,
}

/// The prices of a group of countries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The operator's word for the group.
    pub name: String,
    /// The countries, rising; at least one, each in one tariff only, never `ZZ`.
    pub countries: Vec<Zone>,
    /// What a message costs.
    pub prices: Prices,
}

/// A price for each category, or none where such messages are not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// An answer or help outside what is free.
    pub service: Option<Millionths>,
    /// A boarding pass, a delivery, an appointment.
    pub utility: Option<Millionths>,
    /// A one-time code.
    pub authentication: Option<Millionths>,
    /// Anything that advertises.
    pub marketing: Option<Millionths>,
}

/// The tier without a limit.
pub const TIER_UNLIMITED: u32 = u32::MAX;

impl CardFields {
    /// Makes a rate card of fields that fit together.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], naming the first field that does not.
    pub fn check(self) -> Result<RateCard, DecodeError> {
        let check = |field, good: bool| good.then_some(()).ok_or(DecodeError::BadValue { field });
        let rises = |list: &[u32]| list.is_sorted_by(|a, b| a < b);
        check("valid_until", self.valid_from < self.valid_until)?;
        check("window_hours", (1..=WINDOW_HOURS_MAX).contains(&self.window_hours))?;
        let days = 1..=WINDOW_DAYS_PER_MONTH_MAX;
        check("window_days_per_month", days.contains(&self.window_days_per_month))?;
        let free = self.free_in_window;
        check("free_in_window", !free.is_some_and(|free| free.contains(Category::Marketing)))?;
        if let Some(subscription) = &self.subscription {
            let days = 1..=SUBSCRIPTION_DAYS_MAX;
            check("subscription_days", days.contains(&subscription.days))?;
            let grace = subscription.grace_days;
            check("grace_days", grace <= SUBSCRIPTION_GRACE_DAYS_MAX)?;
        }
        check("inbox_free_per_day", self.inbox_free_per_day != 0)?;
        let count = 1..=RATE_CARD_TIERS_MAX;
        check("tiers", count.contains(&self.tiers.len()) && rises(&self.tiers))?;
        check("tiers", self.tiers.first() != Some(&0))?;
        let count = 1..=RATE_CARD_TARIFFS_MAX;
        check("tariffs", count.contains(&self.tariffs.len()))?;
        for tariff in &self.tariffs {
            check("tariff_name", is_tariff_name(&tariff.name))?;
            check("countries", good_countries(&tariff.countries))?;
            let prices = Category::ALL.iter().filter_map(|category| tariff.prices.of(*category));
            check("price", prices.max().is_none_or(|dearest| dearest.0 <= PRICE_MILLIONTHS_MAX))?;
        }
        check("countries", each_country_once(&self.tariffs))?;
        Ok(RateCard(self))
    }
}

impl RateCard {
    /// What it states.
    pub fn fields(&self) -> &CardFields {
        &self.0
    }

    /// The same card, issued at `minute` if it was issued earlier.
    #[must_use]
    pub fn issued_from(mut self, minute: Minute) -> Self {
        self.0.issued = self.0.issued.max(minute);
        self
    }

    /// Whether it holds at `now`.
    pub fn holds_at(&self, now: Minute) -> bool {
        self.0.valid_from <= now && now < self.0.valid_until
    }

    /// Whether messages of this category are free while a window is open.
    pub fn is_free_in_window(&self, category: Category) -> bool {
        self.0.free_in_window.is_some_and(|free| free.contains(category))
    }

    /// Distinct mailboxes that an account of a tier may reach outside windows in a UTC day.
    pub fn reach(&self, tier: Tier) -> u32 {
        let tiers = &self.0.tiers;
        let limit = tiers.get(usize::from(tier.0)).or(tiers.last());
        limit.copied().unwrap_or_default()
    }

    /// The price of a message into a zone; the dearest of all tariffs for a zone in none of them,
    /// because a business must not gain by a relay that does not know where a person is.
    pub fn rate(&self, zone: Zone, category: Category) -> Option<Millionths> {
        let tariffs = &self.0.tariffs;
        match tariffs.iter().find(|tariff| tariff.countries.binary_search(&zone).is_ok()) {
            Some(tariff) => tariff.prices.of(category),
            None => tariffs.iter().filter_map(|tariff| tariff.prices.of(category)).max(),
        }
    }
}

impl Prices {
    /// The price of a category.
    pub fn of(&self, category: Category) -> Option<Millionths> {
        match category {
            Category::Service => self.service,
            Category::Utility => self.utility,
            Category::Authentication => self.authentication,
            Category::Marketing => self.marketing,
        }
    }
}

/// Whether a tariff may have this name: visible ASCII and spaces within, so that any table shows it.
pub fn is_tariff_name(name: &str) -> bool {
    let visible = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let length = 1..=TARIFF_NAME_BYTES_MAX;
    length.contains(&name.len()) && visible && name.trim() == name
}

fn good_countries(countries: &[Zone]) -> bool {
    let rises = countries.is_sorted_by(|a, b| a < b);
    !countries.is_empty() && rises && !countries.contains(&Zone::UNKNOWN)
}

fn each_country_once(tariffs: &[Tariff]) -> bool {
    let mut all: Vec<Zone> = tariffs.iter().flat_map(|t| t.countries.iter().copied()).collect();
    all.sort_unstable();
    all.is_sorted_by(|a, b| a < b)
}

impl Wire for RateCard {
    fn write(&self, out: &mut Writer) {
        let CardFields {
            issued,
            valid_from,
            valid_until,
            currency,
            window_hours,
            window_days_per_month,
            free_in_window,
            subscription,
            inbox_free_per_day,
            tiers,
            tariffs,
        } = &self.0;
        out.u8(VERSION);
        issued.write(out);
        valid_from.write(out);
        valid_until.write(out);
        currency.write(out);
        out.u8(*window_hours);
        out.u8(*window_days_per_month);
        out.optional(free_in_window.as_ref());
        out.optional(subscription.as_ref());
        out.u32(*inbox_free_per_day);
        out.count(tiers.len());
        tiers.iter().for_each(|tier| out.u32(*tier));
        out.count(tariffs.len());
        tariffs.iter().for_each(|tariff| tariff.write(out));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "rate_card_version" });
        }
        let fields = CardFields {
            issued: Wire::read(reader)?,
            valid_from: Wire::read(reader)?,
            valid_until: Wire::read(reader)?,
            currency: Wire::read(reader)?,
            window_hours: reader.u8()?,
            window_days_per_month: reader.u8()?,
            free_in_window: reader.optional("has_free_in_window")?,
            subscription: reader.optional("has_subscription")?,
            inbox_free_per_day: reader.u32()?,
            tiers: list(reader, "tiers", RATE_CARD_TIERS_MAX, Reader::u32)?,
            tariffs: list(reader, "tariffs", RATE_CARD_TARIFFS_MAX, Tariff::read)?,
        };
        fields.check()
    }
}

impl Wire for Subscription {
    fn write(&self, out: &mut Writer) {
        let Self { amount, days, grace_days } = self;
        amount.write(out);
        out.u16(*days);
        out.u16(*grace_days);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let amount = Wire::read(reader)?;
        Ok(Self { amount, days: reader.u16()?, grace_days: reader.u16()? })
    }
}

impl Wire for Tariff {
    fn write(&self, out: &mut Writer) {
        let Self { name, countries, prices } = self;
        out.sized(name.as_bytes());
        out.count(countries.len());
        countries.iter().for_each(|country| country.write(out));
        let Prices { service, utility, authentication, marketing } = prices;
        for price in [service, utility, authentication, marketing] {
            out.optional(price.as_ref());
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            name: reader.text("tariff_name", TARIFF_NAME_BYTES_MAX)?,
            countries: list(reader, "countries", RATE_CARD_COUNTRIES_MAX, Zone::read)?,
            prices: Prices {
                service: reader.optional("has_service")?,
                utility: reader.optional("has_utility")?,
                authentication: reader.optional("has_authentication")?,
                marketing: reader.optional("has_marketing")?,
            },
        })
    }
}

fn list<T>(
    reader: &mut Reader,
    field: &'static str,
    max: usize,
    mut read: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = reader.count(field, max)?;
    (0..count).map(|_| read(reader)).collect()
}

const VERSION: u8 = 1;
