//! Certificates that expired or were revoked, handles nobody has, prekeys that do not verify.

use plico_protocol::certificate::Handle;
use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::prekey::PrekeyId;
use plico_protocol::refusal::Code;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::world::{BEGINNING, Bank, Customer, answer_to, submission_to};

fn look_up(handle: &str) -> ClientFrame {
    ClientFrame::LookUp { handle: Handle::new(handle).unwrap() }
}

#[tokio::test]
async fn a_handle_nobody_has_is_unknown() {
    let relay = TestRelay::start().await;
    relay.certify(&Bank::new(1), "bank").await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.refused(&look_up("bang")).await, Code::UnknownHandle);
    match raw.ask(&look_up("bank")).await {
        RelayFrame::Certified { authority, certificate, profile: _ } => {
            let verified = certificate.verify(&authority).unwrap();
            assert_eq!(verified.body().keys, Bank::new(1).keys());
        }
        other => panic!("{other:?}"),
    }
    relay.stop().await;
}

#[tokio::test]
async fn an_expired_certificate_neither_receives_nor_sends() {
    let relay = TestRelay::start().await;
    let (bank, customer) = (Bank::new(1), Customer::new(7));
    relay.certify(&bank, "bank").await;
    let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
    let address = customer.address();
    person.ask(&ClientFrame::Open { address }).await;
    let mut terms = customer.terms(&bank);
    terms.valid_until = BEGINNING.minute().plus(200 * 24 * 60);
    let minted = person.ask(&ClientFrame::Mint { address, terms, window: true }).await;
    let RelayFrame::Minted(ticket) = minted else { panic!("{minted:?}") };
    relay.clock.advance_hours(90 * 24);
    let (raw, hour) = (Raw::connect(relay.address()).await, relay.clock.hour());
    assert_eq!(raw.refused(&look_up("bank")).await, Code::CertificateExpired);
    let id = crate::harness::world::submit_id_at(hour, 1);
    let small = SizeClass::Small.bytes();
    let to_inbox = crate::harness::world::submission(bank.inbox.public(), id, None, small);
    assert_eq!(raw.refused(&to_inbox).await, Code::CertificateExpired);
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let answer =
        crate::harness::world::submission(address, id, Some(customer.consent(*ticket)), small);
    assert_eq!(business.refused(&answer).await, Code::CertificateExpired);
    relay.stop().await;
}

#[tokio::test]
async fn a_revoked_certificate_neither_receives_nor_sends_but_its_inbox_drains() {
    let relay = TestRelay::start().await;
    let (bank, customer) = (Bank::new(1), Customer::new(7));
    let serial = relay.certify(&bank, "bank").await;
    let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
    let address = customer.address();
    person.ask(&ClientFrame::Open { address }).await;
    let terms = customer.terms(&bank);
    let minted = person.ask(&ClientFrame::Mint { address, terms, window: true }).await;
    let RelayFrame::Minted(ticket) = minted else { panic!("{minted:?}") };
    let raw = Raw::connect(relay.address()).await;
    let inbox = bank.inbox.public();
    raw.ask(&submission_to(&inbox, 1, SizeClass::Small)).await;
    relay.revoke_certificate(serial).await;
    assert_eq!(raw.refused(&look_up("bank")).await, Code::CertificateRevoked);
    let again = submission_to(&inbox, 2, SizeClass::Small);
    assert_eq!(raw.refused(&again).await, Code::CertificateRevoked);
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let answer = answer_to(&address, 3, customer.consent(*ticket));
    assert_eq!(business.refused(&answer).await, Code::CertificateRevoked);
    let mut delivery = business.stream().await;
    let subscribed = delivery.ask(&ClientFrame::Subscribe { address: inbox }).await;
    assert!(matches!(subscribed, RelayFrame::Subscribed { .. }), "{subscribed:?}");
    relay.stop().await;
}

#[tokio::test]
async fn a_business_without_a_certificate_gets_nowhere() {
    let relay = TestRelay::start().await;
    let (bank, customer) = (Bank::new(1), Customer::new(7));
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let publication = bank.publication(1, 1, relay.clock.hour());
    let ticket = plico_protocol::ticket::Ticket::from_bytes([0; 128]);
    for frame in [
        ClientFrame::Subscribe { address: bank.inbox.public() },
        ClientFrame::PublishPrekeys(Box::new(publication)),
        answer_to(&customer.address(), 1, customer.consent(ticket)),
    ] {
        assert_eq!(business.refused(&frame).await, Code::NotCertified, "{frame:?}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_one_time_prekey_is_handed_out_once() {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    relay.certify(&bank, "bank").await;
    let fetch = ClientFrame::FetchBundle { account: bank.account.public() };
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.refused(&fetch).await, Code::NoPrekeys);
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let publish = |first, count| {
        let publication = bank.publication(first, count, relay.clock.hour());
        ClientFrame::PublishPrekeys(Box::new(publication))
    };
    business.ask(&publish(10, 2)).await;
    let mut handed_out = Vec::new();
    for _ in 0..3 {
        match raw.ask(&fetch).await {
            RelayFrame::Prekeys(bundle) => handed_out.push(bundle.one_time.map(|key| key.id)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(handed_out, [Some(PrekeyId(10)), Some(PrekeyId(11)), None]);
    // Published again, the ids that were handed out do not come back.
    business.ask(&publish(10, 3)).await;
    match raw.ask(&fetch).await {
        RelayFrame::Prekeys(bundle) => {
            assert_eq!(bundle.one_time.map(|key| key.id), Some(PrekeyId(12)));
        }
        other => panic!("{other:?}"),
    }
    relay.stop().await;
}

#[tokio::test]
async fn prekeys_that_do_not_verify_are_not_published() {
    let relay = TestRelay::start().await;
    let (bank, other) = (Bank::new(1), Bank::new(2));
    relay.certify(&bank, "bank").await;
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let hour = relay.clock.hour();
    let mut swapped = bank.publication(1, 2, hour);
    swapped.one_time.reverse();
    let foreign = other.publication(1, 1, hour);
    let expired = bank.publication(1, 1, hour.minus(24));
    for publication in [swapped, foreign, expired] {
        let frame = ClientFrame::PublishPrekeys(Box::new(publication));
        assert_eq!(business.refused(&frame).await, Code::BadPrekey);
    }
    let raw = Raw::connect(relay.address()).await;
    let fetch = ClientFrame::FetchBundle { account: bank.account.public() };
    assert_eq!(raw.refused(&fetch).await, Code::NoPrekeys);
    relay.stop().await;
}
