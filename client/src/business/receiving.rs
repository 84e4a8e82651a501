//! What comes through the inbox: which session or handshake, opened, stored, then acknowledged.

use plico_endpoint::content::{Body, Content, Reply};
use plico_endpoint::handshake::ResponderKeys;
use plico_endpoint::hint::{FirstMessage, Hint};
use plico_endpoint::id::SessionId;
use plico_endpoint::session::{BusinessSession, OpenError};
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::Delivery;
use plico_protocol::id::{Address, Commitment, DhKey};
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::prekey::PrekeyId;
use plico_protocol::ticket::Category;
use plico_protocol::time::{Minute, Timestamp};

use super::core::BusinessCore;
use super::prekeys::{OneTime, Pair};
use super::record::{CustomerRecord, Seen, SessionRecord};
use super::uses::Uses;
use crate::agent::inbound::{Inbound, Outcome};
use crate::agent::journal::{self, News, Stored};
use crate::connection::LineId;
use crate::probe::Point;
use crate::state::{Name, Rows, StateError, Table};

impl BusinessCore {
    /// Deals with one envelope.
    pub(super) fn delivered(
        &mut self,
        line: LineId,
        delivery: &Delivery,
    ) -> Result<(), StateError> {
        let at = (line, delivery.channel);
        let Ok(envelope) = Envelope::new(delivery.envelope.0.clone()) else {
            let c2 = Commitment::new([0; 32]);
            self.inbound.dealt_with(at, delivery.sequence, c2, Outcome::Unreadable);
            return Ok(());
        };
        self.state.reached(Point::Received);
        let c2 = envelope.commitment();
        let known = self.state.read(|rows| Inbound::known(rows, &c2))?;
        let outcome = match known {
            Some(outcome) => outcome,
            None => self.take(&envelope)?,
        };
        self.state.reached(Point::AfterOpen);
        self.inbound.dealt_with(at, delivery.sequence, c2, outcome);
        Ok(())
    }

    /// Takes an envelope that is new, and stores its outcome with what it brought.
    pub(super) fn take(&mut self, envelope: &Envelope) -> Result<Outcome, StateError> {
        let account = self.identity.account.public();
        match Hint::read(envelope, &self.identity.hint, &account) {
            Ok(Hint::Session(id)) => self.take_next(id, envelope),
            Ok(Hint::First(first)) => self.take_first(&first, envelope),
            Err(_) => self.remember(envelope, Outcome::Unreadable),
        }
    }

    /// A message of a session.
    fn take_next(&mut self, id: SessionId, envelope: &Envelope) -> Result<Outcome, StateError> {
        let name = Name::Hidden(id.as_bytes());
        let found = self.state.read(|rows| rows.get::<SessionRecord>(Table::Session, name))?;
        let Some(found) = found else { return self.remember(envelope, Outcome::Unreadable) };
        let table = Table::Session.label();
        let mut session = BusinessSession::from_bytes(&found.bytes)
            .map_err(|error| StateError::Unreadable { table, error })?;
        let opened = match session.open(envelope) {
            Ok(opened) => opened,
            Err(OpenError::Duplicate) => return self.remember(envelope, Outcome::Read),
            Err(OpenError::Unreadable) => return self.remember(envelope, Outcome::Unreadable),
        };
        let now = self.now();
        let content = Content::decode(opened.content());
        let outcome = if content.is_ok() { Outcome::Read } else { Outcome::Unreadable };
        let brings_ticket = content.as_ref().is_ok_and(|content| content.reply.is_some());
        self.state.write::<_, StateError>(|rows| {
            put_session(rows, found.customer, &session, found.told, now)?;
            Inbound::remember(rows, &envelope.commitment(), outcome, now.hour())?;
            let (Ok(content), Some(mut customer)) =
                (content, CustomerRecord::get(rows, found.customer)?)
            else {
                return Ok(());
            };
            // What comes on a session speaks for its own mailbox only.
            let reply = content.reply.clone().filter(|reply| reply.address == customer.address);
            customer.session = id;
            put_content(rows, found.customer, customer, reply, &content, opened.content(), now)
        })?;
        // A message may wait for it, or for this session to be the one in use.
        if brings_ticket {
            self.outbox.resume(found.customer, now);
        }
        if !found.told {
            self.tell_customer(found.customer)?;
        }
        Ok(outcome)
    }

