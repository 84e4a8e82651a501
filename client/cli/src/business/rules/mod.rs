//! Answers by rules, as official accounts have: pure, from a message and the time to an answer.
//!
//! Reading order: [`mod@file`] (what the operator writes, and every mistake by its line), [`shape`] (how it is read), [`wording`]
//! (comparing words, filling in names), [`hours`], [`budget`] (two machines must not talk for ever).

mod budget;
mod file;
mod hours;
mod shape;
mod wording;

pub(crate) use budget::{Budget, Spent};
pub(crate) use file::RulesError;

use std::collections::BTreeMap;

use jiff::Timestamp;
use plico_client::{Category, Message};

use hours::Hours;
use wording::{Folded, Template};

/// A file of rules that was checked.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Most automatic answers to one customer in a UTC day.
    pub(crate) answers_per_day: u32,
    /// Of a greeting that stands alone.
    category: Category,
    greeting: Option<Template>,
    fallback: Option<Answer>,
    hours: Option<Hours>,
    away: Option<Answer>,
    rules: Vec<Rule>,
    /// What follows when a button is pressed, by the button's id; none where people answer.
    buttons: BTreeMap<String, Option<Answer>>,
}

/// One rule: if any of its conditions holds, it answers.
#[derive(Debug)]
struct Rule {
    equals: Vec<Folded>,
    contains: Vec<Folded>,
    reference: Vec<Folded>,
    answer: Answer,
}

/// What is said, before names are filled in.
#[derive(Clone, Debug)]
struct Answer {
    /// Where in the file it is.
    line: usize,
    text: Template,
    /// (id, label) of each button.
    buttons: Vec<(String, String)>,
    category: Category,
}

/// A message as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The first of its customer.
    pub(crate) first: bool,
    /// What was said.
    pub(crate) said: Said<'a>,
    /// How the person wishes to be called.
    pub(crate) name: Option<&'a str>,
    /// The reference of the link the person came by.
    pub(crate) reference: Option<&'a str>,
}

/// What a customer did that can be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    /// Wrote words.
    Text(&'a str),
    /// Pressed the button with this id.
    Button(&'a str),
}

/// An automatic answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Where in the file it is.
    pub(crate) line: usize,
    /// What is said.
    pub(crate) text: String,
    /// (id, label) of each button.
    pub(crate) buttons: Vec<(String, String)>,
    /// What it is declared to be.
    pub(crate) category: Category,
}

impl Rules {
    /// The one answer to a message; none where it is left to people.
    ///
    /// The first rule that matches answers, day and night: it needs nobody. What no rule answers
    /// gets the away message outside office hours, else the fallback. A customer's first message
    /// has the greeting put before its answer, and instead of the fallback: who says "hello" is
    /// not told that he was not understood.
    pub(crate) fn reply(&self, asked: &Asked<'_>, now: Timestamp) -> Option<Reply> {
        let greeting = self.greeting.as_ref().filter(|_| asked.first);
        let closed = self.hours.as_ref().is_some_and(|hours| !hours.is_open(now));
        let away = self.away.as_ref().filter(|_| closed);
        let otherwise = || match (away, greeting) {
            (Some(away), _) => Some(away),
            (None, Some(_)) => None,
            (None, None) => self.fallback.as_ref(),
        };
        let answer = match asked.said {
            Said::Text(text) => self.rule(text, asked.reference).or_else(otherwise),
            Said::Button(id) => match self.buttons.get(id) {
                Some(Some(answer)) => Some(answer),
                // A button whose answer is left to people.
                Some(None) => away,
                None => otherwise(),
            },
        };
        let fill = |template: &Template| template.fill(asked.name, asked.reference);
        let text = match (greeting, answer) {
            (Some(greeting), Some(answer)) => [fill(greeting), fill(&answer.text)].join(BETWEEN),
            (Some(greeting), None) => fill(greeting),
            (None, Some(answer)) => fill(&answer.text),
            (None, None) => return None,
        };
        Some(Reply {
            line: answer.map_or(1, |answer| answer.line),
            text: if text.is_empty() { return None } else { text },
            buttons: answer.map(|answer| answer.buttons.clone()).unwrap_or_default(),
            category: answer.map_or(self.category, |answer| answer.category),
        })
    }

    fn rule(&self, text: &str, reference: Option<&str>) -> Option<&Answer> {
        let text = Folded::new(text);
        let reference = reference.map(Folded::new);
        let matches = |rule: &&Rule| {
            rule.equals.contains(&text)
                || rule.contains.iter().any(|part| text.contains(part))
                || reference.as_ref().is_some_and(|came| rule.reference.contains(came))
        };
        self.rules.iter().find(matches).map(|rule| &rule.answer)
    }

    /// How many rules and buttons there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.rules.len(), self.buttons.len())
    }
}

impl Reply {
    /// The message to send.
    pub(crate) fn message(&self) -> Message {
        if self.buttons.is_empty() {
            return Message::text(self.text.clone());
        }
        let buttons = self.buttons.iter().map(|(id, label)| (id.as_str(), label.as_str()));
        Message::choices(self.text.clone(), buttons)
    }
}

/// Between the greeting and what follows.
const BETWEEN: &str = "\n\n";

#[cfg(test)]
mod tests;
