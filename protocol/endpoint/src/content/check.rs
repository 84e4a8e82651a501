//! The bounds that sender and recipient both check.

use std::collections::BTreeSet;

use plico_protocol::limits::LINK_REFERENCE_BYTES_MAX;

use super::{
    BadContent, Body, CHOICE_ID_BYTES_MAX, CHOICE_LABEL_BYTES_MAX, CHOICES_MAX, Choices, Content,
    EMOJI_BYTES_MAX, EXPIRES_AFTER_SECONDS_MAX, FIELD_LABEL_BYTES_MAX, FIELD_VALUE_BYTES_MAX,
    FIELDS_MAX, MARKS_MAX, NOTIFICATION_BODY_BYTES_MAX, Notification, PROFILE_NAME_BYTES_MAX,
    QUESTION_BYTES_MAX, TEXT_BYTES_MAX, TITLE_BYTES_MAX,
};

impl Content {
    /// The bounds every reader checks.
    pub(super) fn check(&self) -> Result<(), BadContent> {
        if let Some(seconds) = self.expires_after_seconds {
            let (value, max) = (seconds as usize, EXPIRES_AFTER_SECONDS_MAX as usize);
            bound("expires_after_seconds", value, 1, max)?;
        }
        if let Some(reference) = &self.reference {
            bound("ref", reference.len(), 1, LINK_REFERENCE_BYTES_MAX)?;
        }
        if let Some(name) = &self.profile_name {
            bound("profile_name", name.len(), 1, PROFILE_NAME_BYTES_MAX)?;
        }
        if self.body == Body::Renewal && self.reply.is_none() {
            return Err(BadContent::RenewalWithoutReply);
        }
        self.body.check()
    }
}

impl Body {
    fn check(&self) -> Result<(), BadContent> {
        match self {
            Self::Text(text) => bound("text", text.len(), 1, TEXT_BYTES_MAX),
            Self::Notification(notification) => notification.check(),
            Self::Choices(choices) => choices.check(),
            Self::Answer(answer) => bound("choice_id", answer.choice.len(), 1, CHOICE_ID_BYTES_MAX),
            Self::Reaction(reaction) => bound("emoji", reaction.emoji.len(), 0, EMOJI_BYTES_MAX),
            Self::Marks(marks) => {
                bound("delivered", marks.delivered.len(), 0, MARKS_MAX)?;
                bound("read", marks.read.len(), 0, MARKS_MAX)
            }
            Self::ProfileName(name) => bound("name", name.len(), 1, PROFILE_NAME_BYTES_MAX),
            Self::Renewal | Self::Goodbye | Self::Unknown => Ok(()),
        }
    }
}

impl Notification {
    fn check(&self) -> Result<(), BadContent> {
        bound("title", self.title.len(), 1, TITLE_BYTES_MAX)?;
        bound("body", self.body.len(), 0, NOTIFICATION_BODY_BYTES_MAX)?;
        bound("fields", self.fields.len(), 0, FIELDS_MAX)?;
        self.fields.iter().try_for_each(|field| {
            bound("label", field.label.len(), 1, FIELD_LABEL_BYTES_MAX)?;
            bound("value", field.value.len(), 1, FIELD_VALUE_BYTES_MAX)
        })
    }
}

impl Choices {
    fn check(&self) -> Result<(), BadContent> {
        bound("question", self.question.len(), 1, QUESTION_BYTES_MAX)?;
        bound("choices", self.choices.len(), 1, CHOICES_MAX)?;
        let mut ids = BTreeSet::new();
        self.choices.iter().try_for_each(|choice| {
            bound("id", choice.id.len(), 1, CHOICE_ID_BYTES_MAX)?;
            bound("label", choice.label.len(), 1, CHOICE_LABEL_BYTES_MAX)?;
            if ids.insert(&choice.id) { Ok(()) } else { Err(BadContent::RepeatedChoice) }
        })
    }
}

pub(super) fn bound(
    field: &'static str,
    value: usize,
    min: usize,
    max: usize,
) -> Result<(), BadContent> {
    if value < min || max < value {
        return Err(BadContent::Bound { field, value, min, max });
    }
    Ok(())
}
