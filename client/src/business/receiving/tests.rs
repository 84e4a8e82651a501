//! What comes through the inbox: what is stored of it, spent on it, and said of it.

use plico_endpoint::content::Content;
use plico_endpoint::handshake::RecipientKeys;
use plico_endpoint::prekeys::{OneTimePrekey, publication};
use plico_endpoint::primitives::dh::IdentitySecret;
use plico_endpoint::session::PersonSession;
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{Channel, Sequence};
use plico_protocol::prekey::Bundle;

use super::*;
use crate::business::prekeys::current_pair;
use crate::business::tests::{Place, hello, ticket};
use crate::message::Message;
use crate::random;

/// The one-time key that a first message names.
const NAMED: Name<'_> = Name::Number(1);

impl Place {
    /// A first message that names a one-time key.
    fn first_with_one_time(&mut self, content: &Content) -> Envelope {
        let (now, rng) = (self.core.now().hour(), &mut random::system());
        let one_time = OneTimePrekey::generate(PrekeyId(1), now.plus(24), rng);
        let stored = self.core.state.write::<_, StateError>(|rows| {
            rows.put(Table::OneTimePrekey, NAMED, &OneTime(one_time.clone()))?;
            current_pair(rows, now)
        });
        let (pair, account) = (stored.unwrap(), &self.core.identity.account);
        let mut published = publication(&pair.signed, &pair.kem, PrekeyId(0), &[one_time], account);
        let (account, one_time) = (account.public(), published.one_time.pop());
        let (signed, kem) = (published.signed, published.kem);
        let bundle = Bundle { account, signed, kem, one_time };
        let bundle = bundle.verify(&account, now, now).unwrap();
        let recipient = RecipientKeys::new(&self.core.identity.keys()).unwrap();
        let (me, bytes) = (IdentitySecret::generate(rng), content.encode().unwrap());
        PersonSession::initiate(&me, &recipient, &bundle, &bytes, rng).unwrap().1
    }

    /// The next message of a session.
    fn next(&mut self, person: &mut PersonSession, content: &Content) -> Envelope {
        let recipient = RecipientKeys::new(&self.core.identity.keys()).unwrap();
        let bytes = content.encode().unwrap();
        person.seal_to_inbox(&recipient, &bytes, &mut random::system()).unwrap()
    }

    /// The first customer's session as it is stored.
    fn session(&mut self) -> BusinessSession {
        let name = self.customer(1).session;
        let stored = self
            .core
            .state
            .read(|rows| rows.get::<SessionRecord>(Table::Session, Name::Hidden(name.as_bytes())));
        BusinessSession::from_bytes(&stored.unwrap().unwrap().bytes).unwrap()
    }

    /// How many events wait.
    fn events(&mut self) -> usize {
        self.core.state.read(|rows| rows.ordered::<Stored>(Table::Event)).unwrap().len()
    }
}

fn said(text: &str) -> Content {
    Message::from(Body::Text(text.to_owned())).into_content(Timestamp(0))
}

/// Until a first message authenticates, anybody may have made it.
#[test]
fn a_first_message_that_does_not_open_spends_no_one_time_key() {
    let mut place = Place::new();
    let envelope = place.first_with_one_time(&hello(ticket(10, 1, true)));
    let mut forged = envelope.bytes().to_vec();
    forged[2_000] ^= 1;
    let forged = Envelope::new(forged.into()).unwrap();
    let held = |place: &mut Place| {
        place.core.state.read(|rows| rows.has(Table::OneTimePrekey, NAMED)).unwrap()
    };
    assert_eq!(place.core.take(&forged).unwrap(), Outcome::Unreadable);
    assert!(held(&mut place));
    assert_eq!(place.core.take(&envelope).unwrap(), Outcome::Read);
    assert!(!held(&mut place));
}

