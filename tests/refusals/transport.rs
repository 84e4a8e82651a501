//! What is refused before any frame: key exchange, protocol name, silence.

use rustls::crypto::aws_lc_rs::kx_group;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;

#[tokio::test]
async fn a_classical_client_is_refused() {
    let relay = TestRelay::start().await;
    let classical = Raw::connect_with(relay.address(), kx_group::X25519, b"plico/1").await;
    assert!(classical.is_err());
    let hybrid = Raw::connect_with(relay.address(), kx_group::X25519MLKEM768, b"plico/1").await;
    assert!(hybrid.is_ok());
    relay.stop().await;
}

#[tokio::test]
async fn another_protocol_name_is_refused() {
    let relay = TestRelay::start().await;
    let other = Raw::connect_with(relay.address(), kx_group::X25519MLKEM768, b"h3").await;
    assert!(other.is_err());
    relay.stop().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_with_its_code() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    // The relay's own limit of five seconds ends this wait.
    match raw.connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            assert_eq!(u64::from(close.error_code), 2);
        }
        other => panic!("{other:?}"),
    }
    relay.stop().await;
}
