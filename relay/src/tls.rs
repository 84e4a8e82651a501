//! The relay's TLS identity and the transport's parameters. SPEC.md §3.
//!
//! Clients pin the key, not a certificate authority: the certificate is made anew at each start
//! around the stored key and says nothing that anybody checks. A thief of `tls.key` can stand in
//! for the relay on the network and see what a relay sees; a new key breaks every link's pin.
//!
//! What must not happen here: a key exchange that can be recorded now and broken later, early
//! data, resumption, address tokens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plico_protocol::limits::{
    ALPN, BIDIRECTIONAL_STREAMS_MAX, CONNECTION_WINDOW_BYTES, IDLE_MS_MAX, STREAM_WINDOW_BYTES,
};
use plico_protocol::link::Pin;
use plico_protocol::mac::{MacKey, sha256};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{TransportConfig, ValidationTokenConfig, VarInt};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::keys::{self, KeyFileError};

/// The relay's TLS key with a certificate around it.
pub struct Identity {
    key: KeyPair,
    chain: Vec<CertificateDer<'static>>,
}

/// Why there is no TLS identity or configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key could not be made or read, or no certificate could be made around it.
    #[error("the TLS key cannot be used: {0}")]
    Key(#[from] rcgen::Error),
    /// The key file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The key file is not there.
    #[error("{path} is missing; restore it from the backup")]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// The key file holds something else.
    #[error(
        "{path} is not the private key of a relay (PKCS #8 in PEM): {error}; restore it from the \
         backup, because with another key every link's `pin` fails"
    )]
    NoKey {
        /// Which file.
        path: PathBuf,
        /// What the reader said.
        error: rcgen::Error,
    },
    /// The certificate file.
    #[error(
        "{path} is no certificate for this relay's tls.key: {why}; correct `tls_certificate`, or \
         leave it empty"
    )]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// rustls refused the configuration.
    #[error("the TLS configuration is refused: {0}")]
    Configuration(#[from] rustls::Error),
    /// The provider has no cipher suite for QUIC's first packets.
    #[error("the TLS provider cannot protect QUIC's initial packets")]
    NoInitialSuite,
}

impl Identity {
    /// Reads the key file of a key directory, or makes one. The directory must be there.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn open_or_create(keys_dir: &Path) -> Result<Self, TlsError> {
        let path = keys_dir.join(KEY_FILE);
        if let Some(pem) = keys::read_private(&path)? {
            return match KeyPair::from_pem(&pem) {
                Ok(key) => Self::around(key),
                Err(error) => Err(TlsError::NoKey { path, error }),
            };
        }
        let identity = Self::generate()?;
        keys::replace(&path, identity.to_pem().as_bytes())?;
        Ok(identity)
    }

    /// Reads the key file of a key directory, and makes none.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub(crate) fn open(keys_dir: &Path) -> Result<Self, TlsError> {
        let path = keys_dir.join(KEY_FILE);
        match path.exists() {
            true => Self::open_or_create(keys_dir),
            false => Err(TlsError::Gone { path }),
        }
    }

    /// The same key with the certificates of a PEM file, if one is named.
    ///
    /// # Errors
    ///
    /// [`TlsError::Certificate`], also where the first of them is another key's.
    pub(crate) fn with_certificate(self, path: &str) -> Result<Self, TlsError> {
        if path.is_empty() {
            return Ok(self);
        }
        let path = PathBuf::from(path);
        let bad = |why: String| TlsError::Certificate { path: path.clone(), why };
        let chain = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
        let chain: Vec<_> = chain.map_err(|error| bad(error.to_string()))?;
        if chain.is_empty() {
            return Err(bad("there is no certificate in it".to_owned()));
        }
        let identity = Self { chain, ..self };
        server_config(&identity, false, 1).map_err(|error| bad(error.to_string()))?;
        Ok(identity)
    }

    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`TlsError::Key`].
    pub fn generate() -> Result<Self, TlsError> {
        Self::around(KeyPair::generate()?)
    }

    /// Takes a key that [`Identity::to_pem`] wrote.
    ///
    /// # Errors
    ///
    /// [`TlsError::Key`].
    pub fn from_pem(pem: &str) -> Result<Self, TlsError> {
        Self::around(KeyPair::from_pem(pem)?)
    }

    /// The private key, to be stored where only the operator reads.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.key.serialize_pem())
    }

    /// What a link pins: the hash of the public key (RFC 7469 §2.4).
    pub fn pin(&self) -> Pin {
        Pin::of_spki(&self.key.subject_public_key_info())
    }

    /// A secret that lives as long as the TLS key: `HMAC(SHA-256(private key), label)`.
    pub(crate) fn derive(&self, label: &[u8]) -> MacKey {
        let private = Zeroizing::new(self.key.serialize_der());
        MacKey::new(MacKey::new(sha256(&[&private])).mac(&[label]))
    }

    fn around(key: KeyPair) -> Result<Self, TlsError> {
        let params = CertificateParams::new(vec![CERTIFICATE_NAME.to_owned()])?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { key, chain: vec![certificate] })
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { key: _, chain: _ } = self;
        f.write_str("Identity(…)")
    }
}

