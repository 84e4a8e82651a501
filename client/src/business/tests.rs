//! A business's core without a relay: what it makes of envelopes, tickets and stocks.

use plico_endpoint::content::{Body, Content, Reply};
use plico_endpoint::handshake::RecipientKeys;
use plico_endpoint::prekeys::publication;
use plico_endpoint::primitives::dh::IdentitySecret;
use plico_endpoint::session::{BusinessSession, PersonSession};
use plico_protocol::envelope::{Envelope, EnvelopeBytes};
use plico_protocol::frame::{PrekeyStock, RelayFrame, Submission, SubmissionState};
use plico_protocol::id::{
    Address, AddressTag, SubmitId, TicketCommitment, TicketId, TicketOpening,
};
use plico_protocol::mac::MacKey;
use plico_protocol::prekey::{Bundle, PrekeyId};
use plico_protocol::profile::{Profile, Restored, SignedProfile, Status};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::signature::AccountSecret;
use plico_protocol::ticket::{Categories, Epoch, Ticket, TicketKeyId, Zone};
use plico_protocol::time::{Hour, Minute, Timestamp};

use super::record::{CustomerRecord, SessionRecord};
use super::*;
use crate::about;
use crate::agent::inbound::Outcome;
use crate::agent::journal::{News, Stored};
use crate::agent::outgoing::{Outgoing, Stage};
use crate::random;
use crate::state::{Name, StateError, Table};

pub(super) struct Place {
    pub(super) core: BusinessCore,
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let protection = Protection::key_file(folder.path().join("key"));
        let path = folder.path().join("state");
        let mut state = State::create(&path, &protection, Owner::Business).unwrap();
        let handle = BusinessHandle::new("bank").unwrap();
        Identity::new(handle, "The bank", "bank.example").store(&mut state).unwrap();
        let core = BusinessCore::load(state, Options::default()).unwrap();
        Self { core, folder }
    }

    /// Copies the state as it is.
    pub(super) fn back_up(&mut self) {
        let folder = self.folder.path();
        let now = self.core.now().hour();
        self.core.note_hour(now).unwrap();
        crate::state::back_up(&folder.join("state"), &folder.join("backup"), Owner::Business)
            .unwrap();
    }

    /// Loses the state and goes on from that copy.
    pub(super) fn restored(self) -> Self {
        let Self { core, folder } = self;
        let now = core.now();
        drop(core);
        let path = folder.path().join("state");
        std::fs::remove_file(&path).unwrap();
        let (backup, protection) =
            (folder.path().join("backup"), Protection::key_file(folder.path().join("key")));
        let prepare = |rows: &crate::state::Rows<'_>| restored::prepare(rows, now);
        crate::state::restore(&backup, &path, &protection, Owner::Business, prepare).unwrap();
        let state = State::open(&path, &protection, Owner::Business).unwrap();
        let core = BusinessCore::load(state, Options::default()).unwrap();
        Self { core, folder }
    }

    /// A first message with this content.
    pub(super) fn first(&mut self, content: &Content) -> Envelope {
        self.begin(content).1
    }

    /// The same with the session it begins.
    pub(super) fn begin(&mut self, content: &Content) -> (PersonSession, Envelope) {
        let now = self.core.now().hour();
        let pair = self
            .core
            .state
            .write::<_, StateError>(|rows| prekeys::current_pair(rows, now))
            .unwrap();
        let account = &self.core.identity.account;
        let published = publication(&pair.signed, &pair.kem, PrekeyId(0), &[], account);
        let account = account.public();
        let bundle =
            Bundle { account, signed: published.signed, kem: published.kem, one_time: None };
        let bundle = bundle.verify(&account, now, now).unwrap();
        let recipient = RecipientKeys::new(&self.core.identity.keys()).unwrap();
        let rng = &mut random::system();
        let identity = IdentitySecret::generate(rng);
        let bytes = content.encode().unwrap();
        PersonSession::initiate(&identity, &recipient, &bundle, &bytes, rng).unwrap()
    }

    pub(super) fn customer(&mut self, id: u64) -> CustomerRecord {
        self.core.state.read(|rows| CustomerRecord::get(rows, id)).unwrap().unwrap()
    }
}

