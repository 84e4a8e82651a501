//! What a conversation said: sent and received, in order, until it is 30 days old or a thousand
//! messages came after it.
//!
//! A message enters in the transaction that queues it or that stores its event, so a device that
//! was killed shows it once. Besides being shown it is what a device repeats to a business that was
//! restored from a backup.

use bytes::Bytes;
use plico_endpoint::content::{Body, Content};
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::ticket::Category;
use plico_protocol::time::{Hour, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::journal::CONTENT_BYTES_MAX;
use super::outgoing::MessageState;
use crate::state::{Name, Rows, StateError, Table};

/// A message as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// When it was queued or received, by this device's clock.
    pub(crate) at: Timestamp,
    pub(crate) content: Bytes,
    pub(crate) direction: Direction,
    /// When the relay said, last, that a message which was sent was delivered: not before it was.
    pub(crate) delivered: Option<Hour>,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This person wrote it.
    Sent {
        /// What became of it.
        state: MessageState,
    },
    /// The business wrote it.
    Received {
        /// What the business declared it to be, as the relay saw it.
        category: Option<Category>,
    },
}

/// Adds a message to a conversation and gives its place there, which rises. The oldest gives way
/// where there are too many.
pub(crate) fn keep(rows: &Rows<'_>, peer: u64, kept: &Kept) -> Result<u64, StateError> {
    let place = rows.next_number_within(Table::History, peer)?;
    rows.put(Table::History, Name::Within(peer, place), kept)?;
    if let Some(oldest) = place.checked_sub(MESSAGES_MAX) {
        rows.delete(Table::History, Name::Within(peer, oldest))?;
    }
    Ok(place)
}

/// Notes what became of a message that was sent; one that was forgotten meanwhile stays so.
pub(crate) fn became(
    rows: &Rows<'_>,
    peer: u64,
    place: u64,
    state: MessageState,
) -> Result<(), StateError> {
    let name = Name::Within(peer, place);
    let Some(kept) = rows.get::<Kept>(Table::History, name)? else { return Ok(()) };
    let direction = Direction::Sent { state };
    rows.put(Table::History, name, &Kept { direction, ..kept })
}

/// Notes that a message was delivered, for the first time or again.
pub(crate) fn delivered(
    rows: &Rows<'_>,
    peer: u64,
    place: u64,
    now: Hour,
) -> Result<(), StateError> {
    let name = Name::Within(peer, place);
    let Some(kept) = rows.get::<Kept>(Table::History, name)? else { return Ok(()) };
    rows.put(Table::History, name, &Kept { delivered: Some(now), ..kept })
}

/// The newest messages before a place, oldest first; at most [`PAGE_MAX`].
pub(crate) fn page(
    rows: &Rows<'_>,
    peer: u64,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<(u64, Kept)>, StateError> {
    let most = u32::try_from(most.min(PAGE_MAX)).unwrap_or(u32::MAX);
    rows.last_within(Table::History, peer, before.unwrap_or(u64::MAX), most)
}

/// Deletes what is too old, and what its sender wanted forgotten by now.
pub(crate) fn forget(rows: &Rows<'_>, peer: u64, now: Timestamp) -> Result<(), StateError> {
    forget_where(rows, peer, |kept| !kept.holds(now))
}

/// Deletes everything of a conversation.
pub(crate) fn forget_all(rows: &Rows<'_>, peer: u64) -> Result<(), StateError> {
    forget_where(rows, peer, |_| true)
}

fn forget_where(
    rows: &Rows<'_>,
    peer: u64,
    gone: impl Fn(&Kept) -> bool,
) -> Result<(), StateError> {
    let mut before = u64::MAX;
    loop {
        let page = page(rows, peer, Some(before), PAGE_MAX)?;
        let Some((first, _)) = page.first() else { return Ok(()) };
        before = *first;
        for (place, _) in page.iter().filter(|(_, kept)| gone(kept)) {
            rows.delete(Table::History, Name::Within(peer, *place))?;
        }
    }
}

/// Keeps content as it was sealed, with its ticket, so that repeating it says the same.
pub(crate) fn sealed(
    rows: &Rows<'_>,
    peer: u64,
    place: u64,
    content: Bytes,
) -> Result<(), StateError> {
    let name = Name::Within(peer, place);
    let Some(kept) = rows.get::<Kept>(Table::History, name)? else { return Ok(()) };
    rows.put(Table::History, name, &Kept { content, ..kept })
}

/// Whether a body is kept at all: marks say something of messages and nothing themselves.
pub(crate) fn is_kept(body: &Body) -> bool {
    !matches!(body, Body::Marks(_))
}

/// Whether a body is something one end says to the other, and not a ticket of its device's.
pub(crate) fn is_said(body: &Body) -> bool {
    !matches!(body, Body::Renewal | Body::Marks(_))
}

impl Kept {
    /// Whether it may still be shown: 30 days at most, and for as long as its sender wished.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        if self.at.hour() < oldest(now) {
            return false;
        }
        let lifetime = self.content().and_then(|content| content.expires_after_seconds);
        lifetime.is_none_or(|s| now.0 < self.at.0.saturating_add(u64::from(s) * 1_000))
    }

    /// What it says.
    pub(crate) fn content(&self) -> Option<Content> {
        Content::decode(&self.content).ok()
    }
}

fn oldest(now: Timestamp) -> Hour {
    now.hour().minus(HOURS)
}

impl Wire for Kept {
    fn write(&self, out: &mut Writer) {
        let Self { at, content, direction, delivered } = self;
        out.u64(at.0);
        out.sized(content);
        match direction {
            Direction::Sent { state } => {
                out.u8(1);
                state.write(out);
            }
            Direction::Received { category } => {
                out.u8(2);
                out.optional(category.as_ref());
            }
        }
        out.optional(delivered.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            at: Timestamp(reader.u64()?),
            content: reader.sized("content", CONTENT_BYTES_MAX)?,
            direction: match reader.u8()? {
                1 => Direction::Sent { state: Wire::read(reader)? },
                2 => Direction::Received { category: reader.optional("has_category")? },
                _ => return Err(DecodeError::BadValue { field: "direction" }),
            },
            delivered: reader.optional("has_delivered")?,
        })
    }
}

/// Hours a message is kept: as long as an envelope waits, so that what a relay may still bring has
/// its conversation around it.
const HOURS: u32 = RETENTION_HOURS;
/// Messages kept of one conversation: 64 MiB at the very most, 300 KiB as people write.
const MESSAGES_MAX: u64 = 1_000;
/// Messages given at a time: 16 MiB at the very most.
pub(crate) const PAGE_MAX: usize = 256;

#[cfg(test)]
mod tests;