/// Everything quinn needs to listen.
///
/// # Errors
///
/// [`TlsError`].
pub fn server_config(
    identity: &Identity,
    allow_classical: bool,
    connections_max: usize,
) -> Result<quinn::ServerConfig, TlsError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let mut tls = rustls::ServerConfig::builder_with_provider(provider(allow_classical))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Early data can be replayed, and a session ticket links a person's connections.
    tls.max_early_data_size = 0;
    tls.send_tls13_tickets = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(|_| TlsError::NoInitialSuite)?;

    let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls));
    server.transport_config(Arc::new(transport()));
    // A NEW_TOKEN frame links connections just as a session ticket does.
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    server.validation_token_config(tokens);
    server.max_incoming(connections_max.min(INCOMING_MAX));
    server.incoming_buffer_size(INCOMING_BUFFER_BYTES);
    server.incoming_buffer_size_total(INCOMING_BUFFER_BYTES_TOTAL);
    Ok(server)
}

/// One provider, named: with two in the build, rustls' process default would panic.
fn provider(allow_classical: bool) -> Arc<CryptoProvider> {
    let all = aws_lc_rs::default_provider();
    // A client that offers less fails the handshake, rather than being noticed afterwards.
    let kx_groups = match allow_classical {
        false => vec![aws_lc_rs::kx_group::X25519MLKEM768],
        true => vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519],
    };
    Arc::new(CryptoProvider { kx_groups, ..all })
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDIRECTIONAL_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        // What a client does not read stays in its mailbox, not in this relay's memory.
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_MS_MAX).into()))
        // Only clients keep alive: they know whether anybody is waiting.
        .keep_alive_interval(None)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        // The spin bit shows round-trip times to everybody on the path (RFC 9000 §17.4).
        .allow_spin(false)
        .initial_rtt(INITIAL_RTT)
        .enable_segmentation_offload(true);
    transport
}

