//! A TOML file whose mistakes are collected, each with its line and what to do about it.

use std::ops::{Range, RangeInclusive};

use plico_protocol::pricing::{BadAmount, Millionths};
use plico_protocol::time::Minute;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::nearest;

/// One thing that is wrong, or looks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// Line in the file, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub text: String,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used as it is.
    Warning,
}

/// The text, and what was found wrong with it so far.
pub(super) struct Page<'a> {
    text: &'a str,
    pub(super) problems: Vec<Problem>,
}

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// One table of the file.
pub(super) struct Section<'p, 'a> {
    table: &'p DeTable<'a>,
    pub(super) span: Range<usize>,
}

impl<'a> Page<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, problems: Vec::new() }
    }

    pub(super) fn error(&mut self, span: &Range<usize>, text: impl Into<String>) {
        self.note(Severity::Error, span, text.into());
    }

    pub(super) fn warn(&mut self, span: &Range<usize>, text: impl Into<String>) {
        self.note(Severity::Warning, span, text.into());
    }

    pub(super) fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    fn note(&mut self, severity: Severity, span: &Range<usize>, text: String) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        self.problems.push(Problem { severity, line, column, text });
    }

    /// A table that has no other keys than `known`.
    pub(super) fn section<'p>(
        &mut self,
        table: &'p DeTable<'a>,
        span: Range<usize>,
        known: &[&'static str],
    ) -> Section<'p, 'a> {
        for (key, _) in table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
                let hint = hint.unwrap_or_else(|| format!("there are: {}", known.join(", ")));
                self.error(&key.span(), format!("unknown key `{name}`; {hint}"));
            }
        }
        Section { table, span }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        name: &str,
        value: &Value<'_>,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (min, max) = (range.start(), range.end());
            let text = format!("`{name}` must be a whole number from {min} to {max}");
            self.error(&value.span(), text);
        }
        number
    }

    /// Money as it is written, without a detour over binary fractions.
    pub(super) fn amount(&mut self, name: &str, value: &Value<'_>) -> Option<Millionths> {
        let written = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => "",
        };
        let amount = Millionths::from_decimal(written);
        if let Err(why) = amount {
            let why = match why {
                BadAmount::NotDecimal => {
                    "must be a number in units of the currency, such as 0.05 for five cents"
                        .to_owned()
                }
                fine_or_large => format!("cannot be used: {fine_or_large}"),
            };
            self.error(&value.span(), format!("`{name}` {why}"));
        }
        amount.ok()
    }

    pub(super) fn text(&mut self, name: &str, value: &Value<'_>) -> Option<String> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.error(&value.span(), format!("`{name}` must be text in quotes"));
        }
        text.map(str::to_owned)
    }

    /// The elements of a list.
    pub(super) fn list<'p>(&mut self, name: &str, value: &'p Value<'a>) -> &'p [Value<'a>] {
        match value.get_ref() {
            DeValue::Array(array) => array,
            _ => {
                self.error(&value.span(), format!("`{name}` must be a list in square brackets"));
                &[]
            }
        }
    }

    /// The tables of `[[name]]`.
    pub(super) fn tables<'p>(
        &mut self,
        name: &str,
        value: &'p Value<'a>,
    ) -> Vec<(&'p DeTable<'a>, Range<usize>)> {
        let mut tables = Vec::new();
        for element in self.list(name, value) {
            match element.get_ref() {
                DeValue::Table(table) => tables.push((table, element.span())),
                _ => self.error(&element.span(), format!("write `{name}` as [[{name}]] tables")),
            }
        }
        tables
    }

    /// A day, which begins at midnight UTC, or a moment with its offset.
    pub(super) fn minute(&mut self, name: &str, value: &Value<'_>) -> Option<Minute> {
        let minute = value.get_ref().as_datetime().and_then(minute_of);
        if minute.is_none() {
            let text = format!(
                "`{name}` must be a day, such as 2027-01-01 (UTC), or a full minute with its \
                 offset, such as 2027-01-01T00:00:00Z; without quotes"
            );
            self.error(&value.span(), text);
        }
        minute
    }
}

impl<'p, 'a> Section<'p, 'a> {
    /// A value, if it is there.
    pub(super) fn value(&self, name: &str) -> Option<&'p Value<'a>> {
        self.table.get(name)
    }

    /// A value that must be there.
    pub(super) fn required(&self, page: &mut Page<'a>, name: &str) -> Option<&'p Value<'a>> {
        let value = self.value(name);
        if value.is_none() {
            page.error(&self.span, format!("`{name}` is missing here; add it"));
        }
        value
    }
}

fn minute_of(moment: &toml::value::Datetime) -> Option<Minute> {
    let toml::value::Datetime { date: Some(date), time, offset } = moment else { return None };
    let year = i16::try_from(date.year).ok()?;
    let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
    let midnight = jiff::civil::Date::new(year, month, day).ok()?;
    let days = midnight.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second() / 86_400;
    let within = match (time, offset) {
        (None, None) => 0,
        (Some(time), Some(offset)) => {
            let seconds = time.second.unwrap_or_default();
            if seconds != 0 || time.nanosecond.unwrap_or_default() != 0 {
                return None;
            }
            let offset = match offset {
                toml::value::Offset::Z => 0,
                toml::value::Offset::Custom { minutes } => i64::from(*minutes),
            };
            i64::from(time.hour) * 60 + i64::from(time.minute) - offset
        }
        _ => return None,
    };
    u32::try_from(days * 1_440 + within).ok().map(Minute)
}
