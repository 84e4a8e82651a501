//! What must not be found, each with the facts that show it.

use std::fmt;

use plico_client::{ContentId, EventId, MessageState};
use plico_protocol::id::{AccountKey, Address, SubmitId, TicketId};
use plico_protocol::ledger::{Disagreement, EntryReason, EntrySequence};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::Epoch;

use crate::simulation::checker::relay::Fate;
use crate::simulation::history::{End, Peer, Words};

/// A broken promise, and the entry that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) place: usize,
    pub(crate) violation: Violation,
}

/// What a rule finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    // The relay, from one ruling to the next.
    /// Another submission was accepted under an id that is taken.
    SubmitIdTwice { submit: SubmitId },
    /// One that should have been refused as too old was accepted.
    AcceptedStale { submit: SubmitId },
    /// A submission was accepted under a ticket that this mailbox never minted.
    UnknownTicket { submit: SubmitId, ticket: TicketId },
    /// A submission was accepted though its ticket was revoked, replaced or closed with its mailbox.
    DeadTicket { submit: SubmitId, ticket: TicketId },
    /// A submission was accepted under a ticket whose time is over.
    TicketOver { submit: SubmitId, ticket: TicketId },
    /// More messages were accepted since the last mint than a ticket allows, or outside a window
    /// than are ever allowed.
    TicketOverdrawn { submit: SubmitId, used: u32, messages_max: u16, unanswered: u32 },
    /// A mint stands in another epoch than the mailbox, or a change of terms in one that was.
    WrongEpoch { mailbox: Address, epoch: Epoch },
    /// A request for a mailbox that is not open was granted.
    NoMailbox { mailbox: Address },
    /// A submission was refused for a reason that does not hold.
    RefusedUnduly { submit: SubmitId, code: Code },
    /// What was acknowledged is more than what was accepted: something was stored twice, or sent by
    /// nobody.
    AcknowledgedBeyond { queue: Address, up_to: u64, last: u64 },
    /// What was acknowledged was delivered again.
    Redelivered { queue: Address, up_to: u64, acknowledged: u64 },

    // What businesses are charged.
    /// A message is not charged what it costs, or is charged for what is free.
    WronglyCharged { submit: SubmitId },
    /// Two lines reserve the price of one message.
    ChargedTwice { submit: SubmitId },
    /// More was reserved than the account had.
    LimitPassed { place: EntrySequence },
    /// A line is not the next of its ledger.
    OutOfPlace { place: EntrySequence },
    /// A line ends no price that was reserved, or one whose envelope has not ended.
    EndsNothing { place: EntrySequence },
    /// A price ended again.
    EndedTwice { submit: SubmitId },
    /// A price ended otherwise than its envelope.
    WronglyEnded { submit: SubmitId, reason: EntryReason, fate: Fate },
    /// A message was handed to its device, and released as never offered.
    ReadForFree { submit: SubmitId },
    /// A line is not dated by the day in which its envelope ended, or entered before that is over.
    WronglyDated { place: EntrySequence },
    /// A price was neither settled nor released in the day after its envelope ended.
    NotEnded { submit: SubmitId },
    /// A receipt is of other books than were written.
    NotInTree { submit: SubmitId },
    /// A ledger does not agree with all the receipts there were.
    Disputed(Disagreement),
    /// A business reads another ledger than was written.
    ReadOtherwise { account: AccountKey },

    // What senders are told.
    /// It was told that the relay has a message, and the relay has none of it.
    FalselyAccepted { end: End, id: ContentId },
    /// A state was told that the relay cannot have given.
    FalselyTold { end: End, id: ContentId, state: MessageState },
    /// Another state was told after a final one.
    ToldAfterTheEnd { end: End, id: ContentId, first: MessageState, then: MessageState },

    // What recipients are shown.
    /// Nobody said it, or not to this end.
    NobodySaid { end: End, words: Words },
    /// It came under another id than it was stored under.
    OtherId { end: End, words: Words },
    /// It was shown again, under another event.
    ShownTwice { end: End, words: Words },
    /// It was shown after what was said later in this conversation.
    OutOfOrder { end: End, words: Words, after: Words },
    /// One customer's words were shown as another's.
    Mixed { end: End, words: Words, from: Peer },

    // Events.
    /// An event was shown that had been handled.
    HandledAndShown { end: End, event: EventId },
    /// An event was shown with other news than before.
    EventChanged { end: End, event: EventId },
    /// An event was shown after a later one was handled.
    EventLate { end: End, event: EventId },
    /// An event was shown that was not handled, and then never again.
    EventLost { end: End, event: EventId },
    /// Answers to an event were sent, and the event was shown again.
    AnsweredAndShown { end: End, event: EventId, words: Words },

    // The end.
    /// The recipient acknowledged it as read and never showed it.
    AcknowledgedNotShown { id: ContentId, words: Words },
    /// It waits at the relay, though its recipient had all the time there is.
    NotFetched { id: ContentId, words: Words },
    /// Its recipient could not open it, and nothing had happened to their session.
    UndulyUnreadable { id: ContentId, words: Words },
    /// It was stored to be sent, and neither sent nor given up.
    NotSent { id: ContentId, words: Words },
    /// Its sender never heard what became of it in the end.
    NeverTold { id: ContentId, words: Words },
    /// A change of consent was stored and never carried out.
    WishForgotten { person: u8, mailbox: Address },
    /// What was written before a block gave the business a ticket that it could use.
    BlockUndone { person: u8, mailbox: Address },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at entry {}: {:?}", self.place, self.violation)
    }
}
