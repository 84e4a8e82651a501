//! A person's side: conversations with businesses, each under keys of its own.
//!
//! Reading order: [`event`] (what the application hears), [`record`] (what is stored), then the
//! agent's core: [`talk`] (what is in memory), [`core`] (commands, reports, what to do next), [`trust`] (certificates),
//! [`consent`] (mailboxes and tickets), [`renewal`] (tickets a relay ended), [`sending`], [`block`] (what waits when
//! tickets are taken back), [`receiving`], [`history`], [`lost`] (sessions begun again), [`restored`] (messages
//! repeated), [`overview`] (how it stands), [`rest`] (what is due).

mod allowed;
mod block;
mod consent;
mod core;
mod event;
mod history;
mod lost;
mod overview;
mod receiving;
mod record;
mod renewal;
mod report;
mod rest;
mod restored;
mod sending;
mod talk;
mod trust;

pub use allowed::{Allowed, Grant};
pub use event::{ConnectionState, Event, LookUpError, Profile, Received, Trouble};
pub use history::Said;
pub use overview::Overview;
pub use record::ConsentTerms;
pub use report::{Evidence, ReportOutcome};

use std::path::Path;

use plico_endpoint::content::{BadContent, Body};
use plico_endpoint::id::ContentId;
use plico_protocol::limits::LINK_REFERENCE_BYTES_MAX;
use plico_protocol::link::Link;
use plico_protocol::ticket::BadTerms;
use plico_protocol::time::Minute;

use self::core::{Command, PersonCore};
use crate::agent::journal::EventId;
use crate::agent::outgoing::{Delay, MessageState};
use crate::agent::{Handle, Stopped};
use crate::connection::Options;
use crate::message::Message;
use crate::state::{OpenError, Owner, Protection, State};
use record::Wish;

/// Names a conversation on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId(pub u64);

/// A person: the conversations of one state file.
#[derive(Debug)]
pub struct Person {
    agent: Handle<Command>,
    shown: Option<EventId>,
}

/// One conversation with one business.
#[derive(Clone, Debug)]
pub struct Conversation {
    agent: Handle<Command>,
    id: ConversationId,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is longer than allowed, or otherwise no content.
    #[error(transparent)]
    Content(#[from] BadContent),
    /// The terms are none a relay would mint.
    #[error(transparent)]
    Terms(#[from] BadTerms),
    /// The person said goodbye.
    #[error("you said goodbye in this conversation; begin another with the business's link")]
    Ended,
    /// Nothing under this id came through this conversation in the last 30 days.
    #[error("no such message came here in the last 30 days, so it cannot be reported")]
    NotReportable,
    /// More changes of consent are waiting for the relay than are kept.
    #[error("too many changes of consent wait for the relay; try again once it was reached")]
    TooMany,
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Person {
    /// Opens a person's state, or makes one where there is none, and starts its agent on the
    /// current tokio runtime. With a passphrase this takes some tenths of a second.
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
        let open = move || match State::open(&path, &protection, Owner::Person) {
            Err(OpenError::Missing) => State::create(&path, &protection, Owner::Person),
            opened => opened,
        };
        let state = options.aside(open).await?;
        let core = PersonCore::load(state, options.clone())?;
        Ok(Self { agent: Handle::start(core, options), shown: None })
    }

    /// The conversation with the business of a link; the same for the same business. Nothing is
    /// sent yet.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn conversation(&self, link: &Link) -> Result<Conversation, Stopped> {
        let mut link = Box::new(link.clone());
        // Only a link made by hand has one that no content carries; it says nothing then.
        let carried = 1..=LINK_REFERENCE_BYTES_MAX;
        link.reference = link.reference.take().filter(|text| carried.contains(&text.len()));
        let id = self.agent.ask(|answer| Command::Converse { link, answer }).await?;
        Ok(Conversation { agent: self.agent.clone(), id })
    }

    /// Every conversation.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn conversations(&self) -> Result<Vec<Conversation>, Stopped> {
        let ids = self.agent.ask(|answer| Command::Conversations { answer }).await?;
        let conversation = |id| Conversation { agent: self.agent.clone(), id };
        Ok(ids.into_iter().map(conversation).collect())
    }

