//! Whom a client connects to, against servers that are right or wrong in one way each.

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
    _endpoint: Endpoint,
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
        let crypto = Arc::new(QuicServerConfig::try_from(tls).unwrap());
        let config = quinn::ServerConfig::with_crypto(crypto);
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = endpoint.local_addr().unwrap().port();
        let accepting = endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                if let Ok(connection) = incoming.await {
                    tokio::spawn(async move { connection.closed().await });
                }
            }
        });
        let link = RelayLink { host: "127.0.0.1".into(), port, relay: pin, authority: pin };
        Self { _endpoint: endpoint, link }
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