    /// A message that begins a session. Session, customer and content are stored, and the one-time
    /// key deleted, in one transaction.
    fn take_first(
        &mut self,
        first: &FirstMessage,
        envelope: &Envelope,
    ) -> Result<Outcome, StateError> {
        let handshake = first.handshake();
        let (replay, one_time) = (handshake.replay_id(), handshake.one_time());
        let account = self.identity.account.public();
        let number = |id: PrekeyId| Name::Number(u64::from(id.0));
        let halves = self.state.read(|rows| {
            let seen = rows.has(Table::Replay, Name::Hidden(replay.as_bytes()))?;
            let signed = rows.get::<Pair>(Table::SignedPrekey, number(handshake.signed()))?;
            let kem = rows.get::<Pair>(Table::SignedPrekey, number(handshake.kem()))?;
            let named = one_time.map(|id| rows.get::<OneTime>(Table::OneTimePrekey, number(id)));
            Ok((seen, signed, kem, named.transpose()?.flatten()))
        })?;
        let (seen, signed, kem, held) = halves;
        if seen {
            // Submitted twice: what it says was stored with the session it began.
            return self.remember(envelope, Outcome::Read);
        }
        let (Some(signed), Some(kem)) = (signed, kem) else {
            return self.remember(envelope, Outcome::Unreadable);
        };
        let keys = ResponderKeys {
            account: &account,
            identity: &self.identity.identity,
            signed: &signed.signed,
            kem: &kem.kem,
            // A one-time key that is named and not held is refused by its id.
            one_time: held.as_ref().map(|OneTime(prekey)| prekey),
        };
        let Ok((session, opened)) = BusinessSession::respond(&keys, first) else {
            return self.remember(envelope, Outcome::Unreadable);
        };
        // Without an address there is nobody to answer.
        let content = Content::decode(opened.content()).ok();
        let Some((content, reply)) = content.and_then(|c| c.reply.clone().map(|reply| (c, reply)))
        else {
            return self.remember(envelope, Outcome::Unreadable);
        };
        let now = self.now();
        let identity = handshake.identity();
        let peer = self.state.write::<_, StateError>(|rows| {
            rows.put(Table::Replay, Name::Hidden(replay.as_bytes()), &Seen(now.hour()))?;
            if let Some(id) = one_time {
                rows.delete(Table::OneTimePrekey, number(id))?;
            }
            let (id, customer) = join(rows, identity, reply.address, &session)?;
            put_session(rows, id, &session, false, now)?;
            Inbound::remember(rows, &envelope.commitment(), Outcome::Read, now.hour())?;
            put_content(rows, id, customer, Some(reply), &content, opened.content(), now)?;
            Ok(id)
        })?;
        self.outbox.resume(peer, now);
        self.tell_customer(peer)?;
        Ok(Outcome::Read)
    }

    /// Forgets sessions that were replaced and received nothing for 30 days.
    pub(super) fn forget_sessions(&mut self) -> Result<(), StateError> {
        let old = self.now().hour().minus(RETENTION_HOURS);
        self.state.write(|rows| {
            let customers = rows.ordered::<CustomerRecord>(Table::Customer)?;
            let current: Vec<_> =
                customers.into_iter().map(|(id, customer)| (id, customer.session)).collect();
            rows.delete_where::<SessionRecord>(Table::Session, |session| {
                let kept = BusinessSession::from_bytes(&session.bytes)
                    .is_ok_and(|s| current.contains(&(session.customer, s.id())));
                !kept && session.received < old
            })
        })
    }

