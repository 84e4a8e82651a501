//! The delivery stream: acknowledgements, channels, take-over, flow control.

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{
    Channel, ClientFrame, EndReason, RelayFrame, Sequence, SubmissionState,
};
use plico_protocol::limits::UNACKNOWLEDGED_PER_CHANNEL_MAX;
use plico_protocol::refusal::Code;

use crate::harness::raw::{Raw, RawStream, code};
use crate::harness::relay::TestRelay;
use crate::harness::world::{Bank, submission_to, submit_id};

struct Scene {
    relay: TestRelay,
    bank: Bank,
    sender: Raw,
    business: Raw,
}

impl Scene {
    async fn new() -> Self {
        let relay = TestRelay::start().await;
        let bank = Bank::new(1);
        relay.certify(&bank, "bank").await;
        let sender = Raw::connect(relay.address()).await;
        let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
        // Otherwise the notice that there are no one-time prekeys comes between.
        let publication = bank.publication(1, 100, relay.clock.hour());
        let publish = ClientFrame::PublishPrekeys(Box::new(publication));
        assert!(matches!(business.ask(&publish).await, RelayFrame::Stock(_)));
        Self { relay, bank, sender, business }
    }

    async fn submit(&self, n: u32) {
        let frame = submission_to(&self.bank.inbox.public(), n, SizeClass::Small);
        assert!(matches!(self.sender.ask(&frame).await, RelayFrame::Accepted(_)));
    }

