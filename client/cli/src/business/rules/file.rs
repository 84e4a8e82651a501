//! The rules as a file: what may stand in it, and what is wrong with it, line by line.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use plico_client::Category;
use plico_client::limits::{
    CHOICE_ID_BYTES_MAX, CHOICE_LABEL_BYTES_MAX, CHOICES_MAX, LINK_REFERENCE_BYTES_MAX,
    PROFILE_NAME_BYTES_MAX, QUESTION_BYTES_MAX, TEXT_BYTES_MAX,
};
use toml::de::DeTable;

use super::hours::Hours;
use super::shape::{At, Mistake, Mistakes};
use super::wording::{Folded, Template};
use super::{Answer, BETWEEN, Rule, Rules};
use crate::business::kind::Kind;

/// What is wrong with a file of rules: every mistake, by its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.listed().join("\n"))]
pub(crate) struct RulesError(Vec<Mistake>);

impl Rules {
    /// Reads and checks a file's text.
    ///
    /// # Errors
    ///
    /// [`RulesError`].
    pub(crate) fn parse(text: &str) -> Result<Self, RulesError> {
        if FILE_BYTES_MAX < text.len() {
            return Err(RulesError(vec![Mistake {
                line: 1,
                problem: format!("the file has {} bytes; at most {FILE_BYTES_MAX}", text.len()),
            }]));
        }
        let mut check = Check {
            category: Category::Service,
            mistakes: Mistakes::of(text),
            buttons: BTreeMap::new(),
            greeting_bytes: 0,
        };
        let rules = check.file();
        let mistakes = check.mistakes.sorted();
        if mistakes.is_empty() { Ok(rules) } else { Err(RulesError(mistakes)) }
    }
}

/// A check in progress.
struct Check<'a> {
    category: Category,
    mistakes: Mistakes<'a>,
    buttons: BTreeMap<String, Option<Answer>>,
    greeting_bytes: usize,
}

impl<'a> Check<'a> {
    fn file(&mut self) -> Rules {
        let document = self.mistakes.document();
        let known = ["category", "answers_per_day", "greeting", "fallback", "hours", "rule"];
        let mut file = self.mistakes.fields(document, &known);
        let category = file.kind("category").unwrap_or_default();
        let per_day = file.number("answers_per_day", ANSWERS_PER_DAY_MAX);
        let (greeting, fallback) = (file.text("greeting"), file.text("fallback"));
        let (hours, rules) = (file.table("hours"), file.tables("rule"));
        self.category = category.into();
        let greeting = greeting.map(|text| self.greeting(&text));
        let fallback = fallback.map(|text| self.answer(&text, None, Vec::new()));
        let (hours, away) = hours.map(|hours| self.hours(hours)).unzip();
        if RULES_MAX < rules.len() {
            let problem = format!("there are {} rules; at most {RULES_MAX}", rules.len());
            self.mistakes.note(0, problem);
        }
        let rules: Vec<_> = rules.into_iter().map(|rule| self.rule(rule)).collect();
        if rules.is_empty() && greeting.is_none() && fallback.is_none() && away.is_none() {
            let problem = "the file answers nothing; write a [[rule]], a greeting or a fallback";
            self.mistakes.note_missing(0, problem);
        }
        Rules {
            category: self.category,
            answers_per_day: per_day.unwrap_or(ANSWERS_PER_DAY),
            greeting,
            fallback,
            hours,
            away,
            rules,
            buttons: core::mem::take(&mut self.buttons),
        }
    }

    /// It may stand alone, and before every answer.
    fn greeting(&mut self, text: &At<String>) -> Template {
        let greeting = self.template(text);
        let bytes = bytes_max(&greeting);
        if TEXT_BYTES_MAX < bytes {
            let problem = format!(
                "a greeting has at most {TEXT_BYTES_MAX} bytes, this one may have {bytes} with name and reference"
            );
            self.mistakes.note(text.at, problem);
        } else {
            self.greeting_bytes = bytes + BETWEEN.len();
        }
        greeting
    }

    fn rule(&mut self, rule: At<DeTable<'a>>) -> Rule {
        let at = rule.at;
        let known = ["equals", "contains", "reference", "answer", "category", "choices"];
        let mut rule = self.mistakes.fields(rule, &known);
        let [equals, contains, reference] =
            ["equals", "contains", "reference"].map(|name| rule.texts(name));
        let answer = rule.needed_text("answer").unwrap_or_else(|| nothing(at));
        let (category, choices) = (rule.kind("category"), rule.tables("choices"));
        if [&equals, &contains, &reference].iter().all(|words| words.is_empty()) {
            let problem = "the rule never matches; give it `contains`, `equals` or `reference`";
            self.mistakes.note_missing(at, problem);
        }
        Rule {
            equals: self.words(equals),
            contains: self.words(contains),
            reference: self.words(reference),
            answer: self.answer(&answer, category, choices),
        }
    }

