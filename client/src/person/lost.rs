//! A session the business cannot have: another handshake, and the same content again.
//!
//! A first message that waits longer than the business keeps its prekeys does not open, and
//! everything after it is of a session the business never had. SPEC.md §8.7 lets the person begin
//! another with the same identity key and mailbox, so that the business finds the same customer.
//! Once the business was heard on a session it had it: then the application decides.

use plico_endpoint::session::SESSION_BYTES_MAX;
use plico_protocol::time::Hour;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::core::{PersonCore, put_record};
use super::record::{Standing, Started};
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::Stage;
use crate::state::{Name, Rows, StateError, Table};

/// A session that another replaced. It still receives: the business may have answered on it.
pub(super) struct Replaced {
    pub(super) at: Hour,
    pub(super) session: bytes::Bytes,
}

impl PersonCore {
    /// Begins another session where the business has never been heard on this one, at most once a
    /// day; whether it did. What was sealed for the old one goes out again under its content id,
    /// and the business drops what it knows.
    pub(super) fn begin_again(&mut self, peer: u64) -> Result<bool, StateError> {
        let now = self.now();
        let Some(session) = self.session(peer)? else { return Ok(false) };
        let replaced = self.state.read(|rows| Replaced::of(rows, peer))?;
        let recent =
            replaced.is_some_and(|replaced| now.hour() < replaced.at.plus(BEGIN_AGAIN_HOURS));
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(false) };
        let running =
            talk.record.standing == Standing::Active && talk.record.started == Started::Yes;
        if recent || session.has_received() || !running {
            return Ok(false);
        }
        talk.record.started = Started::No;
        talk.bundle = None;
        let (record, numbers) = (&talk.record, self.outbox.under_way(peer));
        let again = self.state.write::<_, StateError>(|rows| {
            let session = bytes::Bytes::from_owner(session.to_bytes());
            Replaced { at: now.hour(), session }.put(rows, peer)?;
            rows.delete(Table::Session, Name::Number(peer))?;
            put_record(rows, peer, record)?;
            let mut again = Vec::new();
            for number in numbers {
                let Some(mut outgoing) = Outbox::get(rows, number)? else { continue };
                outgoing.stage = Stage::Waiting;
                Outbox::put(rows, number, &outgoing)?;
                again.push((number, outgoing));
            }
            Ok(again)
        })?;
        for (number, outgoing) in &again {
            self.outbox.note(*number, outgoing, now);
        }
        Ok(true)
    }
}

impl Replaced {
    pub(super) fn of(rows: &Rows<'_>, peer: u64) -> Result<Option<Self>, StateError> {
        rows.get(Table::Session, Name::Hidden(&peer.to_be_bytes()))
    }

    pub(super) fn put(&self, rows: &Rows<'_>, peer: u64) -> Result<(), StateError> {
        rows.put(Table::Session, Name::Hidden(&peer.to_be_bytes()), self)
    }
}

/// Deletes every session of a conversation.
pub(super) fn forget_sessions(rows: &Rows<'_>, peer: u64) -> Result<(), StateError> {
    rows.delete(Table::Session, Name::Number(peer))?;
    rows.delete(Table::Session, Name::Hidden(&peer.to_be_bytes()))
}

impl Wire for Replaced {
    fn write(&self, out: &mut Writer) {
        let Self { at, session } = self;
        at.write(out);
        out.sized(session);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let at = Wire::read(reader)?;
        Ok(Self { at, session: reader.sized("session", SESSION_BYTES_MAX)? })
    }
}

/// A business whose prekeys never open must not have its one-time keys used up.
const BEGIN_AGAIN_HOURS: u32 = 24;
