//! A pair: a person who submits on an anonymous connection, and a business that takes what comes
//! to its inbox and acknowledges it.
//!
//! Nothing is shared between the two but what travels: each envelope says whose it is, which of
//! that pair's it is, and when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use plico_protocol::certificate::{BusinessKeys, CertificateRequest, Handle};
use plico_protocol::envelope::{EnvelopeBytes, SizeClass};
use plico_protocol::frame::{
    Channel, ClientFrame, Delivery, Frame as _, RelayFrame, Sequence, Submission,
};
use plico_protocol::id::{Address, DhKey, SubmitId};
use plico_protocol::prove::Proof;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use plico_protocol::wire::Writer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::pace::{Pace, Places};
use crate::relay::{Relay, hour, letters};
use crate::tally::{Shared, Watch};
use crate::wire::{self, Answers, Asking, Dialer};

/// A certified business.
#[derive(Debug)]
pub(crate) struct Bank {
    account: AccountSecret,
    inbox: MailboxSecret,
}

/// A connected pair.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Held so that they stay open.
    _connections: [quinn::Connection; 2],
    submitting: Submitting,
    answered: Answered,
    delivered: Delivered,
}

/// What a pair reports to.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) tally: Shared,
    pub(crate) watch: Watch,
    pub(crate) counts: Arc<Counts>,
}

/// Messages of all pairs of a round.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) submitted: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
}

/// Hands envelopes over.
#[derive(Debug)]
struct Submitting {
    stream: Asking,
    inbox: Address,
    pair: u16,
    noise: Vec<u8>,
    reports: Reports,
}

/// Takes acceptances.
#[derive(Debug)]
struct Answered {
    stream: Answers,
    reports: Reports,
}

/// Takes deliveries and acknowledges them.
#[derive(Debug)]
struct Delivered {
    streams: (Asking, Answers),
    noise: Vec<u8>,
    reports: Reports,
    places: Places,
    taken: u64,
    newest: Sequence,
    /// How many the acknowledgement covers that is on its way.
    in_flight: Option<u64>,
    acknowledged: u64,
}

/// What an envelope and its `submit_id` say, in twelve bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    pair: u16,
    number: u32,
    due_us: u64,
}

impl Bank {
    /// Makes a business and has it certified.
    pub(crate) fn certified(relay: &Relay, number: usize) -> Result<Self, Failure> {
        let bank = Self {
            account: AccountSecret::from_seed(&random()?),
            inbox: MailboxSecret::from_seed(&random()?),
        };
        // Keys that only an endpoint uses.
        let unused = DhKey::new([9; 32]);
        let (account, inbox) = (bank.account.public(), bank.inbox.public());
        let keys = BusinessKeys { account, identity: unused, hint: unused, inbox };
        let name = format!("load-{}", letters(number));
        let handle = Handle::new(&name).map_err(|e| Failure::Certify(e.to_string()))?;
        let (domain, name) = (format!("{name}.example"), format!("Load {}", letters(number)));
        let request =
            CertificateRequest::sign(handle, name, domain, keys, &bank.account, &bank.inbox);
        relay.certify(&request)?;
        Ok(bank)
    }

    /// What it proves its account with.
    pub(crate) fn account(&self) -> &AccountSecret {
        &self.account
    }

    /// Where people write to it.
    pub(crate) fn inbox(&self) -> Address {
        self.inbox.public()
    }
}

impl Pair {
    /// Connects both sides. The inbox must be empty.
    pub(crate) async fn connect(
        dialer: &Dialer,
        (pair, bank): (u16, &Bank),
        class: SizeClass,
        reports: Reports,
        places: Places,
    ) -> Result<Self, Failure> {
        let mut noise = vec![0; class.bytes()];
        SysRng.try_fill_bytes(&mut noise).map_err(Failure::connection)?;
        let anonymous = dialer.connect().await?;
        let (stream, answers) = wire::stream(&anonymous).await?;
        let business = dialer.connect().await?;
        let streams = subscribed(&business, bank).await?;
        Ok(Self {
            _connections: [anonymous, business],
            submitting: Submitting {
                stream,
                inbox: bank.inbox.public(),
                pair,
                noise: noise.clone(),
                reports: reports.clone(),
            },
            answered: Answered { stream: answers, reports: reports.clone() },
            delivered: Delivered {
                streams,
                noise,
                reports,
                places,
                taken: 0,
                newest: Sequence(0),
                in_flight: None,
                acknowledged: 0,
            },
        })
    }

