//! Ticket keys before their time: tickets that go on, tickets that end, and devices that give others
//! without being asked.

use plico_client::{
    Business, BusinessEvent, Categories, Category, ConsentTerms, ContentId, Conversation,
    CustomerId, MessageState, Person,
};

use plico_protocol::time::Minute;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, introduce, next_asked, next_received, told, words};

/// A business with a customer whom it may answer.
struct Scene {
    relay: TestRelay,
    desk: Desk,
    bank: Business,
    /// None while the device is off.
    person: Option<Person>,
    chat: Conversation,
    customer: CustomerId,
}

impl Scene {
    async fn new() -> Self {
        let relay = TestRelay::start().await;
        let desk = Desk::of(&relay);
        let (mut bank, link) = desk.certified(&relay, "bank").await;
        let person = desk.person("anna").await;
        let chat = person.conversation(&link).await.unwrap();
        let customer = introduce(&chat, &mut bank).await.customer;
        Self { relay, desk, bank, person: Some(person), chat, customer }
    }

    async fn answer(&self, text: &str, category: Category) -> ContentId {
        self.bank.send(self.customer, text, category).await.unwrap()
    }

    /// Passes once the relay refused as many messages for their ticket as `count`.
    async fn is_refused(&self, count: u32) {
        let line = format!("plico_refused_total{{code=\"ticket_forged\"}} {count}\n");
        let refused = async {
            while !self.relay.metrics().await.contains(&line) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), refused).await.unwrap();
    }

    async fn is_shown(&mut self, text: &str) {
        let person = self.person.as_mut().unwrap();
        let received = next_received(person).await;
        assert_eq!(words(&received.content.body), text);
        person.handled(received.event).await.unwrap();
    }

    /// What the business is given next: the end of a window, or none with a standing consent.
    async fn consent(&mut self) -> Option<Minute> {
        let consent = |event| match event {
            BusinessEvent::Consent { free_until, .. } => Some(free_until),
            _ => None,
        };
        told(&mut self.bank, consent).await
    }

    async fn leaves(&mut self) {
        self.person.take().unwrap().close().await.unwrap();
    }

    async fn comes_back(&mut self) {
        let person = self.desk.person("anna").await;
        self.chat = person.conversations().await.unwrap().remove(0);
        self.person = Some(person);
    }

    async fn stop(mut self) {
        self.leaves().await;
        self.bank.close().await.unwrap();
        self.relay.stop().await;
    }
}

#[tokio::test]
async fn another_ticket_key_leaves_the_tickets_there_are() {
    let mut scene = Scene::new().await;
    scene.relay.rotate_tickets(false).await;
    scene.answer("under the old key", Category::Service).await;
    scene.is_shown("under the old key").await;
    scene.chat.send("again").await.unwrap();
    next_asked(&mut scene.bank).await;
    scene.answer("under the new one", Category::Service).await;
    scene.is_shown("under the new one").await;
    scene.stop().await;
}

#[tokio::test]
async fn every_ticket_ends_and_connected_devices_give_others_in_the_same_window() {
    let mut scene = Scene::new().await;
    let window = scene.chat.window().await.unwrap();
    assert!(window.is_some());
    scene.relay.rotate_tickets(true).await;
    let waits = scene.answer("answered in between", Category::Service).await;
    scene.is_refused(1).await;
    // Devices take their time, up to a minute; until then the message waits on this machine.
    assert_eq!(scene.bank.state(waits).await.unwrap(), Some(MessageState::Queued));
    scene.relay.clock.advance_minutes(2);
    // Any command has the agent look at the clock.
    scene.chat.window().await.unwrap();
    assert_eq!(scene.consent().await, window);
    scene.is_shown("answered in between").await;
    assert_eq!(scene.chat.window().await.unwrap(), window);
    // The device that has given another is not asked for more.
    scene.leaves().await;
    scene.comes_back().await;
    scene.answer("once more", Category::Service).await;
    scene.is_shown("once more").await;
    scene.stop().await;
}

#[tokio::test]
async fn a_device_that_was_away_gives_another_ticket_when_it_connects() {
    let mut scene = Scene::new().await;
    // A notification may come for 60 days, whatever the window says.
    let categories = Categories::of(&[Category::Utility]).unwrap();
    let terms = ConsentTerms { categories, messages_max: 3, days: 60 };
    scene.chat.allow_notifications(terms).await.unwrap();
    while scene.consent().await.is_some() {}
    scene.leaves().await;
    scene.relay.rotate_tickets(true).await;
    scene.relay.clock.advance_hours(240);
    let waits = scene.answer("gate changed", Category::Utility).await;
    scene.is_refused(1).await;
    scene.comes_back().await;
    scene.is_shown("gate changed").await;
    assert_eq!(scene.bank.state(waits).await.unwrap(), Some(MessageState::Accepted));
    // What it allows ends on the day it would have ended.
    scene.relay.clock.advance_hours(24 * 51);
    let late = scene.answer("too late", Category::Utility).await;
    let refused = |event| match event {
        BusinessEvent::Sent { id, state: MessageState::Refused(code), .. } if id == late => {
            Some(code)
        }
        _ => None,
    };
    let refused = told(&mut scene.bank, refused).await;
    assert_eq!(refused, plico_protocol::refusal::Code::TicketExpired);
    scene.stop().await;
}
