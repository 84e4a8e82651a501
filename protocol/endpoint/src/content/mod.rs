//! What a message says: protobuf (`proto/content.proto`, package `plico.v1`), checked.
//!
//! Protobuf because content must evolve and every language has it; its encodings are not unique,
//! so nothing that is hashed or MACed is a re-encoding: commitments cover the received bytes.
//! [`Content::decode`] refuses what passes a bound and gives [`Body::Unknown`] for a body of a
//! later version.

mod check;
mod decode;
mod encode;
mod redacted;

use plico_protocol::id::{Address, TicketOpening};
use plico_protocol::profile::Restored;
use plico_protocol::ticket::{Category, Ticket};
use plico_protocol::time::Timestamp;

use crate::id::ContentId;

#[expect(unreachable_pub, reason = "generated from proto/content.proto")]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/plico.v1.rs"));
}

/// Longest text of a message.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Longest title of a notification.
pub const TITLE_BYTES_MAX: usize = 128;
/// Longest body of a notification.
pub const NOTIFICATION_BODY_BYTES_MAX: usize = 8 * 1024;
/// Most fields of a notification.
pub const FIELDS_MAX: usize = 32;
/// Longest label of a field.
pub const FIELD_LABEL_BYTES_MAX: usize = 64;
/// Longest value of a field.
pub const FIELD_VALUE_BYTES_MAX: usize = 256;
/// Longest question.
pub const QUESTION_BYTES_MAX: usize = 2 * 1024;
/// Most choices of a question.
pub const CHOICES_MAX: usize = 16;
/// Longest id of a choice.
pub const CHOICE_ID_BYTES_MAX: usize = 64;
/// Longest label of a choice.
pub const CHOICE_LABEL_BYTES_MAX: usize = 128;
/// Longest emoji of a reaction: the longest sequences of Unicode, families with skin tones, have
/// 41 bytes.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Most ids in each list of marks.
pub const MARKS_MAX: usize = 256;
/// Longest profile name.
pub const PROFILE_NAME_BYTES_MAX: usize = 96;
/// Longest time until content is forgotten: 400 days, in seconds.
pub const EXPIRES_AFTER_SECONDS_MAX: u32 = 400 * 24 * 60 * 60;

const _: () = {
    use crate::layout::FIRST_OVERHEAD_BYTES;
    use plico_protocol::envelope::SizeClass;
    // The largest content, with every other part, fits the largest first envelope.
    let fields = FIELDS_MAX * (FIELD_LABEL_BYTES_MAX + FIELD_VALUE_BYTES_MAX + 8);
    let marks = 2 * MARKS_MAX * (ContentId::BYTES + 2);
    let rest = 1024;
    let room = SizeClass::Huge.bytes() - FIRST_OVERHEAD_BYTES - rest;
    assert!(TEXT_BYTES_MAX <= room);
    assert!(TITLE_BYTES_MAX + NOTIFICATION_BODY_BYTES_MAX + fields <= room);
    assert!(marks <= room);
};

/// One message's content.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Its name, kept through repeats.
    pub id: ContentId,
    /// When it was composed, by the sender's clock.
    pub composed: Timestamp,
    /// Seconds after which the receiving device forgets it, once shown.
    pub expires_after_seconds: Option<u32>,
    /// Where the business may answer.
    pub reply: Option<Reply>,
    /// The `ref` of the link the person came by.
    pub reference: Option<String>,
    /// How the person wishes to be called.
    pub profile_name: Option<String>,
    /// The backup the sender was restored from.
    pub restored: Option<Restored>,
    /// What it says.
    pub body: Body,
}

/// A person's address and consent.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The mailbox.
    pub address: Address,
    /// The consent to write there.
    pub ticket: Ticket,
    /// Opens the ticket's commitment.
    pub opening: TicketOpening,
}

/// What content says, in the order of the `.proto`.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Words.
    Text(String),
    /// Something a business tells.
    Notification(Notification),
    /// A question with buttons.
    Choices(Choices),
    /// A button was pressed.
    Answer(Answer),
    /// An emoji at another message.
    Reaction(Reaction),
    /// What became of messages.
    Marks(Marks),
    /// A new name.
    ProfileName(String),
    /// A new ticket alone; [`Content::reply`] is present.
    Renewal,
    /// The end of the conversation.
    Goodbye,
    /// A body of a later version, or none. Cannot be encoded.
    Unknown,
}

/// A boarding pass, a delivery, an appointment, a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its title.
    pub title: String,
    /// Its text; may be empty.
    pub body: String,
    /// Labelled values in their order.
    pub fields: Vec<Field>,
    /// What the business declared; none where a later version declared what this one cannot name.
    pub category: Option<Category>,
}

/// One labelled value.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// "Gate".
    pub label: String,
    /// "B 22".
    pub value: String,
}

/// A question with buttons.
#[derive(Clone, PartialEq, Eq)]
pub struct Choices {
    /// The question.
    pub question: String,
    /// The buttons, their ids distinct.
    pub choices: Vec<Choice>,
}

/// One button.
#[derive(Clone, PartialEq, Eq)]
pub struct Choice {
    /// Returned in the answer.
    pub id: String,
    /// What is shown.
    pub label: String,
}

/// A button that was pressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The content that asked.
    pub content: ContentId,
    /// The choice.
    pub choice: String,
}

/// An emoji at another message.
#[derive(Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The content reacted to.
    pub content: ContentId,
    /// One emoji; empty takes the reaction back.
    pub emoji: String,
}

/// What became of messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Stored on the device.
    pub delivered: Vec<ContentId>,
    /// Seen by a human.
    pub read: Vec<ContentId>,
}

/// Why content is refused, by the sender's check or the recipient's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    /// The bytes are no protobuf of this schema.
    #[error("the content is not the protobuf message plico.v1.Content")]
    NotProtobuf,
    /// A field of fixed length has another.
    #[error("{field} has {bytes} bytes, {expected} expected")]
    Length {
        /// Name of the field, as in the `.proto`.
        field: &'static str,
        /// The length that came.
        bytes: usize,
        /// The length it has.
        expected: usize,
    },
    /// A string or list is longer or shorter, or a number larger or smaller, than allowed.
    #[error("{field} is {value}; {min} to {max} allowed")]
    Bound {
        /// Name of the field, as in the `.proto`.
        field: &'static str,
        /// The length or number that came.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// Two choices have one id.
    #[error("two choices have the same id")]
    RepeatedChoice,
    /// A renewal without a reply part.
    #[error("a renewal carries no reply part")]
    RenewalWithoutReply,
    /// [`Body::Unknown`] cannot be sent.
    #[error("a body of a later version cannot be sent")]
    UnknownBody,
}

impl Content {
    /// Content with a body and nothing else.
    pub fn new(id: ContentId, composed: Timestamp, body: Body) -> Self {
        Self {
            id,
            composed,
            expires_after_seconds: None,
            reply: None,
            reference: None,
            profile_name: None,
            restored: None,
            body,
        }
    }
}

#[cfg(test)]
mod tests;
