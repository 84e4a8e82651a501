//! A person's core without a relay: what it makes of refusals, tickets and damaged content.

mod belief;
mod block;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plico_endpoint::content::Content;
use plico_endpoint::handshake::RecipientKeys;
use plico_endpoint::prekeys::{KemPrekey, SignedPrekey, publication};
use plico_endpoint::primitives::dh::{HintSecret, IdentitySecret};
use plico_endpoint::session::PersonSession;
use plico_protocol::certificate::{
    BusinessKeys, CertificateBody, DomainCheck, Handle as BusinessHandle, Serial,
};
use plico_protocol::frame::{RelayFrame, SubmissionState};
use plico_protocol::id::{AddressTag, DhKey, TicketId};
use plico_protocol::link::{Pin, RelayLink};
use plico_protocol::mac::MacKey;
use plico_protocol::prekey::{Bundle, PrekeyId};
use plico_protocol::profile::{Profile as PublicProfile, SignedProfile};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::signature::{AccountSecret, AuthoritySecret, MailboxSecret};
use plico_protocol::ticket::{
    Categories, Category, Epoch, Terms, Ticket, TicketFields, TicketKeyId, Zone,
};
use plico_protocol::time::{Hour, Minute, Timestamp};

use super::record::{Known, Record, Started};
use super::talk::{Asked, Talk};
use super::*;
use crate::agent::history::Direction;
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{Outgoing, Stage};
use crate::clock::Clock;
use crate::random;
use crate::state::{Name, StateError, Table};

struct Place {
    core: PersonCore,
    clock: SetClock,
    _folder: tempfile::TempDir,
}

/// Stands still until it is set.
#[derive(Clone)]
struct SetClock(Arc<AtomicU64>);

impl SetClock {
    fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

const PEER: u64 = 1;

impl Place {
    /// A person who knows one business.
    fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let protection = Protection::key_file(folder.path().join("key"));
        let path = folder.path().join("state");
        let state = State::create(&path, &protection, Owner::Person).unwrap();
        let clock = SetClock(Arc::new(AtomicU64::new(1_800_000_000_000)));
        let options = Options::default().clock(clock.clone());
        let mut core = PersonCore::load(state, options).unwrap();
        let authority = AuthoritySecret::from_seed(&[1; 32]);
        let (account, inbox) =
            (AccountSecret::from_seed(&[2; 32]), MailboxSecret::from_seed(&[3; 32]));
        let key = DhKey::new([9; 32]);
        let now = core.now().hour();
        let body = CertificateBody {
            serial: Serial(1),
            handle: BusinessHandle::new("bank").unwrap(),
            display_name: "The bank".to_owned(),
            domain: "bank.example".to_owned(),
            domain_check: DomainCheck::Dns,
            keys: BusinessKeys {
                account: account.public(),
                identity: key,
                hint: key,
                inbox: inbox.public(),
            },
            categories: Categories::ALL,
            valid_from: now,
            valid_to: now.plus(24),
        };
        let pin = Pin::of_authority(&authority.public());
        let link = Link {
            relay: RelayLink { host: "127.0.0.1".into(), port: 4433, relay: pin, authority: pin },
            handle: body.handle.clone(),
            account: Pin::of_account(&account.public()),
            reference: None,
        };
        let mut talk = Talk::new(Record::new(link));
        let certificate = body.sign(&authority).unwrap();
        talk.record.known =
            Some(Known { authority: authority.public(), certificate, fetched: now });
        core.talks.insert(PEER, talk);
        Self { core, clock, _folder: folder }
    }

    fn id(&mut self, number: u64) -> ContentId {
        self.core.state.read(|rows| Outbox::get(rows, number)).unwrap().unwrap().id
    }

    fn talk(&mut self) -> &mut Talk {
        self.core.talks.get_mut(&PEER).unwrap()
    }

