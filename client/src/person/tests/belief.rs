//! Whom a device believes, what it seals with, and which deliveries it wants.

use plico_endpoint::content::Content;
use plico_endpoint::handshake::ResponderKeys;
use plico_endpoint::hint::Hint;
use plico_endpoint::session::BusinessSession;
use plico_protocol::envelope::{Envelope, EnvelopeBytes};
use plico_protocol::frame::{Channel, Delivery, Sequence, Submission};
use plico_protocol::id::{AccountKey, Stamp};
use plico_protocol::prekey::VerifiedBundle;
use plico_protocol::stamp::{Origin, Reason, StampedOrigin};
use plico_protocol::wire::Wire;
use tokio::sync::mpsc;

use super::*;
use crate::agent::lines::Lines;
use crate::connection::LineId;
use crate::person::record::{WISHES_MAX, Wish};

/// A business with its private halves.
struct Shop {
    account: AccountSecret,
    identity: IdentitySecret,
    hint: HintSecret,
    signed: SignedPrekey,
    kem: KemPrekey,
}

impl Shop {
    fn new(prekeys_end: Hour) -> Self {
        let rng = &mut random::system();
        Self {
            account: AccountSecret::from_seed(&[2; 32]),
            identity: IdentitySecret::generate(rng),
            hint: HintSecret::generate(rng),
            signed: SignedPrekey::generate(PrekeyId(1), prekeys_end, rng),
            kem: KemPrekey::generate(PrekeyId(1), prekeys_end, rng),
        }
    }

    fn keys(&self) -> BusinessKeys {
        BusinessKeys {
            account: self.account.public(),
            identity: self.identity.public().key(),
            hint: self.hint.public().key(),
            inbox: MailboxSecret::from_seed(&[3; 32]).public(),
        }
    }

    fn bundle(&self, fetched: Hour) -> VerifiedBundle {
        let published = publication(&self.signed, &self.kem, PrekeyId(0), &[], &self.account);
        let account = self.account.public();
        let (signed, kem) = (published.signed, published.kem);
        let bundle = Bundle { account, signed, kem, one_time: None };
        bundle.verify(&account, fetched, fetched).unwrap()
    }

    /// What a first message says.
    fn read(&self, envelope: EnvelopeBytes) -> Content {
        let (envelope, account) = (Envelope::new(envelope.0).unwrap(), self.account.public());
        let Ok(Hint::First(first)) = Hint::read(&envelope, &self.hint, &account) else {
            panic!("not a first message")
        };
        let keys = ResponderKeys {
            account: &account,
            identity: &self.identity,
            signed: &self.signed,
            kem: &self.kem,
            one_time: None,
        };
        let (_, opened) = BusinessSession::respond(&keys, &first).unwrap();
        Content::decode(opened.content()).unwrap()
    }
}

impl Place {
    /// A business that this device knows since now, for two days, and a message to it; nothing is
    /// lacking to seal it but a ticket.
    fn with_a_message(&mut self) -> (Shop, u64) {
        let now = self.core.now().hour();
        let shop = Shop::new(now.plus(100));
        let talk = self.talk();
        talk.bundle = Some(shop.bundle(now));
        let known = talk.record.known.as_mut().unwrap();
        let mut body = known.certificate.body().clone();
        (body.keys, body.valid_to) = (shop.keys(), now.plus(48));
        known.certificate = body.sign(&AuthoritySecret::from_seed(&[1; 32])).unwrap();
        self.core.send(PEER, "hello".into()).unwrap().unwrap();
        (shop, self.core.outbox.waiting(self.core.now())[0].0)
    }

    /// Seals a message, and gives what is stored of it.
    fn sealed(&mut self, number: u64) -> Submission {
        let stored = |rows: &crate::state::Rows<'_>| Outbox::get(rows, number);
        let outgoing = self.core.state.read(stored).unwrap().unwrap();
        assert!(self.core.seal(number, outgoing).unwrap());
        self.core.state.read(stored).unwrap().unwrap().submission().unwrap()
    }

