//! Telling delivery that something changed.

use plico_protocol::frame::EndReason;
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::ticket::TicketKeys;
use plico_protocol::time::Day;

/// What a commit changed for a subscriber. A hint: it may come twice, or for nothing, and whoever
/// gets it looks in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An envelope may wait in a mailbox or inbox.
    Arrived {
        /// Which.
        address: Address,
    },
    /// A mailbox was closed, or an inbox's certificate revoked: its channel ends.
    Ended {
        /// Which.
        address: Address,
        /// Why.
        reason: EndReason,
    },
    /// An account's one-time prekeys run low.
    PrekeysLow {
        /// Whose.
        account: AccountKey,
        /// How many are left.
        one_time: u32,
    },
    /// An account's subscription is unpaid.
    Unpaid {
        /// Whose.
        account: AccountKey,
        /// The first day on which nothing is taken from it any more.
        stops: Day,
    },
    /// Tickets of other keys than these ended, in every mailbox.
    TicketsEnded(TicketKeys),
}

/// Wakes subscribers, wherever they are: in this process today, on another node tomorrow. Called
/// by the writer after the commit and before the answers; must not block.
pub trait Wake: Send + Sync {
    /// Passes an event on.
    fn wake(&self, event: Event);
}

/// Wakes nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWake;

impl Wake for NoWake {
    fn wake(&self, _event: Event) {}
}
