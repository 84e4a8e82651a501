//! `plico-relay ledger`: what businesses were charged, by day, category and zone; and payments.

use jiff::civil::Date;
use plico_protocol::certificate::Handle;
use plico_protocol::ledger::{Amount, Entry, EntryKind};
use plico_protocol::pricing::{BadAmount, Millionths};
use plico_protocol::time::Day;
use serde_json::{Value, json};

use super::business::unexpected;
use super::list::aligned;
use super::registrar::Registrar;
use super::{Failure, say};
use crate::admin::command::{Answer, Command, REFERENCE_BYTES_MAX};
use crate::admin::ledger::{Balance, Days, LedgerLine};
use crate::clock::rfc3339_day;
use crate::config::Config;
use crate::opening::Options;
use crate::rules::Rules;

/// How the lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    Csv,
    Json,
}

/// Prints the ledger of one business, or of each that has a certificate.
pub(super) fn run(
    business: Option<&str>,
    days: Days,
    form: Form,
    config: &Config,
    options: &Options,
) -> Result<(), Failure> {
    let registrar = Registrar::find(config, options)?;
    let handles = match business {
        Some(handle) => vec![parsed(handle)?],
        None => every_handle(&registrar)?,
    };
    let mut rows = Vec::new();
    for handle in handles {
        let asked = Command::Ledger { handle: handle.clone(), days };
        let Answer::Ledger(lines, free) = registrar.call(asked)? else {
            return Err(unexpected());
        };
        let mut of_one: Vec<_> = lines.iter().map(|line| cells(&handle, line)).collect();
        of_one.extend(free.iter().map(|(day, count)| free_cells(&handle, *day, *count)));
        // By their dates, which sort as text.
        of_one.sort_by(|[_, a, ..], [_, b, ..]| a.cmp(b));
        rows.extend(of_one);
    }
    match form {
        Form::Table => aligned(&with_heading(rows)).into_iter().for_each(say),
        // No cell has a comma or a quote: handles, dates, words of ours and numbers.
        Form::Csv => with_heading(rows).iter().for_each(|cells| say(cells.join(","))),
        Form::Json => say(Value::from(rows.iter().map(object).collect::<Vec<_>>())),
    }
    Ok(())
}

/// The days of a month as it is written.
pub(super) fn month(text: &str) -> Result<Days, String> {
    let first = date(&format!("{text}-01")).ok_or("a month is written like 2026-11")?;
    let next = first.checked_add(jiff::Span::new().months(1)).ok();
    days(first, next)
}

/// A day as it is written.
pub(super) fn day(text: &str) -> Result<Days, String> {
    let day = date(text).ok_or("a day is written like 2026-11-21")?;
    days(day, day.tomorrow().ok())
}

fn date(text: &str) -> Option<Date> {
    // The parser takes a time of day and a zone, too, and would drop them.
    text.parse().ok().filter(|date: &Date| date.to_string() == text)
}

fn days(first: Date, next: Option<Date>) -> Result<Days, String> {
    let number = |date: Date| {
        let since = date.since(jiff::civil::date(1970, 1, 1)).ok()?;
        u32::try_from(since.get_days()).ok().map(Day)
    };
    let (from, to) = (number(first), next.and_then(number));
    let days = from.zip(to).map(|(from, to)| Days { from, to });
    days.ok_or_else(|| "the ledger begins in 1970 at the earliest".to_owned())
}

/// A reference without what banks write differently from one paper to the next: spaces, which group
/// its letters for the eye (ISO 11649), and case.
pub(super) fn reference(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("a reference is one line of text, without control characters".to_owned());
    }
    let mut reference: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    reference.make_ascii_uppercase();
    match (1..=REFERENCE_BYTES_MAX).contains(&reference.len()) {
        true => Ok(reference),
        false => Err(format!("a reference has 1 to {REFERENCE_BYTES_MAX} bytes")),
    }
}

/// A payment as the operator tells it.
pub(super) struct Payment {
    pub(super) business: String,
    pub(super) amount: Millionths,
    pub(super) reference: Option<String>,
    /// Whether it takes back what was entered as paid.
    pub(super) correction: bool,
}

