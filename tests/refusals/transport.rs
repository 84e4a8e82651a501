//! What is refused before any frame: key exchange, protocol name, silence.

use rustls::crypto::aws_lc_rs::kx_group;
use tokio::net::UdpSocket;

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

#[tokio::test]
async fn a_handshake_that_stands_still_keeps_no_relay_from_stopping() {
    // Less than the three seconds for which the transport would still answer such a client.
    let relay = TestRelay::start_with(|config| config.shutdown_ms_max = 2_000).await;
    let address = relay.address();
    let client = Raw::endpoint(kx_group::X25519MLKEM768, b"plico/1");
    let path = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let knocking = client.connect(path.local_addr().unwrap(), "relay").unwrap();
    // The path carries the client's packets and keeps the relay's, as if the client were gone.
    let mut packet = [0; 2_048];
    loop {
        let (bytes, from) = path.recv_from(&mut packet).await.unwrap();
        if from == address {
            break;
        }
        path.send_to(&packet[..bytes], address).await.unwrap();
    }
    relay.stop().await;
    UdpSocket::bind(address).await.expect("the port is free again");
    drop(knocking);
}
