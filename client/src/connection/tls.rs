//! TLS: the relay is whoever holds the key that the link pins, and nobody else.
//!
//! SPEC.md §3. No certificate authority, name or date is looked at: the link came to the person on
//! a way that the pin makes as strong as itself. What must hold is that the peer has the private
//! half, which the handshake's signature shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plico_protocol::limits::ALPN;
use plico_protocol::link::Pin;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use webpki::EndEntityCert;

/// Accepts one key and remembers whether it saw another.
#[derive(Debug)]
pub(super) struct PinnedKey {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
    saw_other: AtomicBool,
}

impl PinnedKey {
    pub(super) fn new(pin: Pin) -> Self {
        let algorithms = default_provider().signature_verification_algorithms;
        Self { pin, algorithms, saw_other: AtomicBool::new(false) }
    }

    /// Whether a peer showed another key than the pinned one.
    pub(super) fn saw_other(&self) -> bool {
        self.saw_other.load(Ordering::Relaxed)
    }
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = EndEntityCert::try_from(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if Pin::of_spki(&certificate.subject_public_key_info()) != self.pin {
            self.saw_other.store(true, Ordering::Relaxed);
            let error = CertificateError::ApplicationVerificationFailure;
            return Err(rustls::Error::InvalidCertificate(error));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// TLS 1.3 with this peer alone, hybrid key exchange, and nothing kept from one connection to the
/// next: a resumed session would tell the relay that two connections are one person's.
///
/// # Errors
///
/// [`rustls::Error`] if the provider lacks TLS 1.3.
pub(super) fn config(
    verifier: Arc<PinnedKey>,
    allow_classical: bool,
) -> Result<ClientConfig, rustls::Error> {
    let mut kx_groups = vec![kx_group::X25519MLKEM768];
    if allow_classical {
        kx_groups.push(kx_group::X25519);
    }
    let provider = Arc::new(CryptoProvider { kx_groups, ..default_provider() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}