/// Notes a payment, under a reference once.
pub(super) fn pay(payment: Payment, config: &Config, options: &Options) -> Result<(), Failure> {
    let Payment { business, amount, reference, correction } = payment;
    let amount = in_currency(amount, config, options)?;
    let handle = parsed(&business)?;
    let registrar = Registrar::find(config, options)?;
    let command = Command::Pay { handle: handle.clone(), amount, reference, correction };
    let entries = match registrar.call(command)? {
        Answer::Paid(entries) => entries,
        Answer::PaidBefore(entry) => return paid_before(&entry, amount, correction),
        _ => return Err(unexpected()),
    };
    for Entry { kind, sequence, amount: Amount { millionths, currency }, .. } in entries {
        say(format_args!("{}  {millionths} {currency}, line {}", kind.name(), sequence.0));
    }
    if let Answer::Balance(balance) = registrar.call(Command::Balance(handle))?
        && let Some(lacking) = lacking(&balance)
    {
        say(format_args!("unpaid  {lacking}"));
    }
    Ok(())
}

/// The same again is done; another amount under the reference is a mistake somewhere.
fn paid_before(entry: &Entry, amount: Amount, correction: bool) -> Result<(), Failure> {
    let Entry { sequence, hour, kind, amount: Amount { millionths, currency }, .. } = entry;
    let (name, day) = (kind.name(), rfc3339_day(hour.day()));
    let entered = format!("{name} {millionths} {currency}, line {}, on {day}", sequence.0);
    if entry.amount == amount && correction == (*kind == EntryKind::Correction) {
        say(format_args!("entered already  {entered}"));
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "under this reference {entered}, was entered; nothing was now. Look at the transfer; another one has \
         another reference"
    )))
}

/// How much more makes an account paid, if it is not.
pub(super) fn lacking(balance: &Balance) -> Option<String> {
    let Balance { lacking, currency, .. } = balance;
    let currency = currency.map(|currency| format!(" {currency}")).unwrap_or_default();
    (*lacking != Millionths::ZERO).then(|| format!("until {lacking}{currency} more is paid"))
}

/// How far a business may owe.
#[derive(Clone, Copy, Debug)]
pub(super) enum Credit {
    Own(Millionths),
    Default,
}

impl Credit {
    pub(super) fn parse(text: &str) -> Result<Self, BadAmount> {
        match text {
            "default" => Ok(Self::Default),
            amount => Millionths::from_decimal(amount).map(Self::Own),
        }
    }
}

/// Sets it, and says what may be charged now.
pub(super) fn credit(
    business: &str,
    credit: Credit,
    config: &Config,
    options: &Options,
) -> Result<(), Failure> {
    let credit = match credit {
        Credit::Own(amount) => Some(in_currency(amount, config, options)?),
        Credit::Default => None,
    };
    let handle = parsed(business)?;
    let registrar = Registrar::find(config, options)?;
    let Answer::Balance(balance) = registrar.call(Command::Credit { handle, credit })? else {
        return Err(unexpected());
    };
    say(format_args!("account      {}", balance_of(&balance)));
    Ok(())
}

/// A balance, in a line.
pub(super) fn balance_of(balance: &Balance) -> String {
    let Balance { currency, paid, owed, reserved, credit, own_credit, lacking: _ } = balance;
    let currency = currency.map(|currency| format!(" {currency}")).unwrap_or_default();
    let own = if *own_credit { "set for it alone" } else { "the setting" };
    let available = balance.available();
    format!(
        "{available}{currency} may be charged: {paid} paid, {credit} credit ({own}), {owed} owed, \
         {reserved} reserved"
    )
}

fn in_currency(
    millionths: Millionths,
    config: &Config,
    options: &Options,
) -> Result<Amount, Failure> {
    let rules = Rules::open(config, options.clock.now().minute());
    let rules = rules.map_err(|error| Failure::Usage(error.to_string()))?;
    let currency = rules.rate_cards.get().currency().ok_or_else(unexpected)?;
    Ok(Amount { millionths, currency })
}

