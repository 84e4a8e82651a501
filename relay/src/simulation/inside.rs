//! A relay without network, threads and files: bytes of frames in, bytes of frames out.
//!
//! From the frame reader to the store everything is the relay's own. Left out are quinn and TLS, and with
//! them who is let in; who proves a key signs a value that the caller chose.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use getrandom::rand_core::CryptoRng;
use plico_protocol::prove::ExporterValue;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::connection::{Connection, Incoming, Outgoing};
use crate::delivery::hub::Hub;
use crate::keys::Keys;
use crate::metrics::{Metrics, MetricsError};
use crate::policy::rate_card::RateCards;
use crate::policy::throttle::{Present, Throttle};
use crate::policy::zones::Zones;
use crate::rules::{Current, Rules};
use crate::service::Service;
use crate::space::{SpaceProbe, Watermark};
use crate::store::Store;
use crate::writer::{self, Core, CoreError, Fatal, NoProbe, Setup, Writer};

/// What such a relay is made of.
pub struct Parts {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Its keys.
    pub keys: Keys,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness for epochs, ticket ids and nonces.
    pub rng: Box<dyn CryptoRng + Send>,
    /// Limits and credit; what is of files, directories and sockets is not looked at.
    pub config: Config,
    /// What messages cost.
    pub rate_cards: RateCards,
}

/// A relay on the runtime it was opened on. It ends with the runtime, as by a crash.
pub struct Inside {
    service: Arc<Service>,
    _in_use: mpsc::Receiver<()>,
}

/// A client's connection.
pub struct Line {
    connection: Arc<Connection>,
    _present: Present,
}

/// One stream of a connection.
#[derive(Debug)]
pub struct Stream {
    to: Option<mpsc::UnboundedSender<Bytes>>,
    from: mpsc::UnboundedReceiver<Bytes>,
}

/// Why it does not open.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// The commit path.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The counters.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

impl Inside {
    /// Must be called within a tokio runtime of one thread whose clock is paused.
    ///
    /// # Errors
    ///
    /// [`InsideError`].
    pub fn open(parts: Parts, on_fatal: fn(&Fatal)) -> Result<Self, InsideError> {
        let Parts { store, keys, clock, rng, config, rate_cards } = parts;
        let rate_cards = Current::new(rate_cards);
        let rules = Rules { rate_cards, zones: Current::new(Zones::default()) };
        let hub = Arc::new(Hub::default());
        let (metrics, _) = Metrics::new(None)?;
        let core = Core::open(Setup {
            store,
            keys: keys.clone(),
            clock: clock.clone(),
            rng,
            limits: config.limits(),
            wake: hub.clone(),
            probe: Arc::new(NoProbe),
        })?
        .charging(rules.rate_cards.clone());
        let (directory, view) = (core.directory(), core.view());
        let (writer, _) =
            writer::start_task(core, Box::new(on_fatal), metrics.clone(), Duration::ZERO);
        let (user, in_use) = mpsc::channel(1);
        let service = Arc::new(Service {
            clock,
            keys,
            directory,
            view,
            writer,
            watermark: Watermark::new(Arc::new(Plenty), config.free_space_min_bytes),
            hub,
            metrics,
            rules,
            throttle: Throttle::new(config.throttle()),
            started: Instant::now(),
            _user: user,
        });
        Ok(Self { service, _in_use: in_use })
    }

    /// Where an operator's requests go, and what housekeeping asks for.
    pub fn writer(&self) -> &Writer {
        &self.service.writer
    }

    /// A client connects; none where its network has as many connections as it may.
    pub fn connect(&self, from: IpAddr, exporter: ExporterValue) -> Option<Line> {
        let service = self.service.clone();
        let present = service.throttle.enter(service.throttle.prefix(from))?;
        let zone = service.rules.zones.of(from);
        let connection = Connection::new(service, exporter, zone, present.prefix());
        Some(Line { connection: Arc::new(connection), _present: present })
    }
}

impl Line {
    /// Opens a stream, which the relay serves from now on.
    pub fn stream(&self) -> Stream {
        let (to, incoming) = mpsc::unbounded_channel();
        let (outgoing, from) = mpsc::unbounded_channel();
        let (send, receive) = (Outgoing::Given(outgoing), Incoming::Given(incoming));
        tokio::spawn(Box::pin(self.connection.clone().stream(send, receive)));
        Stream { to: Some(to), from }
    }
}

impl Stream {
    /// Sends bytes, of which the relay may have stopped to take any.
    pub fn send(&self, bytes: impl Into<Bytes>) {
        if let Some(to) = &self.to {
            let _ = to.send(bytes.into());
        }
    }

    /// Sends nothing more.
    pub fn finish(&mut self) {
        self.to = None;
    }

    /// Bytes that came back; none once the relay ended the stream. Cancel-safe.
    pub async fn receive(&mut self) -> Option<Bytes> {
        self.from.recv().await
    }
}

/// Memory does not run short; a full disk is the store's.
struct Plenty;

impl SpaceProbe for Plenty {
    fn free_bytes(&self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
