//! One exchange through a real relay by a client that speaks bare frames: a person opens a
//! mailbox and mints a ticket, writes to a bank anonymously, the bank answers, both acknowledge,
//! the relay restarts. What is refused, and how, is tested in the workspace's `tests` package.

use crate::common::{Bank, Talk, endpoint, start, status, submission};
use plico_protocol::certificate::Handle;
use plico_protocol::frame::{
    Channel, ClientFrame, Consent, Notice, RelayFrame, Sequence, SubmissionState,
};
use plico_protocol::id::TicketOpening;
use plico_protocol::prove::Proof;
use plico_protocol::refusal::Code;
use plico_protocol::signature::MailboxSecret;
use plico_protocol::stamp::Reason;
use plico_protocol::ticket::{Categories, Category, Terms, ticket_commitment};
use plico_relay::clock::{Clock, SystemClock};

#[tokio::test]
async fn a_message_and_its_answer_cross_the_relay_and_survive_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let bank = Bank::new(1);
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
