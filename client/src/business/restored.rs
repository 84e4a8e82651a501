//! Going on from a backup: what the lost hours held is unknown, and no key may be used twice.
//!
//! A restore prepares the copy before it is a state, in one transaction: prekeys go (people may
//! have used them, and a handshake must not be accepted twice), every sending chain passes over the
//! numbers that were used, and customers in a window are told by a message of its own. Everyone
//! else is told by the first message of a session, and by the profile. Devices then repeat what
//! they sent (SPEC.md §8.8).

use plico_endpoint::content::{Body, Marks};
use plico_endpoint::session::BusinessSession;
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::profile::Restored;
use plico_protocol::ticket::Category;
use plico_protocol::time::{Hour, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::core::BusinessCore;
use super::record::{CustomerRecord, SessionRecord};
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{Outgoing, Stage};
use crate::message::Message;
use crate::random;
use crate::state::{Name, Rows, StateError, Table};

/// The backup a state was restored from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    pub(super) restored: Restored,
    /// The relay still hands out one-time prekeys that were lost.
    pub(super) void_due: bool,
}

/// Prepares the copy of a state to go on from.
pub(super) fn prepare(rows: &Rows<'_>, now: Timestamp) -> Result<(), StateError> {
    let written = rows.get::<Hour>(Table::Written, Name::ONLY)?;
    // A business that never ran has nothing to lose, and says so with the first hour of all.
    let hour = written.unwrap_or(Hour(0)).min(now.hour());
    let restored = Restored { hour, at: now };
    Restore { restored, void_due: true }.put(rows)?;
    rows.clear(Table::SignedPrekey)?;
    rows.clear(Table::OneTimePrekey)?;
    rows.change_each(Table::Session, pass_over)?;
    tell_customers(rows, now)
}

/// Passes over the numbers the lost state may have used. A random part keeps two restores of one
/// backup apart for the devices that heard the first; keys differ in any case, by the header's
/// nonce. A session that cannot send stays as it is.
fn pass_over(record: &mut SessionRecord) {
    record.told = false;
    let Ok(mut session) = BusinessSession::from_bytes(&record.bytes) else { return };
    let numbers = NUMBERS_PASSED + u32::from(u8::from_be_bytes(random::bytes()));
    if session.skip_sending(numbers, &mut random::system()).is_ok() {
        record.bytes = bytes::Bytes::from_owner(session.to_bytes());
    }
}

/// Queues a message without words for each customer who may be written to free of charge now. It
/// carries what every first message of a session carries.
fn tell_customers(rows: &Rows<'_>, now: Timestamp) -> Result<(), StateError> {
    let mut not_before = now;
    for (peer, customer) in rows.ordered::<CustomerRecord>(Table::Customer)? {
        if !customer.is_in_window(now.minute()) {
            continue;
        }
        let Some(message) = telling(peer, now, not_before) else { continue };
        Outbox::add(rows, &message)?;
        not_before = Timestamp(not_before.0.saturating_add(PACE_MS));
    }
    Ok(())
}

/// A message without words, for what the first message of a session says.
fn telling(peer: u64, now: Timestamp, not_before: Timestamp) -> Option<Outgoing> {
    let content = Message::from(Body::Marks(Marks::default())).into_content(now);
    Some(Outgoing {
        peer,
        id: content.id,
        not_before,
        kind: Category::Service.byte(),
        content: content.encode().ok()?.into(),
        place: None,
        quiet: true,
        session: None,
        price_max: None,
        stage: Stage::Waiting,
    })
}

impl BusinessCore {
    /// Tells a customer who began a session, because nothing opened on the one before, or because
    /// the backup knows of none, at once.
    pub(super) fn tell_customer(&mut self, peer: u64) -> Result<(), StateError> {
        let now = self.now();
        match self.to_tell(now).and_then(|_| telling(peer, now, now)) {
            Some(message) => self.outbox.push(&mut self.state, &message, now).map(drop),
            None => Ok(()),
        }
    }

    /// What the profile should tell of a restore and does not yet: customers whose conversations
    /// the backup knows nothing of cannot be written to, and read it there. Not before the relay
    /// hands out the new prekeys, for devices then begin new sessions.
    pub(super) fn untold(&self) -> Option<Restored> {
        let restored = self.to_tell(self.now())?;
        let void_due = self.restore.is_some_and(|restore| restore.void_due);
        (!void_due && self.profile.restored() != Some(restored)).then_some(restored)
    }

    /// Notes that this business runs in this hour, which a backup then bears: whatever it received
    /// later, the backup does not hold.
    pub(super) fn note_hour(&mut self, now: Hour) -> Result<(), StateError> {
        if self.written == Some(now) {
            return Ok(());
        }
        self.written = Some(now);
        self.state.write(|rows| rows.put(Table::Written, Name::ONLY, &now))
    }

    /// What the profile and the first message of a session say, for as long as a device may hold what was lost.
    pub(super) fn to_tell(&self, now: Timestamp) -> Option<Restored> {
        let restored = self.restore?.restored;
        (now.hour() < restored.at.hour().plus(RETENTION_HOURS)).then_some(restored)
    }
}

impl Restore {
    pub(super) fn of(rows: &Rows<'_>) -> Result<Option<Self>, StateError> {
        rows.get(Table::Restored, Name::ONLY)
    }

    pub(super) fn put(&self, rows: &Rows<'_>) -> Result<(), StateError> {
        rows.put(Table::Restored, Name::ONLY, self)
    }
}

impl Wire for Restore {
    fn write(&self, out: &mut Writer) {
        let Self { restored, void_due } = self;
        restored.write(out);
        out.u8(u8::from(*void_due));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { restored: Wire::read(reader)?, void_due: reader.flag("void_due")? })
    }
}

/// SPEC.md §8.2.
const NUMBERS_PASSED: u32 = 500;
/// Between two customers' messages: 50 in a second leave room for answers.
const PACE_MS: u64 = 20;

#[cfg(test)]
mod tests;
