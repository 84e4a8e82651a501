//! A client that speaks bare frames, a bank, and a relay in a directory.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use plico_protocol::certificate::{
    BusinessKeys, Certificate, CertificateRequest, DomainCheck, Handle, Serial,
};
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{
    ClientFrame, Consent, Delivery, Frame, Header, RelayFrame, Submission,
};
use plico_protocol::id::{Address, DhKey, SubmitId};
use plico_protocol::limits::{ALPN, FRAME_HEADER_BYTES};
use plico_protocol::prove::{EXPORTER_LABEL, ExporterValue};
use plico_protocol::signature::{AccountSecret, AuthoritySecret, MailboxSecret};
use plico_protocol::ticket::Categories;
use plico_relay::admin::command::{Answer, Command};
use plico_relay::admin::issue::{Findings, issue};
use plico_relay::clock::{Clock, SystemClock};
use plico_relay::config::Config;
use plico_relay::keys::read_authority_secret;
use plico_relay::{Options, Relay};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

pub(crate) struct Bank {
    pub(crate) account: AccountSecret,
    pub(crate) inbox: MailboxSecret,
}

impl Bank {
    pub(crate) fn new(seed: u8) -> Self {
        let account = AccountSecret::from_seed(&[seed; 32]);
        Self { account, inbox: MailboxSecret::from_seed(&[seed + 100; 32]) }
    }

    pub(crate) fn request(&self, handle: &str, name: &str) -> CertificateRequest {
        let dh = DhKey::new([9; 32]);
        let (account, inbox) = (self.account.public(), self.inbox.public());
        let keys = BusinessKeys { account, identity: dh, hint: dh, inbox };
        let handle = Handle::new(handle).unwrap();
        let domain = format!("{handle}.example");
        CertificateRequest::sign(handle, name.into(), domain, keys, &self.account, &self.inbox)
    }

    pub(crate) fn certificate(
        &self,
        handle: &str,
        name: &str,
        serial: u64,
        authority: &AuthoritySecret,
    ) -> Certificate {
        let findings = Findings {
            handle: None,
            display_name: None,
            domain: None,
            domain_check: DomainCheck::Dns,
            categories: Categories::ALL,
            days: 90,
        };
        let (request, now) = (self.request(handle, name), SystemClock.now().hour());
        issue(&request, findings, Serial(serial), authority, now).unwrap().certificate().clone()
    }

    pub(crate) async fn certify(&self, relay: &Relay, directory: &Path) {
        let certificate = self.certificate("bank", "Bank", 1, &authority(directory));
        let installed = relay.desk().carry_out(Command::Install(certificate)).await;
        assert!(matches!(installed, Answer::Done(_)), "{installed:?}");
    }
}

pub(crate) fn authority(directory: &Path) -> AuthoritySecret {
    read_authority_secret(&directory.join("keys")).unwrap()
}

pub(crate) fn config(directory: &Path) -> Config {
    Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        data_dir: directory.join("data"),
        keys_dir: directory.join("keys"),
        free_space_min_bytes: 0,
        ..Config::default()
    }
}

pub(crate) async fn start(directory: &Path) -> Relay {
    Relay::start(config(directory), Options::default()).await.unwrap()
}

pub(crate) fn submission(to: Address, n: u8, consent: Option<Consent>) -> ClientFrame {
    let envelope = EnvelopeBytes(vec![n; 2048].into());
    ClientFrame::Submit(Box::new(Submission { id: submit_id(n), to, consent, envelope }))
}

pub(crate) fn status(n: u8) -> ClientFrame {
    ClientFrame::Status { id: submit_id(n) }
}

fn submit_id(n: u8) -> SubmitId {
    SubmitId::compose(SystemClock.now().hour(), [n; 12])
}

/// A connection.
pub(crate) struct Talk(quinn::Connection);

/// A stream of one.
pub(crate) struct Stream {
    pub(crate) send: quinn::SendStream,
    pub(crate) receive: quinn::RecvStream,
}

impl Talk {
    pub(crate) async fn to(client: &quinn::Endpoint, relay: &Relay) -> Self {
        Self(client.connect(relay.local_addr(), "relay").unwrap().await.unwrap())
    }

    pub(crate) fn exporter(&self) -> ExporterValue {
        let mut value = [0; 32];
        self.0.export_keying_material(&mut value, EXPORTER_LABEL, b"").unwrap();
        ExporterValue(value)
    }

    pub(crate) async fn stream(&self) -> Stream {
        let (send, receive) = self.0.open_bi().await.unwrap();
        Stream { send, receive }
    }

    pub(crate) async fn ask(&self, requests: &[ClientFrame]) -> Vec<RelayFrame> {
        let mut stream = self.stream().await;
        stream.send(requests).await;
        let mut answers = Vec::new();
        for _ in requests {
            answers.push(stream.next().await);
        }
        answers
    }
}

impl Stream {
    pub(crate) async fn send(&mut self, frames: &[ClientFrame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
        self.send.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> RelayFrame {
        let mut header = [0; FRAME_HEADER_BYTES];
        self.receive.read_exact(&mut header).await.unwrap();
        let header = Header::parse::<RelayFrame>(header).unwrap();
        let mut body = vec![0; header.length];
        self.receive.read_exact(&mut body).await.unwrap();
        RelayFrame::decode_body(header, body.into()).unwrap()
    }

    pub(crate) async fn delivery(&mut self) -> Delivery {
        match self.next().await {
            RelayFrame::Deliver(delivery) => *delivery,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn endpoint() -> quinn::Endpoint {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyRelay(algorithms)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    endpoint
}

/// Pins are the SDK's concern; this test believes whoever answers.
#[derive(Debug)]
struct AnyRelay(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyRelay {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_schemes()
    }
}