/// A ticket opened at this minute, in this epoch.
pub(super) fn ticket(opened_at: u32, epoch: u32, window: bool) -> Ticket {
    let fields = TicketFields {
        categories: Categories::ALL,
        zone: Zone::UNKNOWN,
        messages_max: 5,
        opened_at: Minute(opened_at),
        free_until: window.then_some(Minute(opened_at + 1440)),
        valid_until: Minute(opened_at + 100_000),
        epoch: Epoch(epoch),
        tag: AddressTag::new([1; 16]),
        commitment: TicketCommitment::new([2; 32]),
        id: TicketId::new(random::bytes()),
    };
    Ticket::mint(&fields, TicketKeyId(1), &MacKey::new([3; 32]))
}

pub(super) fn hello(ticket: Ticket) -> Content {
    let now = Timestamp(0);
    let mut content = Message::from(Body::Text("hello".to_owned())).into_content(now);
    let opening = TicketOpening::new([4; 32]);
    content.reply = Some(Reply { address: Address::new([5; 32]), ticket, opening });
    content
}

fn opened_at(slot: Option<&(Ticket, TicketOpening)>) -> Option<u32> {
    slot.map(|(ticket, _)| ticket.fields().unwrap().opened_at.0)
}

#[test]
fn a_repeated_handshake_is_a_duplicate_and_not_unreadable() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    assert_eq!(place.core.take(&envelope).unwrap(), Outcome::Read);
    assert_eq!(place.core.take(&envelope).unwrap(), Outcome::Read);
    assert_eq!(place.core.customers().unwrap().len(), 1);
}

#[test]
fn a_handshake_under_unknown_prekeys_is_unreadable() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    let deleted = |rows: &crate::state::Rows<'_>| rows.delete(Table::SignedPrekey, Name::Number(1));
    place.core.state.write::<_, StateError>(deleted).unwrap();
    assert_eq!(place.core.take(&envelope).unwrap(), Outcome::Unreadable);
}

#[test]
fn a_ticket_of_another_epoch_ends_those_before_it() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    place.core.take(&envelope).unwrap();
    let mut customer = place.customer(1);
    let opening = TicketOpening::new([4; 32]);
    let mut check = |opened: u32, epoch, window| {
        let taken = customer.take_ticket(ticket(opened, epoch, window), opening).is_some();
        (taken, opened_at(customer.window.as_ref()), opened_at(customer.standing.as_ref()))
    };
    assert_eq!(check(20, 1, false), (true, Some(10), Some(20)));
    assert_eq!(check(30, 2, true), (true, Some(30), None));
    // What comes late changes nothing, whichever epoch it is of.
    assert_eq!(check(25, 2, true), (false, Some(30), None));
    assert_eq!(check(20, 1, false), (false, Some(30), None));
    assert_eq!(check(30, 2, false), (true, Some(30), Some(30)));
}

#[test]
fn a_known_message_brings_no_ticket() {
    let mut place = Place::new();
    let content = hello(ticket(10, 1, true));
    let first = place.first(&content);
    place.core.take(&first).unwrap();
    let reply = content.reply.clone().map(|reply| Reply { ticket: ticket(20, 2, true), ..reply });
    let again = place.first(&Content { reply, ..content });
    assert_eq!(place.core.take(&again).unwrap(), Outcome::Read);
    assert_eq!(opened_at(place.customer(1).window.as_ref()), Some(10));
    // Another identity key: another customer, who said nothing new.
    assert_eq!(place.customer(2).window, None);
}

#[test]
fn what_cannot_be_sealed_ends_and_holds_nothing_up() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    place.core.take(&envelope).unwrap();
    let now = place.core.now();
    let outgoing = Outgoing {
        peer: 1,
        id: ContentId::new([9; 16]),
        not_before: now,
        kind: Category::Service.byte(),
        content: vec![1; 65_500].into(),
        place: None,
        quiet: false,
        session: None,
        price_max: None,
        stage: Stage::Waiting,
    };
    let number = place.core.outbox.push(&mut place.core.state, &outgoing, now).unwrap();
    place.core.seal(number).unwrap();
    assert_eq!(place.core.outbox.state_of(outgoing.id), Some(MessageState::Failed));
    assert!(place.core.outbox.waiting(now).is_empty());
}

/// A message that says hello to the first customer, composed then.
fn composed_at(id: u8, composed: Timestamp, now: Timestamp) -> Outgoing {
    Outgoing {
        peer: 1,
        id: ContentId::new([id; 16]),
        not_before: now,
        kind: Category::Service.byte(),
        content: Message::from("hello").into_content(composed).encode().unwrap().into(),
        place: None,
        quiet: false,
        session: None,
        price_max: None,
        stage: Stage::Waiting,
    }
}

