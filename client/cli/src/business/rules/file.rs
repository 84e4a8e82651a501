//! The rules as a file: what may stand in it, and what is wrong with it, line by line.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use plico_client::Category;
use plico_client::limits::{
    CHOICE_ID_BYTES_MAX, CHOICE_LABEL_BYTES_MAX, CHOICES_MAX, LINK_REFERENCE_BYTES_MAX,
    PROFILE_NAME_BYTES_MAX, QUESTION_BYTES_MAX, TEXT_BYTES_MAX,
};
use serde::Deserialize;
use toml::Spanned;

use super::hours::Hours;
use super::wording::{Folded, Template};
use super::{Answer, BETWEEN, Rule, Rules};
use crate::business::kind::Kind;

/// What is wrong with a file of rules: every mistake, or the first that hides the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.listed())]
pub(crate) struct RulesError(Vec<Mistake>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    line: usize,
    problem: String,
}

/// The file's top.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    category: Kind,
    answers_per_day: Option<Spanned<u32>>,
    greeting: Option<Spanned<String>>,
    fallback: Option<Spanned<String>>,
    hours: Option<HoursTable>,
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<RuleTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursTable {
    zone: Option<Spanned<String>>,
    open: Vec<Spanned<String>>,
    #[serde(default)]
    closed: Vec<Spanned<String>>,
    away: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    #[serde(default)]
    equals: Vec<Spanned<String>>,
    #[serde(default)]
    contains: Vec<Spanned<String>>,
    #[serde(default)]
    reference: Vec<Spanned<String>>,
    answer: Spanned<String>,
    category: Option<Kind>,
    #[serde(default)]
    choices: Vec<Spanned<ChoiceTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoiceTable {
    /// Comes back when the button is pressed; the label if not given.
    id: Option<Spanned<String>>,
    label: Spanned<String>,
    answer: Option<Spanned<String>>,
    category: Option<Kind>,
    #[serde(default)]
    choices: Vec<Spanned<Self>>,
}

impl Rules {
    /// Reads and checks a file's text.
    ///
    /// # Errors
    ///
    /// [`RulesError`].
    pub(crate) fn parse(text: &str) -> Result<Self, RulesError> {
        let mut check = Check {
            text,
            category: Category::Service,
            mistakes: Vec::new(),
            buttons: BTreeMap::new(),
            greeting_bytes: 0,
        };
        if FILE_BYTES_MAX < text.len() {
            return Err(RulesError(vec![Mistake {
                line: 1,
                problem: format!("the file has {} bytes; at most {FILE_BYTES_MAX}", text.len()),
            }]));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            RulesError(vec![Mistake { line: check.line(at), problem: error.message().to_owned() }])
        })?;
        let rules = check.file(file);
        match check.mistakes.is_empty() {
            true => Ok(rules),
            false => {
                check.mistakes.sort_by_key(|mistake| mistake.line);
                Err(RulesError(check.mistakes))
            }
        }
    }
}

/// A check in progress.
struct Check<'a> {
    text: &'a str,
    category: Category,
    mistakes: Vec<Mistake>,
    buttons: BTreeMap<String, Option<Answer>>,
    greeting_bytes: usize,
}

