//! What becomes of a business that does not pay its subscription, from the warning to the payment.

use plico_client::ledger::{EntryKind, Period};
use plico_client::{
    BusinessEvent, BusinessTrouble, Category, Code, MessageState, NoPrice, PriceError,
};
use plico_protocol::pricing::Millionths;
use plico_protocol::time::Hour;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, became, introduce, next_asked, next_received, told};

#[tokio::test]
async fn a_business_that_does_not_pay_is_warned_and_refused_until_it_pays() {
    let relay = TestRelay::start_with(|config| config.credit = Millionths::ZERO).await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let customer = introduce(&chat, &mut bank).await.customer;
    let dues = bank.standing().await.unwrap().dues;
    let first = relay.clock.hour().day();
    assert_eq!((dues.due.unwrap().0, dues.unpaid), (first.0 + 30, None));

    relay.clock.advance_hours(30 * 24);
    relay.sweep().await;
    let warned = |event| match event {
        BusinessEvent::Trouble { trouble: BusinessTrouble::Unpaid, .. } => Some(()),
        _ => None,
    };
    told(&mut bank, warned).await;
    let unpaid = bank.standing().await.unwrap().dues.unpaid.unwrap();
    assert_eq!((unpaid.since.0, unpaid.stops.0), (first.0 + 30, first.0 + 44));
    chat.send("are you there?").await.unwrap();
    next_asked(&mut bank).await;
    bank.send(customer, "for two weeks more", Category::Service).await.unwrap();
    next_received(&mut person).await;

    relay.clock.advance_hours(14 * 24);
    relay.sweep().await;
    chat.send("and now?").await.expect("people are not kept from writing");
    next_asked(&mut bank).await;
    let refused = bank.send(customer, "free, and refused", Category::Service).await.unwrap();
    let state = became(&mut bank, refused).await;
    assert_eq!(state, MessageState::Refused(Code::Unpaid));
    // Told before it is sent; what the customer did not allow is refused for that (SPEC §9).
    assert_eq!(bank.price(customer, Category::Service).await, Err(PriceError::Unpaid));
    let not_allowed = NoPrice::CategoryNotAllowed;
    assert_eq!(bank.price(customer, Category::Marketing).await, Err(not_allowed.into()));
    let refused = bank.send(customer, "buy", Category::Marketing).await.unwrap();
    let state = became(&mut bank, refused).await;
    assert_eq!(state, MessageState::Refused(Code::CategoryNotAllowed));

    relay.pay("bank", 20).await;
    bank.send(customer, "here again", Category::Service).await.unwrap();
    next_received(&mut person).await;
    let dues = bank.standing().await.unwrap().dues;
    assert_eq!((dues.due.unwrap().0, dues.unpaid), (first.0 + 60, None));
    assert!(bank.price(customer, Category::Service).await.is_ok());
    let so_far = Period { from: Hour(0), to: relay.clock.hour().plus(1) };
    let stated = bank.statement(so_far).await.unwrap();
    assert_eq!(stated.verified.map(|_| ()), Ok(()));
    let kinds: Vec<_> = stated.statement.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Payment, EntryKind::Subscription]);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}
