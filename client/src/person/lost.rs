//! A session that one end lost: another handshake, and the same content again.
//!
//! A message that does not open, at either end, says that the two no longer share a session: the
//! business deleted the prekeys a first message needs, or went on from a backup. SPEC.md §8.7 lets
//! the person begin another with the same identity key and mailbox, so that the business finds the
//! same customer.

use plico_endpoint::content::{Body, Reply};
use plico_endpoint::session::SESSION_BYTES_MAX;
use plico_protocol::time::Hour;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::core::{PersonCore, put_record};
use super::record::{Standing, Started};
use super::sending::BY_ITSELF;
use super::talk::Talk;
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{Outgoing, Stage};
use crate::message::Message;
use crate::state::{Name, Rows, StateError, Table};

/// A session that another replaced. It still receives: the business may have answered on it.
pub(super) struct Replaced {
    pub(super) at: Hour,
    pub(super) session: bytes::Bytes,
}

impl PersonCore {
    /// Begins another session where messages did not open, at most once a day, or once an hour if
    /// the last one begun was heard on. What was sealed for the old one goes out again under its
    /// content id, and the business drops what it knows.
    pub(super) fn begin_again(&mut self, peer: u64) -> Result<Begun, StateError> {
        let now = self.now().hour();
        let worked = self.session(peer)?.is_some_and(|session| session.has_received());
        let rest = if worked { AFTER_WORKING_HOURS } else { BEGIN_AGAIN_HOURS };
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(Begun::No) };
        let record = &mut talk.record;
        if record.standing != Standing::Active || record.started != Started::Yes {
            return Ok(Begun::No);
        }
        if record.begun_again.is_some_and(|at| now < at.plus(rest)) {
            return Ok(Begun::NotYet);
        }
        (record.begun_again, record.owes_session) = (Some(now), false);
        self.replace_session(peer, false, |_| Ok(Vec::new()))?;
        Ok(Begun::Yes)
    }

    /// Begins another session because the business's message did not open, and says so with the
    /// ticket it has, where nothing else goes out.
    pub(super) fn greet_again(&mut self, peer: u64) -> Result<Begun, StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get(&peer) else { return Ok(Begun::No) };
        // A person who took every ticket back is not made to give one.
        let Some((ticket, opening)) = talk.record.reply else { return Ok(Begun::No) };
        let address = talk.record.address();
        let begun = self.begin_again(peer)?;
        if begun != Begun::Yes || self.outbox.has_unaccepted(peer) {
            return Ok(begun);
        }
        let mut content = Message::from(Body::Renewal).into_content(now);
        content.reply = Some(Reply { address, ticket, opening });
        let Ok(bytes) = content.encode() else { return Ok(begun) };
        let greeting = Outgoing {
            peer,
            id: content.id,
            not_before: now,
            kind: BY_ITSELF,
            content: bytes.into(),
            place: None,
            quiet: true,
            session: None,
            price_max: None,
            stage: Stage::Waiting,
        };
        self.outbox.push(&mut self.state, &greeting, now)?;
        Ok(begun)
    }

    /// Notes that another session is to be begun as soon as one may be: what did not open comes
    /// again only on that.
    pub(super) fn owe_session(&mut self, peer: u64) -> Result<(), StateError> {
        let next = self.now().hour().plus(1);
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        (talk.record.owes_session, talk.owed_from) = (true, next);
        self.store(peer)
    }

    /// Begins the sessions that are owed; looked after once an hour.
    pub(super) fn begin_owed(&mut self) -> Result<(), StateError> {
        let now = self.now().hour();
        let due = |talk: &Talk| talk.record.owes_session && talk.owed_from <= now;
        let due = self.talks.iter().filter(|(_, talk)| due(talk)).map(|(peer, _)| *peer);
        for peer in due.collect::<Vec<u64>>() {
            let begun = self.greet_again(peer)?;
            let Some(talk) = self.talks.get_mut(&peer) else { continue };
            match begun {
                Begun::Yes => (),
                Begun::NotYet => talk.owed_from = now.plus(1),
                Begun::No => {
                    talk.record.owes_session = false;
                    self.store(peer)?;
                }
            }
        }
        Ok(())
    }

    /// Puts the present session aside, or drops it where the business does not know it, and queues
    /// what was sealed for it again, with what `more` queues in the same transaction.
    pub(super) fn replace_session(
        &mut self,
        peer: u64,
        is_unknown: bool,
        more: impl FnOnce(&Rows<'_>) -> Result<Vec<(u64, Outgoing)>, StateError>,
    ) -> Result<(), StateError> {
        let now = self.now();
        let session = self.session(peer)?;
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        talk.record.started = Started::No;
        talk.bundle = None;
        let (record, numbers) = (&talk.record, self.outbox.under_way(peer));
        let queued = self.state.write::<_, StateError>(|rows| {
            if let Some(session) = session.filter(|_| !is_unknown) {
                let session = bytes::Bytes::from_owner(session.to_bytes());
                Replaced { at: now.hour(), session }.put(rows, peer)?;
            }
            rows.delete(Table::Session, Name::Number(peer))?;
            put_record(rows, peer, record)?;
            let mut queued = more(rows)?;
            for number in numbers {
                let Some(mut outgoing) = Outbox::get(rows, number)? else { continue };
                outgoing.stage = Stage::Waiting;
                Outbox::put(rows, number, &outgoing)?;
                queued.push((number, outgoing));
            }
            Ok(queued)
        })?;
        for (number, outgoing) in &queued {
            self.outbox.note(*number, outgoing, now);
        }
        Ok(())
    }
}

/// Whether another session was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Yes,
    /// One was, so lately that the next must wait.
    NotYet,
    /// There is none to replace, or nothing to begin it with.
    No,
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
/// A business that is restored twice in a day loses a session that worked.
const AFTER_WORKING_HOURS: u32 = 1;