#[test]
fn what_was_opened_is_on_disk_with_its_step_before_it_is_acknowledged() {
    let mut place = Place::new();
    let (mut person, first) = place.begin(&hello(ticket(10, 1, true)));
    assert_eq!(place.core.take(&first).unwrap(), Outcome::Read);
    let before = place.events();
    let next = place.next(&mut person, &said("next"));
    assert_eq!(place.core.take(&next).unwrap(), Outcome::Read);
    assert_eq!(place.events(), before + 1);
    assert_eq!(place.session().open(&next).unwrap_err(), OpenError::Duplicate);
    let outcome = |rows: &Rows<'_>| Inbound::known(rows, &next.commitment());
    assert_eq!(place.core.state.read(outcome).unwrap(), Some(Outcome::Read));
}

/// Begun again, the session would be as it was at first, and take every later message a second time.
#[test]
fn a_repeated_handshake_begins_no_session_again() {
    let mut place = Place::new();
    let (mut person, first) = place.begin(&hello(ticket(10, 1, true)));
    place.core.take(&first).unwrap();
    let next = place.next(&mut person, &said("next"));
    place.core.take(&next).unwrap();
    let before = place.session().to_bytes();
    // Its envelope may be another, with the same handshake in it.
    assert_eq!(place.core.take(&first).unwrap(), Outcome::Read);
    assert_eq!(place.session().to_bytes(), before);
}

#[test]
fn handshakes_are_remembered_as_long_as_the_prekeys_they_name() {
    let mut place = Place::new();
    let now = place.core.now().hour();
    let mut is_kept = |age: u32| {
        let name = Name::Hidden(b"a replay id");
        let seen = |rows: &Rows<'_>| rows.put(Table::Replay, name, &Seen(now.minus(age)));
        place.core.state.write::<_, StateError>(seen).unwrap();
        place.core.forget_prekeys().unwrap();
        place.core.state.read(|rows| rows.has(Table::Replay, name)).unwrap()
    };
    assert!(is_kept(62 * 24));
    assert!(!is_kept(62 * 24 + 1));
}

#[test]
fn garbage_is_named_unreadable_and_what_follows_is_read() {
    let mut place = Place::new();
    let first = place.first(&hello(ticket(10, 1, true)));
    let at = (LineId(1), Channel(2));
    let envelopes = [vec![7; 2_048].into(), first.bytes().clone()];
    for (sequence, envelope) in (1..).map(Sequence).zip(envelopes) {
        let envelope = EnvelopeBytes(envelope);
        let delivery = Delivery { channel: at.1, sequence, origin: None, envelope };
        place.core.delivered(at.0, &delivery).unwrap();
    }
    let now = place.core.now();
    assert_eq!(place.core.inbound.acknowledges(now), Some((2, vec![1])));
    assert_eq!(place.core.customers().unwrap().len(), 1);
}

#[test]
fn a_first_message_that_nobody_could_answer_is_unreadable() {
    let mut place = Place::new();
    let envelope = place.first(&said("hello"));
    assert_eq!(place.core.take(&envelope).unwrap(), Outcome::Unreadable);
    assert_eq!(place.core.customers().unwrap().len(), 0);
}

/// Who has one session could otherwise give another mailbox's answers a ticket of its own.
#[test]
fn a_session_speaks_for_its_own_mailbox_alone() {
    let mut place = Place::new();
    let (mut person, first) = place.begin(&hello(ticket(10, 1, true)));
    place.core.take(&first).unwrap();
    let opened_at = |place: &mut Place| {
        place.customer(1).window.map(|(ticket, _)| ticket.fields().unwrap().opened_at)
    };
    for (address, minute, taken) in [([6; 32], 20, 10), ([5; 32], 30, 30)] {
        let mut content = hello(ticket(minute, 1, true));
        content.reply.as_mut().unwrap().address = Address::new(address);
        let next = place.next(&mut person, &content);
        assert_eq!(place.core.take(&next).unwrap(), Outcome::Read);
        assert_eq!(opened_at(&mut place), Some(Minute(taken)));
    }
}
