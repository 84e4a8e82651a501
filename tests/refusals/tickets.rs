//! Tickets that do not fit: each refused with its own code, the mailbox untouched.

use plico_protocol::frame::{ClientFrame, Consent, RelayFrame};
use plico_protocol::id::TicketOpening;
use plico_protocol::refusal::Code;
use plico_protocol::stamp::Reason;
use plico_protocol::ticket::{Categories, Category, Terms, Ticket};

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::world::{BEGINNING, Bank, Customer, answer_to};

/// A relay, a certified bank with its connection, and a customer with an open mailbox and a ticket.
struct Scene {
    relay: TestRelay,
    bank: Bank,
    business: Raw,
    customer: Customer,
    person: Raw,
    ticket: Ticket,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|terms| terms).await
    }

    async fn with(change: impl FnOnce(Terms) -> Terms) -> Self {
        let relay = TestRelay::start().await;
        let (bank, customer) = (Bank::new(1), Customer::new(7));
        relay.certify(&bank, "bank").await;
        let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
        let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
        let address = customer.address();
        assert_eq!(person.ask(&ClientFrame::Open { address }).await, RelayFrame::Opened);
        let terms = change(customer.terms(&bank));
        let ticket = mint(&person, &customer, terms, true).await;
        Self { relay, bank, business, customer, person, ticket }
    }

    fn consent(&self) -> Consent {
        self.customer.consent(self.ticket)
    }

    async fn answer(&self, n: u32, consent: Consent) -> RelayFrame {
        self.business.ask(&answer_to(&self.customer.address(), n, consent)).await
    }

    async fn check_refused(&self, n: u32, consent: Consent, expected: Code) {
        let frame = answer_to(&self.customer.address(), n, consent);
        assert_eq!(self.business.refused(&frame).await, expected);
    }

    /// The scene's own ticket still works: what was refused changed nothing.
    async fn check_unharmed(&self, n: u32) {
        let answer = self.answer(n, self.consent()).await;
        assert!(matches!(answer, RelayFrame::Accepted(_)), "{answer:?}");
    }
}

async fn mint(person: &Raw, customer: &Customer, terms: Terms, window: bool) -> Ticket {
    let frame = ClientFrame::Mint { address: customer.address(), terms, window };
    minted(person.ask(&frame).await)
}

fn minted(frame: RelayFrame) -> Ticket {
    match frame {
        RelayFrame::Minted(ticket) => *ticket,
        other => panic!("expected a ticket, got {other:?}"),
    }
}

