//! A business's side: one inbox, many customers.
//!
//! Reading order: [`event`] (what the application hears), [`record`] (what is stored), then the
//! agent's core: [`core`] (commands, reports, what to do next), [`connecting`], [`prekeys`],
//! [`profile`], [`receiving`], [`sending`], [`restored`]; and what it is charged: [`card`],
//! [`price`], [`ledger`], [`standing`], [`uses`].

mod card;
mod command;
mod connecting;
mod core;
mod event;
mod ledger;
mod prekeys;
mod price;
mod profile;
mod receiving;
mod record;
mod restored;
mod sending;
mod standing;
mod uses;

pub use event::{CustomerMessage, Event, Trouble};
pub use ledger::CheckedStatement;
pub use price::PriceError;
pub use profile::{ProfileDraft, ProfileError};
pub use standing::KnownStanding;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plico_endpoint::content::BadContent;
use plico_endpoint::id::ContentId;
use plico_protocol::certificate::{
    CertificateBody, CertificateRequest, Handle as BusinessHandle, display_name as names,
    domain as domains,
};
use plico_protocol::limits::LINK_REFERENCE_BYTES_MAX;
use plico_protocol::link::{Link, RelayLink};
use plico_protocol::ticket::{Category, TicketFields};
use plico_protocol::wire::DecodeError;

use self::command::Command;
use self::core::BusinessCore;
use crate::about::About;
use crate::agent::journal::EventId;
use crate::agent::outgoing::{Delay, MessageState};
use crate::agent::{Handle, Stopped};
use crate::connection::{ConnectError, Options};
use crate::message::Message;
use crate::state::{BackupError, OpenError, Owner, Protection, RestoreError, State};
use record::Identity;

/// Names a customer on this machine: one person's mailbox and identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(pub u64);

/// A business: the keys, customers and messages of one state file. Tasks may share it.
#[derive(Debug)]
pub struct Business {
    agent: Handle<Command>,
    /// Held by who waits for the next event: the agent hands out one at a time.
    turn: tokio::sync::Mutex<()>,
    /// Handed out, and not yet said to be handled.
    shown: Mutex<Option<EventId>>,
}

/// Why a business was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The state was not made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The handle is none.
    #[error(transparent)]
    Handle(#[from] plico_protocol::certificate::BadHandle),
    /// No operator certifies this name.
    #[error(transparent)]
    Name(#[from] plico_protocol::certificate::display_name::BadDisplayName),
    /// No operator certifies this domain.
    #[error(transparent)]
    Domain(#[from] plico_protocol::certificate::domain::BadDomain),
}

/// Why a certificate was not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// The text is no certificate file.
    #[error("this text is no certificate ({0}); copy the operator's file whole")]
    Malformed(#[from] DecodeError),
    /// It was issued for another request.
    #[error(
        "this certificate of `{handle}` was issued for other keys than this business has; install the one the operator made from this business's request"
    )]
    OtherKeys {
        /// Whose it claims to be.
        handle: BusinessHandle,
    },
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a business is not connected. It goes on trying.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusinessConnectError {
    /// The relay cannot be reached, or is not the link's.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It was reached, and something must be put right.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// A statement would begin before the lines that are kept here, the last four million.
    #[error(
        "the lines of this period were forgotten here after four million more; ask the operator for the statement"
    )]
    Forgotten,
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is longer than allowed, or otherwise no content.
    #[error(transparent)]
    Content(#[from] BadContent),
    /// There is no such customer.
    #[error("there is no customer of this number; take it from an event or the list")]
    UnknownCustomer,
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why answers were not taken. None of them was, and the event is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// One of them cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It is no event, or was handled before.
    #[error("this event was handled before; what answered it then is on its way")]
    Handled,
}

/// Why there is no link to share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// `connect` was never called with a relay's link.
    #[error("there is no link yet, because it names the relay; connect to one first")]
    NoRelay,
    /// The reference is longer than content carries.
    #[error("a link's reference has at most {LINK_REFERENCE_BYTES_MAX} bytes; shorten it")]
    Reference,
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A customer as the business knows it.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Names it in events and `send`.
    pub id: CustomerId,
    /// How the person wishes to be called; says nothing about who it is.
    pub profile_name: Option<String>,
    /// What the latest window ticket states: `free_until` tells what an answer costs.
    pub window: Option<TicketFields>,
    /// What the latest standing consent states.
    pub standing: Option<TicketFields>,
}