    /// Sends at `pace` until that ends, and then until everything is acknowledged.
    pub(crate) async fn run(self, pace: Pace) -> Result<(), Failure> {
        let Self { submitting, answered, delivered, _connections } = self;
        let (total, sent) = watch::channel(None);
        let submitting = async move {
            total.send_replace(Some(submitting.run(pace).await?));
            Ok(())
        };
        tokio::try_join!(
            joined(tokio::spawn(submitting)),
            joined(tokio::spawn(answered.run())),
            joined(tokio::spawn(delivered.run(sent))),
        )
        .map(|_| ())
    }
}

async fn joined(task: JoinHandle<Result<(), Failure>>) -> Result<(), Failure> {
    task.await.unwrap_or_else(|error| Err(Failure::application(error)))
}

impl Counts {
    /// Whether nothing was lost; what is known after waiting `seconds` otherwise.
    pub(crate) fn check(&self, seconds: u64) -> Result<u64, Failure> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Self { submitted, accepted, delivered, acknowledged } = self;
        let submitted = read(submitted);
        let [accepted, delivered, acknowledged] = [accepted, delivered, acknowledged].map(read);
        match [accepted, delivered, acknowledged].iter().all(|count| *count == submitted) {
            true => Ok(submitted),
            false => Err(Failure::Lost { submitted, accepted, delivered, acknowledged, seconds }),
        }
    }

    /// Counts some more.
    pub(crate) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

/// The delivery stream of a business that has proven itself.
async fn subscribed(
    connection: &quinn::Connection,
    bank: &Bank,
) -> Result<(Asking, Answers), Failure> {
    let exporter = wire::exporter(connection)?;
    let mut requests = wire::stream(connection).await?;
    for proof in [Proof::account(&bank.account, &exporter), Proof::inbox(&bank.inbox, &exporter)] {
        wire::prove(&mut requests, proof).await?;
    }
    wire::subscribe(connection, bank.inbox.public()).await
}

impl Submitting {
    /// Gives how many were sent.
    async fn run(mut self, mut pace: Pace) -> Result<u64, Failure> {
        let mut number = 0_u32;
        while let Some(due_us) = pace.next().await {
            let mut frames = Writer::default();
            let mut due = Some(due_us);
            while let Some(due_us) = due {
                self.submission(Stamp { pair: self.pair, number, due_us }).append(&mut frames);
                Counts::add(&self.reports.counts.submitted, 1);
                number = number.wrapping_add(1);
                due = if frames.len() < WRITE_BYTES { pace.ready() } else { None };
            }
            self.stream.send(frames.into_vec()).await?;
        }
        self.stream.finish();
        Ok(u64::from(number))
    }

    fn submission(&mut self, stamp: Stamp) -> ClientFrame {
        let stamp = stamp.bytes();
        if let Some(place) = self.noise.get_mut(STAMP) {
            place.copy_from_slice(&stamp);
        }
        let envelope = EnvelopeBytes(Bytes::copy_from_slice(&self.noise));
        let id = SubmitId::compose(hour(), stamp);
        ClientFrame::Submit(Box::new(Submission { id, to: self.inbox, consent: None, envelope }))
    }
}

impl Answered {
    /// Ends once the relay has answered everything.
    async fn run(mut self) -> Result<(), Failure> {
        let mut accepted = 0_u32;
        while let Some(frame) = self.stream.next().await? {
            let RelayFrame::Accepted(acceptance) = frame else {
                return Err(wire::unexpected(Some(&frame)));
            };
            let stamp = acceptance.id.as_bytes().last_chunk().map(Stamp::read);
            let Some(stamp) = stamp.filter(|stamp| stamp.number == accepted) else {
                return Err(Failure::Wrong("it answered out of order".to_owned()));
            };
            accepted = accepted.wrapping_add(1);
            Counts::add(&self.reports.counts.accepted, 1);
            self.reports.tally.accepted(self.reports.watch.since(stamp.due_us));
        }
        Ok(())
    }
}

impl Delivered {
    /// Ends once as many are acknowledged as `sent` says, when it says so.
    async fn run(mut self, mut sent: watch::Receiver<Option<u64>>) -> Result<(), Failure> {
        let mut submitting = true;
        while *sent.borrow() != Some(self.acknowledged) {
            tokio::select! {
                frame = self.streams.1.next() => self.take(frame?)?,
                changed = sent.changed(), if submitting => submitting = changed.is_ok(),
            }
            while let Some(frame) = self.streams.1.ready()? {
                self.take(Some(frame))?;
            }
            self.acknowledge().await?;
        }
        Ok(())
    }