#[tokio::test]
async fn a_valid_ticket_is_honoured_and_its_window_reported() {
    let scene = Scene::new().await;
    let window = scene.ticket.fields().unwrap().free_until;
    assert_eq!(window, Some(BEGINNING.minute().plus(24 * 60 + 10)));
    match scene.answer(1, scene.consent()).await {
        RelayFrame::Accepted(acceptance) => {
            assert_eq!(acceptance.reason, Reason::InWindow);
            assert_eq!(acceptance.free_until, window);
        }
        other => panic!("{other:?}"),
    }
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_forged_ticket_is_refused() {
    let scene = Scene::new().await;
    for at in [0, 1, 3, 7, 15, 19, 23, 30, 50, 80, 90, 96, 127] {
        let mut bytes = *scene.ticket.as_bytes();
        bytes[at] ^= 1;
        let forged = scene.customer.consent(Ticket::from_bytes(bytes));
        scene.check_refused(1, forged, Code::TicketForged).await;
    }
    scene.check_unharmed(1).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_ticket_of_another_mailbox_is_refused() {
    let scene = Scene::new().await;
    let other = Customer::new(8);
    let person = Raw::person(scene.relay.address(), &[&other.mailbox]).await;
    person.ask(&ClientFrame::Open { address: other.address() }).await;
    let frame = answer_to(&other.address(), 1, scene.consent());
    assert_eq!(scene.business.refused(&frame).await, Code::TicketOtherMailbox);
    scene.check_unharmed(1).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_ticket_stolen_by_another_business_is_refused() {
    let scene = Scene::new().await;
    let thief = Bank::new(2);
    scene.relay.certify(&thief, "thief").await;
    let connection = Raw::business(scene.relay.address(), &thief.account, &thief.inbox).await;
    let frame = answer_to(&scene.customer.address(), 1, scene.consent());
    assert_eq!(connection.refused(&frame).await, Code::TicketOtherBusiness);
    let guessed = Consent { opening: TicketOpening::new([0; 32]), ..scene.consent() };
    scene.check_refused(1, guessed, Code::TicketOtherBusiness).await;
    scene.check_unharmed(1).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn an_expired_ticket_is_refused_from_its_minute_on() {
    let scene = Scene::new().await;
    scene.relay.clock.advance_minutes(59);
    scene.check_unharmed(1).await;
    scene.relay.clock.advance_minutes(1);
    scene.check_refused(2, scene.consent(), Code::TicketExpired).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_category_nobody_allowed_is_refused() {
    let scene = Scene::new().await;
    let marketing = Consent { category: Category::Marketing, ..scene.consent() };
    scene.check_refused(1, marketing, Code::CategoryNotAllowed).await;
    scene.relay.stop().await;
    let all = Scene::with(|terms| Terms { categories: Categories::ALL, ..terms }).await;
    let uncertified = Bank::new(3);
    let service = Categories::of(&[Category::Service]).unwrap();
    all.relay.certify_for(&uncertified, "narrow", service).await;
    let connection =
        Raw::business(all.relay.address(), &uncertified.account, &uncertified.inbox).await;
    let terms = Terms { categories: Categories::ALL, ..all.customer.terms(&uncertified) };
    let ticket = mint(&all.person, &all.customer, terms, true).await;
    let utility = Consent { category: Category::Utility, ..all.customer.consent(ticket) };
    let frame = answer_to(&all.customer.address(), 1, utility);
    assert_eq!(connection.refused(&frame).await, Code::CategoryNotAllowed);
    all.relay.stop().await;
}

#[tokio::test]
async fn an_exhausted_ticket_is_refused_until_the_next_mint() {
    let scene = Scene::with(|terms| Terms { messages_max: 2, ..terms }).await;
    scene.check_unharmed(1).await;
    scene.check_unharmed(2).await;
    scene.check_refused(3, scene.consent(), Code::TicketExhausted).await;
    // What was accepted is answered alike, although the ticket is used up.
    scene.check_unharmed(2).await;
    mint(&scene.person, &scene.customer, scene.customer.terms(&scene.bank), true).await;
    scene.check_unharmed(3).await;
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_revoked_ticket_and_a_closed_mailbox_have_one_answer() {
    let scene = Scene::new().await;
    let address = scene.customer.address();
    let answer = |n| answer_to(&address, n, scene.consent());
    assert_eq!(scene.person.ask(&ClientFrame::Revoke { address }).await, RelayFrame::Revoked);
    let revoked = scene.business.ask(&answer(1)).await;
    assert_eq!(scene.person.ask(&ClientFrame::Close { address }).await, RelayFrame::Closed);
    let closed = scene.business.ask(&answer(2)).await;
    assert_eq!(revoked, closed);
    assert!(matches!(revoked, RelayFrame::Refused(refusal) if refusal.code == Code::Revoked));
    // A mailbox that is opened again revives no ticket.
    assert_eq!(scene.person.ask(&ClientFrame::Open { address }).await, RelayFrame::Opened);
    assert_eq!(scene.business.refused(&answer(3)).await, Code::Revoked);
    scene.relay.stop().await;
}

#[tokio::test]
async fn changed_terms_end_the_older_ticket_and_keep_the_window() {
    let scene = Scene::new().await;
    let window = scene.ticket.fields().unwrap().free_until;
    let address = scene.customer.address();
    let service = Categories::of(&[Category::Service]).unwrap();
    let terms = Terms { categories: service, ..scene.customer.terms(&scene.bank) };
    let narrowed = minted(scene.person.ask(&ClientFrame::ChangeTerms { address, terms }).await);
    assert_eq!(narrowed.fields().unwrap().free_until, window);
    scene.check_refused(1, scene.consent(), Code::Revoked).await;
    let answer = scene.answer(2, scene.customer.consent(narrowed)).await;
    assert!(matches!(answer, RelayFrame::Accepted(_)), "{answer:?}");
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_standing_consent_opens_no_window() {
    let scene = Scene::new().await;
    let terms = scene.customer.terms(&scene.bank);
    let standing = mint(&scene.person, &scene.customer, terms, false).await;
    assert_eq!(standing.fields().unwrap().free_until, None);
    match scene.answer(1, scene.customer.consent(standing)).await {
        RelayFrame::Accepted(acceptance) => {
            assert_eq!((acceptance.reason, acceptance.free_until), (Reason::OutsideWindow, None));
        }
        other => panic!("{other:?}"),
    }
    scene.relay.stop().await;
}

#[tokio::test]
async fn impossible_terms_are_refused() {
    let scene = Scene::new().await;
    let address = scene.customer.address();
    let terms = scene.customer.terms(&scene.bank);
    let late = BEGINNING.minute().plus(400 * 24 * 60 + 1);
    for terms in [
        Terms { messages_max: 0, ..terms },
        Terms { valid_until: BEGINNING.minute(), ..terms },
        Terms { valid_until: late, ..terms },
    ] {
        for frame in [
            ClientFrame::Mint { address, terms, window: true },
            ClientFrame::ChangeTerms { address, terms },
        ] {
            assert_eq!(scene.person.refused(&frame).await, Code::BadTerms);
        }
    }
    scene.check_unharmed(1).await;
    scene.relay.stop().await;
}
