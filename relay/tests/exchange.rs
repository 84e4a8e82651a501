//! One exchange through a real relay by a client that speaks bare frames: a person opens a
//! mailbox and mints a ticket, writes to a bank anonymously, the bank answers, both acknowledge,
//! the relay restarts. What is refused, and how, is tested in the workspace's `tests` package.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use plico_protocol::certificate::{BusinessKeys, CertificateRequest, DomainCheck, Handle, Serial};
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{
    Channel, ClientFrame, Consent, Delivery, Frame, Header, Notice, RelayFrame, Sequence,
    Submission, SubmissionState,
};
use plico_protocol::id::{DhKey, SubmitId, TicketOpening};
use plico_protocol::limits::{ALPN, FRAME_HEADER_BYTES};
use plico_protocol::prove::{EXPORTER_LABEL, ExporterValue, Proof};
use plico_protocol::refusal::Code;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use plico_protocol::stamp::Reason;
use plico_protocol::ticket::{Categories, Category, Terms, ticket_commitment};
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

#[tokio::test]
async fn a_message_and_its_answer_cross_the_relay_and_survive_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let bank = Bank::new();
    bank.certify(&relay, directory.path()).await;
    let client = endpoint();

    let person = Talk::to(&client, &relay).await;
    let mailbox = MailboxSecret::from_seed(&[3; 32]);
    let opening = TicketOpening::new([4; 32]);
    let address = mailbox.public();
    let terms = Terms {
        categories: Categories::ALL,
        messages_max: 5,
        valid_until: SystemClock.now().minute().plus(60),
        commitment: ticket_commitment(&bank.account.public(), &opening),
    };
    // All in one flight: requests of a stream are answered in order.
    let flight = [
        ClientFrame::Prove(Proof::mailbox(&mailbox, &person.exporter())),
        ClientFrame::Open { address },
        ClientFrame::Mint { address, terms, window: true },
        ClientFrame::LookUp { handle: Handle::new("bank").unwrap() },
    ];
    let answers = person.ask(&flight).await;
    let [
        RelayFrame::Proved,
        RelayFrame::Opened,
        RelayFrame::Minted(ticket),
        RelayFrame::Refused(no),
    ] = answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!(no.code, Code::WrongConnection);

    let anonymous = Talk::to(&client, &relay).await;
    let question = submission(bank.inbox.public(), 1, None);
    let answers = anonymous.ask(&[question.clone(), status(1), question]).await;
    let [RelayFrame::Accepted(first), RelayFrame::State(state), RelayFrame::Accepted(again)] =
        answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!((first.reason, *state), (Reason::ToInbox, SubmissionState::Queued));
    assert_eq!(first, again);

    relay.shutdown().await.unwrap();
    let relay = start(directory.path()).await;

    let business = Talk::to(&client, &relay).await;
    let exporter = business.exporter();
    let proofs = [
        ClientFrame::Prove(Proof::account(&bank.account, &exporter)),
        ClientFrame::Prove(Proof::inbox(&bank.inbox, &exporter)),
    ];
    assert_eq!(business.ask(&proofs).await, [RelayFrame::Proved, RelayFrame::Proved]);
    let mut inbox = business.stream().await;
    inbox.send(&[ClientFrame::Subscribe { address: bank.inbox.public() }]).await;
    let channel = Channel(0);
    assert_eq!(inbox.next().await, RelayFrame::Subscribed { channel });
    assert_eq!(inbox.next().await, RelayFrame::Notice(Notice::PrekeysLow { one_time: 0 }));
    assert_eq!(inbox.delivery().await.sequence, Sequence(1));
    assert_eq!(inbox.next().await, RelayFrame::Drained { channel });
    let up_to = Sequence(1);
    inbox.send(&[ClientFrame::Acknowledge { channel, up_to, unreadable: vec![] }]).await;
    assert_eq!(inbox.next().await, RelayFrame::Acknowledged { channel, up_to });

    let person = Talk::to(&client, &relay).await;
    person.ask(&[ClientFrame::Prove(Proof::mailbox(&mailbox, &person.exporter()))]).await;
    let mut mail = person.stream().await;
    mail.send(&[ClientFrame::Subscribe { address }]).await;
    assert_eq!(mail.next().await, RelayFrame::Subscribed { channel });
    assert_eq!(mail.next().await, RelayFrame::Drained { channel });

    let consent = Consent { ticket: **ticket, opening, category: Category::Service };
    let answers = business.ask(&[submission(address, 2, Some(consent)), status(1)]).await;
    let [RelayFrame::Accepted(acceptance), RelayFrame::State(SubmissionState::Delivered)] =
        answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!(acceptance.reason, Reason::InWindow);
    // Pushed, not asked for.
    let delivery = mail.delivery().await;
    assert_eq!(delivery.origin.unwrap().origin.account, bank.account.public());
    mail.send(&[ClientFrame::Acknowledge { channel, up_to: Sequence(2), unreadable: vec![] }])
        .await;
    assert!(
        matches!(mail.next().await, RelayFrame::Refused(r) if r.code == Code::AckBeyondDelivered)
    );
    person.ask(&[ClientFrame::Close { address }]).await;
    assert!(matches!(mail.next().await, RelayFrame::Ended { .. }));
    relay.shutdown().await.unwrap();
}

