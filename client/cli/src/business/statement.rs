//! `statement` and `verify`: what the relay charges for a month, checked line by line against the
//! receipts and heads that this business kept.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::civil::Date;
use plico_client::ledger::{
    Disagreement, EntryKind, Hour, Period, Statement, Total, TotalKey, Wire,
};
use plico_client::{Business, CheckedStatement};
use serde::{Deserialize, Serialize};

use super::desk::{Answer, Request, no_relay, not_connected};
use super::socket::other_release;
use super::{ask, write};
use crate::Options;
use crate::failure::{Failure, Status, sentence};
use crate::place::Place;
use crate::{remark, say};

#[derive(Debug, Args)]
pub(crate) struct Month {
    /// The month, in UTC: 2026-11.
    #[arg(long, value_name = "YYYY-MM", value_parser = period)]
    month: Period,
    /// Where to keep the statement, for `verify`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A statement that was kept.
    file: PathBuf,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// A statement, as words and JSON have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// The business's handle, if it has a certificate.
    business: Option<String>,
    /// Its first and last UTC day, as 2026-11-21.
    from: String,
    to: String,
    /// The first line that does not agree; none if all do.
    disagreement: Option<Dispute>,
    /// Up to which UTC hour it goes, as 2026-11-21 09:00, if more of its days may come.
    so_far: Option<String>,
    totals: Vec<Line>,
}

/// Why a statement is not to be booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Dispute {
    /// Whether it follows from what came later, or was not read yet, which is nobody's fault.
    outdated: bool,
    why: String,
}

/// One line of totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    kind: String,
    category: Option<String>,
    zone: Option<String>,
    count: u64,
    amount: String,
    currency: String,
}

impl Month {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let Period { from, to } = self.month;
        has_begun(self.month, now())?;
        let out = self.out.map(|out| absolute(&out)).transpose()?;
        let request = Request::Statement { from: from.0, to: to.0, out };
        let Answer::Statement(shown) = ask(&self.place, request, options).await? else {
            return Err(other_release());
        };
        shown.tell(self.json)
    }
}

impl Check {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let request = Request::Verify { file: absolute(&self.file)? };
        let Answer::Statement(shown) = ask(&self.place, request, options).await? else {
            return Err(other_release());
        };
        shown.tell(self.json)
    }
}

impl Shown {
    /// Keeps the statement, if that was asked for, and shows it.
    async fn keep(
        business: &Business,
        checked: &CheckedStatement,
        out: Option<&Path>,
    ) -> Result<Self, Failure> {
        let CheckedStatement { statement, verified } = checked;
        out.map(|out| write(out, &statement.encode())).transpose()?;
        let Period { from, to } = statement.period;
        let certified = business.certificate().await?;
        let provisional = verified.as_ref().is_ok_and(|verified| verified.provisional);
        Ok(Self {
            business: certified.map(|claims| claims.handle.to_string()),
            from: date(from),
            to: date(Hour(to.0.saturating_sub(1))),
            disagreement: verified.as_ref().err().map(Dispute::of),
            so_far: provisional.then(|| minute(statement.head.claims().hour)),
            totals: statement.totals.iter().map(Line::of).collect(),
        })
    }

    /// Amounts that do not agree are not printed: a script would book them.
    fn tell(self, json: bool) -> Result<(), Failure> {
        if let Some(dispute) = self.disagreement {
            return Err(dispute.tell(&self.from, &self.to));
        }
        match json {
            true => say(&serde_json::to_string(&self).map_err(|_| other_release())?),
            false => self.lines().iter().for_each(say),
        }
        if let Some(hour) = self.so_far {
            remark(format!(
                "This is what was charged and paid up to {hour} UTC: more of these days may be entered."
            ));
        }
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let row = |line: &Line| {
            let Line { kind, category, zone, count, amount, currency } = line;
            let category = category.as_deref().unwrap_or_default();
            let zone = zone.as_deref().unwrap_or_default();
            format!("{kind:<12} {category:<14} {zone:<4} {count:>8} {amount:>14} {currency}")
        };
        let Self { business, from, to, .. } = self;
        let business = business.as_deref().unwrap_or("this business");
        let mut lines = vec![format!("statement of {business}, {from} to {to} (UTC)")];
        lines.extend(self.totals.iter().map(row));
        if self.totals.is_empty() {
            lines.push("nothing was charged or paid".to_owned());
        }
        lines.push("agrees with every receipt and head that was kept here".to_owned());
        lines
    }
}

impl Dispute {
    fn of(why: &Disagreement) -> Self {
        use Disagreement::{Outdated, Restored, Unread, UnreadRestore};
        let outdated = matches!(why, Outdated(_) | Unread(_) | Restored | UnreadRestore);
        Self { outdated, why: sentence(&why.to_string()) }
    }

    fn tell(self, from: &str, to: &str) -> Failure {
        let Self { outdated, why } = self;
        let (what, next) = match outdated {
            true => (
                "is not the last word on these days",
                "Ask for it again: `plico business statement --month`.",
            ),
            false => (
                "does not agree with what this business kept",
                "Send it to the relay's operator with the line; keep this state, it is the evidence.",
            ),
        };
        let what = format!("The statement of {from} to {to} {what}.");
        Failure::new(Status::NotTrusted, what, why, next)
    }
}

