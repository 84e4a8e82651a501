//! The streams of one connection: questions are written, readers report answers and deliveries.

use std::sync::Arc;

use plico_protocol::frame::{ClientFrame, Frame, RelayFrame};
use plico_protocol::prove::{EXPORTER_LABEL, ExporterValue, Proof};
use plico_protocol::refusal::Code;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::line::{Ask, LineEvent, LineId, Proving, Report, Token};
use super::stream::{ANSWER_TIMEOUT, DeliveryAsk, Pending, Requests, StreamEnded, read_frame};

/// The streams of one connection.
pub(super) struct Streams<'a> {
    reports: Reports,
    connection: &'a quinn::Connection,
    send: quinn::SendStream,
    pub(super) requests: Arc<Requests>,
    delivery: Option<(quinn::SendStream, Arc<Pending<DeliveryAsk>>)>,
    pub(super) readers: JoinSet<StreamEnded>,
}

impl<'a> Streams<'a> {
    /// Opens the request stream.
    pub(super) async fn open(
        connection: &'a quinn::Connection,
        reports: Reports,
    ) -> Result<Self, StreamEnded> {
        let (send, receive) = connection.open_bi().await.map_err(|_| StreamEnded)?;
        let (requests, mut readers) = (Arc::<Requests>::default(), JoinSet::new());
        readers.spawn(read_answers(receive, Arc::clone(&requests), reports.clone()));
        Ok(Self { reports, connection, send, requests, delivery: None, readers })
    }

    /// Writes what is asked.
    pub(super) async fn carry(&mut self, ask: Ask) -> Result<(), StreamEnded> {
        match ask {
            Ask::Request(token, frame) => self.request(token, &frame).await,
            Ask::Prove(token, proving) => {
                let frame = ClientFrame::Prove(self.proof(&proving)?);
                self.request(token, &frame).await
            }
            Ask::Subscribe(address) => {
                let frame = ClientFrame::Subscribe { address };
                self.deliver(DeliveryAsk::Subscribe(address), &frame).await
            }
            Ask::Acknowledge { channel, up_to, unreadable } => {
                let frame = ClientFrame::Acknowledge { channel, up_to, unreadable };
                self.deliver(DeliveryAsk::Acknowledge(channel), &frame).await
            }
        }
    }

    async fn request(&mut self, token: Token, frame: &ClientFrame) -> Result<(), StreamEnded> {
        self.requests.asked(token);
        write(&mut self.send, frame).await
    }

    /// Asks on the delivery stream, which the first question opens.
    async fn deliver(&mut self, ask: DeliveryAsk, frame: &ClientFrame) -> Result<(), StreamEnded> {
        let (send, asked) = match &mut self.delivery {
            Some(delivery) => delivery,
            None => {
                let opened = self.connection.open_bi().await;
                let (send, receive) = opened.map_err(|_| StreamEnded)?;
                let asked = Arc::<Pending<DeliveryAsk>>::default();
                let reader = read_deliveries(receive, Arc::clone(&asked), self.reports.clone());
                self.readers.spawn(reader);
                self.delivery.insert((send, asked))
            }
        };
        asked.asked(ask);
        write(send, frame).await
    }

    fn proof(&self, proving: &Proving) -> Result<Proof, StreamEnded> {
        let mut value = [0; 32];
        self.connection
            .export_keying_material(&mut value, EXPORTER_LABEL, b"")
            .map_err(|_| StreamEnded)?;
        let exporter = ExporterValue(value);
        Ok(match proving {
            Proving::Mailbox(secret) => Proof::mailbox(secret, &exporter),
            Proving::Account(secret) => Proof::account(secret, &exporter),
            Proving::Inbox(secret) => Proof::inbox(secret, &exporter),
        })
    }
}

/// Where a reader reports.
#[derive(Clone)]
pub(super) struct Reports {
    pub(super) line: LineId,
    pub(super) epoch: u64,
    pub(super) to: mpsc::Sender<Report>,
}

impl Reports {
    async fn send(&self, event: LineEvent) -> Result<(), StreamEnded> {
        let report = Report { line: self.line, epoch: self.epoch, event };
        self.to.send(report).await.map_err(|_| StreamEnded)
    }
}

async fn write(stream: &mut quinn::SendStream, frame: &ClientFrame) -> Result<(), StreamEnded> {
    let written = timeout(ANSWER_TIMEOUT, stream.write_all(&frame.to_bytes())).await;
    written.map_err(|_| StreamEnded)?.map_err(|_| StreamEnded)
}

/// Reads answers until the stream ends.
async fn read_answers(
    mut stream: quinn::RecvStream,
    asked: Arc<Requests>,
    reports: Reports,
) -> StreamEnded {
    loop {
        let Ok(frame) = read_frame(&mut stream).await else { return StreamEnded };
        // More answers than questions: whatever this is, its answers cannot be told apart.
        let Some(token) = asked.answered() else { return StreamEnded };
        let stopping =
            matches!(&frame, RelayFrame::Refused(refusal) if refusal.code == Code::ShuttingDown);
        if reports.send(LineEvent::Answer(token, frame)).await.is_err() || stopping {
            return StreamEnded;
        }
    }
}

/// Reads deliveries until the stream ends. A slow agent stops the reading, and by flow control the
/// relay's sending.
async fn read_deliveries(
    mut stream: quinn::RecvStream,
    asked: Arc<Pending<DeliveryAsk>>,
    reports: Reports,
) -> StreamEnded {
    loop {
        let Ok(frame) = read_frame(&mut stream).await else { return StreamEnded };
        let Ok(event) = delivery_event(frame, &asked) else { return StreamEnded };
        if reports.send(event).await.is_err() {
            return StreamEnded;
        }
    }
}

fn delivery_event(
    frame: RelayFrame,
    asked: &Pending<DeliveryAsk>,
) -> Result<LineEvent, StreamEnded> {
    Ok(match frame {
        RelayFrame::Subscribed { channel } => {
            let subscription = |ask: &DeliveryAsk| matches!(ask, DeliveryAsk::Subscribe(_));
            match asked.answered_where(subscription) {
                Some(DeliveryAsk::Subscribe(address)) => LineEvent::Subscribed { address, channel },
                _ => return Err(StreamEnded),
            }
        }
        RelayFrame::Acknowledged { channel, up_to } => {
            let this = DeliveryAsk::Acknowledge(channel);
            asked.answered_where(|ask| *ask == this).ok_or(StreamEnded)?;
            LineEvent::Acknowledged { channel, up_to }
        }
        RelayFrame::Refused(refusal) => match asked.answered() {
            Some(DeliveryAsk::Subscribe(address)) => LineEvent::NotSubscribed { address, refusal },
            Some(DeliveryAsk::Acknowledge(channel)) => {
                LineEvent::NotAcknowledged { channel, refusal }
            }
            None => return Err(StreamEnded),
        },
        RelayFrame::Deliver(delivery) => LineEvent::Delivered(delivery),
        RelayFrame::Drained { channel: _ } => LineEvent::Drained,
        RelayFrame::Ended { channel, reason } => LineEvent::Ended { channel, reason },
        RelayFrame::Notice(notice) => LineEvent::Notice(notice),
        _ => return Err(StreamEnded),
    })
}
