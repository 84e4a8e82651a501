//! What a business's application hears.

use plico_endpoint::content::Content;
use plico_endpoint::id::ContentId;
use plico_protocol::certificate::BadCertificate;
use plico_protocol::ledger::{Amount, EntryReason};
use plico_protocol::refusal::Code;
use plico_protocol::time::{Minute, Timestamp};

use super::CustomerId;
use crate::agent::journal::EventId;
use crate::agent::outgoing::{Delay, MessageState};
use crate::connection::ConnectError;

/// Something the application should know. Handed out at least once, oldest first; asking for the
/// next says that this one was handled.
#[derive(Clone, Debug)]
pub enum Event {
    /// A customer wrote.
    Message(Box<CustomerMessage>),
    /// A customer gave a new ticket, with which the business may answer in a window, or a standing consent.
    /// Until the minute given an answer is free.
    Consent {
        /// Names this event.
        event: EventId,
        /// Who.
        customer: CustomerId,
        /// The end of the window; none for a standing consent.
        free_until: Option<Minute>,
    },
    /// A message this business sent is in another state.
    Sent {
        /// Names this event.
        event: EventId,
        /// To whom.
        customer: CustomerId,
        /// Which message.
        id: ContentId,
        /// What became of it.
        state: MessageState,
    },
    /// What was reserved for a message is owed: its recipient opened it, or was handed it and did not
    /// acknowledge. Comes after the UTC day in which that was.
    Settled {
        /// Names this event.
        event: EventId,
        /// To whom the message was.
        customer: CustomerId,
        /// Which message.
        id: ContentId,
        /// [`EntryReason::Opened`] or [`EntryReason::Offered`].
        reason: EntryReason,
        /// How much.
        amount: Amount,
    },
    /// What was reserved for a message is not owed: it could not be opened, or ended without having
    /// been handed to its recipient. Comes after the UTC day in which that was.
    Released {
        /// Names this event.
        event: EventId,
        /// To whom the message was.
        customer: CustomerId,
        /// Which message.
        id: ContentId,
        /// [`EntryReason::Unreadable`] or [`EntryReason::NotOffered`].
        reason: EntryReason,
        /// How much.
        amount: Amount,
    },
    /// The business cannot be reached until something is put right.
    Trouble {
        /// Names this event.
        event: EventId,
        /// What is wrong.
        trouble: Trouble,
    },
    /// The relay does not take messages for now, of which this is one; it goes out by itself. Told when
    /// the reason is another, and hourly. Not repeated after a restart, and has no id.
    Delayed {
        /// To whom.
        customer: CustomerId,
        /// Which message.
        id: ContentId,
        /// Why, and until when.
        delay: Delay,
    },
    /// The relay can be reached. Not repeated after a restart, and has no id.
    Connected,
    /// The relay cannot be reached; the agent tries again. Has no id.
    Disconnected(ConnectError),
}

/// A message from a customer.
#[derive(Clone, Debug)]
pub struct CustomerMessage {
    /// Names this event.
    pub event: EventId,
    /// Who wrote.
    pub customer: CustomerId,
    /// Whether it is the first this customer wrote.
    pub first: bool,
    /// What it says; `reference` tells the link the person came by.
    pub content: Content,
    /// When this machine received it.
    pub at: Timestamp,
}

/// What keeps a business from being reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The certificate was signed by another authority than the relay's link names.
    #[error(
        "another operator signed the certificate than the relay's link names; ask this relay's for one"
    )]
    WrongAuthority,
    /// The certificate under this handle is of other keys.
    #[error(
        "the certificate under this handle is of other keys; ask the operator to certify this request"
    )]
    OtherKeys,
    /// Its signature is wrong.
    #[error("the certificate is not genuine; ask the operator for a new one")]
    BadCertificate,
    /// It is not valid at this time.
    #[error("the certificate is not valid now; renew it, or check this machine's clock")]
    CertificateNotValid,
    /// It ends soon or has ended.
    #[error("{}; renew it with the relay's operator", ends(*hours))]
    CertificateEnds {
        /// Hours until its end; 0 if it has ended.
        hours: u32,
    },
    /// Another machine took the inbox over: this business runs twice.
    #[error(
        "this business runs twice and the other took the inbox over; stop one, then open this again"
    )]
    TakenOver,
    /// The relay knows prekeys that this state never made: it is an older copy, put back without a
    /// restore. Nothing is received or sent, because going on could repeat keys and lose messages.
    #[error(
        "this state is an older copy: the relay was given newer keys by this business since; restore it, as from a backup, to another path and open that"
    )]
    OlderCopy,
    /// The relay's ledger is not the one it signed before, or a receipt does not hold. In the first case
    /// only free messages are sent until the ledger continues the one that was signed (SPEC.md §14.6).
    #[error(
        "the relay's ledger is not the one it signed before; while it does not continue that, only what is free is sent; keep this state, it is the evidence, and ask the operator"
    )]
    Ledger,
    /// The relay's rate card does not verify, or does not hold now.
    #[error(
        "the relay's rate card is not signed by its ledger key, or does not hold now; no price is computed with it; check this machine's clock, and ask the operator"
    )]
    RateCard,
    /// The account's subscription is unpaid; [`crate::AccountStanding`] has the days.
    #[error(
        "the account's subscription is unpaid; pay the relay's operator, or it soon takes no messages"
    )]
    Unpaid,
    /// The relay refused.
    #[error("the relay refused: {}", .0.text())]
    Refused(Code),
}

impl Event {
    /// Names the event for good; none for what is not repeated.
    pub fn id(&self) -> Option<EventId> {
        match self {
            Self::Message(message) => Some(message.event),
            Self::Consent { event, .. }
            | Self::Sent { event, .. }
            | Self::Settled { event, .. }
            | Self::Released { event, .. }
            | Self::Trouble { event, .. } => Some(*event),
            Self::Delayed { .. } | Self::Connected | Self::Disconnected(_) => None,
        }
    }
}

impl Trouble {
    /// The number it is stored under: a refusal's code, or one above them all.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Refused(code) => code.number(),
            Self::WrongAuthority => OWN,
            Self::OtherKeys => OWN + 1,
            Self::BadCertificate => OWN + 2,
            Self::CertificateNotValid => OWN + 3,
            Self::TakenOver => OWN + 4,
            Self::OlderCopy => OWN + 5,
            Self::Ledger => OWN + 6,
            Self::RateCard => OWN + 7,
            Self::Unpaid => OWN + 8,
            Self::CertificateEnds { hours } => {
                ENDS.saturating_add(u16::try_from(hours).unwrap_or(u16::MAX))
            }
        }
    }

    pub(super) fn from_number(number: u16) -> Option<Self> {
        if let Some(hours) = number.checked_sub(ENDS) {
            return Some(Self::CertificateEnds { hours: u32::from(hours) });
        }
        let own = [Self::WrongAuthority, Self::OtherKeys, Self::BadCertificate]
            .into_iter()
            .chain([Self::CertificateNotValid, Self::TakenOver, Self::OlderCopy])
            .chain([Self::Ledger, Self::RateCard, Self::Unpaid]);
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

fn ends(hours: u32) -> String {
    match hours {
        0 => "the certificate has ended".to_owned(),
        1 => "the certificate ends within an hour".to_owned(),
        hours => format!("the certificate ends in {hours} hours"),
    }
}

const OWN: u16 = 0x8000;
/// From here on, the hours of [`Trouble::CertificateEnds`].
const ENDS: u16 = 0x9000;
