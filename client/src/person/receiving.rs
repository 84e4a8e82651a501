//! What comes through a mailbox: wanted or not, opened, stored, and only then acknowledged.

use plico_endpoint::content::Content;
use plico_endpoint::session::{OpenError, Opened, PersonSession};
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::Delivery;
use plico_protocol::id::{AccountKey, Commitment};
use plico_protocol::stamp::StampedOrigin;

use super::core::{PersonCore, put_record};
use super::lost::Replaced;
use super::record::{Claim, Minted, Standing, Started};
use super::report::Franking;
use crate::agent::history::{self, Direction, Kept};
use crate::agent::inbound::{Inbound, Outcome};
use crate::agent::journal::{self, News, Stored};
use crate::connection::LineId;
use crate::probe::Point;
use crate::state::{Name, Rows, StateError, Table};

impl PersonCore {
    /// Deals with one envelope.
    pub(super) fn delivered(
        &mut self,
        line: LineId,
        delivery: &Delivery,
    ) -> Result<(), StateError> {
        let channel = delivery.channel;
        let relay = self.relays.iter().find(|relay| relay.person == Some(line));
        let Some(peer) = relay.and_then(|relay| relay.channels.get(&channel).copied()) else {
            return Ok(());
        };
        let Ok(envelope) = Envelope::new(delivery.envelope.0.clone()) else {
            // No relay that keeps to the protocol delivers it; its number must still be passed.
            let c2 = Commitment::new([0; 32]);
            self.inbound.dealt_with((line, channel), delivery.sequence, c2, Outcome::Unreadable);
            return Ok(());
        };
        self.state.reached(Point::Received);
        let c2 = envelope.commitment();
        let known = self.state.read(|rows| Inbound::known(rows, &c2))?;
        let outcome = match known {
            Some(outcome) => outcome,
            None => self.take(peer, delivery.origin.as_ref(), &envelope)?,
        };
        self.state.reached(Point::AfterOpen);
        self.inbound.dealt_with((line, channel), delivery.sequence, c2, outcome);
        Ok(())
    }

