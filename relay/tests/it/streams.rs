//! What a stream carries and how it ends. A wrong frame costs its stream at most.

use plico_protocol::certificate::Handle;
use plico_protocol::frame::{Channel, ClientFrame, EndReason, Frame, RelayFrame, Sequence};
use plico_protocol::limits::REQUESTS_IN_PROGRESS_PER_STREAM_MAX;
use plico_protocol::prove::Proof;
use plico_protocol::refusal::Code;
use plico_protocol::signature::MailboxSecret;

use crate::common::{Bank, Stream, Talk, endpoint, start, status, submission};

fn look_up() -> ClientFrame {
    ClientFrame::LookUp { handle: Handle::new("nobody").unwrap() }
}

async fn refused(stream: &mut Stream) -> Code {
    match stream.next().await {
        RelayFrame::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    }
}

async fn ended(stream: &mut Stream) -> bool {
    stream.receive.read_to_end(0).await.is_ok()
}

#[tokio::test]
async fn a_stream_goes_on_after_what_it_can_skip_and_ends_after_what_it_cannot() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let talk = Talk::to(&endpoint(), &relay).await;

    let mut stream = talk.stream().await;
    let unknown = [0x3f, 0, 0, 2, 9, 9];
    let malformed = [0x02, 0, 0, 5, 0, 0, 0, 9, b'x'];
    let oversized = [0x05, 0, 1, 0];
    for bytes in [unknown.as_slice(), &malformed, &look_up().to_bytes(), &oversized] {
        stream.send.write_all(bytes).await.unwrap();
    }
    assert_eq!(refused(&mut stream).await, Code::UnknownFrame);
    assert_eq!(refused(&mut stream).await, Code::Malformed);
    assert_eq!(refused(&mut stream).await, Code::UnknownHandle);
    assert_eq!(refused(&mut stream).await, Code::FrameTooLarge);
    assert!(ended(&mut stream).await);

    let mut stream = talk.stream().await;
    stream.send.write_all(&look_up().to_bytes()[..6]).await.unwrap();
    stream.send.finish().unwrap();
    assert_eq!(refused(&mut stream).await, Code::Malformed);
    assert!(ended(&mut stream).await);

    // The connection is as it was.
    assert!(matches!(talk.ask(&[look_up()]).await.as_slice(), [RelayFrame::Refused(_)]));
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn more_requests_than_may_be_in_progress_are_all_answered_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let bank = Bank::new(1);
    bank.certify(&relay, directory.path()).await;
    let talk = Talk::to(&endpoint(), &relay).await;
    let count = REQUESTS_IN_PROGRESS_PER_STREAM_MAX as u8 * 3;
    let requests: Vec<_> =
        (0..count).flat_map(|n| [submission(bank.inbox.public(), n, None), status(n)]).collect();
    let mut stream = talk.stream().await;
    let Stream { send, receive } = &mut stream;
    let bytes: Vec<u8> = requests.iter().flat_map(Frame::to_bytes).collect();
    let writing = async {
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
    };
    let ((), answers) = tokio::join!(writing, receive.read_to_end(1 << 20));
    let kinds: Vec<u8> = kinds(&answers.unwrap());
    assert_eq!(kinds, [0x44, 0x45].repeat(usize::from(count)));
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_stream_delivers_and_a_second_subscriber_takes_over() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let client = endpoint();
    let mailbox = MailboxSecret::from_seed(&[3; 32]);
    let address = mailbox.public();
    let subscribe = ClientFrame::Subscribe { address };
    let channel = Channel(0);

    let first = Talk::to(&client, &relay).await;
    let prove = ClientFrame::Prove(Proof::mailbox(&mailbox, &first.exporter()));
    let mut mail = first.stream().await;
    // Asked for in one flight, and open by the time it is subscribed.
    mail.send(&[prove.clone(), ClientFrame::Open { address }, subscribe.clone()]).await;
    assert_eq!(mail.next().await, RelayFrame::Proved);
    assert_eq!(mail.next().await, RelayFrame::Opened);
    assert_eq!(mail.next().await, RelayFrame::Subscribed { channel });
    assert_eq!(mail.next().await, RelayFrame::Drained { channel });

    mail.send(&[prove, ClientFrame::Open { address }]).await;
    assert_eq!(refused(&mut mail).await, Code::WrongStream);
    assert_eq!(refused(&mut mail).await, Code::WrongStream);
    let acknowledge = |channel, up_to| ClientFrame::Acknowledge {
        channel: Channel(channel),
        up_to: Sequence(up_to),
        unreadable: vec![],
    };
    mail.send(&[acknowledge(7, 1), acknowledge(0, 1), acknowledge(0, 0)]).await;
    assert_eq!(refused(&mut mail).await, Code::UnknownChannel);
    assert_eq!(refused(&mut mail).await, Code::AckBeyondDelivered);
    assert_eq!(mail.next().await, RelayFrame::Acknowledged { channel, up_to: Sequence(0) });
    let mut other = first.stream().await;
    other.send(&[subscribe.clone(), acknowledge(0, 0)]).await;
    assert_eq!(refused(&mut other).await, Code::WrongStream);
    assert_eq!(refused(&mut other).await, Code::WrongStream);

    let second = Talk::to(&client, &relay).await;
    let prove = ClientFrame::Prove(Proof::mailbox(&mailbox, &second.exporter()));
    let mut taken = second.stream().await;
    taken.send(&[prove, subscribe.clone()]).await;
    assert_eq!(taken.next().await, RelayFrame::Proved);
    assert_eq!(taken.next().await, RelayFrame::Subscribed { channel });
    let reason = EndReason::TakenOver;
    assert_eq!(mail.next().await, RelayFrame::Ended { channel, reason });

    // Once the delivery stream has ended, another may become it.
    mail.send.finish().unwrap();
    assert!(ended(&mut mail).await);
    let mut mail = first.stream().await;
    mail.send(&[subscribe]).await;
    assert_eq!(mail.next().await, RelayFrame::Subscribed { channel });
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_mailbox_that_is_not_open_is_not_subscribed() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let talk = Talk::to(&endpoint(), &relay).await;
    let mailbox = MailboxSecret::from_seed(&[3; 32]);
    let prove = ClientFrame::Prove(Proof::mailbox(&mailbox, &talk.exporter()));
    let mut mail = talk.stream().await;
    mail.send(&[prove, ClientFrame::Subscribe { address: mailbox.public() }]).await;
    assert_eq!(mail.next().await, RelayFrame::Proved);
    assert_eq!(refused(&mut mail).await, Code::NoMailbox);
    relay.shutdown().await.unwrap();
}

/// The types of the frames in `bytes`.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [kind, high, middle, low, rest @ ..] = bytes {
        kinds.push(*kind);
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        bytes = &rest[length..];
    }
    kinds
}
