//! One stream: a half that reads and begins requests, a half that answers them in order.
//!
//! Between the two is a queue as long as the number of requests that may be in progress: when it
//! is full, nothing more is read, and QUIC's flow control tells the client.

use std::sync::Arc;

use plico_protocol::frame::{Channel, RelayFrame, Sequence};
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::limits::REQUESTS_IN_PROGRESS_PER_STREAM_MAX;
use plico_protocol::refusal::{Code, Refusal};
use tokio::sync::mpsc;

use super::answer::{Answer, Outbox, Unheard};
use super::frames::{FrameReader, Incoming};
use super::half;
use super::{Asked, Connection, code};
use crate::delivery;

/// What the reading half hands to the writing half, in the order of the frames.
pub(crate) enum Item {
    /// An answer, known or not.
    Answer(Answer),
    /// A subscription: from the first on this is the delivery stream.
    Subscribe {
        /// Proven on this connection.
        address: Address,
        /// The account, if the connection is a business's.
        account: Option<AccountKey>,
    },
    /// An acknowledgement on the delivery stream.
    Acknowledge {
        /// Of which mailbox.
        channel: Channel,
        /// Cumulative.
        up_to: Sequence,
        /// Those among them that did not open.
        unreadable: Vec<Sequence>,
    },
}

/// Serves one stream until either side ends it.
pub(super) async fn serve(
    connection: Arc<Connection>,
    send: half::Outgoing,
    receive: half::Incoming,
) {
    // Boxed: a channel sets room for 32 items aside as soon as there is one.
    let (items, queue) = mpsc::channel::<Box<Item>>(REQUESTS_IN_PROGRESS_PER_STREAM_MAX);
    let mut reading = core::pin::pin!(read(&connection, FrameReader::new(receive), items));
    let mut writing = core::pin::pin!(write(
        &connection,
        Outbox::new(send, connection.service.metrics.clone()),
        queue
    ));
    tokio::select! {
        biased;
        // Nobody listens: what is still read could not be answered.
        () = &mut writing => (),
        () = &mut reading => writing.await,
    }
}

async fn read(
    connection: &Arc<Connection>,
    mut frames: FrameReader,
    items: mpsc::Sender<Box<Item>>,
) {
    let mut claim = None;
    while let Ok(place) = items.reserve().await {
        let incoming = frames.next().await;
        if !matches!(incoming, Incoming::End) {
            connection.spoke();
        }
        match incoming {
            Incoming::Frame(frame, body) => {
                let item = match connection.dispatch(frame, &body, &mut claim) {
                    Asked::Item(item) => item,
                    Asked::Change(request) => {
                        // Waits only while the writer's queue is full.
                        let pending = connection.service.writer.enqueue(request).await;
                        Item::Answer(Answer::Written(pending))
                    }
                };
                place.send(Box::new(item));
            }
            Incoming::Refused(refusal) => place.send(refused(refusal)),
            Incoming::Fatal(refusal) => {
                place.send(refused(refusal));
                return frames.stop(code::STREAM_ENDED);
            }
            Incoming::End => return,
        }
    }
}

fn refused(refusal: Refusal) -> Box<Item> {
    Box::new(Item::Answer(Answer::Ready(RelayFrame::Refused(refusal))))
}

/// A stream of requests never delivers and a delivery stream no longer does what comes before, so
/// each part is boxed: a connection that waits holds the memory of the one it is in.
async fn write(connection: &Connection, mut outbox: Outbox, mut queue: mpsc::Receiver<Box<Item>>) {
    let answered = Box::pin(answer_requests(&mut outbox, &mut queue)).await;
    match answered {
        Ok(None) => outbox.finish().await,
        Ok(Some((address, account))) => {
            let service = connection.service.clone();
            Box::pin(delivery::deliver(service, account, address, outbox, queue)).await;
        }
        Err(Unheard) => (),
    }
}

/// Answers until the client has no more requests, or subscribes.
async fn answer_requests(
    outbox: &mut Outbox,
    queue: &mut mpsc::Receiver<Box<Item>>,
) -> Result<Option<(Address, Option<AccountKey>)>, Unheard> {
    loop {
        let item = match queue.try_recv() {
            Ok(item) => Some(item),
            Err(_) => {
                outbox.flush().await?;
                queue.recv().await
            }
        };
        match item.map(|item| *item) {
            Some(Item::Answer(answer)) => outbox.push_answer(answer).await?,
            Some(Item::Subscribe { address, account }) => return Ok(Some((address, account))),
            // The reading half lets none through before a subscription.
            Some(Item::Acknowledge { .. }) => {
                outbox.push_answer(Answer::refused(Code::WrongStream)).await?;
            }
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<A, B, C, F: Future>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_stream_that_waits_is_small() {
        // Two of them wait for each connected person; each was 3.7 KB before its parts were boxed
        // and requests were begun without waiting.
        assert!(bytes_of(serve) <= 1_536, "{} bytes", bytes_of(serve));
    }
}
