//! Seen by clients that speak bare frames.
//!
//! Goal: what was accepted is delivered, what was acknowledged stays gone, and nothing is stored
//! twice. Method: the program under test stops at the point, says so, and is killed from outside;
//! then it is started again on the same data.

use std::collections::{BTreeMap, BTreeSet};

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{
    Channel, ClientFrame, Delivery, RelayFrame, Sequence, SubmissionState,
};
use plico_relay::writer::Point;

use crate::harness::process::{Home, RelayProcess};
use crate::harness::raw::{Raw, RawStream};
use crate::harness::world::{Bank, submission_now, submit_id_now};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_and_nothing_stored_twice_at_every_point() {
    for point in Point::ALL {
        for nth in [1, 4, 9] {
            check(*point, nth).await;
        }
    }
}

#[tokio::test]
async fn a_killed_relay_tells_its_clients_once_it_is_back() {
    let home = Home::new();
    let mut relay = home.start();
    let raw = Raw::connect(relay.address()).await;
    let status = ClientFrame::Status { id: submit_id_now(1) };
    assert_eq!(raw.ask(&status).await, RelayFrame::State(SubmissionState::Unknown));
    relay.kill();
    let relay = home.start_on(relay.address());
    let mut stream = raw.stream().await;
    stream.send(&status).await;
    // The idle limit of a minute would end it as a time-out.
    assert_eq!(raw.connection.closed().await, quinn::ConnectionError::Reset);
    relay.terminate();
}

async fn check(point: Point, nth: u32) {
    let bank = Bank::new(1);
    let home = RelayProcess::prepare(&bank);
    let mut run = Run::new(bank);
    let mut relay = home.start_stopping_at(point, nth);
    run.until_silent(&relay).await;
    relay.kill_stopped();
    let relay = home.start();
    run.finish(&relay).await;
    run.check(&format!("{} {nth}", point.name()));
    relay.terminate();
}

/// What the sender and the business saw, before and after the crash.
struct Run {
    bank: Bank,
    accepted: BTreeSet<u32>,
    /// By envelope, every sequence it came under.
    sequences: BTreeMap<u8, BTreeSet<Sequence>>,
    /// Up to where the relay confirmed our acknowledgement.
    acknowledged: Sequence,
    /// Deliveries at or below what was confirmed before they came.
    redelivered: Vec<Sequence>,
    out_of_order: Vec<(Sequence, Sequence)>,
}

impl Run {
    fn new(bank: Bank) -> Self {
        Self {
            bank,
            accepted: BTreeSet::new(),
            sequences: BTreeMap::new(),
            acknowledged: Sequence(0),
            redelivered: Vec::new(),
            out_of_order: Vec::new(),
        }
    }

    /// Submits and acknowledges until the relay has stopped at its point.
    async fn until_silent(&mut self, relay: &RelayProcess) {
        let stopped = relay.stopped();
        tokio::select! {
            () = self.work(relay) => panic!("the relay passed its point without stopping"),
            () = stopped => (),
        }
    }

    /// The same on a relay that does not stop: everything must come through.
    async fn finish(&mut self, relay: &RelayProcess) {
        self.work(relay).await;
    }

    /// One envelope after the other, each read and acknowledged when it comes. Before the stop that
    /// makes each of them two commits; afterwards everything is submitted again.
    async fn work(&mut self, relay: &RelayProcess) {
        let sender = Raw::connect(relay.address()).await;
        let business = Raw::business(relay.address(), &self.bank.account, &self.bank.inbox).await;
        let mut delivery = business.stream().await;
        let inbox = self.bank.inbox.public();
        delivery.send(&ClientFrame::Subscribe { address: inbox }).await;
        let channel = loop {
            match delivery.next().await {
                RelayFrame::Subscribed { channel } => break channel,
                RelayFrame::Notice(_) => (),
                other => panic!("{other:?}"),
            }
        };
        let mut last = Sequence(0);
        for n in 0..ENVELOPES {
            let frame = submission_now(&inbox, n, SizeClass::Small);
            match sender.ask(&frame).await {
                RelayFrame::Accepted(_) => self.accepted.insert(n),
                other => panic!("{other:?}"),
            };
            // Acknowledged before the crash, and the answer lost with it: it will not come again.
            let status = ClientFrame::Status { id: submit_id_now(n) };
            if sender.ask(&status).await != RelayFrame::State(SubmissionState::Delivered) {
                self.read_until(&mut delivery, channel, n, &mut last).await;
            }
        }
    }

    /// Takes deliveries and acknowledges them until envelope `n` has come and is acknowledged.
    async fn read_until(
        &mut self,
        stream: &mut RawStream,
        channel: Channel,
        n: u32,
        last: &mut Sequence,
    ) {
        let wanted = u8::try_from(n).unwrap();
        loop {
            let newest = self.sequences.get(&wanted).and_then(|s| s.iter().next_back().copied());
            if newest.is_some_and(|sequence| sequence <= self.acknowledged) {
                return;
            }
            match stream.next().await {
                RelayFrame::Deliver(delivery) => {
                    self.take(&delivery, last);
                    let up_to = delivery.sequence;
                    let frame = ClientFrame::Acknowledge { channel, up_to, unreadable: vec![] };
                    stream.send(&frame).await;
                }
                RelayFrame::Acknowledged { up_to, .. } => self.acknowledged = up_to,
                RelayFrame::Drained { .. } | RelayFrame::Notice(_) => (),
                other => panic!("{other:?}"),
            }
        }
    }

    fn take(&mut self, delivery: &Delivery, last: &mut Sequence) {
        let sequence = delivery.sequence;
        if sequence <= self.acknowledged {
            self.redelivered.push(sequence);
        }
        if sequence <= *last {
            self.out_of_order.push((*last, sequence));
        }
        *last = sequence;
        let name = delivery.envelope.0[0];
        self.sequences.entry(name).or_default().insert(sequence);
    }

    fn check(&self, when: &str) {
        assert_eq!(self.accepted.len(), usize::try_from(ENVELOPES).unwrap(), "{when}");
        for n in &self.accepted {
            let name = u8::try_from(*n).unwrap();
            let sequences = self.sequences.get(&name);
            let times = sequences.map_or(0, BTreeSet::len);
            assert_eq!(times, 1, "{when}: envelope {n} was stored {times} times");
        }
        assert_eq!(self.redelivered, [], "{when}: delivered after the acknowledgement held");
        assert_eq!(self.out_of_order, [], "{when}");
    }
}

const ENVELOPES: u32 = 12;
