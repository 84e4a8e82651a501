//! `Debug` without words: content must not reach a log by a careless `{:?}`.
//!
//! Written by destructuring, so a new field is a compile error until someone decides.

use core::fmt::{Debug, Formatter, Result};

use super::{Answer, Body, Choice, Choices, Content, Field, Marks, Notification, Reaction, Reply};

impl Debug for Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            id: _,
            composed: _,
            expires_after_seconds: _,
            reply: _,
            reference: _,
            profile_name: _,
            restored: _,
            body,
        } = self;
        write!(f, "Content({body:?})")
    }
}

impl Debug for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Notification(_) => "Notification(…)",
            Self::Choices(_) => "Choices(…)",
            Self::Answer(_) => "Answer(…)",
            Self::Reaction(_) => "Reaction(…)",
            Self::Marks(_) => "Marks(…)",
            Self::ProfileName(_) => "ProfileName(…)",
            Self::Renewal => "Renewal",
            Self::Goodbye => "Goodbye",
            Self::Unknown => "Unknown",
        })
    }
}

macro_rules! redacted {
    ($($name:ident { $($field:ident),+ })+) => {$(
        impl Debug for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                let Self { $($field: _),+ } = self;
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}

redacted! {
    Reply { address, ticket, opening }
    Notification { title, body, fields, category }
    Field { label, value }
    Choices { question, choices }
    Choice { id, label }
    Answer { content, choice }
    Reaction { content, emoji }
    Marks { delivered, read }
}
