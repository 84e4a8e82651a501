//! A client's connection: requests on streams of their own, and a delivery stream that stays.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use plico_protocol::frame::{Channel, ClientFrame, Frame, Header, RelayFrame};
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::limits::FRAME_HEADER_BYTES;
use plico_protocol::prove::Proven;
use plico_relay::simulation::{Inside, Line, Stream};

use super::parties::EXPORTER;

/// One connection.
pub(super) struct Client {
    line: Line,
    pub(super) delivery: Option<Delivery>,
    /// The last channel it subscribed, and to what.
    pub(super) channel: Option<(Channel, Address)>,
    /// The keys it proved.
    pub(super) proved: BTreeSet<[u8; 32]>,
    pub(super) account: Option<AccountKey>,
}

/// A stream, and what of it was not read.
pub(super) struct Delivery {
    stream: Stream,
    buffered: BytesMut,
}

impl Client {
    pub(super) fn connect(inside: &Inside, slot: usize) -> Self {
        let from = IpAddr::V4(Ipv4Addr::new(192, 0, slot as u8, 1));
        let line = inside.connect(from, EXPORTER).expect("room for connections");
        let proved = BTreeSet::new();
        Self { line, delivery: None, channel: None, proved, account: None }
    }

    /// Sends bytes on a stream of their own, ends it, and gives everything that came back.
    pub(super) async fn exchange(&self, bytes: Vec<u8>) -> Vec<RelayFrame> {
        let mut talk = self.open();
        talk.stream.send(bytes);
        talk.stream.finish();
        let mut answers = Vec::new();
        while let Some(frame) = talk.next().await {
            answers.push(frame);
        }
        answers
    }

    /// The delivery stream, opened if there is none.
    pub(super) fn delivery(&mut self) -> &mut Delivery {
        let Self { line, delivery, .. } = self;
        delivery
            .get_or_insert_with(|| Delivery { stream: line.stream(), buffered: BytesMut::new() })
    }

    /// Remembers what was proven.
    pub(super) fn answered(&mut self, frame: &ClientFrame, answer: &RelayFrame) {
        let (ClientFrame::Prove(proof), RelayFrame::Proved) = (frame, answer) else { return };
        match proof.verify(&EXPORTER).expect("a proof that verifies") {
            Proven::Mailbox(address) | Proven::Inbox(address) => {
                self.proved.insert(*address.as_bytes());
            }
            Proven::Account(account) => self.account = Some(account),
        }
    }

    fn open(&self) -> Delivery {
        Delivery { stream: self.line.stream(), buffered: BytesMut::new() }
    }
}

impl Delivery {
    pub(super) fn send(&self, frame: &ClientFrame) {
        self.stream.send(frame.to_bytes());
    }

    /// What comes next; none at the stream's end.
    pub(super) async fn next(&mut self) -> Option<RelayFrame> {
        loop {
            if let Some(frame) = self.buffered_frame() {
                return Some(frame);
            }
            let received = tokio::time::timeout(PATIENCE, self.stream.receive()).await;
            match received.expect("an answer within a minute") {
                Some(bytes) => self.buffered.extend_from_slice(&bytes),
                None => break,
            }
        }
        assert!(self.buffered.is_empty(), "the stream ended inside a frame");
        None
    }

    /// A relay's frames decode and have one encoding.
    fn buffered_frame(&mut self) -> Option<RelayFrame> {
        let header = *self.buffered.first_chunk::<FRAME_HEADER_BYTES>()?;
        let header = Header::parse::<RelayFrame>(header).expect("a frame of a relay");
        if self.buffered.len() < FRAME_HEADER_BYTES + header.length {
            return None;
        }
        let whole = self.buffered.split_to(FRAME_HEADER_BYTES + header.length).freeze();
        let mut body = whole.clone();
        body.advance(FRAME_HEADER_BYTES);
        let frame = RelayFrame::decode_body(header, body).expect("a frame of a relay");
        assert_eq!(frame.to_bytes(), whole);
        Some(frame)
    }
}

/// On the paused clock nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
