//! Whom a client connects to, against servers that are right or wrong in one way each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use plico_protocol::link::Pin;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::*;

/// A server, and the link to it.
struct Server {
    endpoint: Endpoint,
    link: RelayLink,
}

impl Server {
    fn start(group: &'static dyn SupportedKxGroup, alpn: &[u8]) -> Self {
        Self::signing(group, alpn, None)
    }

    /// One that signs its handshakes with another key than its certificate's, if one is given.
    fn signing(
        group: &'static dyn SupportedKxGroup,
        alpn: &[u8],
        other: Option<rcgen::KeyPair>,
    ) -> Self {
        let (tls, pin) = Self::identified(group, alpn, other);
        let crypto = Arc::new(QuicServerConfig::try_from(tls).unwrap());
        Self::listening(quinn::ServerConfig::with_crypto(crypto), pin)
    }

    fn identified(
        group: &'static dyn SupportedKxGroup,
        alpn: &[u8],
        other: Option<rcgen::KeyPair>,
    ) -> (rustls::ServerConfig, Pin) {
        let made = rcgen::generate_simple_self_signed(vec!["relay".into()]).unwrap();
        let pin = Pin::of_spki(&rcgen::PublicKeyData::subject_public_key_info(&made.signing_key));
        let signer = other.unwrap_or(made.signing_key);
        let provider =
            rustls::crypto::CryptoProvider { kx_groups: vec![group], ..default_provider() };
        let key = PrivateKeyDer::Pkcs8(signer.serialize_der().into());
        let key = provider.key_provider.load_private_key(key).unwrap();
        let certified = CertifiedKey::new(vec![made.cert.der().clone()], key);
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        tls.alpn_protocols = vec![alpn.to_vec()];
        (tls, pin)
    }

    /// Answers with what it is asked.
    fn listening(config: quinn::ServerConfig, pin: Pin) -> Self {
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = endpoint.local_addr().unwrap().port();
        let accepting = endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                if let Ok(connection) = incoming.await {
                    tokio::spawn(async move {
                        while let Ok((mut answer, mut asked)) = connection.accept_bi().await {
                            answer.write_all(&asked.read_to_end(9).await.unwrap()).await.unwrap();
                            answer.finish().unwrap();
                        }
                    });
                }
            }
        });
        let link = RelayLink { host: "127.0.0.1".into(), port, relay: pin, authority: pin };
        Self { endpoint, link }
    }

    async fn dial(&self, options: Options) -> Result<quinn::Connection, ConnectError> {
        Dialer::new(self.link.clone(), options).dial().await
    }
}

async fn check(server: &Server) -> Option<ConnectError> {
    server.dial(Options::default()).await.err()
}

#[tokio::test]
async fn the_pinned_key_is_accepted_and_every_other_refused() {
    let mut server = Server::start(kx_group::X25519MLKEM768, limits::ALPN);
    assert_eq!(check(&server).await, None);
    server.link.relay = Pin::of_spki(b"another key");
    assert_eq!(check(&server).await, Some(ConnectError::WrongPin));
}

/// The certificate is public: whoever saw it once can show it.
#[tokio::test]
async fn a_relay_without_the_pinned_keys_private_half_is_refused() {
    let other = rcgen::KeyPair::generate().unwrap();
    let server = Server::signing(kx_group::X25519MLKEM768, limits::ALPN, Some(other));
    assert!(check(&server).await.is_some());
}

/// Relays make ECDSA P-256 keys: a client that does not say that it reads them reaches none.
#[test]
fn the_signatures_that_relays_make_are_offered() {
    let schemes = PinnedKey::new(Pin::of_spki(b"key")).supported_verify_schemes();
    assert!(schemes.contains(&rustls::SignatureScheme::ECDSA_NISTP256_SHA256));
}

#[tokio::test]
async fn a_classical_relay_is_refused_unless_that_was_allowed() {
    let server = Server::start(kx_group::X25519, limits::ALPN);
    assert_eq!(check(&server).await, Some(ConnectError::ClassicalOnly));
    assert!(server.dial(Options::default().dangerous_allow_classical()).await.is_ok());
}

#[tokio::test]
async fn another_protocol_is_told_from_another_key() {
    let server = Server::start(kx_group::X25519MLKEM768, b"h3");
    assert_eq!(check(&server).await, Some(ConnectError::NotPlico));
}

