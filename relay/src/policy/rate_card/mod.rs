//! The operator's rate card: a TOML file with one `[[card]]` for each period, checked as a whole.
//!
//! Every mistake is found at once and named by line and column, because an operator who learns of
//! the second one only after the first is corrected learns to dislike the program. SPEC.md §15.1
//! says what a card states.

mod countries;
mod page;
mod read;
#[cfg(test)]
mod tests;

pub use page::{Problem, Severity};

use std::sync::Arc;

use plico_protocol::pricing::{Currency, RateCard};
use plico_protocol::ticket::Zone;
use plico_protocol::time::Minute;

/// The rate cards of one file, in the order of time; no two hold in one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateCards {
    cards: Vec<Arc<RateCard>>,
}

/// What a file says, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The cards, if nothing is wrong that keeps them from being used.
    pub cards: Option<RateCards>,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// A rate card file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; `plico-relay rate-card check` says all", first(.0))]
pub struct BadRateCards(Vec<Problem>);

/// The card of a relay without one of its own: `docs/rate-card.toml`.
pub const SAMPLE: &str = include_str!("../../../../docs/rate-card.toml");

impl RateCards {
    /// Reads a file whose cards are issued now.
    pub fn check(text: &str, now: Minute) -> Checked {
        let mut page = page::Page::new(text);
        let cards: Vec<_> = read::cards(&mut page, text, now).into_iter().map(Arc::new).collect();
        let cards = (!page.has_errors() && !cards.is_empty()).then_some(RateCards { cards });
        let mut problems = page.problems;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Checked { cards, problems }
    }

    /// The same, for whoever cannot go on without.
    ///
    /// # Errors
    ///
    /// [`BadRateCards`], which names the first mistake.
    pub fn parse(text: &str, now: Minute) -> Result<Self, BadRateCards> {
        let Checked { cards, problems } = Self::check(text, now);
        cards.ok_or(BadRateCards(problems))
    }

    /// The card that holds in a minute.
    pub fn at(&self, minute: Minute) -> Option<&Arc<RateCard>> {
        self.cards.iter().find(|card| card.holds_at(minute))
    }

    /// Every card, in the order of time; at least one if they were read from a file.
    pub fn all(&self) -> &[Arc<RateCard>] {
        &self.cards
    }

    /// What the relay bills in.
    pub fn currency(&self) -> Option<Currency> {
        self.cards.first().map(|card| card.fields().currency)
    }
}

/// Assigned countries that no tariff of the card lists: priced as the dearest.
pub fn unlisted(card: &RateCard) -> Vec<Zone> {
    let listed = |zone: &Zone| card.fields().tariffs.iter().any(|t| t.countries.contains(zone));
    countries::all().filter(|zone| !listed(zone)).collect()
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { severity, line, column, text } = self;
        write!(f, "line {line}, column {column}: {}: {text}", severity.name())
    }
}

impl Severity {
    /// Its name in what is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

fn first(problems: &[Problem]) -> String {
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    error.map(Problem::to_string).unwrap_or_default()
}
