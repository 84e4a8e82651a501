//! Submissions: sizes, destinations, and ids that are repeated, stale, early or reused.

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, RelayFrame, SubmissionState};
use plico_protocol::refusal::Code;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::world::{
    BEGINNING, Bank, Customer, submission, submission_to, submit_id, submit_id_at,
};

async fn certified() -> (TestRelay, Bank, Raw) {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    relay.certify(&bank, "bank").await;
    let raw = Raw::connect(relay.address()).await;
    (relay, bank, raw)
}

fn accepted(frame: &RelayFrame) -> bool {
    matches!(frame, RelayFrame::Accepted(_))
}

#[tokio::test]
async fn an_envelope_of_another_size_is_refused() {
    let (relay, bank, raw) = certified().await;
    let inbox = bank.inbox.public();
    for bytes in [0, 1, 2047, 2049, 8191, 8193, 32767, 65535] {
        let frame = submission(inbox, submit_id(1), None, bytes);
        assert_eq!(raw.refused(&frame).await, Code::WrongSize, "{bytes}");
    }
    // A large one needs somebody who listens.
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let mut stream = business.stream().await;
    let subscribed = stream.ask(&ClientFrame::Subscribe { address: inbox }).await;
    assert!(matches!(subscribed, RelayFrame::Subscribed { .. }));
    for (n, class) in (1..).zip(SizeClass::ALL) {
        assert!(accepted(&raw.ask(&submission_to(&inbox, n, *class)).await), "{class:?}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn without_a_ticket_only_a_certified_inbox_is_written_to() {
    let (relay, _, raw) = certified().await;
    let customer = Customer::new(7);
    let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
    person.ask(&ClientFrame::Open { address: customer.address() }).await;
    let nobody = Customer::new(8).address();
    let uncertified = Bank::new(2).inbox.public();
    // An open mailbox, none at all, and an inbox without a certificate: one answer.
    let mut answers = Vec::new();
    for to in [customer.address(), nobody, uncertified] {
        answers.push(raw.ask(&submission_to(&to, 1, SizeClass::Small)).await);
    }
    assert!(matches!(&answers[0], RelayFrame::Refused(r) if r.code == Code::NotAnInbox));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    relay.stop().await;
}

#[tokio::test]
async fn a_repeated_submission_is_answered_alike_and_stored_once() {
    let (relay, bank, raw) = certified().await;
    let frame = submission_to(&bank.inbox.public(), 1, SizeClass::Small);
    let first = raw.ask(&frame).await;
    assert!(accepted(&first));
    assert_eq!(raw.ask(&frame).await, first);
    let mut stream = raw.stream().await;
    for _ in 0..5 {
        stream.send(&frame).await;
    }
    for _ in 0..5 {
        assert_eq!(stream.next().await, first);
    }
    let relay = relay.restart().await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.ask(&frame).await, first);
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let mut delivery = business.stream().await;
    let subscribe = ClientFrame::Subscribe { address: bank.inbox.public() };
    assert!(matches!(delivery.ask(&subscribe).await, RelayFrame::Subscribed { .. }));
    let mut delivered = 0;
    loop {
        match delivery.next().await {
            RelayFrame::Deliver(_) => delivered += 1,
            RelayFrame::Drained { .. } => break,
            RelayFrame::Notice(_) => (),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(delivered, 1);
    relay.stop().await;
}

#[tokio::test]
async fn an_id_with_other_content_is_refused_and_the_first_stays() {
    let (relay, bank, raw) = certified().await;
    let inbox = bank.inbox.public();
    let first = raw.ask(&submission_to(&inbox, 1, SizeClass::Small)).await;
    let other = submission_to(&inbox, 1, SizeClass::Medium);
    assert_eq!(raw.refused(&other).await, Code::SubmitIdReused);
    assert_eq!(raw.ask(&submission_to(&inbox, 1, SizeClass::Small)).await, first);
    let status = ClientFrame::Status { id: submit_id(1) };
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Queued));
    relay.stop().await;
}

#[tokio::test]
async fn stale_and_early_ids_are_refused_at_their_edges() {
    let (relay, bank, raw) = certified().await;
    let inbox = bank.inbox.public();
    let small = SizeClass::Small.bytes();
    let at = |hour, n| submission(inbox, submit_id_at(hour, n), None, small);
    let now = BEGINNING.hour();
    assert!(accepted(&raw.ask(&at(now.minus(46), 1)).await));
    assert_eq!(raw.refused(&at(now.minus(47), 2)).await, Code::Stale);
    assert!(accepted(&raw.ask(&at(now.plus(1), 3)).await));
    assert_eq!(raw.refused(&at(now.plus(2), 4)).await, Code::Early);
    let unknown = ClientFrame::Status { id: submit_id_at(now.minus(47), 2) };
    assert_eq!(raw.ask(&unknown).await, RelayFrame::State(SubmissionState::Unknown));
    relay.stop().await;
}

#[tokio::test]
async fn an_envelope_expires_at_its_hour_and_its_sender_learns_it() {
    let (relay, bank, raw) = certified().await;
    let frame = submission_to(&bank.inbox.public(), 1, SizeClass::Small);
    assert!(accepted(&raw.ask(&frame).await));
    let status = ClientFrame::Status { id: submit_id(1) };
    relay.clock.advance_hours(30 * 24 - 1);
    relay.sweep().await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Queued));
    relay.clock.advance_hours(1);
    relay.sweep().await;
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Expired));
    relay.clock.advance_hours(49);
    relay.sweep().await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Unknown));
    relay.stop().await;
}

#[tokio::test]
async fn a_full_disk_refuses_submissions_and_nothing_else() {
    let (relay, bank, raw) = certified().await;
    let inbox = bank.inbox.public();
    assert!(accepted(&raw.ask(&submission_to(&inbox, 1, SizeClass::Small)).await));
    relay.set_free_space(0).await;
    let frame = submission_to(&inbox, 2, SizeClass::Small);
    assert_eq!(raw.refused(&frame).await, Code::StorageFull);
    // Delivery and acknowledgement go on.
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let mut delivery = business.stream().await;
    let subscribe = ClientFrame::Subscribe { address: inbox };
    let RelayFrame::Subscribed { channel } = delivery.ask(&subscribe).await else { panic!() };
    let up_to = loop {
        match delivery.next().await {
            RelayFrame::Deliver(delivered) => break delivered.sequence,
            RelayFrame::Notice(_) => (),
            other => panic!("{other:?}"),
        }
    };
    let acknowledge = ClientFrame::Acknowledge { channel, up_to, unreadable: vec![] };
    delivery.send(&acknowledge).await;
    while !matches!(delivery.next().await, RelayFrame::Acknowledged { .. }) {}
    relay.set_free_space(u64::MAX).await;
    assert!(accepted(&raw.ask(&frame).await));
    relay.stop().await;
}
