//! `standing`: whether the business may send, and what people's reports it is judged by.

use clap::Args;
use plico_client::AccountStanding;
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
    /// RFC 3339; the day of the last change.
    since: String,
    /// Both of the last seven days.
    reports: u32,
    deliveries: u32,
    /// None without a delivery.
    reports_per_million: Option<u32>,
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
        let AccountStanding { reputation, inputs } = standing;
        let since = jiff::Timestamp::from_second(i64::from(reputation.since.0) * 86_400);
        Self {
            suspended: reputation.suspended,
            tier: reputation.tier.0,
            since: since.unwrap_or_default().strftime("%Y-%m-%d").to_string(),
            reports: inputs.reports,
            deliveries: inputs.deliveries,
            reports_per_million: inputs.per_million(),
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
        let Self { tier, since, reports, deliveries, .. } = self;
        vec![
            format!("standing   {may}"),
            format!("tier       {tier} of the rate card, the first being 0, since {since}"),
            format!("seven days {deliveries} delivered outside windows, {reports} reported{rate}"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_to_the_hundredth_of_a_percent() {
        let shown = Shown {
            suspended: false,
            tier: 1,
            since: "2026-11-21".to_owned(),
            reports: 3,
            deliveries: 1_204,
            reports_per_million: Some(2_491),
        };
        let [may, tier, days] = shown.lines().try_into().unwrap();
        assert!(may.ends_with("may send") && tier.contains("since 2026-11-21"));
        assert!(days.ends_with("1204 delivered outside windows, 3 reported, 0.24 % of them"));
        let none = Shown { reports_per_million: None, ..shown };
        assert!(none.lines()[2].ends_with("3 reported"));
    }
}
