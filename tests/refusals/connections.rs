//! The three kinds of connection, and proofs.

use plico_protocol::certificate::Handle;
use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, RelayFrame, SubmissionState};
use plico_protocol::id::SubmitId;
use plico_protocol::limits::MAILBOXES_PER_CONNECTION_MAX;
use plico_protocol::prove::{ExporterValue, Proof};
use plico_protocol::refusal::Code;
use plico_protocol::signature::MailboxSecret;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::world::{Bank, Customer, submission_to};

fn person_requests(customer: &Customer) -> Vec<ClientFrame> {
    let address = customer.address();
    let terms = customer.terms(&Bank::new(1));
    vec![
        ClientFrame::Open { address },
        ClientFrame::Close { address },
        ClientFrame::Mint { address, terms, window: true },
        ClientFrame::Revoke { address },
        ClientFrame::ChangeTerms { address, terms },
    ]
}

fn anonymous_requests() -> Vec<ClientFrame> {
    vec![
        ClientFrame::LookUp { handle: Handle::new("bank").unwrap() },
        ClientFrame::FetchBundle { account: Bank::new(1).account.public() },
        submission_to(&Bank::new(1).inbox.public(), 1, SizeClass::Small),
    ]
}

fn business_requests() -> Vec<ClientFrame> {
    vec![ClientFrame::PrekeyStatus]
}

#[tokio::test]
async fn an_anonymous_connection_stays_anonymous() {
    let relay = TestRelay::start().await;
    let customer = Customer::new(7);
    let raw = Raw::connect(relay.address()).await;
    let status = ClientFrame::Status { id: SubmitId::new([1; 16]) };
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Unknown));
    let mut others = person_requests(&customer);
    others.extend(business_requests());
    others.push(ClientFrame::Prove(Proof::mailbox(&customer.mailbox, &raw.exporter())));
    others.push(ClientFrame::Prove(Proof::account(&Bank::new(1).account, &raw.exporter())));
    for frame in &others {
        assert_eq!(raw.refused(frame).await, Code::WrongConnection, "{frame:?}");
    }
    let subscribe = ClientFrame::Subscribe { address: customer.address() };
    assert_eq!(raw.refused(&subscribe).await, Code::WrongConnection);
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Unknown));
    relay.stop().await;
}

#[tokio::test]
async fn a_persons_connection_carries_nothing_that_names_a_business() {
    let relay = TestRelay::start().await;
    let customer = Customer::new(7);
    let raw = Raw::person(relay.address(), &[&customer.mailbox]).await;
    let mut others = anonymous_requests();
    others.extend(business_requests());
    others.push(ClientFrame::Status { id: SubmitId::new([1; 16]) });
    others.push(ClientFrame::Prove(Proof::account(&Bank::new(1).account, &raw.exporter())));
    others.push(ClientFrame::Prove(Proof::inbox(&Bank::new(1).inbox, &raw.exporter())));
    for frame in &others {
        assert_eq!(raw.refused(frame).await, Code::WrongConnection, "{frame:?}");
    }
    assert_eq!(
        raw.ask(&ClientFrame::Open { address: customer.address() }).await,
        RelayFrame::Opened
    );
    relay.stop().await;
}

#[tokio::test]
async fn a_businesss_connection_carries_nothing_of_a_person() {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    relay.certify(&bank, "bank").await;
    let customer = Customer::new(7);
    let raw = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    let mut others = anonymous_requests();
    others.extend(person_requests(&customer));
    others.push(ClientFrame::Prove(Proof::mailbox(&customer.mailbox, &raw.exporter())));
    for frame in &others {
        assert_eq!(raw.refused(frame).await, Code::WrongConnection, "{frame:?}");
    }
    assert!(matches!(raw.ask(&ClientFrame::PrekeyStatus).await, RelayFrame::Stock(_)));
    relay.stop().await;
}

#[tokio::test]
async fn an_inbox_is_proven_after_its_account() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    let proof = Proof::inbox(&Bank::new(1).inbox, &raw.exporter());
    assert_eq!(raw.refused(&ClientFrame::Prove(proof)).await, Code::WrongConnection);
    relay.stop().await;
}

#[tokio::test]
async fn a_proof_from_another_connection_is_refused() {
    let relay = TestRelay::start().await;
    let customer = Customer::new(7);
    let other = Raw::connect(relay.address()).await;
    let raw = Raw::connect(relay.address()).await;
    for exporter in [other.exporter(), ExporterValue([0; 32])] {
        let proof = Proof::mailbox(&customer.mailbox, &exporter);
        assert_eq!(raw.refused(&ClientFrame::Prove(proof)).await, Code::BadProof);
    }
    let open = ClientFrame::Open { address: customer.address() };
    let proof = Proof::mailbox(&customer.mailbox, &raw.exporter());
    assert_eq!(raw.ask(&ClientFrame::Prove(proof)).await, RelayFrame::Proved);
    assert_eq!(raw.ask(&open).await, RelayFrame::Opened);
    relay.stop().await;
}

#[tokio::test]
async fn only_proven_mailboxes_are_served() {
    let relay = TestRelay::start().await;
    let (mine, other) = (Customer::new(7), Customer::new(8));
    let raw = Raw::person(relay.address(), &[&mine.mailbox]).await;
    for frame in person_requests(&other) {
        assert_eq!(raw.refused(&frame).await, Code::NotProven, "{frame:?}");
    }
    let subscribe = ClientFrame::Subscribe { address: other.address() };
    assert_eq!(raw.refused(&subscribe).await, Code::NotProven);
    relay.stop().await;
}

#[tokio::test]
async fn a_connection_proves_as_many_mailboxes_as_it_may_and_no_more() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    let mut stream = raw.stream().await;
    let secret = |n: usize| {
        MailboxSecret::from_seed(
            &[u8::try_from(n % 256).unwrap(), u8::try_from(n / 256).unwrap()]
                .repeat(16)
                .try_into()
                .unwrap(),
        )
    };
    for n in 0..MAILBOXES_PER_CONNECTION_MAX {
        let proof = Proof::mailbox(&secret(n), &raw.exporter());
        assert_eq!(stream.ask(&ClientFrame::Prove(proof)).await, RelayFrame::Proved, "{n}");
    }
    let proof = Proof::mailbox(&secret(MAILBOXES_PER_CONNECTION_MAX), &raw.exporter());
    assert_eq!(stream.refused(&ClientFrame::Prove(proof)).await, Code::TooMany);
    let again = Proof::mailbox(&secret(0), &raw.exporter());
    assert_eq!(stream.ask(&ClientFrame::Prove(again)).await, RelayFrame::Proved);
    relay.stop().await;
}

#[tokio::test]
async fn a_mailbox_that_is_not_open_is_named_only_to_its_owner() {
    let relay = TestRelay::start().await;
    let customer = Customer::new(7);
    let raw = Raw::person(relay.address(), &[&customer.mailbox]).await;
    let address = customer.address();
    let terms = customer.terms(&Bank::new(1));
    for frame in [
        ClientFrame::Mint { address, terms, window: true },
        ClientFrame::Revoke { address },
        ClientFrame::ChangeTerms { address, terms },
        ClientFrame::Subscribe { address },
    ] {
        assert_eq!(raw.refused(&frame).await, Code::NoMailbox, "{frame:?}");
    }
    relay.stop().await;
}
