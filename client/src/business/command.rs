//! What an application may wish of a business, and the work that waits for the relay.

use plico_endpoint::id::ContentId;
use plico_protocol::certificate::{Certificate, CertificateBody, CertificateRequest};
use plico_protocol::ledger::{Period, Statement};
use plico_protocol::link::{Link, RelayLink};
use plico_protocol::pricing::Price;
use plico_protocol::ticket::Category;
use plico_protocol::time::Minute;
use tokio::sync::oneshot;

use super::card::AskingCard;
use super::event::Event;
use super::ledger::{AskingStatement, CheckedStatement};
use super::price::PriceError;
use super::profile::{ProfileDraft, ProfileError};
use super::standing::{AskingStanding, KnownStanding};
use super::{AnswerError, BusinessConnectError, Customer, CustomerId, InstallError, SendError};
use crate::about::About;
use crate::agent::journal::EventId;
use crate::agent::outgoing::{Delay, MessageState};
use crate::message::Message;

/// A wish of the application.
pub(super) enum Command {
    Request {
        answer: oneshot::Sender<CertificateRequest>,
    },
    Install {
        certificate: Certificate,
        answer: oneshot::Sender<Result<CertificateBody, InstallError>>,
    },
    Connect {
        relay: Box<RelayLink>,
        answer: Connecting,
    },
    Link {
        reference: Option<String>,
        answer: oneshot::Sender<Option<Link>>,
    },
    PublishProfile {
        draft: Box<ProfileDraft>,
        answer: oneshot::Sender<Result<(), ProfileError>>,
    },
    SetStatus {
        text: Option<String>,
        answer: oneshot::Sender<Result<(), ProfileError>>,
    },
    Profile {
        answer: oneshot::Sender<Option<About>>,
    },
    Send {
        customer: CustomerId,
        message: Box<Message>,
        category: Category,
        answer: oneshot::Sender<Result<ContentId, SendError>>,
    },
    Answer {
        event: EventId,
        answers: Vec<(CustomerId, Message, Category)>,
        answer: oneshot::Sender<Result<Vec<ContentId>, AnswerError>>,
    },
    State {
        id: ContentId,
        answer: oneshot::Sender<Option<MessageState>>,
    },
    Delay {
        id: ContentId,
        answer: oneshot::Sender<Option<Delay>>,
    },
    Left {
        id: ContentId,
        answer: oneshot::Sender<Option<MessageState>>,
    },
    Certificate {
        answer: oneshot::Sender<Option<CertificateBody>>,
    },
    Customer {
        id: CustomerId,
        answer: oneshot::Sender<Option<Customer>>,
    },
    Customers {
        answer: oneshot::Sender<Vec<Customer>>,
    },
    Account(AccountCommand),
    NextEvent {
        handled: Option<EventId>,
        answer: oneshot::Sender<Event>,
    },
    Handled {
        id: EventId,
        answer: oneshot::Sender<()>,
    },
}

/// A wish about what the account is charged.
pub(super) enum AccountCommand {
    Statement {
        period: Period,
        answer: AskingStatement,
    },
    CheckStatement {
        statement: Box<Statement>,
        answer: oneshot::Sender<Box<CheckedStatement>>,
    },
    Standing {
        answer: AskingStanding,
    },
    KnownStanding {
        answer: oneshot::Sender<Option<KnownStanding>>,
    },
    RateCard {
        answer: AskingCard,
    },
    Price {
        customer: CustomerId,
        category: Category,
        answer: oneshot::Sender<Result<Price, PriceError>>,
    },
}

pub(super) type Connecting = oneshot::Sender<Result<(), BusinessConnectError>>;

/// Work that waits for the relay's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    ProveAccount,
    ProveInbox,
    LookUp,
    Stock,
    Publish,
    Standing,
    RateCard,
    Head,
    ReadLedger,
    /// The profile issued in this minute.
    PublishProfile {
        issued: Minute,
    },
    Submit {
        message: u64,
    },
    Status {
        message: u64,
    },
}