    fn take(&mut self, frame: Option<RelayFrame>) -> Result<(), Failure> {
        match (frame, self.in_flight) {
            (Some(RelayFrame::Deliver(delivery)), _) => self.deliver(&delivery),
            (Some(RelayFrame::Acknowledged { .. }), Some(covered)) => {
                Counts::add(&self.reports.counts.acknowledged, covered - self.acknowledged);
                self.acknowledged = covered;
                self.in_flight = None;
                Ok(())
            }
            (Some(RelayFrame::Notice(_)), _) => Ok(()),
            (other, _) => Err(wire::unexpected(other.as_ref())),
        }
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<(), Failure> {
        let Delivery { sequence, envelope, .. } = delivery;
        let stamp = envelope.0.get(STAMP).and_then(|bytes| bytes.first_chunk()).map(Stamp::read);
        let stamp = stamp.filter(|stamp| u64::from(stamp.number) == self.taken);
        let Some(stamp) = stamp.filter(|_| is_intact(&envelope.0, &self.noise)) else {
            return Err(Failure::Wrong("it delivered out of order, twice or altered".to_owned()));
        };
        self.taken += 1;
        self.newest = *sequence;
        Counts::add(&self.reports.counts.delivered, 1);
        self.reports.tally.delivered(self.reports.watch.since(stamp.due_us));
        self.places.free();
        Ok(())
    }

    /// At most one acknowledgement is on its way, as in the SDK: the next covers whatever came
    /// meanwhile.
    async fn acknowledge(&mut self) -> Result<(), Failure> {
        if self.in_flight.is_some() || self.acknowledged == self.taken {
            return Ok(());
        }
        self.in_flight = Some(self.taken);
        let (channel, up_to) = (Channel(0), self.newest);
        let frame = ClientFrame::Acknowledge { channel, up_to, unreadable: Vec::new() };
        self.streams.0.send(frame.to_bytes()).await
    }
}

impl Stamp {
    /// Six bytes of microseconds are nine years.
    fn bytes(self) -> [u8; 12] {
        let ([p, q], [a, b, c, d]) = (self.pair.to_be_bytes(), self.number.to_be_bytes());
        let [_, _, t, u, v, w, x, y] = self.due_us.to_be_bytes();
        [p, q, a, b, c, d, t, u, v, w, x, y]
    }

    fn read(bytes: &[u8; 12]) -> Self {
        let [p, q, a, b, c, d, t, u, v, w, x, y] = *bytes;
        Self {
            pair: u16::from_be_bytes([p, q]),
            number: u32::from_be_bytes([a, b, c, d]),
            due_us: u64::from_be_bytes([0, 0, t, u, v, w, x, y]),
        }
    }
}

/// Whether an envelope is the noise that was sent, but for its stamp.
fn is_intact(envelope: &[u8], noise: &[u8]) -> bool {
    envelope.get(..STAMP.start) == noise.get(..STAMP.start)
        && envelope.get(STAMP.end..) == noise.get(STAMP.end..)
}

/// Fresh bytes for a key.
pub(crate) fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(Failure::connection)?;
    Ok(bytes)
}

/// Where the stamp is in an envelope: behind the commitment.
const STAMP: core::ops::Range<usize> = 32..44;
/// Enough to fill a burst of packets.
const WRITE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_read_back_and_an_altered_envelope_shows() {
        let stamp = Stamp { pair: 7, number: 70_000, due_us: 1 << 40 };
        assert_eq!(Stamp::read(&stamp.bytes()), stamp);
        let (noise, mut envelope) = (vec![5; 64], vec![5; 64]);
        envelope[STAMP].copy_from_slice(&stamp.bytes());
        assert!(is_intact(&envelope, &noise));
        envelope[44] = 0;
        assert!(!is_intact(&envelope, &noise));
    }

    #[test]
    fn a_round_that_lost_a_message_is_none() {
        let counts = Counts::default();
        for count in [&counts.submitted, &counts.accepted, &counts.delivered] {
            Counts::add(count, 2);
        }
        assert!(matches!(counts.check(1), Err(Failure::Lost { acknowledged: 0, .. })));
        Counts::add(&counts.acknowledged, 2);
        assert_eq!(counts.check(1).unwrap(), 2);
    }
}
