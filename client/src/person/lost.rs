//! A session that one end lost: another handshake, and the same content again.
//!
//! A message that does not open, at either end, says that the two no longer share a session: the
//! business deleted the prekeys a first message needs, or went on from a backup. SPEC.md §8.7 lets
//! the person begin another with the same identity key and mailbox, so that the business finds the
//! same customer. One session after the other waits longer ([`Begun`]); what it is for waits with it
//! and is not given up.

use std::collections::VecDeque;

use bytes::Bytes;
use plico_endpoint::content::{Body, Reply};
use plico_endpoint::session::{PersonSession, SESSION_BYTES_MAX};
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::time::{Hour, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::core::{PersonCore, put_record};
use super::record::{Record, Standing, Started};
use super::sending::BY_ITSELF;
use crate::agent::journal::{self, News, Stored};
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{MessageState, Outgoing, Stage};
use crate::message::Message;
use crate::state::{Name, Rows, StateError, Table};

impl PersonCore {
    /// What this device sent did not open: it waits for another session, and what was written after
    /// it waits behind it.
    pub(super) fn was_not_opened(&mut self, message: u64, peer: u64) -> Result<(), StateError> {
        let now = self.now();
        let outgoing = self.state.read(|rows| Outbox::get(rows, message))?;
        let is_old = outgoing.is_some_and(|outgoing| outgoing.is_old(now));
        let Some(record) = self.talks.get(&peer).map(|talk| &talk.record) else { return Ok(()) };
        if is_old || record.standing == Standing::Left {
            let last = MessageState::Unreadable;
            return self.outbox.finish(&mut self.state, message, last, now);
        }
        let until = record.next_session(now);
        self.outbox.hold(&mut self.state, message, until, now)?;
        self.owe_session(peer)
    }

    /// Notes that another session is to be begun as soon as one may be.
    pub(super) fn owe_session(&mut self, peer: u64) -> Result<(), StateError> {
        match self.talks.get_mut(&peer) {
            Some(talk) if !talk.record.owes_session => {
                talk.record.owes_session = true;
                self.store(peer)
            }
            _ => Ok(()),
        }
    }

    /// Begins the sessions that are owed and may be begun by now.
    pub(super) fn begin_owed(&mut self) -> Result<(), StateError> {
        let now = self.now();
        let due = self.talks.iter().filter(|(_, talk)| talk.record.is_session_due(now));
        let due: Vec<u64> = due.map(|(peer, _)| *peer).collect();
        due.into_iter().try_for_each(|peer| self.begin_again(peer))
    }

    /// Begins another session, for all that it is owed for: what did not open at the business, what
    /// the business lost, and what did not open here, which comes again once the business hears of
    /// this session.
    fn begin_again(&mut self, peer: u64) -> Result<(), StateError> {
        let now = self.now();
        let lost = self.take_claim(peer)?;
        let is_under_way = !self.outbox.open(peer).is_empty();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let record = &mut talk.record;
        // One that is being begun serves as well.
        let is_owed = core::mem::take(&mut record.owes_session) && record.started == Started::Yes;
        let greeting = match is_owed && !is_under_way {
            true => greeting(record, peer, now),
            false => None,
        };
        let is_of_use = lost.is_some() || is_under_way || greeting.is_some();
        if !(lost.is_some() || is_owed) || !is_of_use {
            return self.store(peer);
        }
        record.begun = Some(Begun::after(record.begun, now));
        let (news, mut more) =
            lost.map_or((None, Vec::new()), |lost| (Some(lost.news), lost.again));
        more.extend(greeting.filter(|_| more.is_empty()));
        self.replace_session(peer, news, more)
    }

    /// Puts the present session aside and queues again what is not done, with what goes out
    /// besides, in the order in which it was written.
    fn replace_session(
        &mut self,
        peer: u64,
        news: Option<News>,
        more: Vec<Outgoing>,
    ) -> Result<(), StateError> {
        let now = self.now();
        let session = self.session(peer)?;
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        talk.record.started = Started::No;
        (talk.bundle, talk.marks) = (None, None);
        let (record, open) = (&talk.record, self.outbox.open(peer));
        let queued = self.state.write::<_, StateError>(|rows| {
            if let Some(session) = session {
                let mut replaced = Replaced::of(rows, peer)?;
                replaced.used(now.hour(), &session);
                replaced.put(rows, peer)?;
            }
            rows.delete(Table::Session, Name::Number(peer))?;
            put_record(rows, peer, record)?;
            if let Some(news) = news {
                journal::push(rows, &Stored { peer, at: now, news })?;
            }
            Outbox::queue_again(rows, &open, more)
        })?;
        self.outbox.renumber(&open, &queued, now);
        Ok(())
    }
}

impl Record {
    /// When another session may be begun at the earliest; not before `now`.
    pub(super) fn next_session(&self, now: Timestamp) -> Timestamp {
        self.begun.map_or(now, |begun| begun.next(now).max(now))
    }

    /// Whether another session is to be begun now. Who said goodbye closes the mailbox next, so what
    /// still waits goes out at once.
    fn is_session_due(&self, now: Timestamp) -> bool {
        match self.standing {
            Standing::Active => self.wants_session() && self.next_session(now) <= now,
            Standing::Left => self.owes_session,
            Standing::KeyChanged => false,
        }
    }

    /// Whether another session is to be begun once one may be.
    pub(super) fn wants_session(&self) -> bool {
        self.owes_session || self.claim.is_some()
    }
}

/// What tells the business of another session where nothing else goes out: the ticket it has. None
/// for a person who took every ticket back, who is not made to give one.
fn greeting(record: &Record, peer: u64, now: Timestamp) -> Option<Outgoing> {
    let (ticket, opening) = record.reply?;
    let mut content = Message::from(Body::Renewal).into_content(now);
    content.reply = Some(Reply { address: record.address(), ticket, opening });
    Some(Outgoing {
        peer,
        id: content.id,
        not_before: now,
        kind: BY_ITSELF,
        content: content.encode().ok()?.into(),
        place: None,
        quiet: true,
        session: None,
        price_max: None,
        stage: Stage::Waiting,
    })
}

/// Sessions that were begun in place of others, one soon after the other.
///
/// A business that never opens what it is sent must not make a device handshake for ever: its
/// one-time keys would be used up, and a restore that it claims has a device repeat a month of
/// messages. An operator who restores a backup again and again in an hour should not be waited for
/// until tomorrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    at: Timestamp,
    in_a_row: u8,
}