#[test]
fn what_the_relay_forgot_is_not_called_expired() {
    let mut place = Place::new();
    let now = place.core.now();
    let mut outgoing = composed_at(1, now, now);
    outgoing.accepted(SubmitId::compose(now.hour(), [1; 12]));
    let number = place.core.outbox.push(&mut place.core.state, &outgoing, now).unwrap();
    let unknown = RelayFrame::State(SubmissionState::Unknown);
    place.core.status_came(number, &unknown).unwrap();
    assert_eq!(place.core.outbox.state_of(outgoing.id), Some(MessageState::Forgotten));
}

/// A message that was sealed, and the relay limits.
fn limited(place: &mut Place, outgoing: &mut Outgoing, rule: &str) {
    let now = place.core.now();
    let submission = Submission {
        id: SubmitId::compose(now.hour(), [1; 12]),
        to: Address::new([5; 32]),
        consent: None,
        envelope: EnvelopeBytes(vec![0; 2048].into()),
    };
    outgoing.sealed(&submission, false);
    let number = place.core.outbox.push(&mut place.core.state, outgoing, now).unwrap();
    let detail = format!("{rule}: at most 100 a day");
    let refusal = Refusal::because(Code::RateLimited, detail).retry_after(60_000);
    place.core.submitted(number, &RelayFrame::Refused(refusal)).unwrap();
}

#[tokio::test]
async fn why_messages_wait_is_told_once_for_each_rule() {
    let mut place = Place::new();
    let now = place.core.now();
    for (id, rule) in [(1, "reach"), (2, "reach"), (3, "account_submissions")] {
        limited(&mut place, &mut composed_at(id, now, now), rule);
    }
    for (told, rule) in [(1, "reach"), (3, "account_submissions")] {
        let (answer, event) = tokio::sync::oneshot::channel();
        place.core.journal.wait(answer);
        place.core.journal.hand_out(&mut place.core.state, |_, _| None).unwrap();
        let Ok(Event::Delayed { id, delay, .. }) = event.await else { panic!("nothing was told") };
        assert_eq!((id, delay.refusal.rule()), (ContentId::new([told; 16]), Some(rule)));
    }
    let (answer, mut event) = tokio::sync::oneshot::channel();
    place.core.journal.wait(answer);
    place.core.journal.hand_out(&mut place.core.state, |_, _| None).unwrap();
    assert!(event.try_recv().is_err());
}

#[test]
fn what_the_relay_did_not_take_in_30_days_ends_unsent() {
    for (days, state) in [(29, MessageState::Queued), (30, MessageState::Expired)] {
        let mut place = Place::new();
        let now = place.core.now();
        let envelope = place.first(&hello(ticket(now.minute().0, 1, true)));
        place.core.take(&envelope).unwrap();
        let composed = Timestamp(now.0 - days * 86_400_000);
        let mut sealed = composed_at(1, composed, now);
        limited(&mut place, &mut sealed, "reach");
        // Nor is what was not sealed yet.
        let waiting = composed_at(2, composed, now);
        let number = place.core.outbox.push(&mut place.core.state, &waiting, now).unwrap();
        place.core.seal(number).unwrap();
        for outgoing in [sealed, waiting] {
            assert_eq!(place.core.outbox.state_of(outgoing.id), Some(state));
        }
    }
}

#[test]
fn what_waits_for_a_person_to_be_heard_ends_after_30_days() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    place.core.take(&envelope).unwrap();
    let session = place.customer(1).session;
    let name = Name::Hidden(session.as_bytes());
    let fill_chain = |rows: &crate::state::Rows<'_>| {
        let mut record = rows.get::<SessionRecord>(Table::Session, name)?.unwrap();
        let mut session = BusinessSession::from_bytes(&record.bytes).unwrap();
        session.skip_sending(u32::MAX, &mut random::system()).unwrap();
        record.bytes = bytes::Bytes::from_owner(session.to_bytes());
        rows.put(Table::Session, name, &record)
    };
    place.core.state.write::<_, StateError>(fill_chain).unwrap();
    let now = place.core.now();
    for (id, composed, state) in
        [(1, now, MessageState::Queued), (2, Timestamp(0), MessageState::Expired)]
    {
        let outgoing = composed_at(id, composed, now);
        let number = place.core.outbox.push(&mut place.core.state, &outgoing, now).unwrap();
        place.core.seal(number).unwrap();
        assert_eq!(place.core.outbox.state_of(outgoing.id), Some(state));
    }
}

