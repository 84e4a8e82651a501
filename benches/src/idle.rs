//! A round of connections that wait for mail: what the relay's process holds for each of them.

use std::time::Duration;

use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::prove::Proof;
use plico_protocol::signature::MailboxSecret;

use crate::failure::Failure;
use crate::pair::random;
use crate::relay::Relay;
use crate::report::IdleRound;
use crate::wire::{self, Answers, Asking, Dialer};

/// One person's connection with its delivery stream.
struct Listening {
    _connection: quinn::Connection,
    /// The SDK keeps both streams open, too.
    _streams: [(Asking, Answers); 2],
}

/// Connects `count` people with one subscribed mailbox each to a relay that nobody used before,
/// and compares its memory a while after with its memory a while after the first few.
pub(crate) async fn round(
    relay: &Relay,
    count: usize,
    settle: Duration,
) -> Result<IdleRound, Failure> {
    let dialer = Dialer::new(relay.link()).await?;
    // What is made once, for whoever comes first, is not the price of a connection.
    let mut listening = Vec::with_capacity(FIRST + count);
    for _ in 0..FIRST {
        listening.push(listen(&dialer).await?);
    }
    tokio::time::sleep(settle).await;
    let before = relay.process().memory()?;
    for _ in 0..count {
        listening.push(listen(&dialer).await?);
    }
    tokio::time::sleep(settle).await;
    let after = relay.process().memory()?;
    drop(listening);
    let per = |before: u64, after: u64| {
        after.saturating_sub(before) / u64::try_from(count).unwrap_or(u64::MAX).max(1)
    };
    Ok(IdleRound {
        connections: count,
        resident_bytes: per(before.resident, after.resident),
        private_bytes: per(before.private, after.private),
        process_bytes: after.resident,
    })
}

async fn listen(dialer: &Dialer) -> Result<Listening, Failure> {
    let connection = dialer.connect().await?;
    let mailbox = MailboxSecret::from_seed(&random()?);
    let mut requests = wire::stream(&connection).await?;
    let proof = Proof::mailbox(&mailbox, &wire::exporter(&connection)?);
    wire::prove(&mut requests, proof).await?;
    let address = mailbox.public();
    let opened = |answer: &RelayFrame| matches!(answer, RelayFrame::Opened);
    wire::ask(&mut requests, &ClientFrame::Open { address }, opened).await?;
    let delivery = wire::subscribe(&connection, address).await?;
    Ok(Listening { _connection: connection, _streams: [requests, delivery] })
}

/// Connections before the first look.
const FIRST: usize = 32;