fn parsed(handle: &str) -> Result<Handle, Failure> {
    Handle::new(handle).map_err(|error| Failure::Usage(format!("`{handle}`: {error}")))
}

fn every_handle(registrar: &Registrar<'_>) -> Result<Vec<Handle>, Failure> {
    let Answer::Listed(certificates) = registrar.call(Command::List)? else {
        return Err(unexpected());
    };
    let claims = certificates.iter().filter_map(|(certificate, _)| certificate.claims().ok());
    let mut handles: Vec<Handle> = claims.map(|claims| claims.handle).collect();
    handles.sort();
    handles.dedup();
    Ok(handles)
}

fn cells(handle: &Handle, line: &LedgerLine) -> [String; 8] {
    let LedgerLine { day, key, total } = line;
    let zone = |rate: plico_protocol::ledger::Rate| {
        rate.zone.as_bytes().iter().map(|letter| char::from(*letter)).collect()
    };
    [
        handle.to_string(),
        rfc3339_day(*day),
        key.kind.name().to_owned(),
        key.rate.map(|rate| rate.category.name().to_owned()).unwrap_or_default(),
        key.rate.map(zone).unwrap_or_default(),
        total.count.to_string(),
        total.sum.to_string(),
        key.currency.to_string(),
    ]
}

/// What was free is in no ledger.
fn free_cells(handle: &Handle, day: Day, count: u64) -> [String; 8] {
    let none = String::new;
    let (day, count, amount) = (rfc3339_day(day), count.to_string(), Millionths::ZERO.to_string());
    [handle.to_string(), day, "free".to_owned(), none(), none(), count, amount, none()]
}

fn with_heading(rows: Vec<[String; 8]>) -> Vec<[String; 8]> {
    [HEADING.map(str::to_owned)].into_iter().chain(rows).collect()
}

fn object(cells: &[String; 8]) -> Value {
    let [business, day, kind, category, zone, count, amount, currency] = cells;
    let count: u64 = count.parse().unwrap_or_default();
    json!({
        "business": business, "day": day, "kind": kind, "category": category, "zone": zone,
        "count": count, "amount": amount, "currency": currency,
    })
}

const HEADING: [&str; 8] =
    ["business", "day", "kind", "category", "zone", "count", "amount", "currency"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_the_same_however_it_is_grouped_and_in_either_case() {
        for same in [
            "RF18 5390 0754 7034",
            "RF18539007547034",
            " rf18 539007547034 ",
            "RF18\u{a0}5390\u{a0}0754\u{a0}7034",
        ] {
            assert_eq!(reference(same).as_deref(), Ok("RF18539007547034"), "{same}");
        }
        assert_ne!(reference("RF18 5390 0754 7035"), reference("RF18 5390 0754 7034"));
        for control in ["RF18\n5390", "RF18\r5390", "RF18 5390\n", "RF18\t5390", "RF18\u{7}"] {
            let said = reference(control).unwrap_err();
            assert!(said.contains("control characters"), "{control:?}: {said}");
        }
        let spaced = "A ".repeat(REFERENCE_BYTES_MAX);
        assert_eq!(reference(&spaced).map(|text| text.len()), Ok(REFERENCE_BYTES_MAX));
        for wrong in ["", "  ", &"A".repeat(REFERENCE_BYTES_MAX + 1)] {
            assert!(reference(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_month_and_a_day_are_their_utc_days() {
        let leap = month("2028-02").unwrap();
        assert_eq!(leap.to.0 - leap.from.0, 29);
        let new_year = day("2027-01-01").unwrap();
        assert_eq!(rfc3339_day(new_year.from), "2027-01-01");
        assert_eq!(month("2026-12").unwrap().to, new_year.from);
        assert_eq!(new_year.to.0, new_year.from.0 + 1);
        for wrong in ["2026", "2026-13", "11-2026", "2026-11-21", "1969-12", "2026-1"] {
            assert!(month(wrong).is_err(), "{wrong}");
        }
        for wrong in ["2026-11", "2026-02-30", "21.11.2026", "2026-11-21T10:00", "1969-12-31"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }
}