    fn words(&mut self, words: Vec<At<String>>) -> Vec<Folded> {
        let folded = |At { at, of: word }: At<String>| {
            let folded = Folded::new(&word);
            if folded.is_empty() {
                self.mistakes.note(at, "an empty word would match everything");
            }
            folded
        };
        words.into_iter().map(folded).collect()
    }

    fn answer(
        &mut self,
        text: &At<String>,
        category: Option<Kind>,
        choices: Vec<At<DeTable<'a>>>,
    ) -> Answer {
        let at = text.at;
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
            self.mistakes.note(at, problem);
        }
        if CHOICES_MAX < choices.len() {
            let problem = format!("there are {} buttons; at most {CHOICES_MAX}", choices.len());
            self.mistakes.note(at, problem);
        }
        let buttons = choices.into_iter().map(|choice| self.choice(choice)).collect();
        let category = category.map_or(self.category, Category::from);
        Answer { line: self.mistakes.line(at), text: template, buttons, category }
    }

    /// Notes what follows a button; gives its id and label.
    fn choice(&mut self, choice: At<DeTable<'a>>) -> (String, String) {
        let at = choice.at;
        let known = ["id", "label", "answer", "category", "choices"];
        let mut choice = self.mistakes.fields(choice, &known);
        let (id, label) = (choice.text("id"), choice.needed_text("label"));
        let (answer, category) = (choice.text("answer"), choice.kind("category"));
        let choices = choice.tables("choices");
        // What is missing was told.
        let Some(At { of: label, .. }) = label else { return Default::default() };
        if label.trim().is_empty() || CHOICE_LABEL_BYTES_MAX < label.len() {
            let problem = format!("a button's label has 1 to {CHOICE_LABEL_BYTES_MAX} bytes");
            self.mistakes.note(at, problem);
        }
        let id = id.map_or_else(|| label.clone(), |id| id.of);
        if id.is_empty() || CHOICE_ID_BYTES_MAX < id.len() {
            self.mistakes.note(at, format!("a button's id has 1 to {CHOICE_ID_BYTES_MAX} bytes; give `{label}` a short `id`"));
        }
        if answer.is_none() && !choices.is_empty() {
            self.mistakes
                .note(at, "a button with `choices` needs an `answer`: it is their question");
        }
        let answer = answer.map(|text| self.answer(&text, category, choices));
        let known = self
            .buttons
            .get(&id)
            .is_some_and(|known| !says_the_same(known.as_ref(), answer.as_ref()));
        self.buttons.insert(id.clone(), answer);
        if known {
            self.mistakes.note(at, format!("two buttons with the id `{id}` have different answers; give one of them another `id`"));
        }
        (id, label)
    }

    fn hours(&mut self, table: At<DeTable<'a>>) -> (Hours, Answer) {
        let at = table.at;
        let mut table = self.mistakes.fields(table, &["zone", "open", "closed", "away"]);
        let (zone, open) = (table.text("zone"), table.needed_texts("open"));
        let (days, away) = (table.texts("closed"), table.needed_text("away"));
        let zone = zone.map_or_else(TimeZone::system, |At { at, of: name }| {
            TimeZone::get(&name).unwrap_or_else(|_| {
                let problem =
                    format!("there is no time zone `{name}`; write one like `Europe/Zurich`");
                self.mistakes.note(at, problem);
                TimeZone::UTC
            })
        });
        let mut closed = Vec::new();
        for At { at, of: day } in days {
            match day.parse::<Date>() {
                Ok(date) => closed.push(date),
                Err(_) => {
                    let problem = format!("`{day}` is no day; write it like `2026-12-25`");
                    self.mistakes.note(at, problem);
                }
            }
        }
        let mut hours = Hours::new(zone, closed);
        for At { at, of: open } in open {
            if let Err(error) = hours.open(&open) {
                self.mistakes.note(at, error.to_string());
            }
        }
        let away = away.unwrap_or_else(|| nothing(at));
        (hours, self.answer(&away, None, Vec::new()))
    }

    fn template(&mut self, text: &At<String>) -> Template {
        let At { at, of: text } = text;
        match Template::parse(text) {
            Ok(template) => {
                if !template.says_something() {
                    self.mistakes.note(*at, "the text is empty where there is no name");
                }
                template
            }
            Err(error) => {
                self.mistakes.note(*at, error.to_string());
                Template::default()
            }
        }
    }
}

impl RulesError {
    /// Each mistake on a line.
    pub(crate) fn listed(&self) -> Vec<String> {
        let line = |Mistake { line, problem }: &Mistake| format!("line {line}: {problem}");
        self.0.iter().map(line).collect()
    }
}

/// In the place of a text whose absence was told.
fn nothing(at: usize) -> At<String> {
    At { at, of: "-".to_owned() }
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
/// More than any person asks in a day.
const ANSWERS_PER_DAY: u32 = 100;
const ANSWERS_PER_DAY_MAX: u32 = 10_000;
