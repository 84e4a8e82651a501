//! What a person's application hears.

use plico_endpoint::content::Content;
use plico_endpoint::id::ContentId;
use plico_protocol::certificate::{BadCertificate, CertificateBody, DomainCheck};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::Category;
use plico_protocol::time::{Hour, Minute, Timestamp};

use super::ConversationId;
use super::report::ReportOutcome;
use crate::about::About;
use crate::agent::Stopped;
use crate::agent::journal::EventId;
use crate::agent::outgoing::MessageState;
use crate::connection::ConnectError;

/// Something the application should know. Handed out at least once, oldest first; asking for the
/// next says that this one was handled.
#[derive(Clone, Debug)]
pub enum Event {
    /// The business wrote.
    Message(Box<Received>),
    /// A message this person sent is in another state.
    Sent {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// Which message.
        id: ContentId,
        /// What became of it.
        state: MessageState,
    },
    /// Until when the business answers free of charge.
    Window {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// The first minute after the window.
        until: Minute,
    },
    /// The relay took a report, or did not.
    Reported {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// Of which message.
        id: ContentId,
        /// What it did.
        outcome: ReportOutcome,
    },
    /// The business has another account key than the one trusted. Nothing is sent until
    /// [`Conversation::agree_to_new_key`](super::Conversation::agree_to_new_key).
    KeyChanged {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// What the new certificate says.
        offered: Option<Profile>,
    },
    /// Messages of the business do not open on this device, and another session was begun lately.
    /// The next is begun by itself, and the business sends them again on it. Where one may be begun
    /// at once, that is done without this event.
    SessionLost {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// When the next is begun, or once there is a connection after it.
        until: Timestamp,
    },
    /// The business lost its state and went on from a backup. Everything this device still holds of
    /// what it sent since goes out again; the business shows nothing twice.
    BusinessRestored {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// The hour of the backup.
        since: Hour,
        /// How many messages go out again.
        repeated: u32,
    },
    /// The conversation cannot go on until something is put right.
    Trouble {
        /// Names this event.
        event: EventId,
        /// In which conversation.
        conversation: ConversationId,
        /// What is wrong.
        trouble: Trouble,
    },
    /// A relay can be reached, or no longer. Not repeated after a restart, and has no id.
    Connection {
        /// The relay's host, as in the link.
        relay: String,
        /// How it is.
        state: ConnectionState,
    },
}

/// A message from a business.
#[derive(Clone, Debug)]
pub struct Received {
    /// Names this event.
    pub event: EventId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Who wrote, as the operator verified it.
    pub from: Profile,
    /// What it says.
    pub content: Content,
    /// What the business declared it to be, as the relay saw it.
    pub category: Option<Category>,
    /// When this device received it.
    pub at: Timestamp,
}

/// A business as its certificate describes it, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name to show.
    pub display_name: String,
    /// The domain to show beside it.
    pub domain: String,
    /// How the operator checked the domain.
    pub domain_check: DomainCheck,
    /// What the business says of itself, which nobody checked: to be shown below the name and
    /// domain. None if it said nothing.
    pub about: Option<About>,
}

/// How a relay can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Connected.
    Up,
    /// Not connected, and trying again.
    Down(ConnectError),
}

/// What keeps a conversation from going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The certificate was signed by another authority than the link names.
    #[error(
        "the relay is run by another operator than the link names; get a new link from the business"
    )]
    WrongAuthority,
    /// The business's account key is not the link's.
    #[error("the business's key is not the one in the link; get a new link from the business")]
    WrongAccount,
    /// The relay answered with the certificate of another business.
    #[error(
        "the relay answered for another business than the link names; tell the relay's operator"
    )]
    OtherBusiness,
    /// The certificate's signature or keys are wrong.
    #[error(
        "the business's certificate is not genuine, so nothing was sent; tell the relay's operator"
    )]
    BadCertificate,
    /// The certificate is not valid at this time.
    #[error("the business's certificate is not valid now; check this device's clock")]
    CertificateNotValid,
    /// The business's prekeys are wrong or too old.
    #[error(
        "the business's keys are forged or out of date, so nothing was sent; it is tried again"
    )]
    BadPrekeys,
    /// The relay minted a ticket with other terms than the person asked for, or one that has passed
    /// by this device's clock.
    #[error(
        "the relay gave the business other rights than you chose, so nothing was sent; check this device's clock, or tell the relay's operator"
    )]
    BadTicket,
    /// The relay refused.
    #[error("the relay refused: {}", .0.text())]
    Refused(Code),
}

/// Why nothing is known of the business behind a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// The relay cannot be reached, or is not the link's.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It was reached, and what it says is not believed.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Event {
    /// Names the event for good; none for what is not repeated.
    pub fn id(&self) -> Option<EventId> {
        match self {
            Self::Message(message) => Some(message.event),
            Self::Sent { event, .. }
            | Self::Window { event, .. }
            | Self::Reported { event, .. }
            | Self::KeyChanged { event, .. }
            | Self::SessionLost { event, .. }
            | Self::BusinessRestored { event, .. }
            | Self::Trouble { event, .. } => Some(*event),
            Self::Connection { .. } => None,
        }
    }
}

impl Profile {
    /// What the certificate says.
    pub(crate) fn of(body: &CertificateBody) -> Self {
        Self {
            display_name: body.display_name.clone(),
            domain: body.domain.clone(),
            domain_check: body.domain_check,
            about: None,
        }
    }
}

impl Trouble {
    /// The number it is stored under: a refusal's code, or one above them all.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Refused(code) => code.number(),
            Self::WrongAuthority => OWN,
            Self::WrongAccount => OWN + 1,
            Self::OtherBusiness => OWN + 2,
            Self::BadCertificate => OWN + 3,
            Self::CertificateNotValid => OWN + 4,
            Self::BadPrekeys => OWN + 5,
            Self::BadTicket => OWN + 6,
        }
    }

    pub(super) fn from_number(number: u16) -> Option<Self> {
        let own =
            [Self::WrongAuthority, Self::WrongAccount, Self::OtherBusiness, Self::BadCertificate]
                .into_iter()
                .chain([Self::CertificateNotValid, Self::BadPrekeys, Self::BadTicket]);
        match number < OWN {
            true => Some(Self::Refused(Code::from_number(number))),
            false => own.into_iter().find(|trouble| trouble.number() == number),
        }
    }
}

impl From<BadCertificate> for Trouble {
    fn from(error: BadCertificate) -> Self {
        match error {
            BadCertificate::Malformed(_) | BadCertificate::Signature => Self::BadCertificate,
            BadCertificate::NotYetValid | BadCertificate::Expired => Self::CertificateNotValid,
        }
    }
}

const OWN: u16 = 0x8000;