    /// Passes 25 hours, and has a ticket of then.
    fn a_day_later(&mut self) -> Hour {
        let later = self.core.now().hour().plus(25);
        self.clock.set(Timestamp(u64::from(later.0) * 3_600_000));
        self.check(|_| ()).unwrap();
        later
    }

    /// What was sealed and may be submitted, once all is prepared that needs no relay.
    fn ready(&mut self) -> Vec<(u64, u64)> {
        let (reports, _reported) = mpsc::channel(1);
        self.core.prepare_waiting(&mut Lines::new(Options::default(), reports)).unwrap();
        self.core.outbox.to_submit(self.core.now())
    }
}

#[test]
fn a_first_message_is_on_disk_with_its_session_before_it_leaves() {
    let mut place = Place::new();
    let (shop, number) = place.with_a_message();
    place.check(|_| ()).unwrap();
    let submission = place.sealed(number);
    assert_eq!(shop.read(submission.envelope).body, Body::Text("hello".to_owned()));
    assert!(place.core.session(PEER).unwrap().is_some());
}

#[test]
fn the_reference_of_a_link_travels_sealed_and_in_nothing_else() {
    let mut place = Place::new();
    let (shop, number) = place.with_a_message();
    place.check(|_| ()).unwrap();
    let reference = "order 7 of the 3rd";
    place.talk().record.link.reference = Some(reference.to_owned());
    let submission = place.sealed(number);
    let bytes = submission.encode();
    assert!(!bytes.windows(reference.len()).any(|window| window == reference.as_bytes()));
    assert_eq!(shop.read(submission.envelope).reference.as_deref(), Some(reference));
}

/// Its ticket came a day late.
#[tokio::test]
async fn a_bundle_that_waited_for_more_than_a_day_is_not_used() {
    let mut place = Place::new();
    let (shop, number) = place.with_a_message();
    let later = place.a_day_later();
    place.talk().record.known.as_mut().unwrap().fetched = later;
    assert_eq!(place.ready(), []);
    place.talk().bundle = Some(shop.bundle(later));
    assert_eq!(place.ready(), [(number, PEER)]);
}

#[tokio::test]
async fn a_certificate_of_yesterday_is_looked_up_before_anything_is_sealed() {
    let mut place = Place::new();
    let (shop, number) = place.with_a_message();
    let later = place.a_day_later();
    place.talk().bundle = Some(shop.bundle(later));
    assert_eq!(place.ready(), []);
    place.talk().record.known.as_mut().unwrap().fetched = later;
    assert_eq!(place.ready(), [(number, PEER)]);
}

#[test]
fn a_certificate_is_believed_as_far_as_the_links_pins_reach() {
    let of = |change: fn(&mut CertificateBody), seed: u8, shown: u8| {
        let mut place = Place::new();
        let mut body = place.talk().record.known.take().unwrap().certificate.body().clone();
        change(&mut body);
        let certificate = body.sign(&AuthoritySecret::from_seed(&[seed; 32])).unwrap();
        let (certificate, profile) = (certificate.certificate().clone(), None);
        let authority = AuthoritySecret::from_seed(&[shown; 32]).public();
        let frame = RelayFrame::Certified { authority, certificate, profile };
        place.core.looked_up(PEER, frame).unwrap();
        let talk = place.talk();
        assert_eq!(talk.record.known.is_none(), talk.trouble.is_some());
        talk.trouble
    };
    let other = |body: &mut CertificateBody| body.handle = BusinessHandle::new("shop").unwrap();
    let key = |body: &mut CertificateBody| body.keys.account = AccountKey::new([7; 32]);
    let early = |body: &mut CertificateBody| {
        (body.valid_from, body.valid_to) = (body.valid_from.plus(1), body.valid_to.plus(1));
    };
    let over = |body: &mut CertificateBody| {
        (body.valid_from, body.valid_to) = (body.valid_from.minus(9), body.valid_from);
    };
    assert_eq!(of(|_| (), 1, 1), None);
    assert_eq!(of(|_| (), 6, 6), Some(Trouble::WrongAuthority));
    assert_eq!(of(|_| (), 6, 1), Some(Trouble::BadCertificate));
    assert_eq!(of(other, 1, 1), Some(Trouble::OtherBusiness));
    assert_eq!(of(key, 1, 1), Some(Trouble::WrongAccount));
    assert_eq!(of(early, 1, 1), Some(Trouble::CertificateNotValid));
    assert_eq!(of(over, 1, 1), Some(Trouble::CertificateNotValid));
}