    /// Takes an envelope that is new, and stores its outcome with what it brought.
    fn take(
        &mut self,
        peer: u64,
        origin: Option<&StampedOrigin>,
        envelope: &Envelope,
    ) -> Result<Outcome, StateError> {
        let c2 = envelope.commitment();
        let now = self.now();
        if !self.is_known(peer)
            && let Some(talk) = self.talks.get_mut(&peer)
        {
            talk.recheck_at.get_or_insert(now);
        }
        let Some(origin) = self.wanted(peer, origin)? else {
            // Under a ticket this device revoked or never minted: dropped, unseen.
            return self.remember(&c2, Outcome::Read);
        };
        let (stepped, opened) = match self.open(peer, envelope)? {
            Ok(opened) => opened,
            // A repeat has the bytes it had. Others under its number are of a business that was
            // restored, twice perhaps, from one backup.
            Err(OpenError::Duplicate) if self.is_seen(&c2)? => {
                return self.remember(&c2, Outcome::Read);
            }
            Err(OpenError::Duplicate | OpenError::Unreadable) => return self.unreadable(peer, &c2),
        };
        let content = Content::decode(opened.content());
        let outcome = if content.is_ok() { Outcome::Read } else { Outcome::Unreadable };
        let restored = content.as_ref().ok().and_then(|content| content.restored);
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(outcome) };
        if let Some(restored) = restored {
            let on_known = matches!(stepped, Stepped::Present { is_first: true, .. });
            talk.record.claimed(Claim { restored, on_known });
        }
        talk.told_lost = false;
        let record = &talk.record;
        self.state.write::<_, StateError>(|rows| {
            stepped.put(rows, peer)?;
            if restored.is_some() {
                put_record(rows, peer, record)?;
            }
            Inbound::remember(rows, &c2, outcome, now.hour())?;
            rows.put(Table::Seen, Name::Hidden(c2.as_bytes()), &now.hour())?;
            let Ok(content) = content else { return Ok(()) };
            if !Inbound::is_new(rows, content.id, now.hour())? {
                return Ok(());
            }
            let category = Some(origin.origin.category);
            let bytes = bytes::Bytes::copy_from_slice(opened.content());
            let place = match history::is_kept(&content.body) {
                true => {
                    let direction = Direction::Received { category };
                    let kept = Kept { at: now, content: bytes.clone(), direction, delivered: None };
                    Some(history::keep(rows, peer, &kept)?)
                }
                false => None,
            };
            Franking::of(&opened, origin, (peer, place), now.hour()).put(rows, content.id)?;
            let news = News::Message { content: bytes, category };
            journal::push(rows, &Stored { peer, at: now, news })
        })?;
        Ok(outcome)
    }

    /// Whether this device opened an envelope before, however long its acknowledgement is past.
    fn is_seen(&mut self, c2: &Commitment) -> Result<bool, StateError> {
        self.state.read(|rows| rows.has(Table::Seen, Name::Hidden(c2.as_bytes())))
    }

    /// Opens an envelope on the session it is of: the present one, or one before it, on which the
    /// business may have answered before it saw the new handshake.
    fn open(
        &mut self,
        peer: u64,
        envelope: &Envelope,
    ) -> Result<Result<(Stepped, Opened), OpenError>, StateError> {
        if let Some(mut session) = self.session(peer)? {
            let is_first = !session.has_received();
            match session.open(envelope) {
                Ok(opened) => {
                    let session = Box::new(session);
                    return Ok(Ok((Stepped::Present { session, is_first }, opened)));
                }
                Err(OpenError::Duplicate) => return Ok(Err(OpenError::Duplicate)),
                Err(OpenError::Unreadable) => (),
            }
        }
        let mut replaced = self.state.read(|rows| Replaced::of(rows, peer))?;
        let table = Table::Session.label();
        let mut found = None;
        for (place, session) in replaced.sessions().enumerate() {
            let mut session = session.map_err(|error| StateError::Unreadable { table, error })?;
            match session.open(envelope) {
                Ok(opened) => {
                    found = Some((place, session, opened));
                    break;
                }
                Err(OpenError::Duplicate) => return Ok(Err(OpenError::Duplicate)),
                Err(OpenError::Unreadable) => (),
            }
        }
        let Some((place, session, opened)) = found else {
            return Ok(Err(OpenError::Unreadable));
        };
        replaced.take(place);
        replaced.used(self.now().hour(), &session);
        Ok(Ok((Stepped::Replaced(replaced), opened)))
    }

    /// The origin, if the message is of this business and under a ticket this device minted for it
    /// and did not revoke. Tickets replaced by a change of terms still count.
    fn wanted(
        &mut self,
        peer: u64,
        origin: Option<&StampedOrigin>,
    ) -> Result<Option<StampedOrigin>, StateError> {
        let Some(origin) = origin else { return Ok(None) };
        if Some(origin.origin.account) != self.account(peer) {
            return Ok(None);
        }
        let name = Name::Hidden(origin.origin.ticket.as_bytes());
        let minted = self.state.read(|rows| rows.get::<Minted>(Table::Ticket, name))?;
        Ok(minted.filter(|minted| minted.conversation == peer).map(|_| *origin))
    }

    fn account(&self, peer: u64) -> Option<AccountKey> {
        let known = self.talks.get(&peer)?.record.known.as_ref()?;
        Some(known.certificate.body().keys.account)
    }

    fn remember(&mut self, c2: &Commitment, outcome: Outcome) -> Result<Outcome, StateError> {
        let at = self.now().hour();
        self.state.write(|rows| Inbound::remember(rows, c2, outcome, at))?;
        Ok(outcome)
    }

    /// A wanted message does not open: another session is begun, at once or, where one was begun
    /// lately, later; then the application hears of it once.
    fn unreadable(&mut self, peer: u64, c2: &Commitment) -> Result<Outcome, StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(Outcome::Unreadable) };
        if talk.record.standing == Standing::Active && talk.record.started == Started::Yes {
            let until = talk.record.next_session(now);
            let tells = now < until && !core::mem::replace(&mut talk.told_lost, true);
            self.owe_session(peer)?;
            if tells {
                self.tell(peer, News::SessionLost { until })?;
            }
        }
        self.remember(c2, Outcome::Unreadable)
    }
}

/// A session after it opened an envelope.
enum Stepped {
    /// The present one; whether it received nothing before.
    Present {
        session: Box<PersonSession>,
        is_first: bool,
    },
    Replaced(Replaced),
}

impl Stepped {
    fn put(self, rows: &Rows<'_>, peer: u64) -> Result<(), StateError> {
        match self {
            Self::Present { session, is_first: _ } => {
                rows.put_bytes(Table::Session, Name::Number(peer), &session.to_bytes())
            }
            Self::Replaced(replaced) => replaced.put(rows, peer),
        }
    }
}
