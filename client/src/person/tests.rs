//! A person's core without a relay: what it makes of refusals, tickets and damaged content.

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
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{Outgoing, Stage};
use crate::random;
use crate::state::{Name, StateError, Table};

struct Place {
    core: PersonCore,
    _folder: tempfile::TempDir,
}

const PEER: u64 = 1;

impl Place {
    /// A person who knows one business.
    fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let protection = Protection::key_file(folder.path().join("key"));
        let path = folder.path().join("state");
        let state = State::create(&path, &protection, Owner::Person).unwrap();
        let mut core = PersonCore::load(state, Options::default()).unwrap();
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
        Self { core, _folder: folder }
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
    // The clock is the real one: it may have moved on by a little.
    let near = |ms: u64, expected: u64| (expected..expected + 500).contains(&ms);
    assert!(near(delay(busy()), 1_000));
    assert!(near(delay(Refusal::new(Code::TooMany)), 2_000));
    assert!(near(delay(busy().retry_after(60_000)), 60_000));
    assert!(near(delay(busy()), 8_000));
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

#[test]
fn a_session_nobody_answered_on_is_begun_again_once_a_day() {
    let mut place = Place::new();
    let sent = place.core.send(PEER, "hello".into()).unwrap().unwrap();
    let [(number, PEER)] = place.core.outbox.waiting(place.core.now())[..] else { panic!() };
    let mut unreadable = || {
        let (now, bytes) = (place.core.now(), session().to_bytes());
        place.talk().record.started = Started::Yes;
        let accepted = place.core.state.write::<_, StateError>(|rows| {
            rows.put_bytes(Table::Session, Name::Number(PEER), &bytes)?;
            let mut outgoing = Outbox::get(rows, number)?.unwrap();
            outgoing.accepted(plico_protocol::id::SubmitId::compose(now.hour(), [1; 12]));
            Outbox::put(rows, number, &outgoing)?;
            Ok(outgoing)
        });
        place.core.outbox.note(number, &accepted.unwrap(), now);
        let frame = RelayFrame::State(SubmissionState::Unreadable);
        place.core.status_came(number, PEER, &frame).unwrap();
        (place.core.outbox.state_of(sent), place.talk().record.started)
    };
    assert_eq!(unreadable(), (Some(MessageState::Queued), Started::No));
    assert_eq!(unreadable(), (Some(MessageState::Unreadable), Started::Yes));
    let replaced = |rows: &crate::state::Rows<'_>| lost::Replaced::of(rows, PEER);
    assert!(place.core.state.read(replaced).unwrap().is_some());
}
