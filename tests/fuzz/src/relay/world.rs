//! What outlives a relay: its disk and keys, the clock, the model; and one life of the relay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use plico_protocol::pricing::Millionths;
use plico_protocol::time::Timestamp;
use plico_relay::clock::Clock;
use plico_relay::config::Config;
use plico_relay::keys::Keys;
use plico_relay::policy::rate_card::{RateCards, SAMPLE};
use plico_relay::request::{Reply, Request};
use plico_relay::simulation::{Inside, Parts};
use plico_relay::store::{Disk, Memory, Table};
use tokio::runtime::{Builder, Runtime};

use super::client::Client;
use super::model::Model;
use super::parties::{PARTIES, SHOPS};
use crate::seeded::Seeded;

static RATE_CARDS: LazyLock<RateCards> =
    LazyLock::new(|| RateCards::parse(SAMPLE, START.minute()).expect("the sample"));

/// A row of the store.
pub(super) type Row = (Table, Vec<u8>, Bytes);

/// Stands still until it is set.
pub(super) struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Everything but the relay that runs.
pub(super) struct World {
    disk: Disk,
    keys: Keys,
    clock: Arc<SetClock>,
    config: Config,
    model: Model,
    lives: u64,
}

/// A relay that runs, with who is connected.
pub(super) struct Life<'a> {
    pub(super) inside: Inside,
    pub(super) clients: [Option<Client>; SLOTS],
    pub(super) model: &'a mut Model,
    pub(super) disk: &'a Disk,
    clock: &'a SetClock,
    /// How the next frame is changed: where, and with what.
    pub(super) change: Option<[u8; 3]>,
    /// Goes in front of the next frame of that client.
    pub(super) held: Option<(usize, Vec<u8>)>,
}

impl World {
    pub(super) fn new([limits, credit]: [u8; 2]) -> Self {
        let config = Config {
            mailbox_envelopes_max: 1 + u32::from(limits & 7),
            mailbox_bytes_max: if limits & 8 == 0 { 1 << 17 } else { 1 << 24 },
            inbox_envelopes_max: 1 + u32::from(limits >> 4),
            inbox_bytes_max: 1 << 18,
            credit: Millionths(u64::from(credit) * 100_000),
            ..Config::default()
        };
        let keys = Keys::in_memory(&PARTIES.authority, START, &mut Seeded(3));
        let model = Model::new(&config);
        let clock = Arc::new(SetClock(AtomicU64::new(START.0)));
        Self { disk: Disk::default(), keys, clock, config, model, lives: 0 }
    }

    /// Runs a relay until it crashes or everything is over; whether there is to be another life.
    pub(super) fn live(&mut self, lived: impl AsyncFnOnce(&mut Life<'_>) -> bool) -> bool {
        self.lives += 1;
        let runtime = runtime();
        // The runtime is dropped with all its tasks: that is the crash.
        runtime.block_on(async {
            let mut life = self.begin().await;
            lived(&mut life).await
        })
    }

    async fn begin(&mut self) -> Life<'_> {
        self.disk.set_full(false);
        let parts = Parts {
            store: Arc::new(Memory::open(&self.disk).expect("the disk of a relay that crashed")),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: Box::new(Seeded(self.lives)),
            config: self.config.clone(),
            rate_cards: RATE_CARDS.clone(),
        };
        let inside = Inside::open(parts, |fatal| panic!("{fatal}")).expect("keys and data fit");
        let first = self.lives == 1;
        let mut life = Life {
            inside,
            clients: Default::default(),
            model: &mut self.model,
            disk: &self.disk,
            clock: &self.clock,
            change: None,
            held: None,
        };
        for which in 0..SHOPS {
            if first {
                life.certify(which).await.expect("a certificate of the authority");
            }
        }
        life
    }
}

impl Life<'_> {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The connection of a slot, made if there is none.
    pub(super) fn client(&mut self, slot: usize) -> &mut Client {
        let Self { inside, clients, .. } = self;
        clients[slot].get_or_insert_with(|| Client::connect(inside, slot))
    }

    /// An operator's request.
    pub(super) async fn carry_out(&self, request: Request) -> Reply {
        self.inside.writer().call(request).await
    }

    pub(super) async fn certify(&mut self, which: usize) -> Reply {
        let serial = self.model.next_serial();
        let from = self.now().hour();
        let certificate = Box::new(PARTIES.shop(which).certificate(serial, from));
        self.carry_out(Request::Certify { certificate }).await
    }

    pub(super) async fn pass(&mut self, minutes: u64) {
        let ms = minutes * 60_000;
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
        tokio::time::advance(Duration::from_millis(ms)).await;
        self.model.expire(self.now().hour());
    }

    pub(super) async fn sweep(&self) {
        // Refused on a full disk.
        let _ = self.inside.writer().sweep().await;
    }

    /// Everything on disk, where nobody is subscribed: of a delivery the store is told later.
    pub(super) fn rows(&self) -> Option<Vec<Row>> {
        let quiet = self.clients.iter().flatten().all(|client| client.delivery.is_none());
        quiet.then(|| self.disk.rows())
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// 2026-11-20 07:30 UTC, in the middle of an hour and of a day.
const START: Timestamp = Timestamp(1_795_159_800_000);
/// Connections at a time.
pub(super) const SLOTS: usize = 7;