impl Begun {
    /// One more, begun now.
    fn after(before: Option<Self>, now: Timestamp) -> Self {
        let recent = before.filter(|begun| now.0 < begun.at.0.saturating_add(ROW_ENDS_MS));
        let in_a_row = recent.map_or(1, |begun| begun.in_a_row.saturating_add(1));
        Self { at: now, in_a_row }
    }

    /// When the next may be begun: now, where the clock was set back.
    fn next(self, now: Timestamp) -> Timestamp {
        if now < self.at {
            return now;
        }
        let doubled = u32::from(self.in_a_row.saturating_sub(1)).min(DOUBLED_MAX);
        let ms = (REST_MS_MIN << doubled).min(REST_MS_MAX);
        Timestamp(self.at.0.saturating_add(ms))
    }
}

impl Wire for Begun {
    fn write(&self, out: &mut Writer) {
        let Self { at, in_a_row } = self;
        out.u64(at.0);
        out.u8(*in_a_row);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { at: Timestamp(reader.u64()?), in_a_row: reader.u8()? })
    }
}

/// Sessions that others replaced, the one that was of use last in front. They still receive: the
/// business may have answered on one, and one that is restored again and again speaks on the one its
/// backup knows, however many were begun since.
#[derive(Debug, Default)]
pub(super) struct Replaced(VecDeque<(Hour, Bytes)>);

impl Replaced {
    pub(super) fn of(rows: &Rows<'_>, peer: u64) -> Result<Self, StateError> {
        let kept = rows.get(Table::Session, Name::Hidden(&peer.to_be_bytes()))?;
        Ok(kept.unwrap_or_default())
    }

    pub(super) fn put(&self, rows: &Rows<'_>, peer: u64) -> Result<(), StateError> {
        rows.put(Table::Session, Name::Hidden(&peer.to_be_bytes()), self)
    }

    /// Every session, to try to open something with.
    pub(super) fn sessions(&self) -> impl Iterator<Item = Result<PersonSession, DecodeError>> {
        self.0.iter().map(|(_, session)| PersonSession::from_bytes(session))
    }

    /// Takes the session at a place out, because it is of use now.
    pub(super) fn take(&mut self, place: usize) {
        self.0.remove(place);
    }

    /// Puts a session in front; the one that was of no use for longest gives way.
    pub(super) fn used(&mut self, now: Hour, session: &PersonSession) {
        self.0.push_front((now, Bytes::from_owner(session.to_bytes())));
        self.0.truncate(REPLACED_MAX);
        self.0.retain(|(used, _)| now <= used.plus(RETENTION_HOURS));
    }
}

impl Wire for Replaced {
    fn write(&self, out: &mut Writer) {
        out.count(self.0.len());
        for (used, session) in &self.0 {
            used.write(out);
            out.sized(session);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let count = reader.count("replaced", REPLACED_MAX)?;
        let one = |reader: &mut Reader| {
            Ok((Wire::read(reader)?, reader.sized("session", SESSION_BYTES_MAX)?))
        };
        (0..count).map(|_| one(reader)).collect::<Result<_, _>>().map(Self)
    }
}

/// Deletes every session of a conversation.
pub(super) fn forget_sessions(rows: &Rows<'_>, peer: u64) -> Result<(), StateError> {
    rows.delete(Table::Session, Name::Number(peer))?;
    rows.delete(Table::Session, Name::Hidden(&peer.to_be_bytes()))
}

/// After the first; it doubles from one to the next, so that a row has eleven on its first day.
const REST_MS_MIN: u64 = 60_000;
/// From then on one a day.
const REST_MS_MAX: u64 = 24 * 3_600_000;
/// After so long without one, the next may follow soon again.
const ROW_ENDS_MS: u64 = 2 * REST_MS_MAX;
/// 2,048 minutes, which is more than a day.
const DOUBLED_MAX: u32 = 11;
/// Of 4 KiB each, and each costs a trial of a header.
const REPLACED_MAX: usize = 8;

const _: () = assert!(REST_MS_MAX <= REST_MS_MIN << DOUBLED_MAX);
