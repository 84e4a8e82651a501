//! `plico-relay rate-card`: what is wrong with a rate card, and what it says, before anybody pays.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use plico_protocol::pricing::{
    CardFields, Millionths, RateCard, Subscription, TIER_UNLIMITED, Tariff,
};
use plico_protocol::ticket::{Category, Zone};
use plico_protocol::time::Minute;
use serde_json::{Value, json};

use super::list::aligned;
use super::{Failure, say};
use crate::clock::rfc3339_minute;
use crate::policy::rate_card::{Checked, Problem, RateCards, SAMPLE, unlisted};

#[derive(Debug, Subcommand)]
pub(super) enum RateCardCommand {
    /// Finds every mistake in a rate card, by line, and prints what it says as a table.
    Check {
        /// The rate card (TOML). Without it: the one a relay uses that has none of its own.
        file: Option<PathBuf>,
        /// Problems and cards, as one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: RateCardCommand, now: Minute) -> Result<(), Failure> {
    let RateCardCommand::Check { file, json } = command;
    let (name, text) = match &file {
        Some(path) => (path.display().to_string(), read(path)?),
        None => ("the built-in rate card".to_owned(), SAMPLE.to_owned()),
    };
    let checked = RateCards::check(&text, now);
    match json {
        true => say(as_json(&checked)),
        false => checked.problems.iter().for_each(|problem| say(format_args!("{name}: {problem}"))),
    }
    let Some(cards) = checked.cards else {
        return Err(Failure::Usage(format!("{name} cannot be used; correct its errors")));
    };
    if !json {
        cards.all().iter().flat_map(|card| table(card)).for_each(say);
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// What a card says, for the eye.
fn table(card: &RateCard) -> Vec<String> {
    let fields = card.fields();
    let mut lines = vec![String::new(), format!("{}, {}", fields.currency, period(fields))];
    let mut fact = |name: &str, text: String| lines.push(format!("{name:<16}{text}"));
    fact("window", format!("{} hours{}", fields.window_hours, monthly(fields)));
    fact(
        "free in it",
        list(fields.free_in_window.iter().flat_map(|free| free.iter()).map(Category::name)),
    );
    fact(
        "subscription",
        match fields.subscription {
            Some(Subscription { amount, days, grace_days }) => format!(
                "{amount} every {days} days, at their end; unpaid, it may send for {grace_days} more"
            ),
            None => "none".to_owned(),
        },
    );
    fact("inbox", format!("{} messages a day", fields.inbox_free_per_day));
    fact("tiers", format!("{} mailboxes a day", list(fields.tiers.iter().map(tier))));
    lines.push(String::new());
    let names = Category::ALL.iter().map(|category| category.name());
    let mut rows = vec![["zone"].into_iter().chain(names).map(str::to_owned).collect()];
    rows.extend(
        fields
            .tariffs
            .iter()
            .map(|tariff| row(tariff.name.clone(), |category| tariff.prices.of(category))),
    );
    let rest = match unlisted(card).len() {
        0 => "ZZ (unknown)".to_owned(),
        count => format!("ZZ (unknown), and {count} countries"),
    };
    rows.push(row(rest, |category| card.rate(Zone::UNKNOWN, category)));
    lines.extend(aligned(&rows));
    lines
}

fn row(name: String, price: impl Fn(Category) -> Option<Millionths>) -> Vec<String> {
    let price = |category: &Category| price(*category).map_or("–".to_owned(), |p| p.to_string());
    [name].into_iter().chain(Category::ALL.iter().map(price)).collect()
}

fn as_json(checked: &Checked) -> Value {
    let problems = checked.problems.iter().map(|problem| {
        let Problem { severity, line, column, text } = problem;
        json!({ "severity": severity.name(), "line": line, "column": column, "text": text })
    });
    let cards = checked.cards.iter().flat_map(RateCards::all).map(|card| card_as_json(card));
    json!({ "problems": problems.collect::<Vec<_>>(), "cards": cards.collect::<Vec<_>>() })
}

/// A card with amounts in millionths, and times in minutes since 1970 as on the wire.
fn card_as_json(card: &RateCard) -> Value {
    let fields = card.fields();
    let free = fields.free_in_window.iter().flat_map(|free| free.iter());
    json!({
        "valid_from": fields.valid_from.0,
        "valid_until": fields.valid_until.0,
        "currency": fields.currency.to_string(),
        "window_hours": fields.window_hours,
        "window_days_per_month": fields.window_days_per_month,
        "free_in_window": free.map(Category::name).collect::<Vec<_>>(),
        "subscription": fields.subscription.map(|paid| json!({
            "amount": paid.amount.0, "days": paid.days, "grace_days": paid.grace_days
        })),
        "inbox_free_per_day": fields.inbox_free_per_day,
        "tiers": fields.tiers,
        "tariffs": fields.tariffs.iter().map(tariff_as_json).collect::<Vec<_>>(),
    })
}

fn tariff_as_json(tariff: &Tariff) -> Value {
    let prices = Category::ALL.iter().map(|category| {
        let price = tariff.prices.of(*category).map(|price| price.0);
        (category.name(), Value::from(price))
    });
    json!({
        "name": tariff.name,
        "countries": tariff.countries.iter().map(Zone::to_string).collect::<Vec<_>>(),
        "prices": Value::from_iter(prices),
    })
}

fn period(fields: &CardFields) -> String {
    let from = match fields.valid_from {
        Minute(0) => "since ever".to_owned(),
        from => format!("from {}", rfc3339_minute(from)),
    };
    let until = match fields.valid_until {
        Minute(u32::MAX) => "without end".to_owned(),
        until => format!("until {}", rfc3339_minute(until)),
    };
    format!("{from}, {until}")
}

fn monthly(fields: &CardFields) -> String {
    match fields.window_days_per_month {
        31 => String::new(),
        days => format!(", opened on at most {days} days of a month"),
    }
}

fn tier(tier: &u32) -> String {
    match *tier {
        TIER_UNLIMITED => "unlimited".to_owned(),
        tier => tier.to_string(),
    }
}

fn list(words: impl Iterator<Item = impl core::fmt::Display>) -> String {
    let words: Vec<String> = words.map(|word| word.to_string()).collect();
    match words.is_empty() {
        true => "nothing".to_owned(),
        false => words.join(", "),
    }
}
