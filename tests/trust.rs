//! What the SDK does not believe: wrong pins, expired certificates, relays without post-quantum
//! key exchange.

use std::sync::Arc;

use plico_client::{BusinessEvent, BusinessTrouble, ConnectError, LinkError, LookUpError, Trouble};
use plico_protocol::limits;
use plico_protocol::link::Pin;
use plico_protocol::refusal::Code;
use rustls::crypto::aws_lc_rs;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, next_asked, told, words};

#[tokio::test]
async fn a_link_with_a_wrong_pin_is_believed_in_nothing() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    let other = TestRelay::start().await;
    let (stranger, strange) = desk.certified(&other, "stranger").await;
    let person = desk.person("anna").await;
    let mut wrong_relay = link.clone();
    wrong_relay.relay.relay = strange.relay.relay;
    let mut wrong_authority = link.clone();
    wrong_authority.relay.authority = strange.relay.authority;
    let mut wrong_account = link.clone();
    wrong_account.account = strange.account;
    let mut answers = Vec::new();
    for link in [wrong_relay, wrong_authority, wrong_account, link] {
        let fresh = person.conversation(&link).await.unwrap();
        answers.push(fresh.business().await.map(|profile| profile.domain));
    }
    assert_eq!(
        answers,
        [
            Err(LookUpError::Connect(ConnectError::WrongPin)),
            Err(LookUpError::Trouble(Trouble::WrongAuthority)),
            Err(LookUpError::Trouble(Trouble::WrongAccount)),
            Ok("bank.example".to_owned()),
        ]
    );
    for business in [bank, stranger] {
        business.close().await.unwrap();
    }
    person.close().await.unwrap();
    relay.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_reference_no_content_carries_is_refused_or_left_out() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, mut link) = desk.certified(&relay, "bank").await;
    let refused = bank.link(Some(&"r".repeat(257))).await.unwrap_err();
    assert!(matches!(refused, LinkError::Reference), "{refused}");
    link.reference = Some("r".repeat(257));
    let person = desk.person("anna").await;
    person.conversation(&link).await.unwrap().send("hello").await.unwrap();
    assert_eq!(next_asked(&mut bank).await.content.reference, None);
    person.close().await.unwrap();
    desk.person("anna").await.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn an_expired_certificate_is_not_written_to() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    bank.close().await.unwrap();
    relay.clock.advance_hours(90 * 24);
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let refused = chat.business().await.unwrap_err();
    let expired = LookUpError::Trouble(Trouble::Refused(Code::CertificateExpired));
    assert_eq!(refused, expired);
    person.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_with_classical_key_exchange_alone_is_refused() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, mut link) = desk.certified(&relay, "bank").await;
    let (classical, pin) = classical_relay();
    link.relay.port = classical.local_addr().unwrap().port();
    link.relay.host = classical.local_addr().unwrap().ip().to_string();
    link.relay.relay = pin;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let refused = chat.business().await.unwrap_err();
    assert_eq!(refused, LookUpError::Connect(ConnectError::ClassicalOnly));
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_works_on_the_same_connection() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    relay.revoke_newest("bank").await;
    let stopped = |event| match event {
        BusinessEvent::Trouble { trouble: BusinessTrouble::Refused(code), .. } => Some(code),
        _ => None,
    };
    assert_eq!(told(&mut bank, stopped).await, Code::NotCertified);
    relay.certify_request(&bank.request().await.unwrap().to_text()).await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let id = chat.send("are you back?").await.unwrap();
    // Whatever is asked makes the agent look at the clock.
    relay.clock.advance_minutes(2);
    bank.state(id).await.unwrap();
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "are you back?");
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

/// An endpoint with the right protocol name and the key the link pins, but X25519 alone.
fn classical_relay() -> (quinn::Endpoint, Pin) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["relay".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let provider = aws_lc_rs::default_provider();
    let kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let provider = rustls::crypto::CryptoProvider { kx_groups, ..provider };
    let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    tls.alpn_protocols = vec![limits::ALPN.to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let endpoint = quinn::Endpoint::server(server, "127.0.0.1:0".parse().unwrap()).unwrap();
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(async move {
                if let Ok(connection) = incoming.await {
                    connection.closed().await;
                }
            });
        }
    });
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    (endpoint, Pin::of_spki(&spki))
}
