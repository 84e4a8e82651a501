//! A person and a business talk through a relay, as applications do it.

use plico_client::{
    Body, BusinessEvent, Categories, Category, ConsentTerms, Direction, Message, MessageState,
    PersonEvent,
};
use plico_protocol::refusal::Code;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{
    Desk, allowed_notifications, became, heard, introduce, next_asked, next_received, told, words,
};

#[tokio::test]
async fn a_person_writes_and_is_answered() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();

    chat.send("Did I pay 420 euros in Lisbon?").await.unwrap();
    let asked = next_asked(&mut bank).await;
    assert_eq!(words(&asked.content.body), "Did I pay 420 euros in Lisbon?");
    assert_eq!(asked.content.reference.as_deref(), Some("order 7"));

    let question = Message::choices("Was this you?", [("yes", "Yes"), ("no", "No, block it")]);
    let id = bank.send(asked.customer, question, Category::Service).await.unwrap();
    let received = next_received(&mut person).await;
    assert_eq!(received.from.display_name, "The bank");
    assert_eq!(received.category, Some(Category::Service));
    assert_eq!(received.content.id, id);

    chat.answer(id, "no").await.unwrap();
    match next_asked(&mut bank).await.content.body {
        Body::Answer(answer) => assert_eq!((answer.content, answer.choice.as_str()), (id, "no")),
        other => panic!("{other:?}"),
    }
    let pass = Message::notification("Boarding pass", "", [("Gate", "B12"), ("Seat", "14C")]);
    bank.send(asked.customer, pass, Category::Utility).await.unwrap();
    match next_received(&mut person).await.content.body {
        Body::Notification(notification) => assert_eq!(notification.fields.len(), 2),
        other => panic!("{other:?}"),
    }
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_conversation_is_kept_in_order_and_each_message_once() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    bank.send(asked.customer, "welcome", Category::Service).await.unwrap();
    let received = next_received(&mut person).await;
    // Neither tickets nor marks are words.
    chat.allow_notifications(ConsentTerms::default()).await.unwrap();
    chat.mark_read(received.content.id).await.unwrap();
    person.close().await.unwrap();
    let relay = relay.suspend().await;

    let person = desk.person("anna").await;
    let chat = person.conversations().await.unwrap().remove(0);
    let queued = chat.send("still there?").await.unwrap();
    let said = chat.history(None, 10).await.unwrap();
    let lines: Vec<_> = said.iter().map(|said| words(&said.content.body)).collect();
    assert_eq!(lines, ["hello", "welcome", "still there?"]);
    assert!(said.iter().all(|said| said.content.reply.is_none()));
    let sent = |state| Direction::Sent { state };
    assert!(
        matches!(said[0].direction, Direction::Sent { state } if state != MessageState::Queued)
    );
    assert_eq!(said[1].direction, Direction::Received { category: Some(Category::Service) });
    assert_eq!((said[1].content.id, said[1].at), (received.content.id, received.at));
    assert_eq!((said[2].content.id, said[2].direction), (queued, sent(MessageState::Queued)));
    let earlier = chat.history(Some(said[2].place), 1).await.unwrap();
    assert_eq!(words(&earlier[0].content.body), "welcome");
    assert_eq!(earlier.len(), 1);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.resume().await.stop().await;
}

