//! What a person allows a business: seen, widened, narrowed, taken back; and reports.

use plico_endpoint::id::ContentId;
use plico_protocol::ticket::{Categories, Category, Ticket};
use plico_protocol::time::Minute;

use super::core::Command;
use super::record::{ConsentTerms, Record, Wish};
use super::report::Evidence;
use super::{Conversation, SendError};
use crate::agent::Stopped;

/// What a business may send, as this device last told it. Only the relay knows how much of it is used
/// up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// What the tickets of later messages will state.
    pub terms: ConsentTerms,
    /// What goes with this person's messages: answers, and at most five more messages after the window.
    pub answers: Option<Grant>,
    /// Notifications, asked or not.
    pub notifications: Option<Grant>,
}

/// What one ticket states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be sent.
    pub categories: Categories,
    /// How many messages, whichever ticket they use.
    pub messages_max: u16,
    /// The first minute in which nothing may be sent any more.
    pub until: Minute,
    /// The end of the window, past or to come; none for notifications.
    pub free_until: Option<Minute>,
}

impl Conversation {
    /// What the business may send.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn allowed(&self) -> Result<Allowed, Stopped> {
        let peer = self.id().0;
        let allowed = self.agent.ask(|answer| Command::Allowed { peer, answer }).await?;
        allowed.ok_or(Stopped::Closed)
    }

    /// Allows this and nothing else: answers on these terms from now on, and notifications, asked or
    /// not. What was allowed before ends. Before the first message there is nobody to tell: then the
    /// terms are those of the answers alone.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn allow(&self, terms: ConsentTerms) -> Result<(), SendError> {
        self.wish(vec![Wish::Change(terms), Wish::Standing(terms)]).await
    }

    /// Allows answers and no notifications: the terms stay, with service as the only category.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn mute(&self) -> Result<(), SendError> {
        let terms = self.allowed().await?.terms;
        let service = Categories::of(&[Category::Service]);
        let categories = service.unwrap_or(terms.categories);
        self.change_terms(ConsentTerms { categories, ..terms }).await
    }

    /// Ends everything the business may send, and deletes what it sent and this device did not
    /// fetch. Nothing of it is shown from now on, whenever the relay hears of it. What waits to be sent
    /// goes out with no ticket that holds. Writing again gives the business a new one.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn block(&self) -> Result<(), SendError> {
        self.wish(vec![Wish::Revoke]).await
    }

    /// The same because of this message: reports it with what it said, then blocks.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn block_as_spam(&self, id: ContentId) -> Result<(), SendError> {
        let evidence = Evidence::Content;
        self.wish(vec![Wish::Report { id, evidence }, Wish::Revoke]).await
    }

    /// Reports a message of the business to the relay's operator.
    /// [`Event::Reported`](super::Event::Reported) tells what became of it.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn report(&self, id: ContentId, evidence: Evidence) -> Result<(), SendError> {
        self.wish(vec![Wish::Report { id, evidence }]).await
    }

    /// Replaces the terms of what the business may send, now and in later messages. A window that
    /// runs goes on, and none is opened. Notifications that were allowed end.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn change_terms(&self, terms: ConsentTerms) -> Result<(), SendError> {
        self.wish(vec![Wish::Change(terms)]).await
    }

    /// Allows notifications beside the conversation: a standing consent, which opens no window.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn allow_notifications(&self, terms: ConsentTerms) -> Result<(), SendError> {
        self.wish(vec![Wish::Standing(terms)]).await
    }

    pub(super) async fn wish(&self, wishes: Vec<Wish>) -> Result<(), SendError> {
        let peer = self.id().0;
        self.agent.ask(|answer| Command::Wish { peer, wishes, answer }).await?
    }
}

impl Allowed {
    pub(super) fn of(record: &Record) -> Self {
        // Without a ticket of a message's own, a greeting carries that of the notifications.
        let answers = record.reply.as_ref().map(|(ticket, _)| ticket);
        let answers = answers.filter(|ticket| Some(**ticket) != record.notifications);
        Self {
            terms: record.terms,
            answers: answers.and_then(Grant::of),
            notifications: record.notifications.as_ref().and_then(Grant::of),
        }
    }
}

impl Grant {
    fn of(ticket: &Ticket) -> Option<Self> {
        let fields = ticket.fields().ok()?;
        Some(Self {
            categories: fields.categories,
            messages_max: fields.messages_max,
            until: fields.valid_until,
            free_until: fields.free_until,
        })
    }
}