#[tokio::test]
async fn a_new_account_key_stops_the_conversation_until_the_person_agrees() {
    let mut place = Place::new();
    let (_, number) = place.with_a_message();
    place.check(|_| ()).unwrap();
    let known = place.talk().record.known.clone().unwrap();
    let mut body = known.certificate.body().clone();
    body.keys.account = AccountKey::new([7; 32]);
    let authority = AuthoritySecret::from_seed(&[1; 32]);
    let certificate = body.sign(&authority).unwrap().certificate().clone();
    let frame = RelayFrame::Certified { authority: authority.public(), certificate, profile: None };
    place.core.looked_up(PEER, frame).unwrap();
    assert_eq!(place.ready(), [], "the old key is there, and a message could be sealed");
    let trusted = &place.talk().record.known.as_ref().unwrap().certificate;
    assert_eq!(trusted.certificate().bytes(), known.certificate.certificate().bytes());
    // What is wished already, and may be under way, is neither lost nor taken for the revocation.
    let wished = vec![Wish::Close; WISHES_MAX];
    place.talk().record.wishes.clone_from(&wished);
    place.core.agree(PEER).unwrap();
    let record = &place.talk().record;
    assert_eq!(record.wishes, [vec![Wish::Revoke], wished.clone()].concat());
    assert_eq!(Record::decode(record.encode()).unwrap().wishes, record.wishes);
    place.core.wish_done(PEER, Wish::Close, None).unwrap();
    assert_eq!(place.talk().record.wishes, [&[Wish::Revoke], &wished[1..]].concat());
    let keys = &place.talk().record.known.as_ref().unwrap().certificate.body().keys;
    assert_eq!(keys.account, AccountKey::new([7; 32]));
    assert_eq!(place.core.outbox.waiting(place.core.now()), [(number, PEER)]);
}

/// Garbage, so that it shows whether it was opened: what is not wanted is acknowledged as read.
#[test]
fn a_delivery_is_wanted_of_its_business_under_a_ticket_it_was_given() {
    let mut place = Place::new();
    let ticket = place.check(|_| ()).unwrap();
    let fields = ticket.fields().unwrap();
    let given = |rows: &crate::state::Rows<'_>| consent::remember_ticket(rows, PEER, &ticket);
    place.core.state.write::<_, StateError>(given).unwrap();
    let at = (LineId(1), Channel(2));
    let relay = place.core.relay_of(PEER).unwrap();
    relay.person = Some(at.0);
    relay.channels.insert(at.1, PEER);
    let good = Origin {
        account: AccountSecret::from_seed(&[2; 32]).public(),
        tag: fields.tag,
        ticket: fields.id,
        hour: place.core.now().hour(),
        category: Category::Service,
        reason: Reason::InWindow,
    };
    let origins = [
        None,
        Some(Origin { account: AccountKey::new([7; 32]), ..good }),
        Some(Origin { ticket: TicketId::new([9; 16]), ..good }),
        Some(good),
    ];
    for (n, origin) in (1..).zip(origins) {
        let origin = origin.map(|origin| StampedOrigin { origin, stamp: Stamp::new([0; 32]) });
        let envelope = EnvelopeBytes(vec![u8::try_from(n).unwrap(); 2_048].into());
        let delivery = Delivery { channel: at.1, sequence: Sequence(n), origin, envelope };
        place.core.delivered(at.0, &delivery).unwrap();
    }
    let now = place.core.now();
    assert_eq!(place.core.inbound.acknowledges(now), Some((4, vec![4])));
}
