//! What a business is charged, from its receipts to its statement.

use plico_client::ledger::{Disagreement, EntryKind, EntryReason, EntrySequence, Period};
use plico_client::{Business, BusinessEvent, Category, ContentId, MessageState};
use plico_protocol::ticket::Zone;
use plico_protocol::time::Hour;
use plico_relay::config::Config;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, became, introduce, next_received, told};
use crate::harness::world::Bank;

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

/// Waits until a charge ended; gives of which message, whether it is owed, why, and how much.
async fn ended(bank: &mut Business) -> (ContentId, bool, EntryReason, u64) {
    let charge = |told| match told {
        BusinessEvent::Settled { event, id, reason, amount, .. } => {
            Some((event, (id, true, reason, amount.millionths.0)))
        }
        BusinessEvent::Released { event, id, reason, amount, .. } => {
            Some((event, (id, false, reason, amount.millionths.0)))
        }
        _ => None,
    };
    let (event, ended) = told(bank, charge).await;
    bank.handled(event).await.unwrap();
    ended
}

#[tokio::test]
async fn a_business_is_told_once_what_became_of_each_charge() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let asked = introduce(&chat, &mut bank).await;
    let read = bank.send(asked.customer, "gate B12", Category::Utility).await.unwrap();
    next_received(&mut person).await;
    person.close().await.unwrap();
    let unread = bank.send(asked.customer, "gate B13", Category::Utility).await.unwrap();
    assert_eq!(became(&mut bank, unread).await, MessageState::Accepted);
    let kept = bank.statement(so_far(&relay)).await.unwrap().statement;
    let yesterday = Period { from: Hour(0), to: relay.clock.hour().day().begin() };
    let earlier = bank.statement(yesterday).await.unwrap().statement;

    // The day after it was read, by the bank's own looking.
    relay.clock.advance_hours(24);
    relay.sweep().await;
    relay.clock.advance_hours(2);
    assert_eq!(ended(&mut bank).await, (read, true, EntryReason::Opened, 90_000));
    bank.close().await.unwrap();
    // Nobody fetched the other in thirty days; a restart forgets nothing and repeats nothing.
    relay.clock.advance_hours(30 * 24);
    relay.sweep().await;
    relay.clock.advance_hours(24);
    relay.sweep().await;
    let (mut bank, _) = desk.connected(desk.business("bank").await, &relay.link()).await;
    assert_eq!(ended(&mut bank).await, (unread, false, EntryReason::NotOffered, 90_000));

    // Statements that were kept are joined to the last head by what was read since. The one lacks nothing of
    // its days, the other what that day's settlement entered.
    let checked = bank.check_statement(earlier).await.unwrap();
    assert_eq!(checked.verified.map(|verified| verified.provisional), Ok(true));
    assert_eq!(kept.entries.len(), 2);
    let checked = bank.check_statement(kept).await.unwrap();
    assert_eq!(checked.verified, Err(Disagreement::Outdated(EntrySequence(2))));
    let all = bank.statement(so_far(&relay)).await.unwrap();
    assert_eq!(all.statement.entries.len(), 5, "with a subscription: a month has passed");
    assert_eq!(all.verified.map(|_| ()), Ok(()));
    bank.close().await.unwrap();
    relay.stop().await;
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

#[tokio::test]
async fn a_reload_has_another_card_and_zones_hold_and_a_mistake_leaves_those_that_hold() {
    let files = tempfile::tempdir().unwrap();
    let (card, zones) = (files.path().join("card.toml"), files.path().join("zones"));
    let write = |price: &str| {
        let zone = format!("name = \"all\"\ncountries = [\"FR\"]\nutility = {price}\n");
        let text = format!("currency = \"EUR\"\n[[card]]\n[[card.zone]]\n{zone}");
        std::fs::write(&card, text).unwrap();
    };
    write("0.05");
    std::fs::write(&zones, "").unwrap();
    let relay = TestRelay::start_with(|config| {
        config.rate_card = card.to_string_lossy().into_owned();
        config.zones = zones.to_string_lossy().into_owned();
    })
    .await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut person = desk.person("anna").await;
    let mut charged = Vec::new();
    for (step, price) in ["0.05", "0.06", "0.07 0.08", "0.06"].into_iter().enumerate() {
        write(price);
        std::fs::write(&zones, if step == 1 { "127.0.0.0/8 FR" } else { "" }).unwrap();
        match step {
            2 => {
                let why = relay.reload().await.unwrap();
                assert!(why.contains("card.toml: line 6, column"), "{why}");
            }
            _ => assert_eq!(relay.reload().await, None),
        }
        // On a connection of its own, which lies where the table says by now.
        person.close().await.unwrap();
        person = desk.person("anna").await;
        let chat = person.conversation(&link).await.unwrap();
        let asked = introduce(&chat, &mut bank).await;
        bank.send(asked.customer, "gate B12", Category::Utility).await.unwrap();
        next_received(&mut person).await;
        let entries = bank.statement(so_far(&relay)).await.unwrap().statement.entries;
        let last = entries.last().unwrap();
        charged.push((last.amount.millionths.0, last.message.unwrap().rate.zone));
    }
    let france = Zone::new(*b"FR").unwrap();
    let unknown = Zone::UNKNOWN;
    assert_eq!(charged, [(50_000, unknown), (60_000, france), (60_000, france), (60_000, unknown)]);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_rate_card_in_another_currency_than_accounts_are_kept_in_is_refused() {
    let files = tempfile::tempdir().unwrap();
    let card = files.path().join("card.toml");
    let write = |currency: &str| {
        let zone = "name = \"all\"\ncountries = [\"FR\"]\nutility = 0.05\n";
        let text = format!("currency = \"{currency}\"\n[[card]]\n[[card.zone]]\n{zone}");
        std::fs::write(&card, text).unwrap();
    };
    write("USD");
    let set = |config: &mut Config| config.rate_card = card.to_string_lossy().into_owned();
    let relay = TestRelay::start_with(set).await;
    relay.certify(&Bank::new(1), "bank").await;
    write("EUR");
    assert_eq!(relay.reload().await, None, "no account has an amount yet");
    relay.pay("bank", 20).await;
    assert_eq!(relay.reload().await, None);
    write("USD");
    let said = "the rate card is in USD, and accounts are kept in EUR: a relay bills in one \
                currency; bring a card in EUR";
    let why = relay.reload().await.unwrap();
    assert_eq!(why, format!("{said}; the relay goes on with what it has"));
    let suspended = relay.suspend().await;
    assert_eq!(suspended.refused().await, said);
    write("EUR");
    suspended.resume().await.stop().await;
}