impl Business {
    /// Makes a business's keys and state, and gives the text of the certificate request to hand to
    /// the relay's operator. No private key is in it.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    pub async fn create(
        path: impl AsRef<Path>,
        protection: Protection,
        handle: &str,
        display_name: &str,
        domain: &str,
    ) -> Result<String, CreateError> {
        names::check(display_name)?;
        domains::check(domain)?;
        let identity = Identity::new(BusinessHandle::new(handle)?, display_name, domain);
        let request = identity.request().to_text();
        let path = path.as_ref().to_owned();
        let create = move || {
            let mut state = State::create(&path, &protection, Owner::Business)?;
            identity.store(&mut state)?;
            Ok::<_, OpenError>(())
        };
        Options::default().aside(create).await?;
        Ok(request)
    }

    /// Opens a business's state and starts its agent on the current tokio runtime. It connects by
    /// itself to the relay it was last connected to.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub async fn open(path: impl AsRef<Path>, protection: Protection) -> Result<Self, OpenError> {
        Self::open_with(Options::default(), path, protection).await
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub async fn open_with(
        options: Options,
        path: impl AsRef<Path>,
        protection: Protection,
    ) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let open = move || State::open(&path, &protection, Owner::Business);
        let state = options.aside(open).await?;
        let core = BusinessCore::load(state, options.clone())?;
        let agent = Handle::start(core, options);
        Ok(Self { agent, turn: tokio::sync::Mutex::default(), shown: Mutex::default() })
    }

    /// Copies a business's state as it is at this moment, also while another process runs on it.
    /// Rows stay sealed and no key is asked for; keep the passphrase or key file elsewhere, for
    /// without it the backup cannot be opened. The file appears whole, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; also where something is at the destination already.
    pub async fn backup(
        state: impl AsRef<Path>,
        destination: impl AsRef<Path>,
    ) -> Result<(), BackupError> {
        let (state, destination) = (state.as_ref().to_owned(), destination.as_ref().to_owned());
        let back_up = move || crate::state::back_up(&state, &destination, Owner::Business);
        Options::default().aside(back_up).await
    }

    /// Makes a state from a backup, for when the state it was taken of is lost: `open` it then. It
    /// never uses a key again that the lost state may have used, tells each customer the hour of
    /// the backup, and devices repeat what they sent since. Whatever the business itself said since
    /// is not in it. The lost state must never be opened again.
    ///
    /// # Errors
    ///
    /// [`RestoreError`]; also where a state is at the path already.
    pub async fn restore(
        backup: impl AsRef<Path>,
        path: impl AsRef<Path>,
        protection: Protection,
    ) -> Result<(), RestoreError> {
        Self::restore_with(Options::default(), backup, path, protection).await
    }

    /// The same with options, of which it uses the clock.
    ///
    /// # Errors
    ///
    /// [`RestoreError`].
    pub async fn restore_with(
        options: Options,
        backup: impl AsRef<Path>,
        path: impl AsRef<Path>,
        protection: Protection,
    ) -> Result<(), RestoreError> {
        let (backup, path) = (backup.as_ref().to_owned(), path.as_ref().to_owned());
        let now = options.clock.now();
        let restore = move || {
            let change = |rows: &crate::state::Rows<'_>| restored::prepare(rows, now);
            crate::state::restore(&backup, &path, &protection, Owner::Business, change)
        };
        options.aside(restore).await
    }

    /// The certificate request again.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn request(&self) -> Result<CertificateRequest, Stopped> {
        self.agent.ask(|answer| Command::Request { answer }).await
    }

    /// Keeps the certificate the operator issued, takes the names it gives this business, and says
    /// what it claims. Whether its authority is the one in the relay's link shows when connecting,
    /// where the relay tells the authority's key.
    ///
    /// # Errors
    ///
    /// [`InstallError`].
    pub async fn install_certificate(&self, text: &str) -> Result<CertificateBody, InstallError> {
        let certificate = plico_protocol::certificate::Certificate::from_text(text)?;
        self.agent.ask(|answer| Command::Install { certificate, answer }).await?
    }

    /// What the installed certificate claims; none before there is one.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn certificate(&self) -> Result<Option<CertificateBody>, Stopped> {
        self.agent.ask(|answer| Command::Certificate { answer }).await
    }

    /// Connects to a relay, from now on and after every opening, and waits until it can be used or
    /// the first attempt failed.
    ///
    /// # Errors
    ///
    /// [`BusinessConnectError`]; the agent goes on trying.
    pub async fn connect(&self, relay: &RelayLink) -> Result<(), BusinessConnectError> {
        let relay = Box::new(relay.clone());
        self.agent.ask(|answer| Command::Connect { relay, answer }).await?
    }

    /// The link to share, with a reference that comes back with a person's first message: an order,
    /// a branch; at most 256 bytes.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn link(&self, reference: Option<&str>) -> Result<Link, LinkError> {
        if reference.is_some_and(|text| LINK_REFERENCE_BYTES_MAX < text.len()) {
            return Err(LinkError::Reference);
        }
        let reference = reference.filter(|text| !text.is_empty()).map(str::to_owned);
        let link = self.agent.ask(|answer| Command::Link { reference, answer }).await?;
        link.ok_or(LinkError::NoRelay)
    }

    /// Says something of itself to everyone, in place of what it said before; a status stays. Stored
    /// here and signed; the relay hands it to whoever looks the business up, with the certificate.
    /// It is published at once, or on the next connection; [`Business::connect`] waits for that.
    ///
    /// # Errors
    ///
    /// [`ProfileError`].
    pub async fn publish_profile(&self, draft: ProfileDraft) -> Result<(), ProfileError> {
        let draft = Box::new(draft);
        self.agent.ask(|answer| Command::PublishProfile { draft, answer }).await?
    }

    /// Tells everyone one line for 24 hours from now; none takes it back. Published like the rest
    /// of the profile.
    ///
    /// # Errors
    ///
    /// [`ProfileError`].
    pub async fn set_status(&self, text: Option<&str>) -> Result<(), ProfileError> {
        let text = text.map(str::to_owned);
        self.agent.ask(|answer| Command::SetStatus { text, answer }).await?
    }

    /// What it says of itself; none if it never did.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn profile(&self) -> Result<Option<About>, Stopped> {
        self.agent.ask(|answer| Command::Profile { answer }).await
    }

    /// Waits for the next event, and says that the one before was handled. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn next_event(&self) -> Result<Event, Stopped> {
        let _turn = self.turn.lock().await;
        let handled = *self.shown();
        let event = self.agent.ask(|answer| Command::NextEvent { handled, answer }).await?;
        *self.shown() = event.id();
        Ok(event)
    }

    /// Says that an event was handled, without waiting for the next.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn handled(&self, id: EventId) -> Result<(), Stopped> {
        self.shown().take_if(|shown| *shown == id);
        self.agent.ask(|answer| Command::Handled { id, answer }).await
    }

    /// Stores a message for a customer and sends it as soon as there is a connection.
    /// [`Event::Sent`] tells what became of it.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn send(
        &self,
        customer: CustomerId,
        message: impl Into<Message>,
        category: Category,
    ) -> Result<ContentId, SendError> {
        let message = Box::new(message.into());
        self.agent.ask(|answer| Command::Send { customer, message, category, answer }).await?
    }

    /// Stores the answers to an event and says that it was handled, in one transaction: an
    /// application that is killed has either answered or is shown the event again, never both.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]; then nothing was stored.
    pub async fn answer(
        &self,
        event: EventId,
        answers: Vec<(CustomerId, Message, Category)>,
    ) -> Result<Vec<ContentId>, AnswerError> {
        let answered = self.agent.ask(|answer| Command::Answer { event, answers, answer }).await;
        let ids = answered.map_err(SendError::from)??;
        self.shown().take_if(|shown| *shown == event);
        Ok(ids)
    }

    /// Waits until a message left this machine, accepted by the relay or come to its end.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn left(&self, id: ContentId) -> Result<Option<MessageState>, Stopped> {
        self.agent.ask(|answer| Command::Left { id, answer }).await
    }

    /// What became of a message; none if it was never sent here, or two days after its end.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn state(&self, id: ContentId) -> Result<Option<MessageState>, Stopped> {
        self.agent.ask(|answer| Command::State { id, answer }).await
    }

    /// Why the relay does not take a message for now; none if it was not asked yet, or has it.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn delay(&self, id: ContentId) -> Result<Option<Delay>, Stopped> {
        self.agent.ask(|answer| Command::Delay { id, answer }).await
    }

    /// Every customer.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn customers(&self) -> Result<Vec<Customer>, Stopped> {
        self.agent.ask(|answer| Command::Customers { answer }).await
    }

    /// One customer; none if there is none of this number.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Customer>, Stopped> {
        self.agent.ask(|answer| Command::Customer { id, answer }).await
    }

    /// Tells the connections that the network changed, so that they take new sockets at once.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn network_changed(&self) -> Result<(), Stopped> {
        self.agent.network_changed().await
    }

    /// Closes connections and state. Messages that are queued go out after the next opening.
    ///
    /// # Errors
    ///
    /// [`Stopped::State`] if the state had failed.
    pub async fn close(self) -> Result<(), Stopped> {
        self.agent.close().await
    }

    fn shown(&self) -> MutexGuard<'_, Option<EventId>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