impl Check<'_> {
    fn file(&mut self, file: File) -> Rules {
        self.category = file.category.into();
        let greeting = file.greeting.map(|text| self.template(&text));
        self.greeting_bytes =
            greeting.as_ref().map_or(0, |greeting| bytes_max(greeting) + BETWEEN.len());
        let fallback = file.fallback.map(|text| self.answer(&text, None, Vec::new()));
        let (hours, away) = file.hours.map(|hours| self.hours(hours)).unzip();
        let answers_per_day = file.answers_per_day.map_or(ANSWERS_PER_DAY, |most| {
            let most = (most.span().start, most.into_inner());
            if most.1 == 0 || ANSWERS_PER_DAY_MAX < most.1 {
                self.mistake(most.0, format!("answers_per_day is 1 to {ANSWERS_PER_DAY_MAX}"));
            }
            most.1
        });
        if RULES_MAX < file.rules.len() {
            self.mistake(0, format!("there are {} rules; at most {RULES_MAX}", file.rules.len()));
        }
        let rules: Vec<_> = file.rules.into_iter().map(|rule| self.rule(rule)).collect();
        if rules.is_empty() && greeting.is_none() && fallback.is_none() && away.is_none() {
            self.mistake(0, "the file answers nothing; write a [[rule]], a greeting or a fallback");
        }
        let buttons = core::mem::take(&mut self.buttons);
        Rules {
            category: self.category,
            answers_per_day,
            greeting,
            fallback,
            hours,
            away,
            rules,
            buttons,
        }
    }

    fn rule(&mut self, rule: Spanned<RuleTable>) -> Rule {
        let at = rule.span().start;
        let rule = rule.into_inner();
        if [&rule.equals, &rule.contains, &rule.reference].iter().all(|words| words.is_empty()) {
            self.mistake(at, "the rule never matches; give it `contains`, `equals` or `reference`");
        }
        Rule {
            equals: self.words(rule.equals),
            contains: self.words(rule.contains),
            reference: self.words(rule.reference),
            answer: self.answer(&rule.answer, rule.category, rule.choices),
        }
    }

    fn words(&mut self, words: Vec<Spanned<String>>) -> Vec<Folded> {
        let folded = |word: Spanned<String>| {
            let folded = Folded::new(word.as_ref());
            if folded.is_empty() {
                self.mistake(word.span().start, "an empty word would match everything");
            }
            folded
        };
        words.into_iter().map(folded).collect()
    }

    fn answer(
        &mut self,
        text: &Spanned<String>,
        category: Option<Kind>,
        choices: Vec<Spanned<ChoiceTable>>,
    ) -> Answer {
        let at = text.span().start;
        let template = self.template(text);
        let bytes = self.greeting_bytes + bytes_max(&template);
        let (what, most) = match choices.is_empty() {
            true => ("an answer", TEXT_BYTES_MAX),
            false => ("an answer with buttons", QUESTION_BYTES_MAX),
        };
        if most < bytes {
            let problem = format!(
                "{what} has at most {most} bytes, this one may have {bytes} with greeting, name and reference"
            );
            self.mistake(at, problem);
        }
        if CHOICES_MAX < choices.len() {
            self.mistake(at, format!("there are {} buttons; at most {CHOICES_MAX}", choices.len()));
        }
        let buttons = choices.into_iter().map(|choice| self.choice(choice)).collect();
        let category = category.map_or(self.category, Category::from);
        Answer { line: self.line(at), text: template, buttons, category }
    }

    /// Notes what follows a button; gives its id and label.
    fn choice(&mut self, choice: Spanned<ChoiceTable>) -> (String, String) {
        let at = choice.span().start;
        let ChoiceTable { id, label, answer, category, choices } = choice.into_inner();
        let label = label.into_inner();
        if label.trim().is_empty() || CHOICE_LABEL_BYTES_MAX < label.len() {
            self.mistake(at, format!("a button's label has 1 to {CHOICE_LABEL_BYTES_MAX} bytes"));
        }
        let id = id.map_or_else(|| label.clone(), Spanned::into_inner);
        if id.is_empty() || CHOICE_ID_BYTES_MAX < id.len() {
            self.mistake(at, format!("a button's id has 1 to {CHOICE_ID_BYTES_MAX} bytes; give `{label}` a short `id`"));
        }
        if answer.is_none() && !choices.is_empty() {
            self.mistake(at, "a button with `choices` needs an `answer`: it is their question");
        }
        let answer = answer.map(|text| self.answer(&text, category, choices));
        let known = self
            .buttons
            .get(&id)
            .is_some_and(|known| !says_the_same(known.as_ref(), answer.as_ref()));
        self.buttons.insert(id.clone(), answer);
        if known {
            self.mistake(at, format!("two buttons with the id `{id}` have different answers; give one of them another `id`"));
        }
        (id, label)
    }

    fn hours(&mut self, table: HoursTable) -> (Hours, Answer) {
        let zone = table.zone.map_or_else(TimeZone::system, |name| {
            TimeZone::get(name.as_ref()).unwrap_or_else(|_| {
                let problem = format!(
                    "there is no time zone `{}`; write one like `Europe/Zurich`",
                    name.as_ref()
                );
                self.mistake(name.span().start, problem);
                TimeZone::UTC
            })
        });
        let mut closed = Vec::new();
        for day in table.closed {
            match day.as_ref().parse::<Date>() {
                Ok(date) => closed.push(date),
                Err(_) => self.mistake(
                    day.span().start,
                    format!("`{}` is no day; write it like `2026-12-25`", day.as_ref()),
                ),
            }
        }
        let mut hours = Hours::new(zone, closed);
        for open in table.open {
            if let Err(error) = hours.open(open.as_ref()) {
                self.mistake(open.span().start, error.to_string());
            }
        }
        (hours, self.answer(&table.away, None, Vec::new()))
    }

    fn template(&mut self, text: &Spanned<String>) -> Template {
        let template = Template::parse(text.as_ref()).unwrap_or_else(|error| {
            self.mistake(text.span().start, error.to_string());
            Template::default()
        });
        if self.mistakes.is_empty() && !template.says_something() {
            self.mistake(text.span().start, "the text is empty where there is no name");
        }
        template
    }

    fn mistake(&mut self, at: usize, problem: impl Into<String>) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(Mistake { line: self.line(at), problem: problem.into() });
        }
    }

    /// The line of a byte, counted from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }
}

impl RulesError {
    fn listed(&self) -> String {
        let lines =
            self.0.iter().map(|Mistake { line, problem }| format!("line {line}: {problem}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Whether two buttons may share an id: "talk to somebody" stands below many questions.
fn says_the_same(one: Option<&Answer>, other: Option<&Answer>) -> bool {
    let said = |answer: &Answer| (answer.text.clone(), answer.buttons.clone(), answer.category);
    one.map(said) == other.map(said)
}

fn bytes_max(template: &Template) -> usize {
    template.bytes_max(PROFILE_NAME_BYTES_MAX, LINK_REFERENCE_BYTES_MAX)
}

const FILE_BYTES_MAX: usize = 256 * 1024;
const RULES_MAX: usize = 1_000;
/// As many as one screen shows.
const MISTAKES_MAX: usize = 7;
/// More than any person asks in a day.
const ANSWERS_PER_DAY: u32 = 100;
const ANSWERS_PER_DAY_MAX: u32 = 10_000;
