//! The relay's lives.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use plico_protocol::certificate::{CertificateRequest, Handle};
use plico_protocol::ledger::Amount;
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::ticket::Categories;
use plico_relay::admin::command::Command;
use plico_relay::config::Config;
use plico_relay::keys::Keys;
use plico_relay::simulation::Simulation;
use plico_relay::space::SpaceProbe;
use plico_relay::store::Store;
use plico_relay::writer::Probe;
use plico_relay::{Options, Relay};

use crate::harness::relay::issue;
use crate::simulation::at_rest::AtRest;
use crate::simulation::chance::Chance;
use crate::simulation::history::Fact;
use crate::simulation::life::{Life, Place, WriterProbe};
use crate::simulation::medium::{Medium, Mounted};
use crate::simulation::network::{Cable, Host};
use crate::simulation::sabotage::{Sabotage, Sabotaged};
use crate::simulation::world::{DOWN_MS, Times, World};
use crate::simulation::{business, miser};

/// A relay that is started again and again on one disk.
pub(crate) struct RelayHost {
    world: World,
    host: Arc<Host>,
    pub(crate) medium: Arc<Medium>,
    config: Config,
    chance: Chance,
    sabotage: Option<Sabotage>,
    rows: Arc<AtRest>,
}

impl RelayHost {
    pub(crate) fn new(world: &World, medium: Arc<Medium>, sabotage: Option<Sabotage>) -> Self {
        let host = Host::new(RELAY);
        let mut chance = world.chance("relay");
        let config = Config {
            listen: host.at(4433),
            data_dir: world.path("relay-data"),
            keys_dir: world.path("relay-keys"),
            credit: *chance.pick(&CREDITS),
            ..Config::default()
        };
        world.note(Fact::Credit(config.credit));
        make_tls_key(&config.keys_dir);
        let now = world.clock.now();
        let keys = Keys::open_or_create(&config.keys_dir, now, &mut UnwrapErr(SysRng)).unwrap();
        let rows = Arc::new(AtRest::new(&keys.ring()));
        Self { world: world.clone(), host, medium, config, chance, sabotage, rows }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// Certifies what a request file asks for; gives the certificate file's text.
    pub(crate) async fn certify(&self, relay: &Relay, request: &str) -> String {
        let request = CertificateRequest::from_text(request).unwrap();
        let now = self.world.clock.now().hour();
        let issued = issue(relay, &self.config, now, request, Categories::ALL).await;
        issued.certificate().to_text()
    }

    /// Runs, dies and runs again until the world is over.
    pub(crate) async fn live(mut self, mut relay: Relay, mut life: Arc<Life>) {
        loop {
            self.plan(&life);
            let patience = self.chance.millis(LIFE_MS);
            let world = self.world.clone();
            tokio::select! {
                biased;
                () = life.ended() => {
                    drop(relay);
                    self.killed(&life);
                }
                () = world.until(Times::Over) => {
                    tokio::time::sleep(LEDGERS_ARE_READ).await;
                    return relay.shutdown().await.unwrap();
                }
                () = world.in_wild_times(patience) => self.end(relay, &life).await,
                () = self.take_payments(&relay) => (),
            }
            tokio::time::sleep(self.chance.millis(DOWN_MS)).await;
            life = Life::new(&self.world);
            relay = self.start(&life).await;
        }
    }

    /// Now and then a business pays; never ends.
    async fn take_payments(&mut self, relay: &Relay) {
        loop {
            self.world.in_wild_times(self.chance.millis(PAYMENT_MS)).await;
            let names = [business::NAME, miser::NAME];
            let name = *self.chance.pick(&names);
            let handle = Handle::new(name).unwrap();
            let millionths = Millionths(self.chance.within(1..PAYMENT_MAX.0));
            let amount = Amount { millionths, currency: Currency::new(*b"EUR").unwrap() };
            relay
                .desk()
                .carry_out(Command::Pay { handle, amount, reference: None, correction: false })
                .await;
        }
    }

    /// Chooses where it dies, if it does.
    fn plan(&mut self, life: &Life) {
        if self.chance.per_mille(600) {
            let passes = self.chance.within(0..40);
            life.die_at(Place::of_relay(&mut self.chance), passes);
        }
    }

    /// Stops it or kills it. It may also be killed while it stops, for it commits what it counted.
    async fn end(&mut self, relay: Relay, life: &Life) {
        if self.chance.per_mille(300) {
            self.world.note(Fact::RelayClosed);
            let stopped = relay.shutdown().await;
            if !life.is_over() {
                return stopped.unwrap();
            }
        } else {
            life.kill();
            drop(relay);
        }
        self.killed(life);
    }

    fn killed(&mut self, life: &Life) {
        assert!(life.is_over());
        let power = self.chance.per_mille(500);
        if power {
            self.medium.lose_power(&mut self.chance);
        }
        self.world.note(Fact::RelayKilled { power });
    }

    /// Starts it for one life.
    pub(crate) async fn start(&mut self, life: &Arc<Life>) -> Relay {
        let watch = self.world.recorder.rulings();
        let (medium, rows) = (self.medium.clone(), self.rows.clone());
        let mounted = Mounted { medium, life: life.clone(), watch: watch.clone(), rows };
        let cable = Cable::new(&self.world.net, &self.host, life, &mut self.chance);
        let probe = WriterProbe { life: life.clone(), watch };
        let (store, probe): (Arc<dyn Store>, Arc<dyn Probe>) = match self.sabotage {
            None => (Arc::new(mounted), Arc::new(probe)),
            Some(sabotage) => {
                let sabotaged = Sabotaged::new(sabotage, mounted, probe);
                (sabotaged.clone(), sabotaged)
            }
        };
        let options = Options {
            clock: Arc::new(self.world.clock.clone()),
            probe,
            space: Some(Arc::new(Plenty)),
            store: Some(store),
            // The end of the life is noticed without it.
            on_fatal: Arc::new(|_| ()),
            simulation: Some(Simulation {
                socket: cable.socket_at(self.config.listen),
                seed: self.chance.seed(),
                sync: self.chance.millis(SYNC_MS),
            }),
        };
        let relay = Relay::start(self.config.clone(), options).await.unwrap();
        self.world.note(Fact::RelayOpened);
        relay
    }
}

/// A key whose signatures all have one length, so that a replay sends packets of the same sizes.
fn make_tls_key(keys_dir: &Path) {
    DirBuilder::new().mode(0o700).create(keys_dir).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(keys_dir.join("tls.key"));
    file.unwrap().write_all(key.serialize_pem().as_bytes()).unwrap();
}

/// Always as much as anyone needs; a full disk is the medium's.
struct Plenty;

impl SpaceProbe for Plenty {
    fn free_bytes(&self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }
}

const RELAY: u8 = 1;
const LIFE_MS: std::ops::Range<u64> = 5_000..240_000;
const SYNC_MS: std::ops::Range<u64> = 1..20;
const PAYMENT_MS: std::ops::Range<u64> = 10_000..300_000;
const PAYMENT_MAX: Millionths = Millionths(400_000);
/// In some worlds all a business may owe, in others the price of two messages, or nothing.
const CREDITS: [Millionths; 6] = {
    let all = Millionths(u64::MAX / 2);
    [all, all, all, Millionths(180_000), Millionths(180_000), Millionths::ZERO]
};
/// Longer than anyone takes to connect and to read one.
const LEDGERS_ARE_READ: Duration = Duration::from_secs(300);
