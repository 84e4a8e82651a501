//! A file of rules read into tables: what has the wrong form is noted by its line and left out, so that
//! one reading names every mistake.

use std::ops::Range;

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};

use crate::business::kind::Kind;

/// The mistakes of a file so far, each by its line.
pub(super) struct Mistakes<'a> {
    text: &'a str,
    found: Vec<Mistake>,
    /// Some of it is no TOML, so what seems to be missing may be there.
    is_broken: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) problem: String,
}

/// A table whose fields are taken out one by one.
pub(super) struct Fields<'m, 'a> {
    at: usize,
    table: DeTable<'a>,
    mistakes: &'m mut Mistakes<'a>,
}

/// A text or table, and where it begins.
pub(super) struct At<T> {
    pub(super) at: usize,
    pub(super) of: T,
}

impl<'a> Mistakes<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, found: Vec::new(), is_broken: false }
    }

    pub(super) fn note(&mut self, at: usize, problem: impl Into<String>) {
        if self.found.len() < MISTAKES_MAX {
            self.found.push(Mistake { line: self.line(at), problem: problem.into() });
        }
    }

    /// The same of something that is not there.
    pub(super) fn note_missing(&mut self, at: usize, problem: impl Into<String>) {
        if !self.is_broken {
            self.note(at, problem);
        }
    }

    /// The line of a byte, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// The whole file's table, as far as it is TOML.
    pub(super) fn document(&mut self) -> At<DeTable<'a>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.is_broken = true;
            let at = error.span().map_or(0, |span| span.start);
            // What follows on the line follows from the first.
            if self.found.last().is_none_or(|last| last.line != self.line(at)) {
                self.note(at, error.message());
            }
        }
        At { at: 0, of: document.into_inner() }
    }

    /// The fields of a table, which may be `known` ones only.
    pub(super) fn fields<'m>(
        &'m mut self,
        table: At<DeTable<'a>>,
        known: &[&str],
    ) -> Fields<'m, 'a> {
        let At { at, of: table } = table;
        for (key, _) in &table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let known = known.join(", ");
                self.note(key.span().start, format!("unknown field `{name}`; there are {known}"));
            }
        }
        Fields { at, table, mistakes: self }
    }

    /// By line.
    pub(super) fn sorted(mut self) -> Vec<Mistake> {
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

impl<'a> Fields<'_, 'a> {
    pub(super) fn text(&mut self, name: &str) -> Option<At<String>> {
        let (span, value) = self.take(name)?;
        self.as_text(name, &span, value)
    }

    /// A text without which the table says nothing.
    pub(super) fn needed_text(&mut self, name: &str) -> Option<At<String>> {
        if !self.table.contains_key(name) {
            self.mistakes.note_missing(self.at, format!("missing field `{name}`"));
        }
        self.text(name)
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<At<String>> {
        let values = self.list(name);
        values.into_iter().filter_map(|(span, value)| self.as_text(name, &span, value)).collect()
    }

    pub(super) fn needed_texts(&mut self, name: &str) -> Vec<At<String>> {
        if !self.table.contains_key(name) {
            self.mistakes.note_missing(self.at, format!("missing field `{name}`"));
        }
        self.texts(name)
    }

    pub(super) fn number(&mut self, name: &str, most: u32) -> Option<u32> {
        let (span, value) = self.take(name)?;
        let integer = value.as_integer();
        let number = integer.and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        let number = number.filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.mistakes.note(span.start, format!("{name} is 1 to {most}"));
        }
        number
    }

    /// A category by its name.
    pub(super) fn kind(&mut self, name: &str) -> Option<Kind> {
        let At { at, of: text } = self.text(name)?;
        let all = Kind::value_variants();
        let kind = all.iter().find(|kind| kind.name() == text).copied();
        if kind.is_none() {
            let all = all.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            self.mistakes.note(at, format!("there is no category `{text}`; there are {all}"));
        }
        kind
    }

    pub(super) fn table(&mut self, name: &str) -> Option<At<DeTable<'a>>> {
        let (span, value) = self.take(name)?;
        self.as_table(name, &span, value)
    }

    pub(super) fn tables(&mut self, name: &str) -> Vec<At<DeTable<'a>>> {
        let values = self.list(name);
        values.into_iter().filter_map(|(span, value)| self.as_table(name, &span, value)).collect()
    }

    fn take(&mut self, name: &str) -> Option<(Range<usize>, DeValue<'a>)> {
        let value = self.table.remove(name)?;
        Some((value.span(), value.into_inner()))
    }

    fn list(&mut self, name: &str) -> Vec<(Range<usize>, DeValue<'a>)> {
        let Some((span, value)) = self.take(name) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.wrong(name, &span, "a list in square brackets");
            return Vec::new();
        };
        array.into_iter().map(|value| (value.span(), value.into_inner())).collect()
    }

    fn as_text(
        &mut self,
        name: &str,
        span: &Range<usize>,
        value: DeValue<'a>,
    ) -> Option<At<String>> {
        let DeValue::String(text) = value else {
            self.wrong(name, span, "a text in quotes");
            return None;
        };
        Some(At { at: span.start, of: text.into_owned() })
    }

    fn as_table(
        &mut self,
        name: &str,
        span: &Range<usize>,
        value: DeValue<'a>,
    ) -> Option<At<DeTable<'a>>> {
        let DeValue::Table(table) = value else {
            self.wrong(name, span, "a table, such as [[rule]] or { label = \"Yes\" }");
            return None;
        };
        Some(At { at: span.start, of: table })
    }

    fn wrong(&mut self, name: &str, span: &Range<usize>, right: &str) {
        self.mistakes.note(span.start, format!("`{name}` is {right}"));
    }
}

/// Nobody mends more in one go.
const MISTAKES_MAX: usize = 1_000;