pub(crate) const KEY_FILE: &str = "tls.key";
/// A name for the certificate's one field that must have one; clients pin the key instead.
const CERTIFICATE_NAME: &str = "plico-relay";
/// Arrivals that wait for a decision.
const INCOMING_MAX: usize = 4_096;
/// Early packets kept for one arrival: a client's first flight with ML-KEM is two packets.
const INCOMING_BUFFER_BYTES: u64 = 16 * 1024;
/// Early packets kept for all arrivals.
const INCOMING_BUFFER_BYTES_TOTAL: u64 = 16 * 1024 * 1024;
/// Before it is measured: 333 ms (RFC 9002 §6.2.2).
const INITIAL_RTT: Duration = Duration::from_millis(333);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use quinn::crypto::rustls::QuicClientConfig;
    use rustls::client::{
        ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
    };
    use rustls::pki_types::ServerName;

    use super::*;

    /// Counts what a server gives a client to come back with.
    #[derive(Debug, Default)]
    struct Given(AtomicUsize);

    impl ClientSessionStore for Given {
        fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
            None
        }

        fn set_kx_hint(&self, _: ServerName<'static>, _: rustls::NamedGroup) {}

        fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
            None
        }

        fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

        fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
            None
        }

        fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    }

    impl quinn::TokenStore for Given {
        fn insert(&self, _: &str, _: bytes::Bytes) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn take(&self, _: &str) -> Option<bytes::Bytes> {
            None
        }
    }

    /// A client that keeps whatever it gets.
    fn keeping(identity: &Identity, given: &Arc<Given>) -> quinn::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.chain[0].clone()).unwrap();
        let mut tls = rustls::ClientConfig::builder_with_provider(provider(false))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::store(given.clone());
        tls.enable_early_data = true;
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.token_store(given.clone());
        config
    }

    #[tokio::test]
    async fn a_connection_leaves_nothing_that_the_next_could_be_known_by() {
        let (identity, given) = (Identity::generate().unwrap(), Arc::new(Given::default()));
        let local = (Ipv4Addr::LOCALHOST, 0).into();
        let config = server_config(&identity, false, 10).unwrap();
        let relay = quinn::Endpoint::server(config, local).unwrap();
        let address = relay.local_addr().unwrap();
        let answering = tokio::spawn(async move {
            let connection = relay.accept().await.unwrap().await.unwrap();
            let (mut answer, mut asked) = connection.accept_bi().await.unwrap();
            answer.write_all(&asked.read_to_end(9).await.unwrap()).await.unwrap();
            answer.finish().unwrap();
            connection.closed().await
        });
        let client = quinn::Endpoint::client(local).unwrap();
        let config = keeping(&identity, &given);
        let connecting = client.connect_with(config, address, CERTIFICATE_NAME).unwrap();
        let connection = connecting.await.unwrap();
        // Its answer comes after whatever the handshake's end gives.
        let (mut ask, mut answered) = connection.open_bi().await.unwrap();
        ask.write_all(b"asked").await.unwrap();
        ask.finish().unwrap();
        assert_eq!(answered.read_to_end(9).await.unwrap(), b"asked");
        connection.close(VarInt::from_u32(0), b"");
        answering.await.unwrap();
        assert_eq!(given.0.load(Ordering::Relaxed), 0, "session tickets and tokens");
    }

    #[test]
    fn a_stored_key_keeps_its_pin() {
        let identity = Identity::generate().unwrap();
        let again = Identity::from_pem(&identity.to_pem()).unwrap();
        assert_eq!(identity.pin(), again.pin());
        assert_ne!(identity.pin(), Identity::generate().unwrap().pin());
        assert!(server_config(&again, false, 10).is_ok());
    }

    #[test]
    fn a_certificate_of_another_key_and_a_file_without_one_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let identity = Identity::generate().unwrap();
        let certified = |key: &KeyPair| {
            let params = CertificateParams::new(vec!["relay.example".to_owned()]).unwrap();
            params.self_signed(key).unwrap().pem()
        };
        let (own, other) = (certified(&identity.key), certified(&KeyPair::generate().unwrap()));
        let again =
            |file: String| Identity::from_pem(&identity.to_pem()).unwrap().with_certificate(&file);
        assert_eq!(again(write("own", &own)).unwrap().pin(), identity.pin());
        for file in [write("other", &other), write("junk", "junk"), "nowhere".to_owned()] {
            assert!(matches!(again(file), Err(TlsError::Certificate { .. })));
        }
    }

    #[test]
    fn only_the_hybrid_group_is_offered_unless_classical_is_allowed() {
        let names = |classical| -> Vec<_> {
            provider(classical).kx_groups.iter().map(|group| group.name()).collect()
        };
        assert_eq!(names(false), [rustls::NamedGroup::X25519MLKEM768]);
        assert_eq!(names(true), [rustls::NamedGroup::X25519MLKEM768, rustls::NamedGroup::X25519]);
    }
}
