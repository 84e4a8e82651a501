//! The published limits over real connections: each passes up to it, and what is too many is refused
//! with rule, limit and time, or served with less. The arithmetic of rates is tested where it is.

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::Ticket;
use plico_relay::config::Config;
use plico_relay::policy::rate_card::SAMPLE;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::world::{Bank, Customer, submission, submission_to, submit_id};

/// A relay with settings of the test's choice, and a bank that it certified.
async fn relay_with(change: impl FnOnce(&mut Config)) -> (TestRelay, Bank) {
    let relay = TestRelay::start_with(change).await;
    let bank = Bank::new(1);
    relay.certify(&bank, "bank").await;
    (relay, bank)
}

/// A ticket of a customer of the bank, whose mailbox is opened for it.
async fn ticket_of(relay: &TestRelay, customer: &Customer, bank: &Bank, window: bool) -> Ticket {
    let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
    let address = customer.address();
    assert_eq!(person.ask(&ClientFrame::Open { address }).await, RelayFrame::Opened);
    let terms = customer.terms(bank);
    match person.ask(&ClientFrame::Mint { address, terms, window }).await {
        RelayFrame::Minted(ticket) => *ticket,
        other => panic!("{other:?}"),
    }
}

fn answer(customer: &Customer, ticket: Ticket, n: u32) -> ClientFrame {
    let consent = Some(customer.consent(ticket));
    submission(customer.address(), submit_id(n), consent, SizeClass::Small.bytes())
}

