//! `plico-relay business standing` and `restore`: what people's reports made of a business.

use clap::Args;
use plico_protocol::certificate::Handle;
use plico_protocol::limits::REPUTATION_DAYS;
use plico_protocol::reputation::{AccountStanding, Dues, Reputation, Unpaid};
use plico_protocol::time::Day;
use serde_json::json;

use super::business::unexpected;
use super::ledger::{balance_of, lacking};
use super::registrar::Registrar;
use super::{Failure, Place, say};
use crate::admin::command::{Answer, Command};
use crate::admin::ledger::Balance;
use crate::clock::rfc3339_day;
use crate::opening::Options;

/// Which business.
#[derive(Debug, Args)]
pub(super) struct Whose {
    /// Its handle, as `list` shows it.
    handle: String,
    /// As a JSON object, for scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Says how it stands.
pub(super) fn show(whose: &Whose, options: &Options) -> Result<(), Failure> {
    ask(whose, Command::Standing, options)
}

/// Ends its suspension, and says how it stands then.
pub(super) fn restore(whose: &Whose, options: &Options) -> Result<(), Failure> {
    ask(whose, Command::Restore, options)
}

fn ask(
    whose: &Whose,
    command: impl FnOnce(Handle) -> Command,
    options: &Options,
) -> Result<(), Failure> {
    let handle = Handle::new(&whose.handle)
        .map_err(|error| Failure::Usage(format!("`{}`: {error}", whose.handle)))?;
    let config = whose.place.settings()?;
    let registrar = Registrar::find(&config, options)?;
    let Answer::Standing(standing) = registrar.call(command(handle.clone()))? else {
        return Err(unexpected());
    };
    let Answer::Balance(balance) = registrar.call(Command::Balance(handle))? else {
        return Err(unexpected());
    };
    match whose.json {
        true => say(as_json(&whose.handle, &standing, &balance)),
        false => {
            lines(&standing).iter().for_each(say);
            if let Some(lacking) = standing.dues.unpaid.and_then(|_| lacking(&balance)) {
                say(format_args!("unpaid       {lacking}"));
            }
            say(format_args!("account      {}", balance_of(&balance)));
        }
    }
    Ok(())
}

fn lines(standing: &AccountStanding) -> Vec<String> {
    let AccountStanding { reputation, inputs, dues } = standing;
    let may = if reputation.suspended { "suspended: may send nothing" } else { "may send" };
    let rate = match inputs.per_million() {
        Some(rate) => format!(": {}.{:02} %", rate / 10_000, rate / 100 % 100),
        None => String::new(),
    };
    let mut lines = vec![
        format!(
            "standing     {may}{}",
            since(reputation).map_or(String::new(), |day| format!(", since {day}"))
        ),
        format!("tier         {} of the rate card, the first being 0", reputation.tier.0),
        format!(
            "{REPUTATION_DAYS} days       {} reports, {} deliveries outside windows{rate}",
            inputs.reports, inputs.deliveries
        ),
    ];
    lines.extend(dues_of(dues).map(|said| format!("subscription {said}")));
    lines
}

/// The day of the last change; none before anything was counted.
fn since(reputation: &Reputation) -> Option<String> {
    (reputation.since != Day(0)).then(|| rfc3339_day(reputation.since))
}

/// What is said of a subscription, if there is one.
pub(super) fn dues_of(dues: &Dues) -> Option<String> {
    let Dues { due, unpaid } = dues;
    let due = due.map(|due| format!("due on {}", rfc3339_day(due)));
    let unpaid = unpaid.map(|Unpaid { since, stops }| {
        let (since, stops) = (rfc3339_day(since), rfc3339_day(stops));
        format!("unpaid since {since}; from {stops} on it may send nothing")
    });
    unpaid.or(due)
}

fn as_json(handle: &str, standing: &AccountStanding, balance: &Balance) -> serde_json::Value {
    let AccountStanding { reputation, inputs, dues } = standing;
    json!({
        "handle": handle,
        "suspended": reputation.suspended,
        "tier": reputation.tier.0,
        "since": since(reputation),
        "reports": inputs.reports,
        "deliveries": inputs.deliveries,
        "reports_per_million": inputs.per_million(),
        "subscription_due": dues.due.map(rfc3339_day),
        "unpaid_since": dues.unpaid.map(|unpaid| rfc3339_day(unpaid.since)),
        "unpaid_stops": dues.unpaid.map(|unpaid| rfc3339_day(unpaid.stops)),
        "unpaid_lacking": dues.unpaid.map(|_| balance.lacking.to_string()),
        "currency": balance.currency.map(|currency| currency.to_string()),
        "paid": balance.paid.to_string(),
        "owed": balance.owed.to_string(),
        "reserved": balance.reserved.to_string(),
        "credit": balance.credit.to_string(),
        "own_credit": balance.own_credit,
        "available": balance.available().to_string(),
    })
}
