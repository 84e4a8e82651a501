//! What an application says, before ids, tickets and times are added.

use plico_endpoint::content::{
    Answer, BadContent, Body, Choice, Choices, Content, Field, Notification, Reaction,
};
use plico_endpoint::id::ContentId;
use plico_protocol::pricing::Millionths;
use plico_protocol::ticket::Category;
use plico_protocol::time::Timestamp;

use crate::random;

/// A message to send. `"text".into()` is a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    body: Body,
    expires_after_seconds: Option<u32>,
    price_max: Option<Millionths>,
    id: Option<ContentId>,
}

impl Message {
    /// Words, 1 to 32,768 bytes.
    pub fn text(text: impl Into<String>) -> Self {
        Body::Text(text.into()).into()
    }

    /// A question with buttons: (id, label) each. Ids are distinct and return in the answer.
    pub fn choices<'a>(
        question: impl Into<String>,
        choices: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let choice = |(id, label): (&str, &str)| Choice { id: id.into(), label: label.into() };
        let choices = choices.into_iter().map(choice).collect();
        Body::Choices(Choices { question: question.into(), choices }).into()
    }

    /// A boarding pass, a delivery, an appointment: a title and (label, value) fields.
    pub fn notification<'a>(
        title: impl Into<String>,
        body: impl Into<String>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let field =
            |(label, value): (&str, &str)| Field { label: label.into(), value: value.into() };
        Body::Notification(Notification {
            title: title.into(),
            body: body.into(),
            fields: fields.into_iter().map(field).collect(),
            category: None,
        })
        .into()
    }

    /// Takes a choice of a question that was received.
    pub fn answer(question: ContentId, choice: impl Into<String>) -> Self {
        Body::Answer(Answer { content: question, choice: choice.into() }).into()
    }

    /// Reacts with one emoji; an empty one takes the reaction back.
    pub fn reaction(to: ContentId, emoji: impl Into<String>) -> Self {
        Body::Reaction(Reaction { content: to, emoji: emoji.into() }).into()
    }

    /// The receiving device forgets it this many seconds after it was first shown, at most 400
    /// days.
    #[must_use]
    pub fn expires_after(self, seconds: u32) -> Self {
        Self { expires_after_seconds: Some(seconds), ..self }
    }

    /// A business's: sends it under this id, which no other message may have. Sent again under it, by a
    /// script that does not know whether the first time went well, it goes out once: this machine knows
    /// it until two days after its end, and the device shows no id twice.
    #[must_use]
    pub fn under(self, id: ContentId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// A business's: the most it may cost, in the relay's currency, instead of what
    /// [`Options::price_max`](crate::Options::price_max) says; zero for "only if free". What people send
    /// is free in any case.
    #[must_use]
    pub fn at_most(self, price_max: Millionths) -> Self {
        Self { price_max: Some(price_max), ..self }
    }

    /// Whether it can be sent at all: every part within its bound.
    ///
    /// # Errors
    ///
    /// [`BadContent`].
    pub fn check(&self) -> Result<(), BadContent> {
        self.clone().into_content(Timestamp(0)).encode().map(drop)
    }

    /// Whether sending it opens a window: words and answers are a person's doing, while reactions
    /// and everything the SDK sends by itself never do.
    pub(crate) fn is_composed(&self) -> bool {
        is_composed(&self.body)
    }

    /// The id it was given.
    pub(crate) fn id(&self) -> Option<ContentId> {
        self.id
    }

    /// The most it may cost, if it says so itself.
    pub(crate) fn price_max(&self) -> Option<Millionths> {
        self.price_max
    }

    /// The name it gives its sender.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        match &self.body {
            Body::ProfileName(name) => Some(name),
            _ => None,
        }
    }

    /// Declares what the business declares to the relay.
    pub(crate) fn declared(mut self, category: Category) -> Self {
        if let Body::Notification(notification) = &mut self.body {
            notification.category = Some(category);
        }
        self
    }

    /// Content with a fresh id.
    pub(crate) fn into_content(self, composed: Timestamp) -> Content {
        let id = self.id.unwrap_or_else(|| ContentId::generate(&mut random::system()));
        let mut content = Content::new(id, composed, self.body);
        content.expires_after_seconds = self.expires_after_seconds;
        content
    }
}

/// Whether a person composed it.
pub(crate) fn is_composed(body: &Body) -> bool {
    match body {
        Body::Text(_) | Body::Answer(_) | Body::Choices(_) | Body::Notification(_) => true,
        Body::Reaction(_)
        | Body::Marks(_)
        | Body::ProfileName(_)
        | Body::Renewal
        | Body::Goodbye
        | Body::Unknown => false,
    }
}

impl From<Body> for Message {
    fn from(body: Body) -> Self {
        Self { body, expires_after_seconds: None, price_max: None, id: None }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
