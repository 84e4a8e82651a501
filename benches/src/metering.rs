//! A round of what businesses send, a third of it free, a third charged and read, a third charged and
//! never fetched, to its end: everything is accepted, read, expired and settled.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{
    Channel, ClientFrame, Consent, Frame as _, RelayFrame, Sequence, Submission,
};
use plico_protocol::id::{Address, SubmitId, TicketOpening};
use plico_protocol::pricing::Millionths;
use plico_protocol::prove::Proof;
use plico_protocol::signature::MailboxSecret;
use plico_protocol::ticket::{Categories, Category, Terms, Ticket, ticket_commitment};
use plico_protocol::time::Minute;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::pair::{Bank, random};
use crate::relay::{Relay, hour};
use crate::report::{MeteringRound, real};
use crate::served::Served;
use crate::wire::{self, Answers, Asking, Dialer};

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Businesses, each with one customer who reads and one who does not.
    pub(crate) pairs: u16,
    /// Messages of each kind from each business.
    pub(crate) each: u32,
    /// Messages of a business that are not answered yet.
    pub(crate) window: usize,
}

/// A business and its two customers, ready to send.
struct Party {
    _connections: [quinn::Connection; 2],
    business: (Asking, Answers),
    delivery: (Asking, Answers),
    /// The one who reads, then the one who does not.
    customers: [(Address, Ticket); 2],
}

/// Runs one round on a relay that nobody has used.
pub(crate) async fn round(mut served: Served, amount: Amount) -> Result<MeteringRound, Failure> {
    let mut parties = Vec::new();
    for number in 0..usize::from(amount.pairs) {
        parties.push(Party::meet(served.relay(), number).await?);
    }
    let (began, before) = (Instant::now(), served.process().cpu()?);
    let mut running = JoinSet::new();
    for party in parties {
        running.spawn(party.run(amount));
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(Failure::application)??;
    }
    let sent = began.elapsed();
    // Everything unread expires; a day later all of it is settled.
    served.pass(30 * 24 + 1)?;
    served.pass(24)?;
    let (elapsed, cpu) = (began.elapsed(), served.process().cpu()?.saturating_sub(before));
    served.stop()?;
    let messages = 3.0 * real(u64::from(amount.each)) * f64::from(amount.pairs);
    Ok(MeteringRound {
        per_second: messages / elapsed.as_secs_f64(),
        sent_seconds: sent.as_secs_f64(),
        settled_seconds: (elapsed - sent).as_secs_f64(),
        relay_cpu_us_per_message: cpu.as_secs_f64() * 1e6 / messages,
    })
}

impl Party {
    async fn meet(relay: &Relay, number: usize) -> Result<Self, Failure> {
        let bank = Bank::certified(relay, number)?;
        let dialer = Dialer::new(relay.link()).await?;
        let person = dialer.connect().await?;
        let mut asking = wire::stream(&person).await?;
        let exporter = wire::exporter(&person)?;
        let mut customers = Vec::new();
        for _ in 0..2 {
            let mailbox = MailboxSecret::from_seed(&random()?);
            let address = mailbox.public();
            wire::prove(&mut asking, Proof::mailbox(&mailbox, &exporter)).await?;
            let opened = |answer: &RelayFrame| matches!(answer, RelayFrame::Opened);
            wire::ask(&mut asking, &ClientFrame::Open { address }, opened).await?;
            let mint = ClientFrame::Mint { address, terms: terms(&bank), window: true };
            let minted = |answer: &RelayFrame| matches!(answer, RelayFrame::Minted(_));
            let RelayFrame::Minted(ticket) = wire::ask(&mut asking, &mint, minted).await? else {
                return Err(wire::unexpected(None));
            };
            customers.push((address, *ticket));
        }
        let customers = <[_; 2]>::try_from(customers).map_err(|_| wire::unexpected(None))?;
        let [(reader, _), _] = customers;
        let delivery = wire::subscribe(&person, reader).await?;
        let connection = dialer.connect().await?;
        let mut business = wire::stream(&connection).await?;
        let exporter = wire::exporter(&connection)?;
        wire::prove(&mut business, Proof::account(bank.account(), &exporter)).await?;
        Ok(Self { _connections: [person, connection], business, delivery, customers })
    }