    /// Waits for the next event, and says that the one before was handled. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn next_event(&mut self) -> Result<Event, Stopped> {
        let handled = self.shown;
        let event = self.agent.ask(|answer| Command::NextEvent { handled, answer }).await?;
        self.shown = event.id();
        Ok(event)
    }

    /// Says that an event was handled, without waiting for the next.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn handled(&mut self, id: EventId) -> Result<(), Stopped> {
        self.shown = self.shown.filter(|shown| *shown != id);
        self.agent.ask(|answer| Command::Handled { id, answer }).await
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
}

impl Conversation {
    /// Names the conversation in events.
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// Who the business is and what it says of itself, looked up if this device did not within the
    /// hour. Where the relay cannot be reached, what was looked up within a day.
    ///
    /// # Errors
    ///
    /// [`LookUpError`]; a wrong pin, authority or key in the link shows here.
    pub async fn business(&self) -> Result<Profile, LookUpError> {
        let peer = self.id.0;
        self.agent.ask(|answer| Command::Business { peer, answer }).await?
    }

    /// Stores a message and sends it as soon as there is a connection. Returns once it is stored;
    /// [`Event::Sent`] tells what became of it. Words and answers open a window.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<ContentId, SendError> {
        let (peer, message) = (self.id.0, Box::new(message.into()));
        self.agent.ask(|answer| Command::Send { peer, message, answer }).await?
    }

    /// Takes a choice of a question.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn answer(&self, question: ContentId, choice: &str) -> Result<ContentId, SendError> {
        self.send(Message::answer(question, choice)).await
    }

    /// Reacts with one emoji; an empty one takes the reaction back.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn react(&self, to: ContentId, emoji: &str) -> Result<ContentId, SendError> {
        self.send(Message::reaction(to, emoji)).await
    }

    /// Tells the business that a human saw a message, 1 to 30 seconds from now together with what
    /// else is seen until then, so that it does not say when. Optional.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn mark_read(&self, id: ContentId) -> Result<(), SendError> {
        let peer = self.id.0;
        self.agent.ask(|answer| Command::MarkRead { peer, id, answer }).await?
    }

    /// Tells the business how the person wishes to be called, now and at the start of every later
    /// session.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn call_me(&self, name: &str) -> Result<ContentId, SendError> {
        self.send(Message::from(Body::ProfileName(name.to_owned()))).await
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

    /// Until when the business may answer free of charge, past or to come; none before the first
    /// message went out, and where the terms allow no service.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn window(&self) -> Result<Option<Minute>, Stopped> {
        let peer = self.id.0;
        self.agent.ask(|answer| Command::Window { peer, answer }).await
    }

    /// What was said: the newest messages before a place, oldest first, at most `most` and never
    /// more than 256. Without a place, the newest of all. A message is in it as soon as `send`
    /// returned or its event is handed out, for 30 days and as long as fewer than a thousand came
    /// after it.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn history(&self, before: Option<u64>, most: usize) -> Result<Vec<Said>, Stopped> {
        let peer = self.id.0;
        self.agent.ask(|answer| Command::History { peer, before, most, answer }).await
    }

    /// Trusts the key that [`Event::KeyChanged`] told of: ends the old tickets and begins a new
    /// session on the same mailbox. Without such an event it does nothing.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn agree_to_new_key(&self) -> Result<(), Stopped> {
        let peer = self.id.0;
        self.agent.ask(|answer| Command::Agree { peer, answer }).await
    }

    /// Says goodbye, then closes the mailbox: the business cannot write any more.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn goodbye(&self) -> Result<(), SendError> {
        self.send(Message::from(Body::Goodbye)).await?;
        self.wish(vec![Wish::Close]).await
    }
}

#[cfg(test)]
mod tests;