    async fn subscribe(&self, on: &Raw) -> (RawStream, Channel) {
        let mut stream = on.stream().await;
        let subscribe = ClientFrame::Subscribe { address: self.bank.inbox.public() };
        match stream.ask(&subscribe).await {
            RelayFrame::Subscribed { channel } => (stream, channel),
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, n: u32) -> RelayFrame {
        self.sender.ask(&ClientFrame::Status { id: submit_id(n) }).await
    }
}

async fn delivered(stream: &mut RawStream) -> Sequence {
    match stream.next().await {
        RelayFrame::Deliver(delivery) => {
            assert_eq!(delivery.origin, None);
            delivery.sequence
        }
        other => panic!("expected a delivery, got {other:?}"),
    }
}

fn acknowledge(channel: Channel, up_to: u64, unreadable: &[u64]) -> ClientFrame {
    let unreadable = unreadable.iter().copied().map(Sequence).collect();
    ClientFrame::Acknowledge { channel, up_to: Sequence(up_to), unreadable }
}

#[tokio::test]
async fn the_metrics_count_what_happened_and_nothing_else() {
    let scene = Scene::new().await;
    let counts = async || {
        let text = scene.relay.metrics().await;
        let count = move |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
        };
        [
            count("plico_accepted_total"),
            count("plico_delivered_total{kib=\"2\"}"),
            count("plico_acknowledged_total"),
            count("plico_refused_total{code=\"wrong_connection\"}"),
            count("plico_refused_total{code=\"unknown_handle\"}"),
        ]
    };
    assert_eq!(counts().await, [0.0; 5]);
    scene.submit(1).await;
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    delivered(&mut stream).await;
    assert_eq!(stream.next().await, RelayFrame::Drained { channel });
    let acknowledged = RelayFrame::Acknowledged { channel, up_to: Sequence(1) };
    assert_eq!(stream.ask(&acknowledge(channel, 1, &[])).await, acknowledged);
    assert_eq!(scene.sender.refused(&ClientFrame::PrekeyStatus).await, Code::WrongConnection);
    assert_eq!(counts().await, [1.0, 1.0, 1.0, 1.0, 0.0]);
    let text = scene.relay.metrics().await;
    for line in [
        "plico_connections_open 2",
        "plico_handshakes_total{outcome=\"completed\"} 2",
        "plico_certificates 1",
        "plico_commit_seconds_count",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    scene.relay.stop().await;
}

#[tokio::test]
async fn the_backlog_comes_in_order_then_drained_then_what_arrives() {
    let scene = Scene::new().await;
    for n in 1..=3 {
        scene.submit(n).await;
    }
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    for n in 1..=3 {
        assert_eq!(delivered(&mut stream).await, Sequence(n));
    }
    assert_eq!(stream.next().await, RelayFrame::Drained { channel });
    scene.submit(4).await;
    assert_eq!(delivered(&mut stream).await, Sequence(4));
    scene.relay.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_beyond_what_was_delivered_is_refused() {
    let scene = Scene::new().await;
    scene.submit(1).await;
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    assert_eq!(delivered(&mut stream).await, Sequence(1));
    assert_eq!(stream.next().await, RelayFrame::Drained { channel });
    for up_to in [2, u64::MAX] {
        let refused = stream.refused(&acknowledge(channel, up_to, &[])).await;
        assert_eq!(refused, Code::AckBeyondDelivered);
    }
    let other = Channel(channel.0 + 1);
    assert_eq!(stream.refused(&acknowledge(other, 1, &[])).await, Code::UnknownChannel);
    assert_eq!(scene.state(1).await, RelayFrame::State(SubmissionState::Queued));
    let acknowledged = RelayFrame::Acknowledged { channel, up_to: Sequence(1) };
    assert_eq!(stream.ask(&acknowledge(channel, 1, &[])).await, acknowledged);
    assert_eq!(stream.ask(&acknowledge(channel, 1, &[])).await, acknowledged);
    assert_eq!(scene.state(1).await, RelayFrame::State(SubmissionState::Delivered));
    scene.relay.stop().await;
}

#[tokio::test]
async fn the_sender_learns_what_was_unreadable() {
    let scene = Scene::new().await;
    for n in 1..=3 {
        scene.submit(n).await;
    }
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    for _ in 1..=3 {
        delivered(&mut stream).await;
    }
    assert_eq!(stream.next().await, RelayFrame::Drained { channel });
    stream.ask(&acknowledge(channel, 3, &[2])).await;
    let states = [scene.state(1).await, scene.state(2).await, scene.state(3).await];
    let expected =
        [SubmissionState::Delivered, SubmissionState::Unreadable, SubmissionState::Delivered];
    assert_eq!(states, expected.map(RelayFrame::State));
    scene.relay.stop().await;
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_with_its_number() {
    let scene = Scene::new().await;
    for n in 1..=3 {
        scene.submit(n).await;
    }
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    for n in 1..=3 {
        assert_eq!(delivered(&mut stream).await, Sequence(n));
    }
    assert_eq!(stream.next().await, RelayFrame::Drained { channel });
    stream.ask(&acknowledge(channel, 1, &[])).await;
    scene.business.connection.close(0u32.into(), b"");
    let relay = scene.relay.restart().await;
    let business = Raw::business(relay.address(), &scene.bank.account, &scene.bank.inbox).await;
    let mut stream = business.stream().await;
    let subscribe = ClientFrame::Subscribe { address: scene.bank.inbox.public() };
    assert!(matches!(stream.ask(&subscribe).await, RelayFrame::Subscribed { .. }));
    assert_eq!(delivered(&mut stream).await, Sequence(2));
    assert_eq!(delivered(&mut stream).await, Sequence(3));
    relay.stop().await;
}

#[tokio::test]
async fn a_newer_subscription_takes_the_mailbox_over() {
    let scene = Scene::new().await;
    let (mut first, first_channel) = scene.subscribe(&scene.business).await;
    assert_eq!(first.next().await, RelayFrame::Drained { channel: first_channel });
    let other = Raw::business(scene.relay.address(), &scene.bank.account, &scene.bank.inbox).await;
    let (mut second, channel) = scene.subscribe(&other).await;
    assert_eq!(second.next().await, RelayFrame::Drained { channel });
    let ended = RelayFrame::Ended { channel: first_channel, reason: EndReason::TakenOver };
    assert_eq!(first.next().await, ended);
    scene.submit(1).await;
    assert_eq!(delivered(&mut second).await, Sequence(1));
    assert_eq!(
        first.refused(&acknowledge(first_channel, 1, &[])).await,
        Code::UnknownChannel,
        "an ended channel acknowledges nothing"
    );
    scene.relay.stop().await;
}

#[tokio::test]
async fn requests_and_deliveries_keep_to_their_streams() {
    let scene = Scene::new().await;
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    assert_eq!(stream.next().await, RelayFrame::Drained { channel });
    assert_eq!(stream.refused(&ClientFrame::PrekeyStatus).await, Code::WrongStream);
    let subscribe = ClientFrame::Subscribe { address: scene.bank.inbox.public() };
    assert_eq!(scene.business.refused(&subscribe).await, Code::WrongStream);
    let elsewhere = acknowledge(channel, 0, &[]);
    assert_eq!(scene.business.refused(&elsewhere).await, Code::WrongStream);
    scene.submit(1).await;
    assert_eq!(delivered(&mut stream).await, Sequence(1));
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_reader_that_does_not_acknowledge_gets_a_bounded_number() {
    let scene = Scene::new().await;
    let most = u32::try_from(UNACKNOWLEDGED_PER_CHANNEL_MAX).unwrap();
    let mut sender = scene.sender.stream().await;
    for n in 0..most + 5 {
        sender.send(&submission_to(&scene.bank.inbox.public(), n, SizeClass::Small)).await;
    }
    for _ in 0..most + 5 {
        assert!(matches!(sender.next().await, RelayFrame::Accepted(_)));
    }
    let (mut stream, channel) = scene.subscribe(&scene.business).await;
    for n in 1..=u64::from(most) {
        assert_eq!(delivered(&mut stream).await, Sequence(n));
    }
    // The next answer is to this request: no further envelope came before it.
    let refused = stream.ask(&acknowledge(channel, u64::from(most) + 1, &[])).await;
    assert_eq!(code(refused), Code::AckBeyondDelivered);
    stream.send(&acknowledge(channel, 5, &[])).await;
    let (mut acknowledged, mut drained, mut more) = (false, false, 0);
    while !acknowledged || !drained {
        match stream.next().await {
            RelayFrame::Acknowledged { .. } => acknowledged = true,
            RelayFrame::Drained { .. } => drained = true,
            RelayFrame::Deliver(_) => more += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(more, 5);
    scene.relay.stop().await;
}
