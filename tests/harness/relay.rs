//! A relay inside the test program, with a clock and a disk that tests set.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use plico_protocol::certificate::{
    CertificateBody, CertificateRequest, DomainCheck, Handle, Serial, VerifiedCertificate,
};
use plico_protocol::ledger::Amount;
use plico_protocol::limits::CERTIFICATE_HOURS_MAX;
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::reputation::AccountStanding;
use plico_protocol::ticket::Categories;
use plico_protocol::time::{Hour, Timestamp};
use plico_relay::admin::command::{Answer, Command};
use plico_relay::clock::Clock;
use plico_relay::config::Config;
use plico_relay::keys::read_authority_secret;
use plico_relay::space::SpaceProbe;
use plico_relay::{Options, Relay, StartError};
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

/// A relay that was stopped and will go on.
pub(crate) struct Suspended {
    config: Config,
    home: TempDir,
    clock: Arc<TestClock>,
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

    /// Starts with its clock so many days before the real time, for programs that read no other.
    pub(crate) async fn start_days_ago(days: u64) -> Self {
        let now = plico_relay::clock::SystemClock.now();
        Self::start_at(Timestamp(now.0 - days * 24 * 3_600_000), |_| ()).await
    }

    /// Starts with settings of the test's choice.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(BEGINNING, change).await
    }

    async fn start_at(now: Timestamp, change: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: own_address(),
            data_dir: home.path().join("data"),
            keys_dir: home.path().join("keys"),
            credit: Millionths(u64::MAX / 2),
            ..Config::default()
        };
        change(&mut config);
        let clock = Arc::new(TestClock(AtomicU64::new(now.0)));
        let space = Arc::new(Space(AtomicU64::new(u64::MAX)));
        let relay = Self::run(&config, &clock, &space).await;
        Self { relay, config, home, clock, space }
    }

    /// Stops and starts again on the same directories and port.
    pub(crate) async fn restart(self) -> Self {
        self.suspend().await.resume().await
    }

    /// Stops for a while.
    pub(crate) async fn suspend(self) -> Suspended {
        let Self { relay, config, home, clock, space } = self;
        relay.shutdown().await.unwrap();
        Suspended { config, home, clock, space }
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
        self.issue(bank.request(handle), categories).await.body().serial
    }

    /// Certifies what a request file asks for; gives the certificate file's text.
    pub(crate) async fn certify_request(&self, request: &str) -> String {
        let request = CertificateRequest::from_text(request).unwrap();
        self.issue(request, Categories::ALL).await.certificate().to_text()
    }

    /// Revokes the newest certificate of a handle.
    pub(crate) async fn revoke_newest(&self, handle: &str) {
        let Answer::Listed(listed) = self.command(Command::List).await else {
            panic!("the relay did not list its certificates");
        };
        let authority = read_authority_secret(&self.config.keys_dir).unwrap().public();
        let serial = listed.into_iter().find_map(|(certificate, _)| {
            let verified = certificate.verify(&authority).unwrap();
            (verified.body().handle.as_str() == handle).then_some(verified.body().serial)
        });
        self.revoke_certificate(serial.unwrap()).await;
    }

    async fn issue(
        &self,
        request: CertificateRequest,
        categories: Categories,
    ) -> VerifiedCertificate {
        issue(&self.relay, &self.config, self.clock.hour(), request, categories).await
    }

    /// How a business stands, as the operator sees it.
    pub(crate) async fn standing(&self, handle: &str) -> AccountStanding {
        self.account_standing(Command::Standing(Handle::new(handle).unwrap())).await
    }

    /// Ends a business's suspension.
    pub(crate) async fn restore(&self, handle: &str) -> AccountStanding {
        self.account_standing(Command::Restore(Handle::new(handle).unwrap())).await
    }

    async fn account_standing(&self, command: Command) -> AccountStanding {
        match self.command(command).await {
            Answer::Standing(standing) => standing,
            other => panic!("{other:?}"),
        }
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

    /// The metrics, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> String {
        match self.command(Command::Status).await {
            Answer::Status(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Has a new key sign tickets, and ends every ticket if so told.
    pub(crate) async fn rotate_tickets(&self, end_all: bool) {
        let answer = self.command(Command::RotateTickets { end_all }).await;
        assert!(matches!(answer, Answer::Rotated(_)), "{answer:?}");
    }

    /// Enters that a business paid so many units.
    pub(crate) async fn pay(&self, handle: &str, units: u64) {
        let currency = Currency::new(*b"EUR").unwrap();
        let amount = Amount { millionths: Millionths(units * 1_000_000), currency };
        let command = Command::Pay {
            handle: Handle::new(handle).unwrap(),
            amount,
            reference: None,
            correction: false,
        };
        let answer = self.command(command).await;
        assert!(matches!(answer, Answer::Paid(_)), "{answer:?}");
    }

    /// Has it read its files again; gives why it did not.
    pub(crate) async fn reload(&self) -> Option<String> {
        match self.command(Command::Reload).await {
            Answer::Reloaded => None,
            Answer::Refused(why) => Some(why),
            other => panic!("{other:?}"),
        }
    }

    async fn command(&self, command: Command) -> Answer {
        self.relay.desk().carry_out(command).await
    }

    async fn run(config: &Config, clock: &Arc<TestClock>, space: &Arc<Space>) -> Relay {
        Self::started(config, clock, space).await.unwrap()
    }

    async fn started(
        config: &Config,
        clock: &Arc<TestClock>,
        space: &Arc<Space>,
    ) -> Result<Relay, StartError> {
        let options =
            Options { clock: clock.clone(), space: Some(space.clone()), ..Options::default() };
        Relay::start(config.clone(), options).await
    }
}

impl Suspended {
    pub(crate) async fn resume(self) -> TestRelay {
        let Self { config, home, clock, space } = self;
        let relay = TestRelay::run(&config, &clock, &space).await;
        TestRelay { relay, config, home, clock, space }
    }
}

impl Suspended {
    /// Why it does not start.
    pub(crate) async fn refused(&self) -> String {
        let Self { config, home: _, clock, space } = self;
        let started = TestRelay::started(config, clock, space).await;
        started.map(|_| ()).unwrap_err().to_string()
    }
}

impl TestClock {
    pub(crate) fn advance_seconds(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub(crate) fn advance_minutes(&self, minutes: u64) {
        self.advance_seconds(minutes * 60);
    }

    pub(crate) fn advance_hours(&self, hours: u64) {
        self.advance_minutes(hours * 60);
    }

    pub(crate) fn hour(&self) -> Hour {
        self.now().hour()
    }
}

/// Certifies a request for 90 days, as a relay's operator does.
pub(crate) async fn issue(
    relay: &Relay,
    config: &Config,
    now: Hour,
    request: CertificateRequest,
    categories: Categories,
) -> VerifiedCertificate {
    let Answer::Described { next_serial, .. } = relay.desk().carry_out(Command::Describe).await
    else {
        panic!("the relay did not describe itself");
    };
    let body = CertificateBody {
        serial: next_serial,
        handle: request.handle,
        display_name: request.display_name,
        domain: request.domain,
        domain_check: DomainCheck::Dns,
        keys: request.keys,
        categories,
        valid_from: now,
        valid_to: now.plus(CERTIFICATE_HOURS_MAX),
    };
    let authority = read_authority_secret(&config.keys_dir).unwrap();
    let verified = body.sign(&authority).unwrap();
    let install = Command::Install(verified.certificate().clone());
    let answer = relay.desk().carry_out(install).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    verified
}

/// A port outside what systems lend to clients and other than a relay's default: one that a
/// developer left running on every address must not fail the tests.
const PORT: u16 = 24_433;

/// A loopback address nobody else has, so that a relay finds its port free when it comes back.
pub(crate) fn own_address() -> SocketAddr {
    static RELAYS: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = RELAYS.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    let [.., process] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, process.max(1), high, low], PORT))
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
