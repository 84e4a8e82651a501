//! A client that sends what it is told, right or wrong: frames, bytes and half frames.
//!
//! It trusts any relay, because what it tests is what the relay answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plico_protocol::frame::{ClientFrame, Frame, FrameError, Header, RelayFrame};
use plico_protocol::limits;
use plico_protocol::prove::{EXPORTER_LABEL, ExporterValue, Proof};
use plico_protocol::refusal::Code;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

/// One QUIC connection.
pub(crate) struct Raw {
    pub(crate) connection: quinn::Connection,
    _endpoint: quinn::Endpoint,
}

/// One bidirectional stream.
pub(crate) struct RawStream {
    send: quinn::SendStream,
    recv: RawFrames,
}

/// What comes on it.
pub(crate) struct RawFrames(quinn::RecvStream);

impl Raw {
    /// Connects with the protocol's own key exchange.
    pub(crate) async fn connect(relay: SocketAddr) -> Self {
        let group = rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
        Self::connect_with(relay, group, limits::ALPN).await.unwrap()
    }

    /// Connects with a key exchange and an ALPN name of the test's choice.
    pub(crate) async fn connect_with(
        relay: SocketAddr,
        group: &'static dyn rustls::crypto::SupportedKxGroup,
        alpn: &[u8],
    ) -> Result<Self, quinn::ConnectionError> {
        Self::over(Self::endpoint(group, alpn), relay).await
    }

    /// Connects from an endpoint of the test's choice.
    pub(crate) async fn over(
        endpoint: quinn::Endpoint,
        relay: SocketAddr,
    ) -> Result<Self, quinn::ConnectionError> {
        let connection = endpoint.connect(relay, "relay").unwrap().await?;
        Ok(Self { connection, _endpoint: endpoint })
    }

    /// The client's side before it has a connection.
    pub(crate) fn endpoint(
        group: &'static dyn rustls::crypto::SupportedKxGroup,
        alpn: &[u8],
    ) -> quinn::Endpoint {
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(Self::config(group, alpn));
        endpoint
    }

    /// How it connects.
    pub(crate) fn config(
        group: &'static dyn rustls::crypto::SupportedKxGroup,
        alpn: &[u8],
    ) -> quinn::ClientConfig {
        let provider = Arc::new(CryptoProvider {
            kx_groups: vec![group],
            ..rustls::crypto::aws_lc_rs::default_provider()
        });
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyRelay))
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.to_vec()];
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }

    /// A connection that proved mailboxes.
    pub(crate) async fn person(relay: SocketAddr, mailboxes: &[&MailboxSecret]) -> Self {
        let raw = Self::connect(relay).await;
        let mut stream = raw.stream().await;
        for mailbox in mailboxes {
            let proof = Proof::mailbox(mailbox, &raw.exporter());
            assert_eq!(stream.ask(&ClientFrame::Prove(proof)).await, RelayFrame::Proved);
        }
        raw
    }

    /// A connection that proved an account and its inbox.
    pub(crate) async fn business(
        relay: SocketAddr,
        account: &AccountSecret,
        inbox: &MailboxSecret,
    ) -> Self {
        let raw = Self::connect(relay).await;
        let mut stream = raw.stream().await;
        for proof in
            [Proof::account(account, &raw.exporter()), Proof::inbox(inbox, &raw.exporter())]
        {
            assert_eq!(stream.ask(&ClientFrame::Prove(proof)).await, RelayFrame::Proved);
        }
        raw
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self) -> RawStream {
        self.try_stream().await.unwrap()
    }

    /// The same over a network that may fail.
    pub(crate) async fn try_stream(&self) -> Option<RawStream> {
        let (send, recv) = self.connection.open_bi().await.ok()?;
        Some(RawStream { send, recv: RawFrames(recv) })
    }

    /// Sends one frame on a stream of its own and takes the answer.
    pub(crate) async fn ask(&self, frame: &ClientFrame) -> RelayFrame {
        self.stream().await.ask(frame).await
    }

    /// The same for a frame that must be refused.
    pub(crate) async fn refused(&self, frame: &ClientFrame) -> Code {
        code(self.ask(frame).await)
    }

    /// The certificate the relay showed.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let shown = self.connection.peer_identity().unwrap();
        shown.downcast::<Vec<CertificateDer<'static>>>().unwrap()[0].to_vec()
    }

    /// What a proof on this connection signs.
    pub(crate) fn exporter(&self) -> ExporterValue {
        let mut value = [0; 32];
        self.connection.export_keying_material(&mut value, EXPORTER_LABEL, b"").unwrap();
        ExporterValue(value)
    }
}

impl RawStream {
    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.send_bytes(&frame.to_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.unwrap();
    }

    /// Ends the sending side.
    pub(crate) fn finish(&mut self) {
        self.send.finish().unwrap();
    }

    /// The next frame; a relay that stays silent fails the test.
    pub(crate) async fn next(&mut self) -> RelayFrame {
        let frame = tokio::time::timeout(SILENCE_MAX, self.recv.read()).await;
        frame.expect("the relay did not answer").expect("the stream ended")
    }

    /// Asks over a network that may fail.
    pub(crate) async fn try_ask(&mut self, frame: &ClientFrame) -> Option<RelayFrame> {
        self.send.write_all(&frame.to_bytes()).await.ok()?;
        tokio::time::timeout(SILENCE_MAX, self.recv.read()).await.ok()?
    }

    /// Its two sides.
    pub(crate) fn split(self) -> (quinn::SendStream, RawFrames) {
        (self.send, self.recv)
    }

    /// Whether the relay ends the stream rather than sending another frame.
    pub(crate) async fn ends(&mut self) -> bool {
        let frame = tokio::time::timeout(SILENCE_MAX, self.recv.read()).await;
        frame.expect("the relay did not end the stream").is_none()
    }

    pub(crate) async fn ask(&mut self, frame: &ClientFrame) -> RelayFrame {
        self.send(frame).await;
        self.next().await
    }

    pub(crate) async fn refused(&mut self, frame: &ClientFrame) -> Code {
        code(self.ask(frame).await)
    }
}

impl RawFrames {
    /// The next frame; none where the stream ends, in the middle of one too.
    pub(crate) async fn read(&mut self) -> Option<RelayFrame> {
        let mut header = [0; limits::FRAME_HEADER_BYTES];
        self.0.read_exact(&mut header).await.ok()?;
        let header = Header::parse::<RelayFrame>(header).unwrap();
        let mut body = vec![0; header.length];
        self.0.read_exact(&mut body).await.ok()?;
        let frame: Result<RelayFrame, FrameError> = RelayFrame::decode_body(header, body.into());
        Some(frame.unwrap())
    }
}

/// The code of a refusal; any other answer fails the test.
pub(crate) fn code(frame: RelayFrame) -> Code {
    match frame {
        RelayFrame::Refused(refusal) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Accepts any certificate.
#[derive(Debug)]
struct AnyRelay;

impl ServerCertVerifier for AnyRelay {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A bound on hanging, not a measure of speed: nothing passes because of it.
const SILENCE_MAX: Duration = Duration::from_secs(30);