    /// Answers a request for a ticket with a window with one that is changed in some way; the
    /// ticket that is kept.
    fn check(&mut self, change: impl FnOnce(&mut TicketFields)) -> Option<Ticket> {
        let now = self.core.now();
        let terms: Terms =
            ConsentTerms::default().terms(plico_protocol::id::TicketCommitment::new([7; 32]), now);
        let Terms { categories, messages_max, valid_until, commitment } = terms;
        let opening = plico_protocol::id::TicketOpening::new([4; 32]);
        self.talk().asked = Some(Asked { terms, window: Some(true), opening });
        let mut fields = TicketFields {
            categories,
            zone: Zone::UNKNOWN,
            messages_max,
            opened_at: now.minute(),
            free_until: Some(now.minute().plus(1440)),
            valid_until,
            epoch: Epoch(1),
            tag: AddressTag::new([1; 16]),
            commitment,
            id: TicketId::new(random::bytes()),
        };
        change(&mut fields);
        let ticket = Ticket::mint(&fields, TicketKeyId(1), &MacKey::new([3; 32]));
        self.talk().ticket = None;
        self.core.minted(PEER, &RelayFrame::Minted(Box::new(ticket))).unwrap();
        self.talk().ticket.map(|(ticket, _)| ticket)
    }
}

/// A profile as an account signs it.
fn profile(account: u8, description: &str, issued: Minute) -> SignedProfile {
    let description = description.to_owned();
    let profile = PublicProfile { issued, description, ..PublicProfile::default() };
    profile.sign(&AccountSecret::from_seed(&[account; 32])).unwrap().signed().clone()
}

#[test]
fn words_that_are_older_forged_or_of_the_future_do_not_replace_what_was_seen() {
    let mut place = Place::new();
    let now = place.core.now().minute();
    let mut look_up = |profile: Option<SignedProfile>| {
        let known = place.talk().record.known.clone().unwrap();
        let (authority, certificate) = (known.authority, known.certificate.certificate().clone());
        let frame = RelayFrame::Certified { authority, certificate, profile };
        place.core.looked_up(PEER, frame).unwrap();
        assert_eq!(place.talk().trouble, None, "the certificate stands");
        let profile = place.talk().profile(now).unwrap();
        profile.about.map(|about| about.description)
    };
    assert_eq!(look_up(None), None);
    assert_eq!(look_up(Some(profile(9, "forged", now))), None);
    assert_eq!(look_up(Some(profile(2, "first", now))).as_deref(), Some("first"));
    assert_eq!(look_up(Some(profile(2, "second", now.plus(1)))).as_deref(), Some("second"));
    for profile in [
        Some(profile(2, "first", now)),
        Some(profile(2, "of the same minute", now.plus(1))),
        Some(profile(2, "of the future", now.plus(99))),
        Some(profile(9, "forged", now.plus(2))),
        None,
    ] {
        assert_eq!(look_up(profile).as_deref(), Some("second"));
    }
}

#[test]
fn a_ticket_with_other_terms_than_asked_for_is_not_kept() {
    let mut place = Place::new();
    assert!(place.check(|_| ()).is_some());
    let marketing = Categories::of(&[Category::Marketing]).unwrap();
    assert!(place.check(|fields| fields.categories = marketing).is_none());
    assert_eq!(place.talk().trouble, Some(Trouble::BadTicket));
    assert!(place.check(|fields| fields.messages_max += 1).is_none());
    assert!(place.check(|fields| fields.valid_until = fields.valid_until.plus(1)).is_none());
    assert!(place.check(|fields| fields.free_until = None).is_none());
    let other = plico_protocol::id::TicketCommitment::new([8; 32]);
    assert!(place.check(|fields| fields.commitment = other).is_none());
}

#[test]
fn a_ticket_that_waited_too_long_is_not_fresh() {
    let mut place = Place::new();
    let now = place.core.now();
    let ticket = place.check(|_| ()).unwrap();
    let after = |minutes: u64| Timestamp(now.0 + minutes * 60_000);
    assert!(consent::is_fresh(&ticket, true, now));
    assert!(consent::is_fresh(&ticket, true, after(1439)));
    assert!(!consent::is_fresh(&ticket, true, after(1440)));
    assert!(!consent::is_fresh(&ticket, false, now));
    assert!(!consent::is_fresh(&ticket, false, after(31 * 1440)));
}

#[test]
fn a_refused_subscription_is_tried_again_with_growing_delays() {
    let mut place = Place::new();
    let address = place.talk().record.address();
    place.talk().record.opened = true;
    let mut delay = |refusal: Refusal| {
        let before = place.core.now();
        place.core.relay_of(PEER).unwrap().subscribed.insert(PEER);
        place.core.not_subscribed(&address, &refusal);
        assert!(place.core.relay_of(PEER).unwrap().subscribed.is_empty());
        place.talk().subscribing.not_before.unwrap().0 - before.0
    };
    let busy = || Refusal::new(Code::Busy);
    assert_eq!(delay(busy()), 1_000);
    assert_eq!(delay(Refusal::new(Code::TooMany)), 2_000);
    assert_eq!(delay(busy().retry_after(60_000)), 60_000);
    assert_eq!(delay(busy()), 8_000);
    assert!(place.talk().record.opened);
}