#[test]
fn ids_begin_above_what_the_relay_knows() {
    let mut place = Place::new();
    let now = place.core.now().hour();
    let mut publish = |stock: PrekeyStock| {
        place.core.count_above(&stock).unwrap();
        let lacks = place.core.lacks(&stock).unwrap();
        let ids = |rows: &crate::state::Rows<'_>| {
            let pair = prekeys::current_pair(rows, now)?;
            Ok::<_, StateError>((pair.signed.id().0, rows.next_number(Table::OneTimePrekey)?))
        };
        (lacks, place.core.state.write(ids).unwrap())
    };
    let stock = |signed: u32, kem: u32, highest: u32| PrekeyStock {
        signed: PrekeyId(signed),
        kem: PrekeyId(kem),
        one_time: 90,
        highest: PrekeyId(highest),
    };
    assert_eq!(publish(stock(0, 0, 0)), (Some(10), (1, 1)));
    assert_eq!(publish(stock(1, 1, 1)), (None, (1, 2)));
    // A state of before: the relay has had more of this business than it knows.
    assert_eq!(publish(stock(7, 8, 250)), (Some(10), (9, 251)));
    assert_eq!(publish(stock(9, 9, 251)), (None, (9, 252)));
    assert_eq!(publish(stock(9, 9, u32::MAX)), (None, (9, 253)));
}

#[test]
fn a_session_that_is_damaged_stops_the_agent_and_not_the_message_alone() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    place.core.take(&envelope).unwrap();
    let (customer, now) = (place.customer(1), place.core.now());
    let damaged =
        SessionRecord { customer: 1, received: now.hour(), told: false, bytes: vec![0].into() };
    let name = Name::Hidden(customer.session.as_bytes());
    let put = |rows: &crate::state::Rows<'_>| rows.put(Table::Session, name, &damaged);
    place.core.state.write::<_, StateError>(put).unwrap();
    let message = Message::from("hello");
    place.core.send(CustomerId(1), message, Category::Service).unwrap().unwrap();
    let number = place.core.outbox.waiting(place.core.now())[0].0;
    assert!(matches!(place.core.seal(number), Err(StateError::Unreadable { .. })));
}

/// The events that wait, as (id, whether it is a customer's first message).
fn waiting_events(place: &mut Place) -> Vec<(EventId, bool)> {
    let read = |rows: &crate::state::Rows<'_>| rows.ordered::<Stored>(Table::Event);
    let events = place.core.state.read(read).unwrap().into_iter();
    let messages = events.filter_map(|(id, stored)| match stored.news {
        News::First { .. } => Some((EventId(id), true)),
        News::Message { .. } => Some((EventId(id), false)),
        _ => None,
    });
    messages.collect()
}

#[test]
fn the_first_message_of_a_customer_is_told_apart() {
    let mut place = Place::new();
    for minute in [10, 20] {
        let envelope = place.first(&hello(ticket(minute, 1, true)));
        place.core.take(&envelope).unwrap();
    }
    // The envelopes were sealed by two devices that name one mailbox: two customers.
    let first: Vec<_> = waiting_events(&mut place).into_iter().map(|(_, first)| first).collect();
    assert_eq!(first, [true, true]);
    let customer = place.customer(1);
    let again = hello(ticket(30, 1, true));
    let opened = place.core.state.write::<_, StateError>(|rows| {
        receiving::put_content(
            rows,
            1,
            customer,
            None,
            &again,
            &again.encode().unwrap(),
            Timestamp(0),
        )
    });
    opened.unwrap();
    assert!(!waiting_events(&mut place)[2].1);
}

#[test]
fn answers_are_stored_with_the_end_of_their_event_or_not_at_all() {
    let mut place = Place::new();
    let envelope = place.first(&hello(ticket(10, 1, true)));
    place.core.take(&envelope).unwrap();
    let event = waiting_events(&mut place)[0].0;
    let answer = |text: &str| (CustomerId(1), Message::from(text), Category::Service);
    let mut check = |answers: Vec<_>| {
        let answered = place.core.answer_event(event, answers).unwrap();
        let queued = place.core.outbox.waiting(place.core.now()).len();
        (answered.map(|ids| ids.len()), queued, waiting_events(&mut place).len())
    };
    let empty =
        SendError::Content(BadContent::Bound { field: "text", value: 0, min: 1, max: 32 * 1024 });
    assert_eq!(check(vec![answer("one"), answer("")]), (Err(empty.into()), 0, 1));
    let stranger = (CustomerId(9), Message::from("one"), Category::Service);
    let unknown = AnswerError::Send(SendError::UnknownCustomer);
    assert_eq!(check(vec![answer("one"), stranger]), (Err(unknown), 0, 1));
    // Of one customer, one message at a time is to be sealed.
    assert_eq!(check(vec![answer("one"), answer("two")]), (Ok(2), 1, 0));
    assert_eq!(check(vec![answer("one")]), (Err(AnswerError::Handled), 1, 0));
}