struct Bank {
    account: AccountSecret,
    inbox: MailboxSecret,
}

impl Bank {
    fn new() -> Self {
        let account = AccountSecret::from_seed(&[1; 32]);
        Self { account, inbox: MailboxSecret::from_seed(&[2; 32]) }
    }

    async fn certify(&self, relay: &Relay, directory: &Path) {
        let dh = DhKey::new([9; 32]);
        let (account, inbox) = (self.account.public(), self.inbox.public());
        let keys = BusinessKeys { account, identity: dh, hint: dh, inbox };
        let handle = Handle::new("bank").unwrap();
        let (name, domain) = ("Bank".to_owned(), "bank.example".to_owned());
        let request =
            CertificateRequest::sign(handle, name, domain, keys, &self.account, &self.inbox);
        let findings = Findings {
            handle: None,
            display_name: None,
            domain: None,
            domain_check: DomainCheck::Dns,
            categories: Categories::ALL,
            days: 90,
        };
        let authority = read_authority_secret(&directory.join("keys")).unwrap();
        let now = SystemClock.now().hour();
        let certificate = issue(&request, findings, Serial(1), &authority, now).unwrap();
        let install = Command::Install(certificate.certificate().clone());
        assert!(matches!(relay.desk().carry_out(install).await, Answer::Done(_)));
    }
}

async fn start(directory: &Path) -> Relay {
    let config = Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        data_dir: directory.join("data"),
        keys_dir: directory.join("keys"),
        free_space_min_bytes: 0,
        ..Config::default()
    };
    Relay::start(config, Options::default()).await.unwrap()
}

fn submission(to: plico_protocol::id::Address, n: u8, consent: Option<Consent>) -> ClientFrame {
    let envelope = EnvelopeBytes(vec![n; 2048].into());
    ClientFrame::Submit(Box::new(Submission { id: submit_id(n), to, consent, envelope }))
}

fn status(n: u8) -> ClientFrame {
    ClientFrame::Status { id: submit_id(n) }
}

fn submit_id(n: u8) -> SubmitId {
    SubmitId::compose(SystemClock.now().hour(), [n; 12])
}

/// A connection.
struct Talk(quinn::Connection);

/// A stream of one.
struct Stream {
    send: quinn::SendStream,
    receive: quinn::RecvStream,
}

impl Talk {
    async fn to(client: &quinn::Endpoint, relay: &Relay) -> Self {
        Self(client.connect(relay.local_addr(), "relay").unwrap().await.unwrap())
    }

    fn exporter(&self) -> ExporterValue {
        let mut value = [0; 32];
        self.0.export_keying_material(&mut value, EXPORTER_LABEL, b"").unwrap();
        ExporterValue(value)
    }

    async fn stream(&self) -> Stream {
        let (send, receive) = self.0.open_bi().await.unwrap();
        Stream { send, receive }
    }

    async fn ask(&self, requests: &[ClientFrame]) -> Vec<RelayFrame> {
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
    async fn send(&mut self, frames: &[ClientFrame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
        self.send.write_all(&bytes).await.unwrap();
    }

    async fn next(&mut self) -> RelayFrame {
        let mut header = [0; FRAME_HEADER_BYTES];
        self.receive.read_exact(&mut header).await.unwrap();
        let header = Header::parse::<RelayFrame>(header).unwrap();
        let mut body = vec![0; header.length];
        self.receive.read_exact(&mut body).await.unwrap();
        RelayFrame::decode_body(header, body.into()).unwrap()
    }

    async fn delivery(&mut self) -> Delivery {
        match self.next().await {
            RelayFrame::Deliver(delivery) => *delivery,
            other => panic!("{other:?}"),
        }
    }
}

fn endpoint() -> quinn::Endpoint {
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
