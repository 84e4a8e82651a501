//! A block holds, whatever waits to be sent, until its person writes or allows something.
//!
//! What was written before it opens no window. The first message of a session cannot go without a
//! ticket (SPEC.md §8.7): its ticket is revoked before the message leaves, and is not kept here, so
//! that no business is fast enough to use it.

use plico_endpoint::content::{Body, Content};
use plico_protocol::id::TicketOpening;
use plico_protocol::ticket::Ticket;

use super::record::{Record, Started, Wish};
use super::sending::COMPOSED;
use crate::agent::outgoing::Outgoing;

impl Record {
    /// Whether content goes out with a ticket made for it: what a human composed, and the first of a
    /// session.
    pub(super) fn needs_ticket(&self, outgoing: &Outgoing, content: &Content) -> bool {
        let opens = outgoing.kind == COMPOSED && !self.blocked;
        content.reply.is_none() && (opens || self.started == Started::No)
    }

    /// Notes that a message goes out with a ticket; whether the business may use it.
    pub(super) fn give(&mut self, ticket: (Ticket, TicketOpening)) -> bool {
        if self.blocked {
            // No other change is under way while a message is sealed.
            self.wishes.insert(0, Wish::Revoke);
        } else {
            self.reply = Some(ticket);
        }
        !self.blocked
    }

    /// Whether what is sealed waits until the relay has revoked every ticket.
    pub(super) fn is_revoking(&self) -> bool {
        self.wishes.contains(&Wish::Revoke)
    }

    /// Whether content is a ticket that was taken back, with no other in its place.
    pub(super) fn has_taken_back(&self, content: &Content) -> bool {
        content.body == Body::Renewal && self.reply.is_none()
    }
}
