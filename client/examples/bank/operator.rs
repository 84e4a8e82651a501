//! The operator's side: the relay with its clock, the certificate, and who watches its commits.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use plico_client::{Categories, Millionths};
use plico_protocol::certificate::{CertificateRequest, DomainCheck, Serial};
use plico_protocol::time::Timestamp;
use plico_relay::admin::command::{Answer, Command};
use plico_relay::admin::issue::{Findings, issue};
use plico_relay::clock::Clock as _;
use plico_relay::config::Config;
use plico_relay::store::{Change, CommitError, Fjall, ReadError, Reader, Store, Table};
use plico_relay::{Options, Relay};
use tokio::sync::watch;

use crate::Outcome;

/// The clock that all three read: the machine's, set forward. Programs have the machine's as it is.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    ahead_ms: Arc<AtomicU64>,
}

impl Clock {
    pub(crate) fn jump(&self, hours: u64) {
        self.ahead_ms.fetch_add(hours * 3_600_000, Ordering::SeqCst);
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        let now = plico_relay::clock::SystemClock.now();
        Timestamp(now.0.saturating_add(self.ahead_ms.load(Ordering::SeqCst)))
    }
}

impl plico_client::Clock for Clock {
    fn now(&self) -> Timestamp {
        self.timestamp()
    }
}

impl plico_relay::clock::Clock for Clock {
    fn now(&self) -> Timestamp {
        self.timestamp()
    }
}

/// Starts the relay, which lets every business owe a hundred euros.
pub(crate) async fn start_relay(
    place: &Path,
    port: u16,
    seen: &Seen,
    clock: &Clock,
) -> Outcome<Relay> {
    let data_dir = place.join("relay");
    let config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        keys_dir: place.join("relay-keys"),
        data_dir: data_dir.clone(),
        credit: Millionths(100_000_000),
        ..Config::default()
    };
    std::fs::create_dir_all(&data_dir)?;
    let store = Watched { store: Fjall::open(&data_dir.join("store"))?, seen: seen.clone() };
    let clock = Arc::new(clock.clone());
    let options = Options { store: Some(Arc::new(store)), clock, ..Options::default() };
    Ok(Relay::start(config, options).await?)
}

/// What the operator does with a request file: checks it, signs it, tells the relay.
pub(crate) async fn certify(
    place: &Path,
    relay: &Relay,
    request: &str,
    now: Timestamp,
) -> Outcome<String> {
    let authority = plico_relay::keys::read_authority_secret(&place.join("relay-keys"))?;
    let findings = Findings {
        handle: None,
        display_name: None,
        domain: None,
        domain_check: DomainCheck::Dns,
        categories: Categories::ALL,
        days: 90,
    };
    let request = CertificateRequest::from_text(request)?;
    let certificate = issue(&request, findings, Serial(1), &authority, now.hour())?;
    let certificate = certificate.certificate().clone();
    match relay.desk().carry_out(Command::Install(certificate.clone())).await {
        Answer::Done(_) => Ok(certificate.to_text()),
        other => Err(format!("the relay did not take the certificate: {other:?}").into()),
    }
}

/// What the relay stored since this was last taken, and how many envelopes wait in all.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    stored: Arc<Mutex<Vec<String>>>,
    waiting: Arc<watch::Sender<u32>>,
}

impl Seen {
    fn stored(&self, what: String) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        self.waiting.send_modify(|waiting| *waiting += 1);
    }

    fn deleted(&self) {
        self.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }

    pub(crate) fn take(&self) -> String {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.drain(..).collect::<Vec<_>>().join("\n")
    }

    /// Waits until everything was fetched and deleted.
    pub(crate) async fn nothing_waits(&self) -> Outcome<()> {
        self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await?;
        Ok(())
    }
}

/// The embedded store, and who watches its commits.
pub(crate) struct Watched {
    store: Fjall,
    seen: Seen,
}

impl Store for Watched {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.store.commit(changes)?;
        for change in changes.iter().filter(|change| change.table == Table::Envelopes) {
            match &change.value {
                Some(envelope) => {
                    let (queue, kib) = (hex(&change.key, 3), envelope.len() / 1024);
                    self.seen.stored(format!("{kib} KiB for {queue}: {}...", hex(envelope, 4)));
                }
                None => self.seen.deleted(),
            }
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        self.store.reader()
    }

    fn recover(&self) -> Result<(), CommitError> {
        self.store.recover()
    }
}

fn hex(bytes: &[u8], first: usize) -> String {
    bytes.iter().take(first).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
