//! Frames that are cut off, too long, unknown, or have a byte too many.

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, Frame, RelayFrame, SubmissionState};
use plico_protocol::id::SubmitId;
use plico_protocol::refusal::Code;

use crate::harness::raw::{Raw, code};
use crate::harness::relay::TestRelay;
use crate::harness::world::{Bank, submission_to, submit_id};

fn status() -> ClientFrame {
    ClientFrame::Status { id: SubmitId::new([1; 16]) }
}

const UNKNOWN: RelayFrame = RelayFrame::State(SubmissionState::Unknown);

/// Sends bytes, expects one refusal, and then that this stream still answers.
async fn check_stream_goes_on(raw: &Raw, bytes: &[u8], expected: Code) {
    let mut stream = raw.stream().await;
    stream.send_bytes(bytes).await;
    assert_eq!(code(stream.next().await), expected);
    assert_eq!(stream.ask(&status()).await, UNKNOWN);
}

/// Sends bytes, expects one refusal and the stream's end, and that the connection still answers.
async fn check_stream_ends(raw: &Raw, bytes: &[u8], expected: Code) {
    let mut stream = raw.stream().await;
    stream.send_bytes(bytes).await;
    stream.finish();
    assert_eq!(code(stream.next().await), expected);
    assert!(stream.ends().await);
    assert_eq!(raw.ask(&status()).await, UNKNOWN);
}

#[tokio::test]
async fn a_body_that_does_not_decode_is_refused_and_the_stream_goes_on() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.ask(&status()).await, UNKNOWN);
    let whole = status().to_bytes();
    let trailing = [&[0x05, 0, 0, 17][..], &whole[4..], &[0]].concat();
    check_stream_goes_on(&raw, &trailing, Code::Malformed).await;
    let short = [&[0x05, 0, 0, 15][..], &whole[4..19]].concat();
    check_stream_goes_on(&raw, &short, Code::Malformed).await;
    // A handle's length that points beyond the frame.
    check_stream_goes_on(&raw, &[0x02, 0, 0, 5, 0, 0, 0, 9, b'a'], Code::Malformed).await;
    // A flag that is neither 0 nor 1 where a ticket may follow.
    let mut submit = submission_to(&Bank::new(1).inbox.public(), 1, SizeClass::Small).to_bytes();
    submit[4 + 16 + 32] = 2;
    check_stream_goes_on(&raw, &submit, Code::Malformed).await;
    relay.stop().await;
}

#[tokio::test]
async fn an_unknown_frame_is_skipped_and_the_stream_goes_on() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    for kind in [0x00, 0x12, 0x17, 0x41, 0x5f, 0xff] {
        check_stream_goes_on(&raw, &[kind, 0, 0, 3, 1, 2, 3], Code::UnknownFrame).await;
    }
    relay.stop().await;
}

#[tokio::test]
async fn an_oversized_frame_ends_its_stream_alone() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.ask(&status()).await, UNKNOWN);
    for header in [[0x05, 0, 0, 129], [0x04, 0xff, 0xff, 0xff], [0x3f, 0xff, 0xff, 0xff]] {
        check_stream_ends(&raw, &header, Code::FrameTooLarge).await;
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_frame_cut_off_ends_its_stream_alone() {
    let relay = TestRelay::start().await;
    let raw = Raw::connect(relay.address()).await;
    assert_eq!(raw.ask(&status()).await, UNKNOWN);
    let whole = status().to_bytes();
    for length in [1, 3, 4, 10, whole.len() - 1] {
        check_stream_ends(&raw, &whole[..length], Code::Malformed).await;
    }
    relay.stop().await;
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests() {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    relay.certify(&bank, "bank").await;
    let raw = Raw::connect(relay.address()).await;
    let mut stream = raw.stream().await;
    let mut bytes = Vec::new();
    for n in 0..40 {
        bytes.extend(submission_to(&bank.inbox.public(), n, SizeClass::Small).to_bytes());
        bytes.extend(status().to_bytes());
    }
    stream.send_bytes(&bytes).await;
    for n in 0..40 {
        match stream.next().await {
            RelayFrame::Accepted(acceptance) => assert_eq!(acceptance.id, submit_id(n)),
            other => panic!("{other:?}"),
        }
        assert_eq!(stream.next().await, UNKNOWN);
    }
    relay.stop().await;
}
