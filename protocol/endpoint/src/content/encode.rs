//! From checked content to protobuf.

use prost::Message;

use super::proto::{self, choices, content, notification};
use super::{Answer, BadContent, Body, Choices, Content, Marks, Notification, Reaction, Reply};
use crate::id::ContentId;

impl Content {
    /// Encodes, after the checks its reader will make.
    ///
    /// # Errors
    ///
    /// [`BadContent`].
    pub fn encode(&self) -> Result<Vec<u8>, BadContent> {
        self.check()?;
        let message = proto::Content {
            id: self.id.as_bytes().to_vec(),
            composed_ms: self.composed.0,
            expires_after_seconds: self.expires_after_seconds,
            reply: self.reply.as_ref().map(Reply::to_proto),
            r#ref: self.reference.clone(),
            profile_name: self.profile_name.clone(),
            restored_hour: self.restored.map(|restored| restored.hour.0),
            restored_ms: self.restored.map(|restored| restored.at.0),
            body: Some(self.body.to_proto()?),
        };
        Ok(message.encode_to_vec())
    }
}

impl Body {
    fn to_proto(&self) -> Result<content::Body, BadContent> {
        Ok(match self {
            Self::Text(text) => content::Body::Text(proto::Text { text: text.clone() }),
            Self::Notification(notification) => {
                content::Body::Notification(notification.to_proto())
            }
            Self::Choices(choices) => content::Body::Choices(choices.to_proto()),
            Self::Answer(answer) => content::Body::Answer(answer.to_proto()),
            Self::Reaction(reaction) => content::Body::Reaction(reaction.to_proto()),
            Self::Marks(marks) => content::Body::Marks(marks.to_proto()),
            Self::ProfileName(name) => {
                content::Body::NewProfileName(proto::ProfileName { name: name.clone() })
            }
            Self::Renewal => content::Body::Renewal(proto::Renewal {}),
            Self::Goodbye => content::Body::Goodbye(proto::Goodbye {}),
            Self::Unknown => return Err(BadContent::UnknownBody),
        })
    }
}

impl Reply {
    fn to_proto(&self) -> proto::Reply {
        proto::Reply {
            address: self.address.as_bytes().to_vec(),
            ticket: self.ticket.as_bytes().to_vec(),
            opening: self.opening.as_bytes().to_vec(),
        }
    }
}

impl Notification {
    fn to_proto(&self) -> proto::Notification {
        let field = |field: &super::Field| notification::Field {
            label: field.label.clone(),
            value: field.value.clone(),
        };
        proto::Notification {
            title: self.title.clone(),
            body: self.body.clone(),
            fields: self.fields.iter().map(field).collect(),
            category: self.category.map_or(0, |category| i32::from(category.byte())),
        }
    }
}

impl Choices {
    fn to_proto(&self) -> proto::Choices {
        let choice = |choice: &super::Choice| choices::Choice {
            id: choice.id.clone(),
            label: choice.label.clone(),
        };
        let choices = self.choices.iter().map(choice).collect();
        proto::Choices { question: self.question.clone(), choices }
    }
}

impl Answer {
    fn to_proto(&self) -> proto::Answer {
        let content_id = self.content.as_bytes().to_vec();
        proto::Answer { content_id, choice_id: self.choice.clone() }
    }
}

impl Reaction {
    fn to_proto(&self) -> proto::Reaction {
        let content_id = self.content.as_bytes().to_vec();
        proto::Reaction { content_id, emoji: self.emoji.clone() }
    }
}

impl Marks {
    fn to_proto(&self) -> proto::Marks {
        let bytes = |id: &ContentId| id.as_bytes().to_vec();
        proto::Marks {
            delivered: self.delivered.iter().map(bytes).collect(),
            read: self.read.iter().map(bytes).collect(),
        }
    }
}
