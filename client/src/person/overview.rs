//! How a conversation stands with its relay, and forgetting one for good.

use plico_protocol::link::RelayLink;

use super::Conversation;
use super::core::{Command, PersonCore};
use super::event::ConnectionState;
use super::record::{Standing, Wish};
use crate::agent::Stopped;
use crate::agent::history;
use crate::connection::ConnectError;
use crate::state::{Name, StateError, Table};

/// How a conversation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The relay, as the conversation's link has it.
    pub relay: RelayLink,
    /// The business's name in its link.
    pub handle: String,
    /// Whether a mailbox is open at the relay, so that the business may be able to write.
    pub is_open: bool,
    /// Whether the person said goodbye.
    pub has_ended: bool,
    /// Whether the business has another key than the one trusted, and the person decides.
    pub is_key_changed: bool,
    /// Messages that the relay has not accepted, marks aside.
    pub unsent: usize,
    /// Changes of consent, reports and goodbyes that the relay has not confirmed.
    pub unconfirmed: usize,
    /// How its relay can be reached; none while this device has nothing to ask of it, and
    /// [`ConnectError::Unreachable`] while the first attempt lasts.
    pub connection: Option<ConnectionState>,
}

impl Overview {
    /// Why the relay is not reached, though this device has something to ask of it.
    pub fn unreached(&self) -> Option<&ConnectError> {
        match &self.connection {
            Some(ConnectionState::Down(error)) => Some(error),
            Some(ConnectionState::Up) | None => None,
        }
    }
}

impl Conversation {
    /// How the conversation stands with its relay.
    ///
    /// # Errors
    ///
    /// [`Stopped`]; also if it was forgotten.
    pub async fn overview(&self) -> Result<Overview, Stopped> {
        let peer = self.id().0;
        let overview = self.agent.ask(|answer| Command::Overview { peer, answer }).await?;
        overview.ok_or(Stopped::Closed)
    }

    /// Forgets the conversation: its keys, what was said, what waits to be sent. The relay is not
    /// told: a mailbox that is open stays until it expires, so say goodbye before, where the relay
    /// can be reached.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn forget(self) -> Result<(), Stopped> {
        let peer = self.id().0;
        self.agent.ask(|answer| Command::Forget { peer, answer }).await
    }
}

impl PersonCore {
    pub(super) fn overview(&self, peer: u64) -> Option<Overview> {
        let talk = self.talks.get(&peer)?;
        let record = &talk.record;
        let relay = self.relays.iter().find(|relay| relay.link == record.link.relay);
        let used = relay.filter(|relay| relay.person.is_some() || relay.anonymous.is_some());
        let first = ConnectionState::Down(ConnectError::Unreachable);
        let connection = used.map(|relay| relay.told.clone().unwrap_or(first));
        let by_itself = |wish: &&Wish| matches!(wish, Wish::Renew | Wish::RenewNotifications);
        let wishes = &record.wishes;
        Some(Overview {
            relay: record.link.relay.clone(),
            handle: record.link.handle.to_string(),
            is_open: record.opened,
            has_ended: record.standing == Standing::Left,
            is_key_changed: record.standing == Standing::KeyChanged,
            unsent: self.outbox.unaccepted(peer).filter(|n| talk.marks != Some(*n)).count(),
            unconfirmed: wishes.len() - wishes.iter().filter(by_itself).count(),
            connection,
        })
    }

    pub(super) fn forget(&mut self, peer: u64) -> Result<(), StateError> {
        // What still comes of it finds no conversation, and events of it are passed over.
        self.talks.remove(&peer);
        let unsent = self.outbox.forget(peer);
        self.state.write(|rows| {
            for number in unsent {
                rows.delete(Table::Outgoing, Name::Number(number))?;
            }
            super::lost::forget_sessions(rows, peer)?;
            super::consent::forget_tickets(rows, peer)?;
            history::forget_all(rows, peer)?;
            rows.delete(Table::Profile, Name::Number(peer))?;
            rows.delete(Table::Conversation, Name::Number(peer))
        })
    }
}