#[test]
fn content_that_cannot_be_sealed_ends_and_lets_the_next_pass() {
    let mut place = Place::new();
    let now = place.core.now();
    let outgoing = Outgoing {
        peer: PEER,
        id: ContentId::new([9; 16]),
        not_before: now,
        kind: 1,
        content: vec![0xff; 40].into(),
        place: None,
        quiet: false,
        session: None,
        price_max: None,
        stage: Stage::Waiting,
    };
    let damaged = place.core.outbox.push(&mut place.core.state, &outgoing, now).unwrap();
    let sent = place.core.send(PEER, "hello".into()).unwrap().unwrap();
    place.core.seal(damaged, outgoing.clone()).unwrap();
    assert_eq!(place.core.outbox.state_of(outgoing.id), Some(MessageState::Failed));
    let [(next, PEER)] = place.core.outbox.waiting(place.core.now())[..] else { panic!("stalled") };
    // A reference no link carries.
    place.talk().record.link.reference = Some("x".repeat(257));
    let rows = |rows: &crate::state::Rows<'_>| Outbox::get(rows, next);
    let outgoing = place.core.state.read(rows).unwrap().unwrap();
    assert!(Content::decode(&outgoing.content).is_ok());
    place.core.seal(next, outgoing).unwrap();
    assert_eq!(place.core.outbox.state_of(sent), Some(MessageState::Failed));
}

/// A session on which nothing was received.
fn session() -> PersonSession {
    let rng = &mut random::system();
    let account = AccountSecret::from_seed(&[2; 32]);
    let (identity, hint) = (IdentitySecret::generate(rng), HintSecret::generate(rng));
    let keys = BusinessKeys {
        account: account.public(),
        identity: identity.public().key(),
        hint: hint.public().key(),
        inbox: MailboxSecret::from_seed(&[3; 32]).public(),
    };
    let (now, end) = (Hour(0), Hour(24));
    let signed = SignedPrekey::generate(PrekeyId(1), end, rng);
    let kem = KemPrekey::generate(PrekeyId(1), end, rng);
    let published = publication(&signed, &kem, PrekeyId(0), &[], &account);
    let account = account.public();
    let bundle = Bundle { account, signed: published.signed, kem: published.kem, one_time: None };
    let bundle = bundle.verify(&account, now, now).unwrap();
    let recipient = RecipientKeys::new(&keys).unwrap();
    let me = IdentitySecret::generate(rng);
    PersonSession::initiate(&me, &recipient, &bundle, b"hello", rng).unwrap().0
}

/// A message that the relay has, on a session that nothing was heard on.
fn has_accepted(place: &mut Place, sent: ContentId) -> u64 {
    let (now, bytes) = (place.core.now(), session().to_bytes());
    place.talk().record.started = Started::Yes;
    let [number] = place.core.outbox.open(PEER)[..] else { panic!("not one message") };
    let accepted = place.core.state.write::<_, StateError>(|rows| {
        rows.put_bytes(Table::Session, Name::Number(PEER), &bytes)?;
        let mut outgoing = Outbox::get(rows, number)?.unwrap();
        assert_eq!(outgoing.id, sent);
        outgoing.accepted(plico_protocol::id::SubmitId::compose(now.hour(), [1; 12]));
        Outbox::put(rows, number, &outgoing)?;
        Ok(outgoing)
    });
    place.core.outbox.note(number, &accepted.unwrap(), now);
    number
}

/// What becomes of it by the relay's word.
fn told(place: &mut Place, sent: ContentId, became: SubmissionState) -> Option<MessageState> {
    let number = has_accepted(place, sent);
    place.core.status_came(number, PEER, &RelayFrame::State(became)).unwrap();
    place.core.outbox.state_of(sent)
}

