//! Events for the application: stored with what caused them, handed out oldest first, deleted when
//! the application says that it handled them.
//!
//! At least once: an event that was handed out and not handled comes again after a restart, under
//! the same id.

use std::collections::VecDeque;

use bytes::Bytes;
use plico_endpoint::id::ContentId;
use plico_protocol::ledger::{Amount, EntryReason};
use plico_protocol::report::Reported;
use plico_protocol::ticket::Category;
use plico_protocol::time::{Hour, Minute, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use tokio::sync::oneshot;

use super::outgoing::MessageState;
use crate::probe::Point;
use crate::state::{Name, Rows, State, StateError, Table};

/// Names an event for good; rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// An event as it is stored. `peer` is a conversation or a customer.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) peer: u64,
    pub(crate) at: Timestamp,
    pub(crate) news: News,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// Content came, as its sender encoded it; `category` as the relay saw it.
    Message { content: Bytes, category: Option<Category> },
    /// A customer's first message.
    First { content: Bytes },
    /// A message that was sent is in another state.
    State { id: ContentId, state: MessageState },
    /// The window ends at this minute.
    Window { until: Minute },
    /// What a person's report did; none if the relay did not take it.
    Reported { id: ContentId, reported: Option<Reported> },
    /// A message's charge was settled or released, as the reason says.
    Charge { id: ContentId, reason: EntryReason, amount: Amount },
    /// The business has another account key; the person must agree.
    KeyChanged,
    /// Messages no longer open; they come again once another session is begun, not before this.
    SessionLost { until: Timestamp },
    /// The business was restored from a backup of this hour, and so many messages go out again.
    Restored { since: Hour, repeated: u32 },
    /// Something the application should show; the number is the owner's.
    Trouble { code: u16, text: String },
}

/// Waiting applications and what they have not handled.
#[derive(Debug)]
pub(crate) struct Journal<E> {
    waiting: Option<oneshot::Sender<E>>,
    /// Events that are not stored: only the newest of each kind means anything.
    passing: VecDeque<E>,
}

/// Adds an event to the transaction of what caused it.
pub(crate) fn push(rows: &Rows<'_>, event: &Stored) -> Result<(), StateError> {
    let number = rows.next_number(Table::Event)?;
    rows.put(Table::Event, Name::Number(number), event)
}

/// Forgets an event the application handled.
pub(crate) fn handled(state: &mut State, id: EventId) -> Result<(), StateError> {
    state.write(|rows| forget(rows, id))?;
    state.reached(Point::AfterHandled);
    Ok(())
}

/// The same within a transaction; whether the event was still there.
pub(crate) fn forget(rows: &Rows<'_>, id: EventId) -> Result<bool, StateError> {
    let waits = rows.has(Table::Event, Name::Number(id.0))?;
    rows.delete(Table::Event, Name::Number(id.0))?;
    Ok(waits)
}

impl<E> Default for Journal<E> {
    fn default() -> Self {
        Self { waiting: None, passing: VecDeque::new() }
    }
}

impl<E> Journal<E> {
    /// Lets an application wait. It asks for one event at a time.
    pub(crate) fn wait(&mut self, answer: oneshot::Sender<E>) {
        self.waiting = Some(answer);
    }

    /// Adds an event that means nothing after a restart.
    pub(crate) fn pass(&mut self, event: E) {
        if PASSING_MAX <= self.passing.len() {
            self.passing.pop_front();
        }
        self.passing.push_back(event);
    }

    /// Whether an application waits.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.is_closed())
    }

    /// Hands out the oldest stored event, or one that passes; `show` makes it the application's,
    /// unless it is of a peer that is gone.
    pub(crate) fn hand_out(
        &mut self,
        state: &mut State,
        show: impl Fn(EventId, Stored) -> Option<E>,
    ) -> Result<(), StateError> {
        while self.is_waited_for() {
            let event = match state.read(|rows| rows.first::<Stored>(Table::Event))? {
                None => match self.passing.pop_front() {
                    Some(event) => event,
                    None => break,
                },
                Some((number, stored)) => match show(EventId(number), stored) {
                    Some(event) => event,
                    None => {
                        handled(state, EventId(number))?;
                        continue;
                    }
                },
            };
            if let Some(waiting) = self.waiting.take() {
                // If it stopped waiting just now, it asks again and gets the same event.
                let _ = waiting.send(event);
                state.reached(Point::AfterShow);
            }
        }
        Ok(())
    }
}

impl Wire for Stored {
    fn write(&self, out: &mut Writer) {
        let Self { peer, at, news } = self;
        out.u64(*peer);
        out.u64(at.0);
        match news {
            News::Message { content, category } => {
                out.u8(1);
                out.sized(content);
                out.optional(category.as_ref());
            }
            News::First { content } => {
                out.u8(7);
                out.sized(content);
            }
            News::State { id, state } => {
                out.u8(2);
                id.write(out);
                state.write(out);
            }
            News::Window { until } => {
                out.u8(3);
                until.write(out);
            }
            News::Reported { id, reported } => {
                out.u8(9);
                id.write(out);
                out.optional(reported.as_ref());
            }
            News::Charge { id, reason, amount } => {
                out.u8(10);
                id.write(out);
                reason.write(out);
                amount.write(out);
            }
            News::KeyChanged => out.u8(4),
            News::SessionLost { until } => {
                out.u8(5);
                out.u64(until.0);
            }
            News::Restored { since, repeated } => {
                out.u8(8);
                since.write(out);
                out.u32(*repeated);
            }
            News::Trouble { code, text } => {
                out.u8(6);
                out.u16(*code);
                out.sized(text.as_bytes());
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (peer, at) = (reader.u64()?, Timestamp(reader.u64()?));
        let news = match reader.u8()? {
            1 => News::Message {
                content: reader.sized("content", CONTENT_BYTES_MAX)?,
                category: reader.optional("has_category")?,
            },
            2 => News::State { id: Wire::read(reader)?, state: Wire::read(reader)? },
            3 => News::Window { until: Wire::read(reader)? },
            9 => News::Reported {
                id: Wire::read(reader)?,
                reported: reader.optional("has_reported")?,
            },
            10 => News::Charge {
                id: Wire::read(reader)?,
                reason: Wire::read(reader)?,
                amount: Wire::read(reader)?,
            },
            4 => News::KeyChanged,
            5 => News::SessionLost { until: Timestamp(reader.u64()?) },
            6 => News::Trouble { code: reader.u16()?, text: reader.text("text", TEXT_BYTES_MAX)? },
            8 => News::Restored { since: Wire::read(reader)?, repeated: reader.u32()? },
            7 => News::First { content: reader.sized("content", CONTENT_BYTES_MAX)? },
            _ => return Err(DecodeError::BadValue { field: "news" }),
        };
        Ok(Self { peer, at, news })
    }
}

/// Content always fits the largest envelope.
pub(crate) const CONTENT_BYTES_MAX: usize = 64 * 1024;
const TEXT_BYTES_MAX: usize = 4096;
const PASSING_MAX: usize = 16;