#[tokio::test]
async fn names_that_no_certificate_states_are_refused_before_keys_are_made() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("state");
    let create = async |handle, name, domain| {
        let protection = Protection::key_file(folder.path().join("key"));
        Business::create(&path, protection, handle, name, domain).await
    };
    let handle = create("My Bank", "My Bank", "bank.example").await;
    assert!(matches!(handle, Err(CreateError::Handle(_))));
    let name = create("bank", "My \"Bank\"", "bank.example").await;
    assert!(matches!(name, Err(CreateError::Name(_))));
    assert!(matches!(create("bank", "My Bank", "localhost").await, Err(CreateError::Domain(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(create("bank", "My Bank", "bank.example").await.is_ok());
}

#[test]
fn a_later_profile_at_the_relay_is_taken_over_and_an_older_one_replaced() {
    let mut place = Place::new();
    let now = place.core.now().minute();
    let ours = place.core.identity.account.clone();
    let signed = |by: &AccountSecret, description: &str, issued: Minute| -> SignedProfile {
        let description = description.to_owned();
        let profile = Profile { issued, description, ..Profile::default() };
        profile.sign(by).unwrap().signed().clone()
    };
    let mut compare = |published: Option<SignedProfile>| {
        place.core.compare_profile(published).unwrap();
        let about = place.core.profile.about(now);
        (about.map(|about| about.description), place.core.profile.is_published())
    };
    let (first, second) = (Some("first".to_owned()), Some("second".to_owned()));
    assert_eq!(compare(None), (None, true), "there is nothing to publish");
    let other = AccountSecret::from_seed(&[9; 32]);
    assert_eq!(compare(Some(signed(&other, "forged", now))), (None, true));
    assert_eq!(compare(Some(signed(&ours, "first", now))), (first.clone(), true));
    assert_eq!(compare(None), (first.clone(), false));
    assert_eq!(compare(Some(signed(&ours, "first", now))), (first.clone(), true));
    let minute_before = Minute(now.0 - 1);
    assert_eq!(compare(Some(signed(&ours, "older", minute_before))), (first, false));
    // Of the same minute: people have seen the relay's.
    assert_eq!(compare(Some(signed(&ours, "second", now))), (second, true));
}

#[test]
fn a_profile_issued_again_is_later_keeps_the_rest_and_is_stored() {
    let mut place = Place::new();
    let now = place.core.now().minute();
    let described = |p: &mut Profile| p.description = "open".to_owned();
    place.core.reissue_profile(described).unwrap().unwrap();
    place.core.set_status(Some("today".to_owned())).unwrap().unwrap();
    let restored = Some(Restored { hour: Hour(7), at: place.core.now() });
    place.core.reissue_profile(|profile| profile.restored = restored).unwrap().unwrap();
    let account = place.core.identity.account.public();
    let stored = |rows: &crate::state::Rows<'_>| about::stored(rows, Name::ONLY, &account);
    let stored = place.core.state.read(stored).unwrap().unwrap();
    let profile = stored.profile();
    assert!(now.plus(2) <= profile.issued, "three in one minute count on");
    assert_eq!((profile.description.as_str(), profile.restored), ("open", restored));
    assert!(profile.status.is_some());
}

#[test]
fn a_profile_of_a_clock_far_ahead_is_issued_again_at_the_present() {
    let account = AccountSecret::from_seed(&[9; 32]);
    let ahead = Profile {
        issued: Minute(100_000),
        status: Some(Status { text: "late".to_owned(), until: Minute(100_001) }),
        restored: Some(Restored { hour: Hour(1_400), at: Timestamp(1_500 * 3_600_000) }),
        ..Profile::default()
    };
    let restored = ahead.restored;
    let ahead = ahead.sign(&account).unwrap();
    let again = profile::reissued(Some(&ahead), &account, Minute(90_000), |_| ()).unwrap();
    let expected = Profile { issued: Minute(90_000), restored, ..Profile::default() };
    assert_eq!(*again.profile(), expected);
}
