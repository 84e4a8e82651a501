//! What a person allows and takes back, as applications do it.

use plico_client::{
    Body, Business, BusinessEvent, Categories, Category, ConsentTerms, CustomerId, PersonEvent,
};
use plico_protocol::time::Minute;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, heard, introduce, next_asked, next_received, told, words};

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
    let standing = |event| match event {
        BusinessEvent::Consent { free_until: None, .. } => Some(()),
        _ => None,
    };
    told(&mut bank, standing).await;
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
    chat.revoke().await.unwrap();
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