impl Line {
    fn of((key, total): (&TotalKey, &Total)) -> Self {
        let letters = |zone: [u8; 2]| zone.iter().map(|letter| char::from(*letter)).collect();
        Self {
            kind: EntryKind::name(key.kind).to_owned(),
            category: key.rate.map(|rate| rate.category.name().to_owned()),
            zone: key.rate.map(|rate| letters(*rate.zone.as_bytes())),
            count: total.count,
            amount: total.sum.to_string(),
            currency: key.currency.to_string(),
        }
    }
}

/// Has a period stated, and keeps the statement if that was asked for.
pub(super) async fn carry_out(
    business: &Business,
    period: Period,
    out: Option<&Path>,
) -> Result<Shown, Failure> {
    business.link(None).await.map_err(|_| no_relay())?;
    let checked = business.statement(period).await.map_err(not_connected)?;
    Shown::keep(business, &checked, out).await
}

/// Checks a statement that was kept.
pub(super) async fn check(business: &Business, file: &Path) -> Result<Shown, Failure> {
    let checked = business.check_statement(read_statement(file)?).await?;
    Shown::keep(business, &checked, None).await
}

fn read_statement(file: &Path) -> Result<Statement, Failure> {
    let unread = |error| Failure::file(format!("{} cannot be read.", file.display()), &error);
    let bytes = std::fs::read(file).map_err(unread)?;
    Statement::decode(bytes).map_err(|error| {
        let what = format!("{} is no statement.", file.display());
        let next = "Name a file that `plico business statement --out` wrote.";
        Failure::new(Status::Usage, what, sentence(&error.to_string()), next)
    })
}

/// A path that means the same to a `serve` that runs elsewhere.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::file(format!("{} cannot be named.", path.display()), &error))
}

/// The UTC day of an hour.
fn date(hour: Hour) -> String {
    let begin = jiff::Timestamp::from_second(i64::from(hour.0) * 3_600);
    begin.unwrap_or_default().strftime("%Y-%m-%d").to_string()
}

/// The beginning of an hour, in UTC.
fn minute(hour: Hour) -> String {
    format!("{} {:02}:00", date(hour), hour.0 % 24)
}

fn now() -> Hour {
    let hours = jiff::Timestamp::now().as_second() / 3_600;
    Hour(u32::try_from(hours).unwrap_or_default())
}

/// A month that has not begun has no statement.
fn has_begun(Period { from, .. }: Period, now: Hour) -> Result<(), Failure> {
    if from <= now {
        return Ok(());
    }
    Err(Failure::new(
        Status::Usage,
        "That month has not begun.",
        format!("It begins on {} (UTC), and nothing can be charged or paid before.", date(from)),
        "Name this month or an earlier one.",
    ))
}

/// The hours of a month in UTC.
fn period(month: &str) -> Result<Period, String> {
    let wrong = |_| "a month is written like 2026-11".to_owned();
    let first: Date = format!("{month}-01").parse().map_err(wrong)?;
    let next = first.first_of_month().checked_add(jiff::Span::new().months(1)).map_err(wrong)?;
    let hour = |date: Date| {
        let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days();
        u32::try_from(days).ok()?.checked_mul(24).map(Hour)
    };
    let hours = hour(first).zip(hour(next));
    hours.map(|(from, to)| Period { from, to }).ok_or("a month after 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use plico_client::ledger::EntrySequence;

    use super::*;

    #[test]
    fn a_statement_says_whose_and_of_when_it_is_unless_a_line_disagrees() {
        let Period { from, to } = period("2026-11").unwrap();
        let shown = Shown {
            business: Some("bank".to_owned()),
            from: date(from),
            to: date(Hour(to.0 - 1)),
            disagreement: None,
            so_far: None,
            totals: Vec::new(),
        };
        assert_eq!(shown.lines()[0], "statement of bank, 2026-11-01 to 2026-11-30 (UTC)");
        assert_eq!(shown.lines().len(), 3);
        let told = |why: &Disagreement| {
            let disagreement = Some(Dispute::of(why));
            Shown { disagreement, ..shown.clone() }.tell(false).unwrap_err().to_string()
        };
        let added = told(&Disagreement::Added(EntrySequence(7)));
        assert!(added.contains("2026-11-01 to 2026-11-30 does not agree"), "{added}");
        assert!(added.contains("Line 7") && added.contains("evidence"), "{added}");
        let outdated = told(&Disagreement::Outdated(EntrySequence(7)));
        assert!(outdated.contains("2026-11-01 to 2026-11-30 is not the last"), "{outdated}");
        assert!(outdated.contains("Line 7") && outdated.contains("again"), "{outdated}");
        let unread = told(&Disagreement::UnreadRestore);
        assert!(
            unread.contains("from a backup") && unread.contains("Ask for it again"),
            "{unread}"
        );
    }

    #[test]
    fn a_month_that_has_not_begun_has_no_statement() {
        let november = period("2026-11").unwrap();
        let has_begun = |now| has_begun(november, now).map_err(|failure| failure.to_string());
        let early = has_begun(Hour(november.from.0 - 1)).unwrap_err();
        assert!(early.contains("begins on 2026-11-01"), "{early}");
        assert_eq!(has_begun(november.from), Ok(()));
        assert_eq!(minute(Hour(november.to.0 - 15)), "2026-11-30 09:00");
    }

    #[test]
    fn a_month_is_its_hours() {
        let november = period("2026-11").unwrap();
        assert_eq!(november.to.0 - november.from.0, 30 * 24);
        assert_eq!(november.from.0 % 24, 0);
        assert_eq!(period("1970-01").unwrap().from.0, 0);
        for wrong in ["2026", "2026-13", "11-2026", "1969-12"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }
}
