//! What a business says of itself, from its machine to a person's screen.

use plico_client::{About, Logo, LookUpError, ProfileDraft, ProfileError, Trouble};
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::refusal::Code;
use plico_protocol::wire::Wire;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::sdk::Desk;

/// One pixel, with a text chunk beside it.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\
    \0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\
    \0\0\0\x09tEXtby\0a desk\xd2\x1c\x6e\x2f\
    \0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01\x48\xaf\xa4\x71\
    \0\0\0\0IEND\xae\x42\x60\x82";

fn draft(description: &str) -> ProfileDraft {
    ProfileDraft {
        description: description.to_owned(),
        hours: "Mon–Fri 9–18".to_owned(),
        site: "https://bank.example/".to_owned(),
        logo: Some(Logo::from_png(PIXEL).unwrap()),
    }
}

#[tokio::test]
async fn a_person_sees_what_the_business_says_and_its_status_for_a_day() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    assert_eq!(chat.business().await.unwrap().about, None);

    bank.publish_profile(draft("Money since 1802.")).await.unwrap();
    bank.set_status(Some("Counter 3 is closed today.")).await.unwrap();
    bank.connect(&relay.link()).await.unwrap();
    relay.clock.advance_minutes(60);
    let about = chat.business().await.unwrap().about.unwrap();
    assert_eq!(ProfileDraft::from(about.clone()), draft("Money since 1802."));
    assert!(about.logo.unwrap().png().len() < PIXEL.len(), "the text beside it stays here");
    assert_eq!(about.status.unwrap().text, "Counter 3 is closed today.");

    for side in [person.close().await, bank.close().await] {
        side.unwrap();
    }

    // The business is closed: its relay still hands the status out, and nobody is shown it.
    relay.clock.advance_hours(24);
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let about = chat.business().await.unwrap().about.unwrap();
    assert_eq!((about.status, about.hours.as_str()), (None, "Mon–Fri 9–18"));
    person.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_status_that_is_over_is_taken_from_the_relay_too() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    bank.publish_profile(draft("Money since 1802.")).await.unwrap();
    bank.set_status(Some("canary-status")).await.unwrap();
    bank.connect(&relay.link()).await.unwrap();
    // Issued in the same minute as the profile before it, the status counts as of the next.
    relay.clock.advance_minutes(24 * 60 + 1);
    // Whatever is asked makes the agent look at the clock; connecting waits for what follows.
    bank.profile().await.unwrap();
    bank.connect(&relay.link()).await.unwrap();
    let raw = Raw::connect(relay.address()).await;
    let RelayFrame::Certified { profile: Some(profile), .. } =
        raw.ask(&ClientFrame::LookUp { handle: link.handle.clone() }).await
    else {
        panic!("the relay has no profile");
    };
    let bytes = profile.encode();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Money since 1802.") && !holds("canary-status"));
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn what_was_looked_up_within_a_day_is_shown_without_a_relay() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    bank.publish_profile(draft("Money since 1802.")).await.unwrap();
    bank.connect(&relay.link()).await.unwrap();
    bank.close().await.unwrap();
    let person = desk.person("anna").await;
    let seen = person.conversation(&link).await.unwrap().business().await.unwrap();
    person.close().await.unwrap();
    relay.clock.advance_hours(23);
    let offline = relay.suspend().await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    assert_eq!(chat.business().await, Ok(seen), "from the state on disk");
    person.close().await.unwrap();
    drop(offline);
}

#[tokio::test]
async fn a_profile_outlives_restarts_and_comes_back_after_a_new_certificate() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    bank.publish_profile(draft("Money since 1802.")).await.unwrap();
    bank.close().await.unwrap();
    let bank = desk.business("bank").await;
    bank.connect(&relay.link()).await.unwrap();
    let described = |about: Option<About>| about.map(|about| about.description);
    let own = described(bank.profile().await.unwrap());
    assert_eq!(own.as_deref(), Some("Money since 1802."));

    relay.revoke_newest("bank").await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let gone = LookUpError::Trouble(Trouble::Refused(Code::CertificateRevoked));
    assert_eq!(chat.business().await, Err(gone));
    bank.close().await.unwrap();
    let bank = desk.business("bank").await;
    relay.certify_request(&bank.request().await.unwrap().to_text()).await;
    bank.connect(&relay.link()).await.unwrap();
    let other = desk.person("ben").await;
    let seen = other.conversation(&link).await.unwrap().business().await.unwrap();
    assert_eq!(described(seen.about).as_deref(), Some("Money since 1802."));
    for side in [person.close().await, other.close().await, bank.close().await] {
        side.unwrap();
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_draft_that_deceives_changes_nothing() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, _) = desk.certified(&relay, "bank").await;
    bank.publish_profile(draft("Money since 1802.")).await.unwrap();
    let before = bank.profile().await.unwrap();
    for refused in [
        bank.publish_profile(draft("left\u{202E}right")).await,
        bank.publish_profile(draft(&"x".repeat(1_537))).await,
        bank.publish_profile(ProfileDraft { site: "http://a.b".into(), ..draft("") }).await,
        bank.set_status(Some("two\nlines")).await,
    ] {
        assert!(matches!(refused, Err(ProfileError::Field(_))), "{refused:?}");
    }
    assert_eq!(bank.profile().await.unwrap(), before);
    bank.close().await.unwrap();
    relay.stop().await;
}
