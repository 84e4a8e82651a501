//! A line: one connection of one kind, kept up until it is closed.
//!
//! The task here dials, reports `Up`, carries what it is asked, reports answers and deliveries,
//! reports `Down`, waits with growing, jittered delays, and dials again. What was asked on a
//! connection that is gone is forgotten: who asked hears `Down` and decides.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use plico_protocol::frame::{
    Channel, ClientFrame, Delivery, EndReason, Notice, RelayFrame, Sequence,
};
use plico_protocol::id::Address;
use plico_protocol::limits::{
    CHANNELS_PER_CONNECTION_MAX, REQUESTS_IN_PROGRESS_PER_STREAM_MAX, SIZE_CLASSES,
    UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX,
};
use plico_protocol::link::RelayLink;
use plico_protocol::refusal::Refusal;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until};

use super::dial::{ConnectError, Dialer, reason};
use super::options::Options;
use super::stream::StreamEnded;
use super::streams::{Reports, Streams};

/// Names a line of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId(pub(crate) u64);

/// Names a request, for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(pub(crate) u64);

/// What a line is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A request; answered by [`LineEvent::Answer`].
    Request(Token, ClientFrame),
    /// A proof of this connection; answered by [`LineEvent::Answer`].
    Prove(Token, Proving),
    /// A subscription on the delivery stream.
    Subscribe(Address),
    /// An acknowledgement on the delivery stream.
    Acknowledge { channel: Channel, up_to: Sequence, unreadable: Vec<Sequence> },
}

/// A key to prove.
#[derive(Clone, Debug)]
pub(crate) enum Proving {
    Mailbox(MailboxSecret),
    Account(AccountSecret),
    Inbox(MailboxSecret),
}

/// What a line reports.
#[derive(Debug)]
pub(crate) enum LineEvent {
    Up,
    Down(ConnectError),
    Answer(Token, RelayFrame),
    Subscribed { address: Address, channel: Channel },
    NotSubscribed { address: Address, refusal: Refusal },
    Acknowledged { channel: Channel, up_to: Sequence },
    NotAcknowledged { channel: Channel, refusal: Refusal },
    Delivered(Box<Delivery>),
    Drained,
    Ended { channel: Channel, reason: EndReason },
    Notice(Notice),
}

/// An event and the connection it happened on: `epoch` counts a line's connections.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) line: LineId,
    pub(crate) epoch: u64,
    pub(crate) event: LineEvent,
}

/// The agent's end of a line.
#[derive(Debug)]
pub(crate) struct Line {
    asks: mpsc::Sender<(u64, Ask)>,
    network: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Line {
    /// Starts a line; it dials at once.
    pub(crate) fn open(
        id: LineId,
        relay: RelayLink,
        options: Options,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let network = Arc::new(Notify::new());
        let carrier = Carrier {
            id,
            epoch: 0,
            dialer: Dialer::new(relay, options),
            asks: asked,
            network: Arc::clone(&network),
            reports,
        };
        Self { asks, network, task: tokio::spawn(carrier.run()) }
    }

    /// Hands over an ask meant for the connection of this epoch; `false` if the line has too many.
    pub(crate) fn ask(&self, epoch: u64, ask: Ask) -> bool {
        self.asks.try_send((epoch, ask)).is_ok()
    }

    /// Takes a new socket, and dials at once if the line is down.
    pub(crate) fn network_changed(&self) {
        self.network.notify_one();
    }

    /// Closes the connection and waits until the relay was told, for at most a second.
    pub(crate) async fn close(self) {
        drop(self.asks);
        let _ = self.task.await;
    }
}

/// The task's end of a line.
struct Carrier {
    id: LineId,
    epoch: u64,
    dialer: Dialer,
    asks: mpsc::Receiver<(u64, Ask)>,
    network: Arc<Notify>,
    reports: mpsc::Sender<Report>,
}

/// How a connection ended.
enum Ended {
    /// The agent closed the line.
    Closed,
    /// The connection failed; whether it was of any use decides how soon to dial again.
    Lost { error: ConnectError, served: bool },
}

impl Carrier {
    async fn run(mut self) {
        let seed = self.dialer.seed();
        let mut delays = delays(seed);
        loop {
            let dialled = tokio::select! {
                biased;
                dialled = self.dialer.dial() => dialled,
                () = closed(&mut self.asks) => break,
            };
            let ended = match dialled {
                Ok(connection) => self.carry(&connection).await,
                Err(error) => Ended::Lost { error, served: false },
            };
            let Ended::Lost { error, served } = ended else { break };
            if !self.report(LineEvent::Down(error)).await {
                break;
            }
            if served {
                delays = self::delays(seed);
            }
            tokio::select! {
                biased;
                () = sleep(delays.next().unwrap_or(DELAY_MAX)) => (),
                () = self.network.notified() => self.dialer.rebind(),
                () = closed(&mut self.asks) => break,
            }
        }
        self.dialer.close().await;
    }

    async fn report(&self, event: LineEvent) -> bool {
        let report = Report { line: self.id, epoch: self.epoch, event };
        self.reports.send(report).await.is_ok()
    }

    async fn carry(&mut self, connection: &quinn::Connection) -> Ended {
        self.epoch += 1;
        let reports = Reports { line: self.id, epoch: self.epoch, to: self.reports.clone() };
        let Ok(mut streams) = Streams::open(connection, reports).await else {
            return Ended::Lost { error: ConnectError::Lost, served: false };
        };
        if !self.report(LineEvent::Up).await {
            return Ended::Closed;
        }
        loop {
            let deadline = streams.requests.deadline();
            let error = tokio::select! {
                // Asks come last: many of them must not hide that the connection is gone.
                biased;
                error = connection.closed() => reason(&error),
                _ = streams.readers.join_next() => {
                    connection.close_reason().as_ref().map_or(ConnectError::Lost, reason)
                }
                () = self.network.notified() => {
                    self.dialer.rebind();
                    continue;
                }
                () = overdue(deadline) => {
                    // The oldest request may have been answered meanwhile.
                    if streams.requests.deadline() != deadline {
                        continue;
                    }
                    ConnectError::Lost
                }
                asked = self.asks.recv() => match asked {
                    None => return Ended::Closed,
                    Some((epoch, _)) if epoch != self.epoch => continue,
                    Some((_, ask)) => match streams.carry(ask).await {
                        Ok(()) => continue,
                        Err(StreamEnded) => ConnectError::Lost,
                    },
                },
            };
            connection.close(quinn::VarInt::from_u32(0), b"");
            let served = streams.requests.served();
            return Ended::Lost { error, served };
        }
    }
}

/// Ends when the agent closed the line; what it still asks meanwhile is for a connection that is
/// gone.
async fn closed(asks: &mut mpsc::Receiver<(u64, Ask)>) {
    while asks.recv().await.is_some() {}
}

async fn overdue(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => core::future::pending().await,
    }
}

/// 100 ms, doubling to 30 s, each with as much again at random: after a relay's restart its
/// clients must not all come at once.
fn delays(seed: Option<u64>) -> ExponentialBackoff {
    let delays = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(DELAY_MAX)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter();
    seed.map_or(delays, |seed| delays.with_jitter_seed(seed)).build()
}

const DELAY_MAX: Duration = Duration::from_secs(30);
/// Asks waiting for a line. Requests in progress, one subscription for each mailbox, and one
/// acknowledgement for each envelope the relay sends before it waits for one.
const ASKS_MAX: usize = REQUESTS_IN_PROGRESS_PER_STREAM_MAX
    + CHANNELS_PER_CONNECTION_MAX
    + UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX / SIZE_CLASSES[0];
