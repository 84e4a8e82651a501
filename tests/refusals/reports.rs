//! Forged reports: each is refused and counts for nothing; true ones count.

use bytes::Bytes;
use plico_protocol::commitment::commit;
use plico_protocol::envelope::{EnvelopeBytes, SizeClass};
use plico_protocol::frame::{ClientFrame, Consent, Delivery, RelayFrame, Sequence, Submission};
use plico_protocol::mac::MacKey;
use plico_protocol::refusal::Code;
use plico_protocol::report::{Disclosure, Report, Reported};
use plico_protocol::reputation::{AccountStanding, Inputs, Reputation};
use plico_protocol::ticket::{Category, Terms, Ticket};

use crate::harness::raw::{Raw, RawStream, code};
use crate::harness::relay::TestRelay;
use crate::harness::world::{BEGINNING, Bank, Customer, answer_to, submission, submit_id_at};

/// A relay, a bank that may write to some customers without being asked, and their connections.
struct Scene {
    relay: TestRelay,
    bank: Bank,
    business: Raw,
    customers: Vec<Customer>,
    people: Vec<Raw>,
    tickets: Vec<Ticket>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(2).await
    }

    async fn with(customers: u8) -> Self {
        let relay = TestRelay::start().await;
        let bank = Bank::new(1);
        relay.certify(&bank, "bank").await;
        let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
        let customers: Vec<_> = (7..7 + customers).map(Customer::new).collect();
        let mut people = Vec::new();
        let mut tickets = Vec::new();
        for customer in &customers {
            let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
            let address = customer.address();
            assert_eq!(person.ask(&ClientFrame::Open { address }).await, RelayFrame::Opened);
            let valid_until = BEGINNING.minute().plus(90 * 24 * 60);
            let terms = Terms { valid_until, ..customer.terms(&bank) };
            let mint = ClientFrame::Mint { address, terms, window: false };
            match person.ask(&mint).await {
                RelayFrame::Minted(ticket) => tickets.push(*ticket),
                other => panic!("{other:?}"),
            }
            people.push(person);
        }
        Self { relay, bank, business, customers, people, tickets }
    }

    /// Sends a message to a customer and gives the report its device could make of it.
    async fn sent(&self, to: usize, n: u32, text: u8) -> Report {
        let customer = &self.customers[to];
        let padded = padded(text);
        let commitment = commit(&franking_key(text), 1, SizeClass::Small, &padded);
        let mut envelope = vec![0; SizeClass::Small.bytes()];
        envelope[..32].copy_from_slice(commitment.as_bytes());
        let consent = Consent { category: Category::Utility, ..customer.consent(self.tickets[to]) };
        let submission = Submission {
            id: submit_id_at(self.relay.clock.hour(), 1_000 * u32::from(text) + n),
            to: customer.address(),
            consent: Some(consent),
            envelope: EnvelopeBytes(envelope.into()),
        };
        let answer = self.business.ask(&ClientFrame::Submit(Box::new(submission))).await;
        assert!(matches!(answer, RelayFrame::Accepted(_)), "{answer:?}");
        let (_, _, Delivery { origin, .. }) = self.newest(to, n).await;
        Report {
            address: customer.address(),
            commitment,
            class: SizeClass::Small,
            origin: origin.unwrap(),
            disclosure: Some(Disclosure { padded, franking_key: franking_key(text) }),
        }
    }

    /// The customer's `n`th envelope, fetched and kept waiting.
    async fn newest(&self, to: usize, n: u32) -> (RawStream, Raw, Delivery) {
        let person = Raw::person(self.relay.address(), &[&self.customers[to].mailbox]).await;
        let mut stream = person.stream().await;
        let address = self.customers[to].address();
        stream.ask(&ClientFrame::Subscribe { address }).await;
        loop {
            match stream.next().await {
                RelayFrame::Deliver(delivery) if delivery.sequence.0 == u64::from(n) => {
                    return (stream, person, *delivery);
                }
                RelayFrame::Deliver(_) => (),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The customer acknowledges everything up to its `n`th envelope.
    async fn read(&self, to: usize, n: u32) {
        let (mut stream, _person, Delivery { channel, sequence, .. }) = self.newest(to, n).await;
        stream
            .send(&ClientFrame::Acknowledge { channel, up_to: sequence, unreadable: vec![] })
            .await;
        while !matches!(stream.next().await, RelayFrame::Acknowledged { .. }) {}
    }

    async fn standing(&self) -> AccountStanding {
        match self.business.ask(&ClientFrame::AskStanding).await {
            RelayFrame::Standing(standing) => standing,
            other => panic!("{other:?}"),
        }
    }

    async fn report(&self, by: usize, report: Report) -> RelayFrame {
        self.people[by].ask(&ClientFrame::Report(Box::new(report))).await
    }

    async fn check_forged(&self, honest: &Report, change: impl FnOnce(&mut Report)) {
        let mut forged = honest.clone();
        change(&mut forged);
        assert_eq!(code(self.report(0, forged).await), Code::BadReport);
    }

    async fn check_counts(&self, by: usize, report: &Report, expected: Reported) {
        assert_eq!(self.report(by, report.clone()).await, RelayFrame::Reported(expected));
    }
}

fn padded(text: u8) -> Bytes {
    vec![text; SizeClass::Small.bytes() - 128].into()
}

fn franking_key(text: u8) -> MacKey {
    MacKey::new([text; 32])
}

#[tokio::test]
async fn content_that_was_not_sent_is_refused() {
    let scene = Scene::new().await;
    let honest = scene.sent(0, 1, 1).await;
    let disclose = |report: &mut Report, padded, franking_key| {
        report.disclosure = Some(Disclosure { padded, franking_key });
    };
    scene.check_forged(&honest, |r| disclose(r, padded(2), franking_key(1))).await;
    scene.check_forged(&honest, |r| disclose(r, padded(1), franking_key(2))).await;
    scene.check_forged(&honest, |r| disclose(r, Bytes::new(), franking_key(1))).await;
    scene.check_counts(0, &honest, Reported::Counted).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn another_message_is_refused() {
    let scene = Scene::new().await;
    let honest = scene.sent(0, 1, 1).await;
    let other = scene.sent(0, 2, 2).await;
    scene.check_forged(&honest, |r| r.commitment = other.commitment).await;
    scene.check_forged(&honest, |r| r.origin = other.origin).await;
    scene.check_forged(&honest, |r| r.class = SizeClass::Medium).await;
    scene.check_counts(0, &honest, Reported::Counted).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn another_business_is_refused() {
    let scene = Scene::new().await;
    let honest = scene.sent(0, 1, 1).await;
    let other = Bank::new(2).account.public();
    scene.check_forged(&honest, |r| r.origin.origin.account = other).await;
    scene.check_counts(0, &honest, Reported::Counted).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn another_category_is_refused() {
    let scene = Scene::new().await;
    let honest = scene.sent(0, 1, 1).await;
    scene.check_forged(&honest, |r| r.origin.origin.category = Category::Marketing).await;
    scene.check_counts(0, &honest, Reported::Counted).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_stamp_passed_on_or_made_for_another_mailbox_is_refused() {
    let scene = Scene::new().await;
    let honest = scene.sent(0, 1, 1).await;
    let other = scene.sent(1, 1, 3).await;
    // The second customer shows what the first was sent: as it is, under its own address and tag.
    assert_eq!(code(scene.report(1, honest.clone()).await), Code::NotProven);
    let mut passed_on = honest.clone();
    passed_on.address = other.address;
    assert_eq!(code(scene.report(1, passed_on.clone()).await), Code::BadReport);
    passed_on.origin.origin.tag = other.origin.origin.tag;
    assert_eq!(code(scene.report(1, passed_on).await), Code::BadReport);
    scene.check_counts(1, &other, Reported::Counted).await;
    scene.check_counts(0, &honest, Reported::Counted).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn only_a_connection_that_proved_the_mailbox_reports() {
    let scene = Scene::new().await;
    let honest = scene.sent(0, 1, 1).await;
    let frame = ClientFrame::Report(Box::new(honest.clone()));
    let anonymous = Raw::connect(scene.relay.address()).await;
    assert_eq!(anonymous.refused(&frame).await, Code::WrongConnection);
    let business = Raw::business(scene.relay.address(), &scene.bank.account, &scene.bank.inbox);
    assert_eq!(business.await.refused(&frame).await, Code::WrongConnection);
    scene.check_counts(0, &honest, Reported::Counted).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_stamp_counts_for_62_days_and_then_proves_nothing() {
    let scene = Scene::new().await;
    let [first, second] = [scene.sent(0, 1, 1).await, scene.sent(1, 1, 2).await];
    scene.relay.clock.advance_hours(62 * 24);
    scene.check_counts(0, &first, Reported::Counted).await;
    scene.relay.clock.advance_hours(24);
    // Whether the key is destroyed already or not.
    assert_eq!(code(scene.report(1, second.clone()).await), Code::BadReport);
    scene.relay.sweep().await;
    assert_eq!(code(scene.report(1, second).await), Code::BadReport);
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_true_report_counts_once_per_mailbox_and_day_with_its_content_and_without() {
    let scene = Scene::new().await;
    let [mut first, second] = [scene.sent(0, 1, 1).await, scene.sent(0, 2, 2).await];
    let other = scene.sent(1, 1, 3).await;
    first.disclosure = None;
    scene.check_counts(0, &first, Reported::Counted).await;
    scene.check_counts(0, &first, Reported::Already).await;
    scene.check_counts(0, &second, Reported::Already).await;
    scene.check_counts(1, &other, Reported::Counted).await;
    scene.relay.clock.advance_hours(24);
    scene.relay.sweep().await;
    scene.check_counts(0, &second, Reported::Counted).await;
    scene.check_counts(0, &first, Reported::Already).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn twenty_people_who_report_suspend_a_business_until_its_operator_restores_it() {
    let scene = Scene::with(20).await;
    for to in 0..20 {
        let report = scene.sent(to, 1, to as u8).await;
        scene.check_counts(to, &report, Reported::Counted).await;
    }
    let before = scene.standing().await;
    assert_eq!(before.inputs, Inputs { reports: 20, deliveries: 0 });
    assert!(!before.reputation.suspended, "what was delivered is not counted yet");
    scene.relay.clock.advance_hours(24);
    scene.relay.sweep().await;
    for to in 0..20 {
        scene.read(to, 1).await;
    }
    assert!(!scene.standing().await.reputation.suspended, "nor on the day it was delivered");
    scene.relay.clock.advance_hours(24);
    scene.relay.sweep().await;
    let suspended = scene.standing().await;
    assert!(suspended.reputation.suspended);
    assert_eq!(scene.relay.standing("bank").await, suspended);
    let again =
        Consent { category: Category::Utility, ..scene.customers[0].consent(scene.tickets[0]) };
    let frame = |n| {
        let id = submit_id_at(scene.relay.clock.hour(), n);
        submission(scene.customers[0].address(), id, Some(again), SizeClass::Small.bytes())
    };
    assert_eq!(scene.business.refused(&frame(1)).await, Code::Suspended);
    // What the person did not allow is refused for that, suspended or not.
    let not_allowed = Some(Consent { category: Category::Marketing, ..again });
    let id = submit_id_at(scene.relay.clock.hour(), 2);
    let not_allowed =
        submission(scene.customers[0].address(), id, not_allowed, SizeClass::Small.bytes());
    assert_eq!(scene.business.refused(&not_allowed).await, Code::CategoryNotAllowed);

    let restored = scene.relay.restore("bank").await;
    let reputation = Reputation { since: scene.relay.clock.hour().day(), ..Reputation::default() };
    let dues = suspended.dues;
    assert_eq!(restored, AccountStanding { reputation, dues, inputs: Inputs::default() });
    let answer = scene.business.ask(&frame(1)).await;
    assert!(matches!(answer, RelayFrame::Accepted(_)), "{answer:?}");
    scene.relay.stop().await;
}

#[tokio::test]
async fn what_a_business_sends_itself_in_a_window_moves_nothing() {
    let scene = Scene::with(1).await;
    // A mailbox of its own, whose window it opens itself.
    let own = Customer::new(90);
    let person = Raw::person(scene.relay.address(), &[&own.mailbox]).await;
    let address = own.address();
    person.ask(&ClientFrame::Open { address }).await;
    let mint = ClientFrame::Mint { address, terms: own.terms(&scene.bank), window: true };
    let RelayFrame::Minted(ticket) = person.ask(&mint).await else { panic!("no ticket") };
    for n in 0..20 {
        let answer = scene.business.ask(&answer_to(&address, n, own.consent(*ticket))).await;
        assert!(matches!(answer, RelayFrame::Accepted(_)), "{answer:?}");
    }
    let mut stream = person.stream().await;
    let RelayFrame::Subscribed { channel } = stream.ask(&ClientFrame::Subscribe { address }).await
    else {
        panic!("not subscribed")
    };
    while !matches!(stream.next().await, RelayFrame::Drained { .. }) {}
    let up_to = Sequence(20);
    stream.ask(&ClientFrame::Acknowledge { channel, up_to, unreadable: vec![] }).await;
    // Nothing was counted of it: its standing is of no day, asked today or tomorrow.
    assert_eq!(scene.standing().await.reputation, Reputation::default());
    assert_eq!(scene.standing().await.inputs, Inputs::default());
    assert_eq!(scene.relay.standing("bank").await, scene.standing().await);
    // One that it pays for, and that a person opened, counts.
    scene.sent(0, 1, 1).await;
    scene.read(0, 1).await;
    scene.relay.clock.advance_hours(24);
    scene.relay.sweep().await;
    assert_eq!(scene.standing().await.inputs, Inputs { reports: 0, deliveries: 1 });
    scene.relay.stop().await;
}