#[track_caller]
fn check_limited(answer: &RelayFrame, text: &str) {
    let RelayFrame::Refused(Refusal { code, retry_after_ms, text: said }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(*code, Code::RateLimited);
    assert!(said.starts_with(text), "{said}");
    assert!((1..=60_000).contains(retry_after_ms), "{retry_after_ms}");
}

fn accepted(answer: &RelayFrame) -> bool {
    matches!(answer, RelayFrame::Accepted(_))
}

#[tokio::test]
async fn a_large_envelope_waits_until_the_inbox_has_a_subscriber() {
    let (relay, bank) = relay_with(|_| ()).await;
    let inbox = bank.inbox.public();
    let person = Raw::connect(relay.address()).await;
    let medium = submission_to(&inbox, 1, SizeClass::Medium);
    assert!(accepted(&person.ask(&medium).await));
    let large = submission_to(&inbox, 2, SizeClass::Large);
    let refused = person.ask(&large).await;
    check_limited(&refused, "large_while_offline: at most 8 KiB while it is offline: ");
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let mut stream = business.stream().await;
    stream.send(&ClientFrame::Subscribe { address: inbox }).await;
    assert!(matches!(stream.next().await, RelayFrame::Subscribed { .. }));
    assert!(accepted(&person.ask(&large).await));
    relay.stop().await;
}

#[tokio::test]
async fn an_account_over_its_allowance_is_refused_and_another_served() {
    let (relay, bank) = relay_with(|c| c.submissions_per_minute_per_account = 1).await;
    let other = Bank::new(2);
    relay.certify(&other, "other").await;
    let customers = [Customer::new(7), Customer::new(8)];
    for ((bank, customer), first) in [&bank, &other].into_iter().zip(&customers).zip([1, 3]) {
        let ticket = ticket_of(&relay, customer, bank, true).await;
        let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
        assert!(accepted(&business.ask(&answer(customer, ticket, first)).await));
        let refused = business.ask(&answer(customer, ticket, first + 1)).await;
        check_limited(&refused, "account_submissions: at most 1 a minute: ");
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_business_reaches_as_many_people_unasked_in_a_day_as_its_tier_says() {
    let directory = tempfile::tempdir().unwrap();
    let card = directory.path().join("card.toml");
    let changed = |line: &str| match line.split(' ').next() {
        Some("tiers") => "tiers = [1, 2]\n".to_owned(),
        // Whoever pays is another matter.
        Some("service") => "service = 0\n".to_owned(),
        _ => format!("{line}\n"),
    };
    std::fs::write(&card, SAMPLE.lines().map(changed).collect::<String>()).unwrap();
    let card = card.to_string_lossy().into_owned();
    let (relay, bank) = relay_with(|config| config.rate_card = card).await;
    let (one, two) = (Customer::new(7), Customer::new(8));
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let send = async |customer: &Customer, n: u32, window: bool| {
        let ticket = ticket_of(&relay, customer, &bank, window).await;
        business.ask(&answer(customer, ticket, n)).await
    };
    assert!(accepted(&send(&one, 1, false).await));
    assert!(accepted(&send(&one, 2, false).await), "one that was reached is no further one");
    let refused = send(&two, 3, false).await;
    let RelayFrame::Refused(refusal) = &refused else { panic!("{refused:?}") };
    assert_eq!(refusal.rule(), Some("reach"));
    assert!(refusal.text.contains("at most 1 mailboxes a day"), "{}", refusal.text);
    assert!(accepted(&send(&two, 4, true).await), "who asked may be answered");
    relay.stop().await;
}

#[tokio::test]
async fn a_network_over_its_allowance_is_refused_by_the_rule_it_broke() {
    let (relay, bank) = relay_with(|config| {
        config.mailboxes_opened_per_minute_per_prefix = 1;
        config.submissions_per_minute_per_prefix = 1;
    })
    .await;
    let (one, two) = (Customer::new(7), Customer::new(8));
    let person = Raw::person(relay.address(), &[&one.mailbox, &two.mailbox]).await;
    let open = |customer: &Customer| ClientFrame::Open { address: customer.address() };
    assert_eq!(person.ask(&open(&one)).await, RelayFrame::Opened);
    check_limited(&person.ask(&open(&two)).await, "mailboxes_opened: at most 1 a minute: ");
    let inbox = bank.inbox.public();
    for (n, fits) in [(1, true), (2, false)] {
        // A connection of its own gives no allowance of its own.
        let anonymous = Raw::connect(relay.address()).await;
        let sent = anonymous.ask(&submission_to(&inbox, n, SizeClass::Small)).await;
        assert_eq!(accepted(&sent), fits, "{sent:?}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn frames_over_the_allowance_are_refused_but_acknowledgements_are_not() {
    let (relay, bank) = relay_with(|config| config.frames_per_minute_per_prefix = 4).await;
    let inbox = bank.inbox.public();
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let mut stream = business.stream().await;
    stream.send(&ClientFrame::Subscribe { address: inbox }).await;
    let RelayFrame::Subscribed { channel } = stream.next().await else { panic!("no channel") };
    let person = Raw::connect(relay.address()).await;
    assert!(accepted(&person.ask(&submission_to(&inbox, 1, SizeClass::Small)).await));
    let refused = person.ask(&submission_to(&inbox, 2, SizeClass::Small)).await;
    check_limited(&refused, "frames: at most 4 a minute: ");
    let sequence = loop {
        if let RelayFrame::Deliver(delivery) = stream.next().await {
            break delivery.sequence;
        }
    };
    let unreadable = Vec::new();
    stream.send(&ClientFrame::Acknowledge { channel, up_to: sequence, unreadable }).await;
    let acknowledged = loop {
        match stream.next().await {
            RelayFrame::Notice(_) | RelayFrame::Drained { .. } => (),
            other => break other,
        }
    };
    assert_eq!(acknowledged, RelayFrame::Acknowledged { channel, up_to: sequence });
    relay.stop().await;
}

#[tokio::test]
async fn bundles_over_the_allowance_come_without_a_one_time_prekey() {
    let (relay, bank) = relay_with(|config| config.bundles_per_minute_per_prefix = 1).await;
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let publication = Box::new(bank.publication(1, 50, relay.clock.hour()));
    let published = business.ask(&ClientFrame::PublishPrekeys(publication)).await;
    assert!(matches!(published, RelayFrame::Stock(_)));
    let person = Raw::connect(relay.address()).await;
    for has_one_time in [true, false] {
        let fetch = ClientFrame::FetchBundle { account: bank.account.public() };
        let RelayFrame::Prekeys(bundle) = person.ask(&fetch).await else { panic!("no bundle") };
        assert_eq!(bundle.one_time.is_some(), has_one_time);
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_network_has_so_many_connections_at_one_time() {
    let (relay, _) = relay_with(|config| config.connections_per_prefix_max = 2).await;
    let (one, _two) = (Raw::connect(relay.address()).await, Raw::connect(relay.address()).await);
    let group = rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
    let endpoint = Raw::endpoint(group, plico_protocol::limits::ALPN);
    let again = || async { endpoint.connect(relay.address(), "relay").unwrap().await };
    assert!(again().await.is_err());
    one.connection.close(0u32.into(), b"");
    // The relay hears of the end when its packet comes.
    while again().await.is_err() {}
    relay.stop().await;
}