/// Counts what a server gave its clients, and what they came back with.
#[derive(Debug, Default)]
struct Returned {
    given: AtomicUsize,
    returned: AtomicUsize,
}

impl rustls::server::StoresServerSessions for Returned {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        self.given.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        self.returned.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl quinn::TokenLog for Returned {
    fn check_and_insert(
        &self,
        _: u128,
        _: SystemTime,
        _: Duration,
    ) -> Result<(), quinn::TokenReuseError> {
        self.returned.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A relay that would like to know who comes back.
#[tokio::test]
async fn a_connection_brings_nothing_of_the_last_one() {
    let seen = Arc::new(Returned::default());
    let (mut tls, pin) = Server::identified(kx_group::X25519MLKEM768, limits::ALPN, None);
    tls.session_storage = seen.clone();
    tls.max_early_data_size = u32::MAX;
    let crypto = Arc::new(QuicServerConfig::try_from(tls).unwrap());
    let mut curious = quinn::ServerConfig::with_crypto(crypto);
    let mut tokens = quinn::ValidationTokenConfig::default();
    tokens.sent(2).log(seen.clone());
    curious.validation_token_config(tokens);
    let server = Server::listening(curious, pin);
    let client = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = server.endpoint.local_addr().unwrap();
    // One for all connections, while each that is dialled has its own: nothing may be in it either.
    let config = config(Arc::new(PinnedKey::new(pin)), false).unwrap();
    for _ in 0..2 {
        let connecting = client.connect_with(config.clone(), address, "relay").unwrap();
        let Err(connecting) = connecting.into_0rtt() else { panic!("0-RTT") };
        let connection = connecting.await.unwrap();
        // Its answer comes after what the handshake's end gives.
        let (mut ask, mut answered) = connection.open_bi().await.unwrap();
        ask.write_all(b"asked").await.unwrap();
        ask.finish().unwrap();
        assert_eq!(answered.read_to_end(9).await.unwrap(), b"asked");
        connection.close(DONE, b"");
    }
    assert_ne!(seen.given.load(Ordering::Relaxed), 0, "it gave session tickets");
    assert_eq!(seen.returned.load(Ordering::Relaxed), 0, "and nothing came back");
}

#[tokio::test]
async fn a_relay_without_an_address_of_our_family_is_unresolved() {
    let server = Server::start(kx_group::X25519MLKEM768, limits::ALPN);
    let options = Options::default().bind(Ipv6Addr::LOCALHOST.into());
    assert_eq!(server.dial(options).await.err(), Some(ConnectError::Unresolved));
}

#[tokio::test]
async fn two_lines_have_two_sockets_and_a_new_network_a_new_one() {
    let server = Server::start(kx_group::X25519MLKEM768, limits::ALPN);
    let options = Options::default().bind("127.0.5.1".parse().unwrap());
    let mut dialers = [
        Dialer::new(server.link.clone(), options.clone()),
        Dialer::new(server.link.clone(), options),
    ];
    let mut ports = Vec::new();
    for dialer in &mut dialers {
        dialer.dial().await.unwrap();
        ports.push(dialer.endpoint.as_ref().unwrap().local_addr().unwrap());
    }
    assert!(ports.iter().all(|address| address.ip().to_string() == "127.0.5.1"));
    assert_ne!(ports[0], ports[1]);
    dialers[0].rebind();
    assert_ne!(dialers[0].endpoint.as_ref().unwrap().local_addr().unwrap(), ports[0]);
    assert!(dialers[0].dial().await.is_ok());
}

#[test]
fn a_full_relay_is_told_from_one_that_cannot_be_proven_to() {
    let closed = |code: u32| {
        let error_code = VarInt::from_u32(code);
        let close = quinn::ApplicationClose { error_code, reason: Bytes::new() };
        reason(&ConnectionError::ApplicationClosed(close))
    };
    assert_eq!(closed(1), ConnectError::ShuttingDown);
    assert_eq!(closed(2), ConnectError::Lost);
    assert_eq!(closed(3), ConnectError::NoExporter);
    let refused = quinn::ConnectionClose {
        error_code: quinn::TransportErrorCode::CONNECTION_REFUSED,
        frame_type: None,
        reason: Bytes::new(),
    };
    assert_eq!(reason(&ConnectionError::ConnectionClosed(refused)), ConnectError::Full);
}
