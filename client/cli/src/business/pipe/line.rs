//! What a program behind `--pipe` prints: one JSON object a line.
//!
//! ```text
//! {"handled":7,"text":"Hello"}                  answers event 7 and is done with it
//! {"handled":7}                                 is done with it and says nothing
//! {"answers":7,"text":"One moment"}             goes out once event 7 is handled
//! {"customer":3,"text":"Your parcel is here","category":"utility"}     goes out at once
//! ```
//!
//! Beside `text` there is `choices`, a list of {"id","label"} with `text` as the question, or
//! `notification`, an object of `title`, `body` and `fields` ({"label","value"}).

use plico_client::{Category, Message};
use serde::Deserialize;

use crate::business::kind::Kind;

/// A line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::business) struct Line {
    /// What it is about.
    pub(in crate::business) about: About,
    /// To whom, if not to the customer of the event.
    pub(in crate::business) customer: Option<u64>,
    /// What is to be sent.
    pub(in crate::business) message: Option<(Message, Category)>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::business) enum About {
    /// The event is handled; what answered it goes out.
    Handled(u64),
    /// One of the answers to the event.
    Answers(u64),
    /// No event.
    Nothing,
}

/// Why a line is skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::business) enum BadLine {
    #[error("it is no JSON object of the known kind ({0})")]
    Json(String),
    #[error("it names no event (`handled`, `answers`) and no `customer`")]
    Nobody,
    #[error("it names both `handled` and `answers`; one is enough")]
    Both,
    #[error("it says nothing; `text`, or `notification`, is missing")]
    Nothing,
    #[error("it has both `text` and `notification`; write two lines")]
    Two,
    #[error("its content cannot be sent: {0}")]
    Content(String),
    #[error("it has more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is not UTF-8")]
    NotText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    handled: Option<u64>,
    answers: Option<u64>,
    customer: Option<u64>,
    text: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    notification: Option<Notification>,
    #[serde(default)]
    category: Kind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    id: String,
    label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    label: String,
    value: String,
}

impl Line {
    /// Reads and checks a line.
    pub(in crate::business) fn parse(text: &str) -> Result<Self, BadLine> {
        let fields: Fields =
            serde_json::from_str(text).map_err(|error| BadLine::Json(error.to_string()))?;
        let Fields { handled, answers, customer, text, choices, notification, category } = fields;
        let about = match (handled, answers) {
            (Some(_), Some(_)) => return Err(BadLine::Both),
            (Some(event), None) => About::Handled(event),
            (None, Some(event)) => About::Answers(event),
            (None, None) if customer.is_some() => About::Nothing,
            (None, None) => return Err(BadLine::Nobody),
        };
        let message = match (text, notification) {
            (Some(_), Some(_)) => return Err(BadLine::Two),
            (Some(text), None) => Some(words(text, &choices)),
            (None, Some(notification)) => Some(notification.message()),
            (None, None) if matches!(about, About::Handled(_)) && choices.is_empty() => None,
            (None, None) => return Err(BadLine::Nothing),
        };
        if let Some(message) = &message {
            message.check().map_err(|error| BadLine::Content(error.to_string()))?;
        }
        let category = category.into();
        Ok(Self { about, customer, message: message.map(|message| (message, category)) })
    }
}

fn words(text: String, choices: &[Choice]) -> Message {
    if choices.is_empty() {
        return Message::text(text);
    }
    Message::choices(text, choices.iter().map(|Choice { id, label }| (id.as_str(), label.as_str())))
}

impl Notification {
    fn message(&self) -> Message {
        let fields =
            self.fields.iter().map(|Field { label, value }| (label.as_str(), value.as_str()));
        Message::notification(&self.title, &self.body, fields)
    }
}

/// The longest text has 32 KiB, and JSON may write a byte as six.
pub(in crate::business) const LINE_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_it_is_about_and_what_is_said() {
        let check = |text: &str, about, customer, message: Option<(Message, Category)>| {
            assert_eq!(Line::parse(text), Ok(Line { about, customer, message }), "{text}");
        };
        let hello = || Some((Message::text("Hello"), Category::Service));
        check(r#"{"handled":7}"#, About::Handled(7), None, None);
        check(r#"{"handled":7,"text":"Hello"}"#, About::Handled(7), None, hello());
        check(r#"{"answers":7,"customer":4,"text":"Hello"}"#, About::Answers(7), Some(4), hello());
        let choices = r#"{"customer":3,"text":"Yes?","choices":[{"id":"y","label":"Yes"}],"category":"utility"}"#;
        let question = Message::choices("Yes?", [("y", "Yes")]);
        check(choices, About::Nothing, Some(3), Some((question, Category::Utility)));
        let pass = r#"{"customer":3,"notification":{"title":"Pass","fields":[{"label":"Gate","value":"B12"}]}}"#;
        let pass_message = Message::notification("Pass", "", [("Gate", "B12")]);
        check(pass, About::Nothing, Some(3), Some((pass_message, Category::Service)));
    }

    #[test]
    fn a_bad_line_is_named() {
        let check = |text: &str| Line::parse(text).unwrap_err();
        assert!(matches!(check("Hello"), BadLine::Json(_)));
        assert!(matches!(check(r#"{"handled":7,"txet":"Hello"}"#), BadLine::Json(_)));
        assert!(matches!(
            check(r#"{"customer":3,"text":"a","category":"spam"}"#),
            BadLine::Json(_)
        ));
        assert_eq!(check(r#"{"text":"Hello"}"#), BadLine::Nobody);
        assert_eq!(check(r#"{"handled":7,"answers":7}"#), BadLine::Both);
        assert_eq!(check(r#"{"answers":7}"#), BadLine::Nothing);
        assert_eq!(
            check(r#"{"handled":7,"choices":[{"id":"y","label":"Yes"}]}"#),
            BadLine::Nothing
        );
        assert_eq!(
            check(r#"{"customer":3,"text":"a","notification":{"title":"b"}}"#),
            BadLine::Two
        );
        assert!(matches!(check(r#"{"handled":7,"text":""}"#), BadLine::Content(_)));
    }
}
