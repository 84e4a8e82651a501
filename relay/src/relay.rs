//! A whole relay: started, named by its link, stopped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::ExporterFuture;
use plico_protocol::link::{Pin, RelayLink};
use quinn::Endpoint;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::admin::socket::{self, SocketError};
use crate::admin::{Desk, Live, Standing};
use crate::config::{Config, ConfigError};
use crate::connection::code;
use crate::delivery::hub::Hub;
use crate::housekeeping;
use crate::keys::Keys;
use crate::listener::{self, Bound, ListenError, SocketWatch};
use crate::metrics::{Metrics, MetricsError, Sampler};
use crate::opening::{self, Opened, OpeningError, Options};
use crate::policy::throttle::Throttle;
use crate::rules::{Rules, RulesError};
use crate::service::Service;
use crate::space::{FileSystemSpace, SpaceProbe, Watermark};
use crate::tls::Identity;
use crate::writer::{Running, Writer};

/// A running relay. Dropping it stops it as a crash would; [`Relay::shutdown`] lets go in order.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    link: RelayLink,
    desk: Desk,
    watermark: Watermark,
    writer: Writer,
    running: Running,
    /// Closed once nobody holds the service, and with it the store, any more.
    in_use: mpsc::Receiver<()>,
    tasks: Tasks,
    socket: SocketWatch,
    shutdown_max: Duration,
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is out of bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `public_host` cannot stand in a link.
    #[error("`public_host` is `{0}`, which is no host name or IP address; correct it")]
    PublicHost(String),
    /// Rate card or zones.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Keys, store or writer.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The network.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The socket for commands.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// Why a relay did not stop in order. Everything that was answered is on disk regardless.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    /// Something did not let go within `shutdown_ms_max`.
    #[error("the relay did not stop within {0:?}; what was accepted is on disk")]
    TimedOut(Duration),
    /// The writer's thread panicked.
    #[error("the writer ended with a panic; what was accepted is on disk")]
    WriterPanicked,
}

impl Relay {
    /// Opens everything and listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        config.check()?;
        let rules = Rules::open(&config, options.clock.now().minute())?;
        let hub = Arc::new(Hub::default());
        let (metrics, exporter) = Metrics::new(config.metrics_listen)?;
        let opened = open(&config, &options, &rules, hub.clone(), metrics.clone())?;
        let simulation = options.simulation.as_ref();
        let Bound { endpoint, socket } = listener::bind(&config, &opened.identity, simulation)?;
        let address = local_address(&endpoint, &config)?;
        let link = link(&config, address.port(), &opened.identity, &opened.keys)?;
        let commands = commands(&config, &options)?;
        let watermark = watermark(&config, options.space);

        let Opened { store, keys, identity: _, directory, view, writer, running } = opened;
        let (users, in_use) = mpsc::channel(1);
        let sampler = Sampler {
            metrics: metrics.clone(),
            endpoint: endpoint.clone(),
            store: store.clone(),
            directory: directory.clone(),
            watermark: watermark.clone(),
            clock: options.clock.clone(),
            started: Instant::now(),
            _user: users.clone(),
        };
        let desk = Desk::new(Standing {
            store,
            user: users.clone(),
            directory: directory.clone(),
            writer: writer.clone(),
            keys: keys.clone(),
            clock: options.clock.clone(),
            wake: hub.clone(),
            link: link.clone(),
            config: config.clone(),
            live: Some(Live { sampler: sampler.clone(), rules: rules.clone() }),
        });
        let service = Arc::new(Service {
            clock: options.clock,
            keys,
            directory,
            view,
            writer: writer.clone(),
            watermark: watermark.clone(),
            hub,
            metrics,
            rules,
            throttle: Throttle::new(config.throttle()),
            started: Instant::now(),
            _user: users,
        });
        let mut tasks = Tasks::new(&config, endpoint.clone());
        tasks.spawn(listener::accept(endpoint, config.clone(), service));
        tasks.spawn(housekeeping::keep(writer.clone(), watermark.clone(), sampler));
        tasks.spawn(hear_commands(commands, desk.clone()));
        tasks.spawn(serve_metrics(exporter));
        tracing::info!("listening");
        Ok(Self {
            address,
            link,
            desk,
            watermark,
            writer,
            running,
            in_use,
            tasks,
            socket,
            shutdown_max: Duration::from_millis(u64::from(config.shutdown_ms_max)),
        })
    }

    /// Where it listens; with port 0 in the settings, the port it was given.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What a client needs to reach it.
    pub fn link(&self) -> &RelayLink {
        &self.link
    }

    /// Carries an operator's commands out.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Does now what housekeeping does from time to time: for tests that moved the clock or the
    /// disk.
    pub async fn tick(&self) {
        self.watermark.poll();
        if let Err(refusal) = self.writer.sweep().await {
            tracing::warn!(code = refusal.code.name(), "sweep put off");
        }
    }

    /// Stops: no new connections, everything queued on disk and answered, connections closed with
    /// [`code::SHUTTING_DOWN`], store and socket closed, so that another may begin in their place.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`].
    pub async fn shutdown(self) -> Result<(), ShutdownError> {
        let Self { writer, running, mut in_use, tasks, socket, desk, shutdown_max, .. } = self;
        drop(desk);
        tracing::info!("shutting down");
        let stopping = async {
            tasks.stop_accepting();
            writer.stop().await;
            drop(writer);
            let ended = running.join().await;
            let endpoint = tasks.endpoint.clone();
            drop(tasks);
            // The word that the relay stops is sent at once; what follows only answers stragglers,
            // for three times a probe timeout (RFC 9000 §10.2). That is three seconds for a
            // handshake that stands still, and nine round trips for a client that was heard once.
            let _ =
                tokio::time::timeout(DRAIN_MAX.min(shutdown_max / 2), endpoint.wait_idle()).await;
            drop(endpoint);
            let _ = in_use.recv().await;
            socket.close().await;
            ended.map_err(|_| ShutdownError::WriterPanicked)
        };
        let stopped = tokio::time::timeout(shutdown_max, stopping).await;
        stopped.unwrap_or(Err(ShutdownError::TimedOut(shutdown_max)))
    }
}

