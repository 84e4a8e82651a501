//! From protobuf to checked content.

use plico_protocol::id::{Address, TicketOpening};
use plico_protocol::limits::TICKET_BYTES;
use plico_protocol::profile::Restored;
use plico_protocol::ticket::{Category, Ticket};
use plico_protocol::time::{Hour, Timestamp};
use prost::Message;

use super::check::bound;
use super::proto::{self, content};
use super::{
    Answer, BadContent, Body, Choice, Choices, Content, Field, MARKS_MAX, Marks, Notification,
    Reaction, Reply,
};
use crate::id::ContentId;

impl Content {
    /// Decodes what [`crate::session::Opened::content`] gave.
    ///
    /// # Errors
    ///
    /// [`BadContent`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadContent> {
        let message = proto::Content::decode(bytes).map_err(|_| BadContent::NotProtobuf)?;
        let content = Self {
            id: content_id("id", &message.id)?,
            composed: Timestamp(message.composed_ms),
            expires_after_seconds: message.expires_after_seconds,
            reply: message.reply.as_ref().map(Reply::from_proto).transpose()?,
            reference: message.r#ref,
            profile_name: message.profile_name,
            restored: message.restored_hour.zip(message.restored_ms).map(restored),
            body: message.body.map_or(Ok(Body::Unknown), Body::from_proto)?,
        };
        content.check()?;
        Ok(content)
    }
}

fn restored((hour, ms): (u32, u64)) -> Restored {
    Restored { hour: Hour(hour), at: Timestamp(ms) }
}

impl Body {
    fn from_proto(body: content::Body) -> Result<Self, BadContent> {
        Ok(match body {
            content::Body::Text(text) => Self::Text(text.text),
            content::Body::Notification(notification) => {
                Self::Notification(Notification::from_proto(notification))
            }
            content::Body::Choices(choices) => Self::Choices(Choices::from_proto(choices)),
            content::Body::Answer(answer) => Self::Answer(Answer {
                content: content_id("content_id", &answer.content_id)?,
                choice: answer.choice_id,
            }),
            content::Body::Reaction(reaction) => Self::Reaction(Reaction {
                content: content_id("content_id", &reaction.content_id)?,
                emoji: reaction.emoji,
            }),
            content::Body::Marks(marks) => Self::Marks(Marks {
                delivered: content_ids("delivered", &marks.delivered)?,
                read: content_ids("read", &marks.read)?,
            }),
            content::Body::NewProfileName(name) => Self::ProfileName(name.name),
            content::Body::Renewal(proto::Renewal {}) => Self::Renewal,
            content::Body::Goodbye(proto::Goodbye {}) => Self::Goodbye,
        })
    }
}

impl Reply {
    fn from_proto(reply: &proto::Reply) -> Result<Self, BadContent> {
        Ok(Self {
            address: Address::new(array("address", &reply.address)?),
            ticket: Ticket::from_bytes(array::<TICKET_BYTES>("ticket", &reply.ticket)?),
            opening: TicketOpening::new(array("opening", &reply.opening)?),
        })
    }
}

impl Notification {
    fn from_proto(notification: proto::Notification) -> Self {
        let category = u8::try_from(notification.category).ok().and_then(Category::from_byte);
        let fields = notification.fields.into_iter();
        Self {
            title: notification.title,
            body: notification.body,
            fields: fields.map(|field| Field { label: field.label, value: field.value }).collect(),
            category,
        }
    }
}

impl Choices {
    fn from_proto(message: proto::Choices) -> Self {
        let choices = message.choices.into_iter();
        Self {
            question: message.question,
            choices: choices.map(|choice| Choice { id: choice.id, label: choice.label }).collect(),
        }
    }
}

fn content_ids(field: &'static str, ids: &[Vec<u8>]) -> Result<Vec<ContentId>, BadContent> {
    bound(field, ids.len(), 0, MARKS_MAX)?;
    ids.iter().map(|id| content_id(field, id)).collect()
}

fn content_id(field: &'static str, bytes: &[u8]) -> Result<ContentId, BadContent> {
    array(field, bytes).map(ContentId::new)
}

fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], BadContent> {
    bytes.try_into().map_err(|_| BadContent::Length { field, bytes: bytes.len(), expected: N })
}
