//! A relay inside the test program, with a clock and a disk that tests set.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plico_protocol::certificate::{CertificateBody, DomainCheck, Handle, Serial};
use plico_protocol::limits::CERTIFICATE_HOURS_MAX;
use plico_protocol::ticket::Categories;
use plico_protocol::time::{Hour, Timestamp};
use plico_relay::admin::command::{Answer, Command};
use plico_relay::clock::Clock;
use plico_relay::config::Config;
use plico_relay::keys::read_authority_secret;
use plico_relay::space::SpaceProbe;
use plico_relay::{Options, Relay};
use tempfile::TempDir;

use crate::harness::world::{BEGINNING, Bank};

/// A running relay; its directories go when it goes.
pub(crate) struct TestRelay {
    relay: Relay,
    config: Config,
    home: TempDir,
    pub(crate) clock: Arc<TestClock>,
    space: Arc<Space>,
}

/// Stands still until it is advanced.
pub(crate) struct TestClock(AtomicU64);

/// As much free disk as the test says.
struct Space(AtomicU64);

impl TestRelay {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts with settings of the test's choice.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: home.path().join("data"),
            keys_dir: home.path().join("keys"),
            ..Config::default()
        };
        change(&mut config);
        let clock = Arc::new(TestClock(AtomicU64::new(BEGINNING.0)));
        let space = Arc::new(Space(AtomicU64::new(u64::MAX)));
        let relay = Self::run(&config, &clock, &space).await;
        Self { relay, config, home, clock, space }
    }

    /// Stops and starts again on the same directories; the port is another.
    pub(crate) async fn restart(self) -> Self {
        let Self { relay, config, home, clock, space } = self;
        relay.shutdown().await.unwrap();
        let relay = Self::run(&config, &clock, &space).await;
        Self { relay, config, home, clock, space }
    }

    pub(crate) async fn stop(self) {
        self.relay.shutdown().await.unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.local_addr()
    }

    pub(crate) fn link(&self) -> plico_protocol::link::RelayLink {
        self.relay.link().clone()
    }

    /// Certifies a business for every category, from now for 90 days.
    pub(crate) async fn certify(&self, bank: &Bank, handle: &str) -> Serial {
        self.certify_for(bank, handle, Categories::ALL).await
    }

    /// The same for some categories.
    pub(crate) async fn certify_for(
        &self,
        bank: &Bank,
        handle: &str,
        categories: Categories,
    ) -> Serial {
        let Answer::Described { next_serial, .. } = self.command(Command::Describe).await else {
            panic!("the relay did not describe itself");
        };
        let authority = read_authority_secret(&self.config.keys_dir).unwrap();
        let now = self.clock.hour();
        let body = CertificateBody {
            serial: next_serial,
            handle: Handle::new(handle).unwrap(),
            display_name: format!("The {handle}"),
            domain: format!("{handle}.example"),
            domain_check: DomainCheck::Dns,
            keys: bank.keys(),
            categories,
            valid_from: now,
            valid_to: now.plus(CERTIFICATE_HOURS_MAX),
        };
        let certificate = body.sign(&authority).unwrap().certificate().clone();
        let answer = self.command(Command::Install(certificate)).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
        next_serial
    }

    pub(crate) async fn revoke_certificate(&self, serial: Serial) {
        let answer = self.command(Command::Revoke(serial)).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }

    /// Does what housekeeping does from time to time.
    pub(crate) async fn sweep(&self) {
        self.relay.tick().await;
    }

    pub(crate) async fn set_free_space(&self, bytes: u64) {
        self.space.0.store(bytes, Ordering::SeqCst);
        self.relay.tick().await;
    }

    async fn command(&self, command: Command) -> Answer {
        self.relay.desk().carry_out(command).await
    }

    async fn run(config: &Config, clock: &Arc<TestClock>, space: &Arc<Space>) -> Relay {
        let options =
            Options { clock: clock.clone(), space: Some(space.clone()), ..Options::default() };
        Relay::start(config.clone(), options).await.unwrap()
    }
}

impl TestClock {
    pub(crate) fn advance_minutes(&self, minutes: u64) {
        self.0.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    pub(crate) fn advance_hours(&self, hours: u64) {
        self.advance_minutes(hours * 60);
    }

    pub(crate) fn hour(&self) -> Hour {
        self.now().hour()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

impl SpaceProbe for Space {
    fn free_bytes(&self) -> std::io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}
