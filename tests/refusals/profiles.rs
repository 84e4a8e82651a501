//! Profiles of others, of the future, older than what is there, too long; and where they go.

use plico_protocol::certificate::Handle;
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::limits::PROFILE_BYTES_MAX;
use plico_protocol::profile::{Profile, SignedProfile};
use plico_protocol::refusal::Code;
use plico_protocol::time::Minute;

use crate::harness::raw::{Raw, code};
use crate::harness::relay::TestRelay;
use crate::harness::world::{BEGINNING, Bank, Customer};

fn signed(bank: &Bank, description: &str, issued: Minute) -> SignedProfile {
    let profile = Profile { issued, description: description.to_owned(), ..Profile::default() };
    profile.sign(&bank.account).unwrap().signed().clone()
}

/// The profile that comes with the certificate of `bank`.
async fn looked_up(relay: &TestRelay) -> Option<SignedProfile> {
    let look_up = ClientFrame::LookUp { handle: Handle::new("bank").unwrap() };
    match Raw::connect(relay.address()).await.ask(&look_up).await {
        RelayFrame::Certified { profile, .. } => profile,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_profile_is_the_accounts_own_of_now_and_the_latest() {
    let relay = TestRelay::start().await;
    let (bank, other) = (Bank::new(1), Bank::new(2));
    relay.certify(&bank, "bank").await;
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let now = BEGINNING.minute();
    assert_eq!(looked_up(&relay).await, None);
    let published = signed(&bank, "open", now.plus(60));
    let publish = |profile: &SignedProfile| ClientFrame::PublishProfile(profile.clone());
    assert_eq!(business.ask(&publish(&published)).await, RelayFrame::ProfilePublished);
    for (refused, why) in [
        (signed(&other, "of another account", now.plus(60)), Code::BadProfile),
        (signed(&bank, "of the future", now.plus(61)), Code::BadProfile),
        (signed(&bank, "older", now.plus(59)), Code::ProfileReplaced),
        (signed(&bank, "of the same minute", now.plus(60)), Code::ProfileReplaced),
    ] {
        assert_eq!(business.refused(&publish(&refused)).await, why);
    }
    assert_eq!(business.ask(&publish(&published)).await, RelayFrame::ProfilePublished);
    assert_eq!(looked_up(&relay).await, Some(published.clone()));
    let relay = relay.restart().await;
    assert_eq!(looked_up(&relay).await, Some(published), "it is on disk");
    relay.stop().await;
}

#[tokio::test]
async fn a_profile_longer_than_its_bound_is_refused_by_its_header() {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    relay.certify(&bank, "bank").await;
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let [_, high, middle, low] = u32::try_from(PROFILE_BYTES_MAX + 5).unwrap().to_be_bytes();
    let mut stream = business.stream().await;
    stream.send_bytes(&[0x0d, high, middle, low]).await;
    assert_eq!(code(stream.next().await), Code::FrameTooLarge);
    // Within the frame's bound, and no profile.
    let mut stream = business.stream().await;
    let [high, low] = u16::try_from(PROFILE_BYTES_MAX + 4).unwrap().to_be_bytes();
    let length = u32::try_from(PROFILE_BYTES_MAX).unwrap().to_be_bytes();
    let body = [length.to_vec(), vec![0xff; PROFILE_BYTES_MAX]].concat();
    stream.send_bytes(&[vec![0x0d, 0, high, low], body].concat()).await;
    assert_eq!(code(stream.next().await), Code::BadProfile);
    assert_eq!(looked_up(&relay).await, None);
    relay.stop().await;
}

#[tokio::test]
async fn only_a_certified_business_publishes_a_profile() {
    let relay = TestRelay::start().await;
    let (bank, customer) = (Bank::new(1), Customer::new(7));
    let publish = ClientFrame::PublishProfile(signed(&bank, "open", BEGINNING.minute()));
    let anonymous = Raw::connect(relay.address()).await;
    assert_eq!(anonymous.refused(&publish).await, Code::WrongConnection);
    let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
    assert_eq!(person.refused(&publish).await, Code::WrongConnection);
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    assert_eq!(business.refused(&publish).await, Code::NotCertified);
    relay.stop().await;
}

#[tokio::test]
async fn a_profile_goes_with_a_revoked_certificate_and_does_not_come_back_with_another() {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    let serial = relay.certify(&bank, "bank").await;
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let publish = ClientFrame::PublishProfile(signed(&bank, "open", BEGINNING.minute()));
    assert_eq!(business.ask(&publish).await, RelayFrame::ProfilePublished);
    relay.revoke_certificate(serial).await;
    assert_eq!(business.refused(&publish).await, Code::CertificateRevoked);
    relay.certify(&bank, "bank").await;
    assert_eq!(looked_up(&relay).await, None);
    assert_eq!(business.ask(&publish).await, RelayFrame::ProfilePublished);
    relay.clock.advance_hours(90 * 24);
    assert_eq!(business.refused(&publish).await, Code::CertificateExpired);
    relay.stop().await;
}