#[tokio::test]
async fn what_is_written_offline_goes_out_in_order() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    bank.close().await.unwrap();
    let relay = relay.suspend().await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    for n in 0..5 {
        let id = chat.send(format!("message {n}")).await.unwrap();
        assert_eq!(chat.state(id).await.unwrap(), Some(MessageState::Queued));
    }
    // Not even the process has to live on.
    person.close().await.unwrap();
    let relay = relay.resume().await;
    let person = desk.person("anna").await;
    let mut bank = desk.business("bank").await;
    for n in 0..5 {
        let asked = next_asked(&mut bank).await;
        assert_eq!(words(&asked.content.body), format!("message {n}"));
    }
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn everyone_restarts_and_nothing_is_shown_twice() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let mut chat = person.conversation(&link).await.unwrap();
    let mut relay = relay;
    for round in 0..3 {
        chat.send(format!("question {round}")).await.unwrap();
        let asked = next_asked(&mut bank).await;
        assert_eq!(words(&asked.content.body), format!("question {round}"));
        bank.handled(asked.event).await.unwrap();
        bank.send(asked.customer, format!("answer {round}"), Category::Service).await.unwrap();
        let received = next_received(&mut person).await;
        assert_eq!(words(&received.content.body), format!("answer {round}"));
        person.handled(received.event).await.unwrap();

        person.close().await.unwrap();
        bank.close().await.unwrap();
        relay = relay.restart().await;
        person = desk.person("anna").await;
        bank = desk.business("bank").await;
        chat = person.conversations().await.unwrap().remove(0);
    }
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn an_event_that_was_not_handled_is_shown_after_a_restart() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    chat.send("hello").await.unwrap();
    let first = next_asked(&mut bank).await;
    bank.close().await.unwrap();
    let mut bank = desk.business("bank").await;
    let again = next_asked(&mut bank).await;
    assert_eq!((first.event, first.content.id), (again.event, again.content.id));
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn states_are_told_until_they_are_final() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let id = chat.send("hello").await.unwrap();
    let asked = next_asked(&mut bank).await;
    let state = |event| match event {
        PersonEvent::Sent { id: sent, state, .. } if sent == id => Some(state),
        _ => None,
    };
    assert_eq!(heard(&mut person, state).await, MessageState::Accepted);
    let answer = bank.send(asked.customer, "hello", Category::Service).await.unwrap();
    next_received(&mut person).await;
    assert_eq!(became(&mut bank, answer).await, MessageState::Accepted);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn after_a_revocation_the_business_is_refused_until_the_person_writes_again() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    bank.send(asked.customer, "before", Category::Service).await.unwrap();
    assert_eq!(words(&next_received(&mut person).await.content.body), "before");

    chat.block().await.unwrap();
    // The connection answers in order: once the next message is accepted, the tickets are void.
    let refused = loop {
        let id = bank.send(asked.customer, "too late", Category::Service).await.unwrap();
        match became(&mut bank, id).await {
            MessageState::Accepted => (),
            other => break other,
        }
    };
    assert_eq!(refused, MessageState::Refused(Code::Revoked));

    chat.send("I changed my mind").await.unwrap();
    let asked = next_asked(&mut bank).await;
    bank.send(asked.customer, "welcome back", Category::Service).await.unwrap();
    let received = loop {
        let received = next_received(&mut person).await;
        if words(&received.content.body) != "too late" {
            break received;
        }
    };
    assert_eq!(words(&received.content.body), "welcome back");
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_standing_consent_allows_what_it_names() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut airline, link) = desk.certified(&relay, "airline").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut airline).await;
    let categories = Categories::of(&[Category::Utility]).unwrap();
    let terms = ConsentTerms { categories, messages_max: 3, days: 30 };
    chat.allow_notifications(terms).await.unwrap();
    assert_eq!(allowed_notifications(&mut airline).await, asked.customer);
    // Ten days on the window is long closed; the consent is not.
    relay.clock.advance_hours(240);
    airline.send(asked.customer, "Gate changed", Category::Utility).await.unwrap();
    assert_eq!(words(&next_received(&mut person).await.content.body), "Gate changed");
    person.close().await.unwrap();
    airline.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn changed_terms_end_what_they_do_not_name() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    let categories = Categories::of(&[Category::Service]).unwrap();
    chat.change_terms(ConsentTerms { categories, messages_max: 5, days: 100 }).await.unwrap();
    let renewed = |event| matches!(event, BusinessEvent::Consent { .. }).then_some(());
    told(&mut bank, renewed).await;
    let id = bank.send(asked.customer, "Gate changed", Category::Utility).await.unwrap();
    let refused = became(&mut bank, id).await;
    assert_eq!(refused, MessageState::Refused(Code::CategoryNotAllowed));
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_mark_comes_late_and_brings_no_ticket() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    let id = bank.send(asked.customer, "read me", Category::Service).await.unwrap();
    chat.mark_read(next_received(&mut person).await.content.id).await.unwrap();
    // Marks wait 1 to 30 seconds; whatever is asked makes the agent look at the clock.
    relay.clock.advance_minutes(1);
    chat.state(id).await.unwrap();
    let mark = next_asked(&mut bank).await.content;
    assert!(matches!(mark.body, Body::Marks(marks) if marks.read == [id]));
    assert_eq!(mark.reply, None);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn goodbye_closes_the_mailbox() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    chat.goodbye().await.unwrap();
    assert!(matches!(next_asked(&mut bank).await.content.body, Body::Goodbye));
    let refused = loop {
        let id = bank.send(asked.customer, "wait", Category::Service).await.unwrap();
        match became(&mut bank, id).await {
            MessageState::Accepted => (),
            other => break other,
        }
    };
    assert_eq!(refused, MessageState::Refused(Code::Revoked));
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn what_was_said_and_changed_before_a_goodbye_goes_before_it() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    introduce(&chat, &mut bank).await;
    let relay = relay.suspend().await;
    chat.send("one thing more").await.unwrap();
    chat.change_terms(ConsentTerms { messages_max: 2, ..ConsentTerms::default() }).await.unwrap();
    chat.goodbye().await.unwrap();
    let relay = relay.resume().await;
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "one thing more");
    assert!(matches!(next_asked(&mut bank).await.content.body, Body::Goodbye));
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn two_customers_have_nothing_in_common() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut people = Vec::new();
    for name in ["anna", "ben"] {
        let person = desk.person(name).await;
        person.conversation(&link).await.unwrap().send(name).await.unwrap();
        people.push(person);
    }
    let mut customers = Vec::new();
    for _ in &people {
        let asked = next_asked(&mut bank).await;
        let name = words(&asked.content.body).to_owned();
        bank.send(asked.customer, name.clone(), Category::Service).await.unwrap();
        customers.push(asked.customer);
    }
    assert_ne!(customers[0], customers[1]);
    for (person, name) in people.iter_mut().zip(["anna", "ben"]) {
        assert_eq!(words(&next_received(person).await.content.body), name);
    }
    for person in people {
        person.close().await.unwrap();
    }
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_network_change_loses_nothing() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    for n in 0..3 {
        person.network_changed().await.unwrap();
        bank.network_changed().await.unwrap();
        bank.send(asked.customer, format!("{n}"), Category::Service).await.unwrap();
        assert_eq!(words(&next_received(&mut person).await.content.body), format!("{n}"));
    }
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_new_key_under_a_known_handle_stops_the_conversation_until_the_person_agrees() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    introduce(&chat, &mut bank).await;
    bank.close().await.unwrap();

    // The bank lost its machine: the operator revokes and certifies new keys.
    relay.revoke_newest("bank").await;
    let other = Desk::of(&relay);
    let (mut bank, _) = other.certified(&relay, "bank").await;
    relay.clock.advance_hours(25);
    chat.send("are you still you?").await.unwrap();
    let changed = |event| match event {
        PersonEvent::KeyChanged { offered, .. } => Some(offered),
        _ => None,
    };
    let offered = heard(&mut person, changed).await;
    assert_eq!(offered.map(|profile| profile.domain).as_deref(), Some("bank.example"));
    chat.agree_to_new_key().await.unwrap();
    let asked = next_asked(&mut bank).await;
    assert_eq!(words(&asked.content.body), "are you still you?");
    bank.send(asked.customer, "yes", Category::Service).await.unwrap();
    assert_eq!(words(&next_received(&mut person).await.content.body), "yes");
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}