#[test]
fn sessions_are_begun_ever_more_rarely_and_what_waits_says_until_when() {
    let mut place = Place::new();
    let sent = place.core.send(PEER, "hello".into()).unwrap().unwrap();
    let rest = |place: &mut Place| {
        let now = place.core.now();
        let Some(MessageState::Waiting { until }) = told(place, sent, SubmissionState::Unreadable)
        else {
            panic!("given up")
        };
        if now < until {
            place.core.begin_owed().unwrap();
            assert_eq!(place.talk().record.started, Started::Yes);
        }
        place.clock.set(until);
        place.core.begin_owed().unwrap();
        assert_eq!(place.talk().record.started, Started::No);
        assert_eq!(place.core.outbox.state_of(sent), Some(MessageState::Queued));
        (until.0 - now.0) / 60_000
    };
    let rests: Vec<u64> = (0..14).map(|_| rest(&mut place)).collect();
    assert_eq!(rests, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]);
    let now = place.core.now();
    place.clock.set(Timestamp(now.0 + 48 * 3_600_000));
    assert_eq!([rest(&mut place), rest(&mut place)], [0, 1]);
    // A clock that is set back by a year does not stop it for a year.
    place.clock.set(Timestamp(now.0 - 365 * 24 * 3_600_000));
    assert_eq!([rest(&mut place), rest(&mut place)], [0, 4]);
    let replaced = |rows: &crate::state::Rows<'_>| lost::Replaced::of(rows, PEER);
    let replaced = place.core.state.read(replaced).unwrap();
    assert_eq!(replaced.sessions().count(), 8);
}

#[test]
fn what_did_not_open_is_given_up_after_thirty_days() {
    let mut place = Place::new();
    let sent = place.core.send(PEER, "hello".into()).unwrap().unwrap();
    let now = place.core.now();
    place.clock.set(Timestamp(now.0 + 719 * 3_600_000));
    let until = place.core.now();
    let waits = Some(MessageState::Waiting { until });
    assert_eq!(told(&mut place, sent, SubmissionState::Unreadable), waits);
    place.core.begin_owed().unwrap();
    place.clock.set(Timestamp(now.0 + 720 * 3_600_000));
    let last = Some(MessageState::Unreadable);
    assert_eq!(told(&mut place, sent, SubmissionState::Unreadable), last);
}

#[test]
fn what_is_written_while_another_waits_waits_behind_it() {
    let mut place = Place::new();
    let first = place.core.send(PEER, "first".into()).unwrap().unwrap();
    told(&mut place, first, SubmissionState::Unreadable);
    place.core.begin_owed().unwrap();
    let number = has_accepted(&mut place, first);
    // One is queued when the first does not open, and one is written after that.
    let second = place.core.send(PEER, "second".into()).unwrap().unwrap();
    let frame = RelayFrame::State(SubmissionState::Unreadable);
    place.core.status_came(number, PEER, &frame).unwrap();
    let third = place.core.send(PEER, "third".into()).unwrap().unwrap();
    let until = Timestamp(place.core.now().0 + 60_000);
    let said = place.core.history(PEER, None, 9).unwrap();
    for (said, id) in said.iter().zip([first, second, third]) {
        let waits = MessageState::Waiting { until };
        assert_eq!(place.core.outbox.state_of(id), Some(waits));
        assert_eq!((said.content.id, said.direction), (id, Direction::Sent { state: waits }));
    }
    assert_eq!(place.core.outbox.waiting(place.core.now()), []);
    place.clock.set(until);
    place.core.begin_owed().unwrap();
    let order: Vec<ContentId> =
        place.core.outbox.open(PEER).iter().map(|number| place.id(*number)).collect();
    assert_eq!(order, [first, second, third]);
    assert_eq!(place.core.outbox.waiting(until).len(), 1);
}

#[test]
fn what_the_relay_does_not_know_goes_out_again() {
    let mut place = Place::new();
    let sent = place.core.send(PEER, "hello".into()).unwrap().unwrap();
    let now = place.core.now();
    let until = Timestamp(now.0 + 60_000);
    let waits = Some(MessageState::Waiting { until });
    assert_eq!(told(&mut place, sent, SubmissionState::Unknown), waits);
    assert_eq!(place.core.outbox.waiting(now), []);
    assert_eq!(place.core.outbox.waiting(until).len(), 1);
    assert_eq!(place.talk().record.started, Started::Yes, "the session may be as it was");
    // Submitted hours ago: it holds up nothing that is written now.
    let later = Timestamp(now.0 + 49 * 3_600_000);
    let number = has_accepted(&mut place, sent);
    place.clock.set(later);
    let unknown = RelayFrame::State(SubmissionState::Unknown);
    place.core.status_came(number, PEER, &unknown).unwrap();
    assert_eq!(place.core.outbox.waiting(later).len(), 1);
    place.clock.set(Timestamp(now.0 + 720 * 3_600_000));
    assert_eq!(told(&mut place, sent, SubmissionState::Unknown), Some(MessageState::Expired));
}