    async fn run(self, amount: Amount) -> Result<(), Failure> {
        let Self { _connections, business: (asking, answers), delivery, customers } = self;
        let total = 3 * amount.each;
        let places = Arc::new(Semaphore::new(amount.window));
        let submit = submit(asking, customers, total, places.clone());
        let (submit, accepted, read) = (
            tokio::spawn(submit),
            tokio::spawn(accepted(answers, total, places)),
            tokio::spawn(read(delivery, u64::from(2 * amount.each))),
        );
        for task in [submit, accepted, read] {
            task.await.map_err(Failure::application)??;
        }
        Ok(())
    }
}

async fn submit(
    mut asking: Asking,
    [reader, absent]: [(Address, Ticket); 2],
    total: u32,
    places: Arc<Semaphore>,
) -> Result<(), Failure> {
    let envelope = EnvelopeBytes(Bytes::from(vec![7; 2_048]));
    let mut number = 0_u32;
    while number < total {
        places.acquire().await.map_err(Failure::application)?.forget();
        let (to, ticket, category) = match number % 3 {
            0 => (reader.0, reader.1, Category::Service),
            1 => (reader.0, reader.1, Category::Utility),
            _ => (absent.0, absent.1, Category::Utility),
        };
        let price_max = Millionths::UNIT;
        let consent = Some(Consent { ticket, opening: OPENING, category, price_max });
        let id = random()?;
        let id = SubmitId::compose(hour(), *id.first_chunk().unwrap_or(&[0; 12]));
        let submission = Submission { id, to, consent, envelope: envelope.clone() };
        asking.send(ClientFrame::Submit(Box::new(submission)).to_bytes()).await?;
        number += 1;
    }
    asking.finish();
    Ok(())
}

async fn accepted(mut answers: Answers, total: u32, places: Arc<Semaphore>) -> Result<(), Failure> {
    for _ in 0..total {
        match answers.next().await? {
            Some(RelayFrame::Accepted(_)) => places.add_permits(1),
            other => return Err(wire::unexpected(other.as_ref())),
        }
    }
    Ok(())
}

/// At most one acknowledgement is on its way, as in the SDK.
async fn read((mut asking, mut answers): (Asking, Answers), total: u64) -> Result<(), Failure> {
    let (mut taken, mut acknowledged, mut newest) = (0, 0, Sequence(0));
    let mut in_flight = None;
    while acknowledged < total {
        let mut next = Some(answers.next().await?.ok_or_else(|| wire::unexpected(None))?);
        while let Some(frame) = next {
            match frame {
                RelayFrame::Deliver(delivery) => (taken, newest) = (taken + 1, delivery.sequence),
                RelayFrame::Acknowledged { .. } => {
                    acknowledged = in_flight.take().unwrap_or(acknowledged);
                }
                RelayFrame::Drained { .. } | RelayFrame::Notice(_) => (),
                other => return Err(wire::unexpected(Some(&other))),
            }
            next = answers.ready()?;
        }
        if in_flight.is_none() && acknowledged < taken {
            in_flight = Some(taken);
            let (channel, up_to, unreadable) = (Channel(0), newest, Vec::new());
            let frame = ClientFrame::Acknowledge { channel, up_to, unreadable };
            asking.send(frame.to_bytes()).await?;
        }
    }
    Ok(())
}

fn terms(bank: &Bank) -> Terms {
    Terms {
        categories: Categories::ALL,
        messages_max: u16::MAX,
        valid_until: Minute(60 * (hour().0 + 24)),
        commitment: ticket_commitment(&bank.account().public(), &OPENING),
    }
}

const OPENING: TicketOpening = TicketOpening::new([7; 32]);