/// Opens what the rate card fits: what does not is closed again before anybody connects.
fn open(
    config: &Config,
    options: &Options,
    rules: &Rules,
    wake: Arc<Hub>,
    metrics: Arc<Metrics>,
) -> Result<Opened, StartError> {
    let opened = opening::open(config, options, rules.rate_cards.clone(), wake, metrics)?;
    rules.check_currency(&opened.view)?;
    Ok(opened)
}

fn watermark(config: &Config, space: Option<Arc<dyn SpaceProbe>>) -> Watermark {
    let of_data = || Arc::new(FileSystemSpace::of(config.data_dir.clone())) as Arc<dyn SpaceProbe>;
    Watermark::new(space.unwrap_or_else(of_data), config.free_space_min_bytes)
}

fn local_address(endpoint: &Endpoint, config: &Config) -> Result<SocketAddr, ListenError> {
    let failed = |error| ListenError::Bind { address: config.listen, error };
    endpoint.local_addr().map_err(failed)
}

/// Where an operator's commands come in. A simulation has none.
fn commands(config: &Config, options: &Options) -> Result<Option<UnixListener>, SocketError> {
    match options.simulation {
        None => socket::bind(&config.data_dir).map(Some),
        Some(_) => Ok(None),
    }
}

async fn hear_commands(socket: Option<UnixListener>, desk: Desk) {
    if let Some(socket) = socket {
        socket::listen(socket, desk).await;
    }
}

/// Its errors are a scraper's own, and it ends with none of them.
async fn serve_metrics(exporter: Option<ExporterFuture>) {
    if let Some(exporter) = exporter {
        let _ = exporter.await;
    }
}

/// The link of a relay with these settings.
pub(crate) fn link(
    config: &Config,
    port: u16,
    identity: &Identity,
    keys: &Keys,
) -> Result<RelayLink, StartError> {
    let authority = Pin::of_authority(keys.authority());
    let link = RelayLink { host: host(config), port, relay: identity.pin(), authority };
    // A host that cannot be read back would make every link useless.
    match link.to_string().parse::<RelayLink>() {
        Ok(read) if read == link => Ok(link),
        _ => Err(StartError::PublicHost(config.public_host.clone())),
    }
}

fn host(config: &Config) -> String {
    if !config.public_host.is_empty() {
        return match config.public_host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => config.public_host.clone(),
        };
    }
    match config.listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) if address.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// What runs beside the connections; ended on drop.
#[derive(Debug)]
struct Tasks {
    socket: std::path::PathBuf,
    endpoint: Endpoint,
    spawned: Vec<JoinHandle<()>>,
}

impl Tasks {
    fn new(config: &Config, endpoint: Endpoint) -> Self {
        Self { socket: socket::path(&config.data_dir), endpoint, spawned: Vec::new() }
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawned.push(tokio::spawn(work));
    }

    /// Those who knock now are refused; those who are in stay.
    fn stop_accepting(&self) {
        self.endpoint.set_server_config(None);
        self.spawned.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop_accepting();
        self.endpoint.close(code::SHUTTING_DOWN, b"the relay is stopping; connect again later");
        // Where it stays behind, the next start removes it.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// How long a stopping relay answers stragglers: a lost word is said again for a second, and a client
/// that misses it learns by a stateless reset or by its own idle timeout.
const DRAIN_MAX: Duration = Duration::from_secs(1);
