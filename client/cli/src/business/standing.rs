//! `standing`: whether the business may send, and what people's reports it is judged by.

use clap::Args;
use plico_client::AccountStanding;
use plico_client::ledger::Day;
use serde::{Deserialize, Serialize};

use super::ask;
use super::desk::{Answer, Request};
use super::socket::other_release;
use crate::Options;
use crate::failure::Failure;
use crate::place::Place;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// A standing, as words and JSON have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    suspended: bool,
    /// A place in the rate card's list; the first is 0.
    tier: u8,
    /// RFC 3339; the day of the last change, none before anything was counted.
    since: Option<String>,
    /// Both of the last seven days.
    reports: u32,
    deliveries: u32,
    /// None without a delivery.
    reports_per_million: Option<u32>,
    /// The day on which the subscription falls due; none where there is none.
    subscription_due: Option<String>,
    /// Since which day it is unpaid.
    unpaid_since: Option<String>,
    /// The first day on which nothing may be sent because of it.
    unpaid_stops: Option<String>,
}

impl Show {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let Answer::Standing(shown) = ask(&self.place, Request::Standing, options).await? else {
            return Err(other_release());
        };
        match self.json {
            true => say(&serde_json::to_string(&shown).map_err(|_| other_release())?),
            false => shown.lines().iter().for_each(say),
        }
        Ok(())
    }
}

impl Shown {
    pub(super) fn of(standing: &AccountStanding) -> Self {
        let AccountStanding { reputation, inputs, dues } = standing;
        Self {
            suspended: reputation.suspended,
            tier: reputation.tier.0,
            since: (reputation.since != Day(0)).then(|| date(reputation.since)),
            reports: inputs.reports,
            deliveries: inputs.deliveries,
            reports_per_million: inputs.per_million(),
            subscription_due: dues.due.map(date),
            unpaid_since: dues.unpaid.map(|unpaid| date(unpaid.since)),
            unpaid_stops: dues.unpaid.map(|unpaid| date(unpaid.stops)),
        }
    }

    fn lines(&self) -> Vec<String> {
        let may = match self.suspended {
            true => "suspended: nothing may be sent until the relay's operator restores it",
            false => "may send",
        };
        let rate = self.reports_per_million.map_or_else(String::new, |rate| {
            format!(", {}.{:02} % of them", rate / 10_000, rate / 100 % 100)
        });
        let Self { tier, reports, deliveries, .. } = self;
        let since = self.since.as_ref().map_or_else(String::new, |day| format!(", since {day}"));
        let mut lines = vec![
            format!("standing   {may}"),
            format!("tier       {tier} of the rate card, the first being 0{since}"),
            format!("seven days {deliveries} delivered outside windows, {reports} reported{rate}"),
        ];
        lines.extend(self.dues());
        lines
    }

    fn dues(&self) -> Option<String> {
        let Self { subscription_due: due, unpaid_since: since, unpaid_stops: stops, .. } = self;
        let said = match (since, stops, due) {
            (Some(since), Some(stops), _) => format!(
                "unpaid since {since}: from {stops} on nothing may be sent; pay the relay's operator"
            ),
            (_, _, Some(due)) => format!("due on {due}"),
            _ => return None,
        };
        Some(format!("subscribed {said}"))
    }
}

fn date(day: Day) -> String {
    let begin = jiff::Timestamp::from_second(i64::from(day.0) * 86_400);
    begin.unwrap_or_default().strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_to_the_hundredth_of_a_percent() {
        let shown = Shown {
            suspended: false,
            tier: 1,
            since: Some("2026-11-21".to_owned()),
            reports: 3,
            deliveries: 1_204,
            reports_per_million: Some(2_491),
            subscription_due: None,
            unpaid_since: None,
            unpaid_stops: None,
        };
        let [may, tier, days] = shown.lines().try_into().unwrap();
        assert!(may.ends_with("may send") && tier.contains("since 2026-11-21"));
        assert!(days.ends_with("1204 delivered outside windows, 3 reported, 0.24 % of them"));
        let none = Shown { reports_per_million: None, ..shown };
        assert!(none.lines()[2].ends_with("3 reported"));
        let none = Shown { since: None, ..none };
        assert!(none.lines()[1].ends_with("the first being 0"));
        let day = || Some("2026-12-20".to_owned());
        let due = Shown { subscription_due: day(), ..none };
        assert!(due.lines()[3].ends_with("due on 2026-12-20"));
        let stops = Some("2027-01-03".to_owned());
        let unpaid = Shown { unpaid_since: day(), unpaid_stops: stops, ..due };
        assert!(unpaid.lines()[3].contains("unpaid since 2026-12-20: from 2027-01-03 on"));
    }
}
