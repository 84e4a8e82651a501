//! Sessions that one end lost: nothing that was sent is lost with them.

use std::collections::BTreeSet;

use plico_client::{
    Business, BusinessEvent, Category, ContentId, Conversation, CustomerId, MessageState, Person,
    PersonEvent,
};

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, heard, next_asked, next_received, told, words};

/// A device whose state is put back to earlier copies, which the SDK has no way to know.
struct Scene {
    relay: TestRelay,
    desk: Desk,
    bank: Business,
    device: Option<(Person, Conversation)>,
}

impl Scene {
    async fn new() -> Self {
        let relay = TestRelay::start().await;
        let desk = Desk::of(&relay);
        let (bank, link) = desk.certified(&relay, "bank").await;
        let person = desk.person("anna").await;
        let chat = person.conversation(&link).await.unwrap();
        Self { relay, desk, bank, device: Some((person, chat)) }
    }

    async fn write(&mut self, text: &str) -> CustomerId {
        let (_, chat) = self.device.as_ref().unwrap();
        chat.send(text).await.unwrap();
        let asked = next_asked(&mut self.bank).await;
        assert_eq!(words(&asked.content.body), text);
        self.bank.handled(asked.event).await.unwrap();
        asked.customer
    }

    async fn answer(&mut self, customer: CustomerId, text: &str) {
        self.bank.send(customer, text, Category::Service).await.unwrap();
    }

    async fn shown(&mut self) -> String {
        let (person, _) = self.device.as_mut().unwrap();
        let received = next_received(person).await;
        person.handled(received.event).await.unwrap();
        words(&received.content.body).to_owned()
    }

    /// Reacts, is answered, reacts again: both ends have new ratchet keys, and no ticket is given that
    /// an earlier copy does not know.
    async fn exchange(&mut self, customer: CustomerId, answer: &str) {
        self.react().await;
        self.answer(customer, answer).await;
        assert_eq!(self.shown().await, answer);
        let last = self.react().await;
        // Nothing is left to be repeated: the device asks from time to time, by its clock.
        let (_, chat) = self.device.as_ref().unwrap();
        while chat.state(last).await.unwrap() != Some(MessageState::Delivered) {
            self.relay.clock.advance_seconds(1);
            // So that hours do not pass meanwhile.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn react(&mut self) -> ContentId {
        let (_, chat) = self.device.as_ref().unwrap();
        let id = chat.react(ContentId::new([7; 16]), "👍").await.unwrap();
        let asked = next_asked(&mut self.bank).await;
        self.bank.handled(asked.event).await.unwrap();
        id
    }

    async fn leaves(&mut self) {
        let (person, _) = self.device.take().unwrap();
        person.close().await.unwrap();
    }

    async fn comes_back(&mut self) {
        let person = self.desk.person("anna").await;
        let chat = person.conversations().await.unwrap().remove(0);
        self.device = Some((person, chat));
    }

    async fn keeps_copy(&mut self, name: &str) {
        self.leaves().await;
        std::fs::copy(self.desk.path("anna"), self.desk.path(name)).unwrap();
        self.comes_back().await;
    }

    async fn is_put_back_to(&mut self, name: &str) {
        self.leaves().await;
        self.desk.lose("anna");
        std::fs::copy(self.desk.path(name), self.desk.path("anna")).unwrap();
        self.comes_back().await;
    }

    /// Passes once the business has what begins another session.
    async fn begins_another_session(&mut self) {
        told(&mut self.bank, |event| matches!(event, BusinessEvent::Consent { .. }).then_some(()))
            .await;
    }

    /// Lets hours pass, with both connected and nobody writing, until all of this was shown.
    async fn is_shown_in_time(&mut self, mut missing: BTreeSet<&str>) {
        let mut hours = 0;
        while !missing.is_empty() {
            assert!(hours < HOURS_MAX, "{missing:?} did not come");
            hours += 1;
            self.relay.clock.advance_hours(1);
            // Any command has an agent look at the clock.
            self.bank.customers().await.unwrap();
            let (person, _) = self.device.as_mut().unwrap();
            let next = next_received(person);
            let next = tokio::time::timeout(std::time::Duration::from_millis(50), next).await;
            if let Ok(received) = next {
                person.handled(received.event).await.unwrap();
                let text = words(&received.content.body);
                assert!(missing.remove(text), "{text} is shown twice");
            }
        }
    }
}

#[tokio::test]
async fn a_businesss_message_comes_again_though_a_session_was_begun_that_day() {
    let mut scene = Scene::new().await;
    let customer = scene.write("hello").await;
    scene.exchange(customer, "first").await;
    scene.keeps_copy("before").await;
    scene.exchange(customer, "second").await;

    // What is sent now does not open, and the device begins another session.
    scene.is_put_back_to("before").await;
    scene.answer(customer, "lost once").await;
    scene.begins_another_session().await;
    // That one is lost as well before anything was heard on it, so the next must wait for a day.
    scene.keeps_copy("unheard").await;
    scene.exchange(customer, "third").await;
    scene.is_put_back_to("unheard").await;
    scene.answer(customer, "lost twice").await;
    let (person, _) = scene.device.as_mut().unwrap();
    heard(person, |event| matches!(event, PersonEvent::SessionLost { .. }).then_some(())).await;

    scene.is_shown_in_time(BTreeSet::from(["lost once", "lost twice"])).await;
    scene.write("at last").await;
    scene.leaves().await;
    scene.bank.close().await.unwrap();
    scene.relay.stop().await;
}

/// Three days are enough, and more where this machine is slow: what is acknowledged late shows a day
/// later. It is less than a ticket holds.
const HOURS_MAX: u32 = 20 * 24;
