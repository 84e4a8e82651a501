//! What a person allows and takes back, as applications do it.

use plico_client::{
    Body, Business, BusinessEvent, Categories, Category, ConsentTerms, CustomerId, Evidence,
    MessageState, PersonEvent, ReportOutcome, SendError,
};
use plico_protocol::refusal::Code;
use plico_protocol::time::Minute;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{
    Desk, allowed_notifications, became, heard, introduce, next_asked, next_received, told, words,
};

/// The end of the window that a business was last given.
async fn window(bank: &Business, customer: CustomerId) -> Option<Minute> {
    bank.customer(customer).await.unwrap().unwrap().window.unwrap().free_until
}

#[tokio::test]
async fn marks_and_changed_settings_do_not_reopen_a_window() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    let id = bank.send(asked.customer, "read me", Category::Service).await.unwrap();
    next_received(&mut person).await;
    let before = window(&bank, asked.customer).await;
    relay.clock.advance_hours(25);

    chat.mark_read(id).await.unwrap();
    chat.call_me("Anna").await.unwrap();
    chat.react(id, "👍").await.unwrap();
    let service = Categories::of(&[Category::Service]).unwrap();
    let terms = ConsentTerms { categories: service, ..ConsentTerms::default() };
    chat.change_terms(terms).await.unwrap();
    chat.allow_notifications(terms).await.unwrap();
    allowed_notifications(&mut bank).await;
    relay.clock.advance_minutes(1);
    chat.state(id).await.unwrap();
    assert_eq!(window(&bank, asked.customer).await, before, "the same window, long over");

    chat.send("hello again").await.unwrap();
    while !matches!(next_asked(&mut bank).await.content.body, Body::Text(_)) {}
    assert!(before < window(&bank, asked.customer).await, "a person who writes opens another");
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn what_comes_under_a_revoked_ticket_is_dropped_before_the_relay_hears_of_it() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    person.close().await.unwrap();
    // Queued at the relay, under a ticket that it still honours.
    bank.send(asked.customer, "unwanted", Category::Service).await.unwrap();
    let accepted = |event| matches!(event, BusinessEvent::Sent { .. }).then_some(());
    told(&mut bank, accepted).await;
    let relay = relay.suspend().await;

    let mut person = desk.person("anna").await;
    let chat = person.conversations().await.unwrap().remove(0);
    chat.block().await.unwrap();
    assert_eq!(chat.window().await.unwrap(), None);
    let relay = relay.resume().await;
    chat.send("something else").await.unwrap();
    let asked = next_asked(&mut bank).await;
    bank.send(asked.customer, "wanted", Category::Service).await.unwrap();
    let shown = |event| match event {
        PersonEvent::Message(message) => Some(words(&message.content.body).to_owned()),
        _ => None,
    };
    assert_eq!(heard(&mut person, shown).await, "wanted");
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn what_waits_when_its_person_blocks_opens_no_window() {
    check_blocked(true).await;
}

#[tokio::test]
async fn a_first_message_that_waits_when_its_person_blocks_opens_no_window() {
    check_blocked(false).await;
}

/// Blocks while a message waits, the first of its conversation or not, and writes again.
async fn check_blocked(is_introduced: bool) {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    if is_introduced {
        introduce(&chat, &mut bank).await;
    }
    let relay = relay.suspend().await;
    chat.send("leave me").await.unwrap();
    chat.send("alone").await.unwrap();
    chat.block().await.unwrap();

    let relay = relay.resume().await;
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "leave me");
    let asked = next_asked(&mut bank).await;
    assert_eq!(words(&asked.content.body), "alone");
    let customer = asked.customer;
    let id = bank.send(customer, "an answer all the same", Category::Service).await.unwrap();
    let state = became(&mut bank, id).await;
    assert_eq!(state, MessageState::Refused(Code::Revoked));
    assert_eq!(chat.window().await.unwrap(), None);

    chat.send("hello again").await.unwrap();
    next_asked(&mut bank).await;
    bank.send(customer, "good day", Category::Service).await.unwrap();
    assert_eq!(words(&next_received(&mut person).await.content.body), "good day");
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_report_proves_what_was_sent_unasked_and_lowers_the_standing() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut shop, link) = desk.certified(&relay, "shop").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut shop).await;
    shop.send(asked.customer, "an answer", Category::Service).await.unwrap();
    let answer = next_received(&mut person).await.content.id;
    chat.allow_notifications(ConsentTerms::default()).await.unwrap();
    allowed_notifications(&mut shop).await;
    relay.clock.advance_hours(25);
    shop.send(asked.customer, "Buy now", Category::Utility).await.unwrap();
    let spam = next_received(&mut person).await.content.id;

    for (id, evidence, expected) in [
        (answer, Evidence::Content, ReportOutcome::Answer),
        (spam, Evidence::Content, ReportOutcome::Counted),
        (spam, Evidence::Nothing, ReportOutcome::Already),
    ] {
        chat.report(id, evidence).await.unwrap();
        let reported = |event| match event {
            PersonEvent::Reported { id: of, outcome, .. } if of == id => Some(outcome),
            _ => None,
        };
        assert_eq!(heard(&mut person, reported).await, expected);
    }
    let unknown = chat.report(asked.content.id, Evidence::Nothing).await;
    assert_eq!(unknown, Err(SendError::NotReportable), "of the person's own words");
    let inputs = shop.standing().await.unwrap().inputs;
    assert_eq!((inputs.reports, inputs.deliveries), (1, 0), "the day is not over");
    relay.clock.advance_hours(24);
    relay.sweep().await;
    let inputs = shop.standing().await.unwrap().inputs;
    assert_eq!((inputs.reports, inputs.deliveries), (1, 1));
    person.close().await.unwrap();
    shop.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn muting_ends_notifications_and_leaves_answers() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    chat.allow(ConsentTerms { messages_max: 7, ..ConsentTerms::default() }).await.unwrap();
    allowed_notifications(&mut bank).await;
    let allowed = chat.allowed().await.unwrap();
    assert_eq!(allowed.answers.map(|grant| grant.messages_max), Some(7));
    assert_eq!(allowed.notifications.map(|grant| grant.messages_max), Some(7));
    assert!(allowed.answers.unwrap().free_until.is_some(), "the window goes on");

    chat.mute().await.unwrap();
    let renewed = |event| matches!(event, BusinessEvent::Consent { .. }).then_some(());
    told(&mut bank, renewed).await;
    let allowed = chat.allowed().await.unwrap();
    assert_eq!(allowed.notifications, None);
    assert_eq!(allowed.answers.unwrap().categories, allowed.terms.categories);
    let mut states = Vec::new();
    for category in [Category::Service, Category::Utility] {
        let id = bank.send(asked.customer, "hello", category).await.unwrap();
        states.push(became(&mut bank, id).await);
    }
    let refused = MessageState::Refused(Code::CategoryNotAllowed);
    assert_eq!(states, [MessageState::Accepted, refused]);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}
