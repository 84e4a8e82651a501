//! One exchange through a real relay by a client that speaks bare frames: a person opens a
//! mailbox and mints a ticket, writes to a bank anonymously, the bank answers, both acknowledge,
//! the relay restarts. What is refused, and how, is tested in the workspace's `tests` package.

use crate::common::{Bank, Stream, Talk, endpoint, start, status, submission};
use plico_protocol::certificate::Handle;
use plico_protocol::frame::{
    Channel, ClientFrame, Consent, EndReason, Notice, RelayFrame, Sequence, SubmissionState,
};
use plico_protocol::id::TicketOpening;
use plico_protocol::prove::Proof;
use plico_protocol::refusal::Code;
use plico_protocol::signature::MailboxSecret;
use plico_protocol::stamp::Reason;
use plico_protocol::ticket::{Categories, Category, Terms, Ticket, ticket_commitment};
use plico_relay::clock::{Clock, SystemClock};

#[tokio::test]
async fn a_message_and_its_answer_cross_the_relay_and_survive_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let (bank, customer) = (Bank::new(1), Customer::new());
    bank.certify(&relay, directory.path()).await;
    let client = endpoint();
    let ticket = customer.mint_for(&bank, &Talk::to(&client, &relay).await).await;
    write_twice(&bank, &Talk::to(&client, &relay).await).await;
    relay.shutdown().await.unwrap();

    let relay = start(directory.path()).await;
    let business = Talk::to(&client, &relay).await;
    bank.drain(&business).await;
    let person = Talk::to(&client, &relay).await;
    let mut mail = customer.listen(&person).await;
    let consent = Consent { ticket, opening: customer.opening, category: Category::Service };
    let address = customer.mailbox.public();
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
    person.ask(&[ClientFrame::Close { address }]).await;
    assert_eq!(
        mail.next().await,
        RelayFrame::Ended { channel: CHANNEL, reason: EndReason::Closed }
    );
    relay.shutdown().await.unwrap();
}

struct Customer {
    mailbox: MailboxSecret,
    opening: TicketOpening,
}

impl Customer {
    fn new() -> Self {
        let mailbox = MailboxSecret::from_seed(&[3; 32]);
        Self { mailbox, opening: TicketOpening::new([4; 32]) }
    }

    /// Proves, opens and mints in one flight: a stream's requests are answered in order.
    async fn mint_for(&self, bank: &Bank, person: &Talk) -> Ticket {
        let address = self.mailbox.public();
        let terms = Terms {
            categories: Categories::ALL,
            messages_max: 5,
            valid_until: SystemClock.now().minute().plus(60),
            commitment: ticket_commitment(&bank.account.public(), &self.opening),
        };
        let flight = [
            ClientFrame::Prove(Proof::mailbox(&self.mailbox, &person.exporter())),
            ClientFrame::Open { address },
            ClientFrame::Mint { address, terms, window: true },
            ClientFrame::LookUp { handle: Handle::new("bank").unwrap() },
        ];
        let answers = person.ask(&flight).await;
        let [
            RelayFrame::Proved,
            RelayFrame::Opened,
            RelayFrame::Minted(ticket),
            RelayFrame::Refused(refusal),
        ] = answers.as_slice()
        else {
            panic!("{answers:?}")
        };
        assert_eq!(refusal.code, Code::WrongConnection);
        **ticket
    }

    async fn listen(&self, person: &Talk) -> Stream {
        let mut mail = person.stream().await;
        let prove = Proof::mailbox(&self.mailbox, &person.exporter());
        let address = self.mailbox.public();
        mail.send(&[ClientFrame::Prove(prove), ClientFrame::Subscribe { address }]).await;
        assert_eq!(mail.next().await, RelayFrame::Proved);
        assert_eq!(mail.next().await, RelayFrame::Subscribed { channel: CHANNEL });
        assert_eq!(mail.next().await, RelayFrame::Drained { channel: CHANNEL });
        mail
    }
}

/// The same question twice, as after a lost answer: accepted once, answered alike.
async fn write_twice(bank: &Bank, anonymous: &Talk) {
    let question = submission(bank.inbox.public(), 1, None);
    let answers = anonymous.ask(&[question.clone(), status(1), question]).await;
    let [RelayFrame::Accepted(first), RelayFrame::State(state), RelayFrame::Accepted(again)] =
        answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!((first.reason, *state), (Reason::ToInbox, SubmissionState::Queued));
    assert_eq!(first, again);
}

impl Bank {
    /// Takes the one question that waits, and acknowledges it.
    async fn drain(&self, business: &Talk) {
        let exporter = business.exporter();
        let proofs = [
            ClientFrame::Prove(Proof::account(&self.account, &exporter)),
            ClientFrame::Prove(Proof::inbox(&self.inbox, &exporter)),
        ];
        assert_eq!(business.ask(&proofs).await, [RelayFrame::Proved, RelayFrame::Proved]);
        let mut inbox = business.stream().await;
        inbox.send(&[ClientFrame::Subscribe { address: self.inbox.public() }]).await;
        let channel = CHANNEL;
        assert_eq!(inbox.next().await, RelayFrame::Subscribed { channel });
        assert_eq!(inbox.next().await, RelayFrame::Notice(Notice::PrekeysLow { one_time: 0 }));
        let up_to = inbox.delivery().await.sequence;
        assert_eq!(up_to, Sequence(1));
        assert_eq!(inbox.next().await, RelayFrame::Drained { channel });
        inbox.send(&[ClientFrame::Acknowledge { channel, up_to, unreadable: vec![] }]).await;
        assert_eq!(inbox.next().await, RelayFrame::Acknowledged { channel, up_to });
    }
}

const CHANNEL: Channel = Channel(0);