    fn remember(&mut self, envelope: &Envelope, outcome: Outcome) -> Result<Outcome, StateError> {
        let (c2, at) = (envelope.commitment(), self.now().hour());
        self.state.write(|rows| Inbound::remember(rows, &c2, outcome, at))?;
        Ok(outcome)
    }
}

/// The customer a handshake is of: a known one only if identity key and address both match, for
/// neither alone shows that it is the same device.
fn join(
    rows: &Rows<'_>,
    identity: DhKey,
    address: Address,
    session: &BusinessSession,
) -> Result<(u64, CustomerRecord), StateError> {
    let both = [identity.as_bytes().as_slice(), address.as_bytes()].concat();
    let index = Name::Hidden(&both);
    if let Some(known) = rows.get::<CustomerNumber>(Table::CustomerIndex, index)?
        && let Some(customer) = CustomerRecord::get(rows, known.0)?
    {
        return Ok((known.0, CustomerRecord { session: session.id(), ..customer }));
    }
    let id = rows.next_number(Table::Customer)?;
    rows.put(Table::CustomerIndex, index, &CustomerNumber(id))?;
    let (profile_name, window, standing) = (None, None, None);
    let session = session.id();
    let uses = Uses::default();
    Ok((id, CustomerRecord { identity, address, session, profile_name, window, standing, uses }))
}

fn put_session(
    rows: &Rows<'_>,
    customer: u64,
    session: &BusinessSession,
    told: bool,
    now: Timestamp,
) -> Result<(), StateError> {
    let id = session.id();
    let bytes = bytes::Bytes::from_owner(session.to_bytes());
    let record = SessionRecord { customer, received: now.hour(), told, bytes };
    rows.put(Table::Session, Name::Hidden(id.as_bytes()), &record)
}

/// Stores what content brings, unless it is known: tickets and names to the customer, and events.
pub(super) fn put_content(
    rows: &Rows<'_>,
    id: u64,
    mut customer: CustomerRecord,
    reply: Option<Reply>,
    content: &Content,
    opened: &[u8],
    now: Timestamp,
) -> Result<(), StateError> {
    if !Inbound::is_new(rows, content.id, now.hour())? {
        // The session it came on is new all the same.
        return customer.put(rows, id);
    }
    if let Some(name) = &content.profile_name {
        customer.profile_name = Some(name.clone());
    }
    if let Body::ProfileName(name) = &content.body {
        customer.profile_name = Some(name.clone());
    }
    let taken = reply.and_then(|reply| customer.take_ticket(reply.ticket, reply.opening));
    let windowed = taken.is_some_and(|fields| fields.free_until.is_some());
    let until = taken.and_then(|fields| fields.answers_until());
    // One that goes with a window, and allows no answer in it, is no news of either kind.
    if taken.is_some() && windowed == until.is_some() {
        let news = News::Window { until: until.unwrap_or(Minute(0)) };
        journal::push(rows, &Stored { peer: id, at: now, news })?;
    }
    // A customer is stored with its first message.
    let first = !rows.has(Table::Customer, Name::Number(id))?;
    customer.put(rows, id)?;
    let content = opened.to_vec().into();
    let news = match first {
        true => News::First { content },
        false => News::Message { content, category: None::<Category> },
    };
    journal::push(rows, &Stored { peer: id, at: now, news })
}

/// The number under which a customer is stored.
struct CustomerNumber(u64);

impl plico_protocol::wire::Wire for CustomerNumber {
    fn write(&self, out: &mut plico_protocol::wire::Writer) {
        out.u64(self.0);
    }

    fn read(
        reader: &mut plico_protocol::wire::Reader,
    ) -> Result<Self, plico_protocol::wire::DecodeError> {
        reader.u64().map(Self)
    }
}

#[cfg(test)]
mod tests;
