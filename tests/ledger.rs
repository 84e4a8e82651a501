//! What a business is charged, from its receipts to its statement.

use plico_client::ledger::{Disagreement, EntryKind, EntryReason, EntrySequence, Period};
use plico_client::{Business, Category};
use plico_protocol::time::Hour;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, introduce, next_received};

/// Everything up to now.
fn so_far(relay: &TestRelay) -> Period {
    Period { from: Hour(0), to: relay.clock.hour().plus(1) }
}

async fn settled(bank: &Business, relay: &TestRelay) -> Vec<(EntryKind, EntryReason)> {
    let checked = bank.statement(so_far(relay)).await.unwrap();
    assert_eq!(checked.verified.as_ref().map(|_| ()), Ok(()));
    checked.statement.entries.iter().map(|entry| (entry.kind, entry.reason)).collect()
}

#[tokio::test]
async fn a_statement_agrees_with_the_receipts_of_what_was_sent() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    for (text, category) in [("welcome", Category::Service), ("gate B12", Category::Utility)] {
        bank.send(asked.customer, text, category).await.unwrap();
        next_received(&mut person).await;
    }
    let accept = (EntryKind::Accept, EntryReason::InWindow);
    assert_eq!(settled(&bank, &relay).await, [accept], "service was free in the window");
    person.close().await.unwrap();
    relay.clock.advance_hours(24);
    relay.sweep().await;
    let opened = (EntryKind::Settle, EntryReason::Opened);
    assert_eq!(settled(&bank, &relay).await, [accept, opened]);
    // Kept over a restart, also what ended it.
    bank.close().await.unwrap();
    let (bank, _) = desk.connected(desk.business("bank").await, &relay.link()).await;
    assert_eq!(settled(&bank, &relay).await, [accept, opened]);
    // A statement that was kept is checked without the relay, and a changed one refused.
    let mut kept = bank.statement(so_far(&relay)).await.unwrap().statement;
    relay.stop().await;
    let agrees = bank.check_statement(kept.clone()).await.unwrap();
    assert_eq!(agrees.verified.map(|_| ()), Ok(()));
    kept.entries.pop();
    let omitted = bank.check_statement(kept).await.unwrap();
    assert_eq!(omitted.verified.unwrap_err(), Disagreement::Omitted(EntrySequence(1)));
    bank.close().await.unwrap();
}

#[tokio::test]
async fn a_business_that_lost_its_receipts_is_told_which_line_has_none() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    Business::backup(desk.path("bank"), desk.path("backup")).await.unwrap();
    bank.send(asked.customer, "gate B12", Category::Utility).await.unwrap();
    next_received(&mut person).await;
    bank.close().await.unwrap();
    desk.lose("bank");
    desk.restore("backup", "bank").await.unwrap();
    let (bank, _) = desk.connected(desk.business("bank").await, &relay.link()).await;
    let checked = bank.statement(so_far(&relay)).await.unwrap();
    assert_eq!(checked.verified, Err(Disagreement::Added(EntrySequence(0))));
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}
