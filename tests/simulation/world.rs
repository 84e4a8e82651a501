//! What all in a world share: its clock, its network, its history and where the states lie.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use plico_client::{Options, Protection};
use plico_protocol::pricing::Millionths;
use plico_protocol::time::Timestamp;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::world::BEGINNING;
use crate::simulation::chance::Chance;
use crate::simulation::history::{End, Fact, Words};
use crate::simulation::life::{AgentProbe, Life};
use crate::simulation::network::{Cable, Host, Net};
use crate::simulation::recorder::Recorder;
use crate::simulation::signal::Signal;

/// Shared by everyone. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) clock: WorldClock,
    pub(crate) net: Net,
    pub(crate) recorder: Recorder,
    pub(crate) times: Arc<Signal>,
    words: Arc<AtomicU32>,
    home: Arc<TempDir>,
}

/// What is done to everyone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    /// Crashes, restarts, partitions.
    Wild,
    /// Nothing more is done to anybody; who is down comes up and stays.
    Calm,
    /// All let go.
    Over,
}

/// Runs with the paused clock of tokio, and is set forward by hours at once.
#[derive(Clone)]
pub(crate) struct WorldClock {
    began: Instant,
    ahead_ms: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let clock = WorldClock { began: Instant::now(), ahead_ms: Arc::default() };
        Self {
            seed,
            recorder: Recorder::new(Arc::new(clock.clone())),
            clock,
            net: Net::new(seed),
            times: Arc::default(),
            words: Arc::default(),
            home: Arc::new(home()),
        }
    }

    /// The choices of a place.
    pub(crate) fn chance(&self, place: &str) -> Chance {
        Chance::of(self.seed, place)
    }

    pub(crate) fn note(&self, fact: Fact) {
        self.recorder.note(fact);
    }

    /// Words that nobody said before.
    pub(crate) fn words(&self) -> Words {
        Words(self.words.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn key(&self, name: &str) -> Protection {
        Protection::key_file(self.path(&format!("{name}.key")))
    }

    /// How the SDK runs in one life of an end.
    pub(crate) fn options(
        &self,
        end: End,
        host: &Arc<Host>,
        life: &Arc<Life>,
        chance: &mut Chance,
    ) -> Options {
        let probe = AgentProbe { life: life.clone(), watch: self.recorder.seals(end) };
        let cable = Cable::new(&self.net, host, life, chance);
        let price_max = *chance.pick(&PRICES_MAX);
        let options = Options::default().clock(self.clock.clone()).price_max(price_max);
        options.probe(probe).network(cable)
    }

    pub(crate) fn is_wild(&self) -> bool {
        self.times.level() == Times::Wild as u8
    }

    /// From now on it is so.
    pub(crate) fn begin(&self, times: Times) {
        self.times.raise(times as u8);
    }

    /// Waits until it is so, or later.
    pub(crate) async fn until(&self, times: Times) {
        self.times.reached(times as u8).await;
    }

    /// Waits so long, and for ever once it is calm: nobody is ended then.
    pub(crate) async fn in_wild_times(&self, patience: Duration) {
        tokio::time::sleep(patience).await;
        if !self.is_wild() {
            std::future::pending::<()>().await;
        }
    }
}

impl WorldClock {
    /// Sets everyone's clock forward.
    pub(crate) fn jump(&self, ahead: Duration) {
        let ahead_ms = u64::try_from(ahead.as_millis()).unwrap();
        self.ahead_ms.fetch_add(ahead_ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        let passed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        Timestamp(BEGINNING.0 + passed_ms + self.ahead_ms.load(Ordering::Relaxed))
    }
}

impl plico_client::Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.now()
    }
}

impl plico_relay::clock::Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.now()
    }
}

/// In memory where there is such a folder: states are synced thousands of times, and no power cut
/// of these is simulated.
fn home() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What a business allows a message to cost, in most of its lives: enough, in some what is a little
/// less than the price, or nothing.
const PRICES_MAX: [Millionths; 8] = {
    let [nothing, less, enough] = [Millionths::ZERO, Millionths(89_999), Millionths::UNIT];
    [nothing, less, enough, enough, enough, enough, enough, enough]
};
/// How long whoever ended is down: longer than the network of the dead takes to fall silent, so that
/// two never have a state open at once.
pub(crate) const DOWN_MS: std::ops::Range<u64> = 2_000..30_000;
