//! `customers`: who wrote, until when answers are free, and what else is allowed.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::desk::{Answer, CustomerRow, Request};
use super::socket::other_release;
use super::{ask, dates};
use crate::Options;
use crate::failure::Failure;
use crate::place::Place;
use crate::say;
use crate::text::clean_line;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl List {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let Answer::Customers(customers) = ask(&self.place, Request::Customers, options).await?
        else {
            return Err(other_release());
        };
        if self.json {
            for customer in &customers {
                say(&serde_json::to_string(customer).map_err(|_| other_release())?);
            }
        } else if customers.is_empty() {
            say("nobody wrote yet; share the link that `plico business link` prints");
        } else {
            say(table(&customers, Timestamp::now(), &TimeZone::system()).trim_end());
        }
        Ok(())
    }
}

fn table(customers: &[CustomerRow], now: Timestamp, zone: &TimeZone) -> String {
    let heading = ["customer", "name", "an answer now", "notifications"].map(str::to_owned);
    let rows = customers.iter().map(|customer| row(customer, now, zone));
    let rows: Vec<_> = core::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3].map(width);
    rows.iter().fold(String::new(), |out, row| {
        let cells = row.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        out + cells.collect::<Vec<_>>().join("  ").trim_end() + "\n"
    })
}

fn row(customer: &CustomerRow, now: Timestamp, zone: &TimeZone) -> [String; 4] {
    let over = |text: &String| text.parse::<Timestamp>().is_ok_and(|until| until <= now);
    let window = match (&customer.answer, &customer.refused, &customer.free_until) {
        (Some(price), _, _) => price.brief(zone),
        (None, Some(why), _) => why.clone(),
        // No rate card is kept, so what the window is worth is not known.
        (None, None, Some(until)) if !over(until) => {
            format!("window until {}", dates::local(until, zone))
        }
        (None, None, Some(_)) => "window over".to_owned(),
        (None, None, None) => "no window".to_owned(),
    };
    let standing = customer.standing.as_ref().map_or_else(
        || "none".to_owned(),
        |standing| {
            let kinds: Vec<_> = standing.categories.iter().map(|kind| kind.name()).collect();
            let until = standing.until.as_deref().map(|until| dates::local(until, zone));
            format!(
                "{}, {} at most, until {}",
                kinds.join(" "),
                standing.messages_max,
                until.unwrap_or_default()
            )
        },
    );
    let name = customer.name.as_deref().map(clean_line).unwrap_or_default();
    [customer.customer.to_string(), name, window, standing]
}

#[cfg(test)]
mod tests {
    use super::super::desk::Standing;
    use super::super::kind::Kind;
    use super::*;

    #[test]
    fn columns_stand_below_one_another_and_show_what_is_over() {
        let customer = |customer, name: Option<&str>, free_until: &str| CustomerRow {
            customer,
            name: name.map(str::to_owned),
            free_until: Some(free_until.to_owned()),
            answer: None,
            refused: None,
            standing: None,
        };
        let standing = Standing {
            categories: vec![Kind::Utility],
            messages_max: 50,
            until: Some("2027-01-01T00:00:00Z".to_owned()),
        };
        let customers = [
            customer(1, Some("Anna\u{1b}[2J"), "2026-11-22T10:00:00Z"),
            CustomerRow { standing: Some(standing), ..customer(12, None, "2026-11-20T10:00:00Z") },
        ];
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let shown = table(&customers, now, &TimeZone::UTC);
        assert!(!shown.contains('\u{1b}'));
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[1].contains("window until 2026-11-22 10:00"), "{shown}");
        assert!(lines[2].contains("window over"), "{shown}");
        let refused = Some("not allowed".to_owned());
        let narrowed = [CustomerRow { refused, ..customer(3, None, "2026-11-22T10:00:00Z") }];
        let narrowed = table(&narrowed, now, &TimeZone::UTC);
        assert!(narrowed.contains("not allowed") && !narrowed.contains("2026-11-22"), "{narrowed}");
        assert!(lines[2].ends_with("utility, 50 at most, until 2027-01-01 00:00"));
        let columns = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
        assert_eq!(columns(lines[0], "notifications"), columns(lines[2], "utility"));
    }
}
