//! The UDP socket, and who is let in. It sees addresses, decides with them, and forgets them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use plico_protocol::link::Pin as KeyPin;
use plico_protocol::time::Timestamp;
use quinn::{AsyncTimer, AsyncUdpSocket, Endpoint, Incoming, Runtime, TokioRuntime};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::connection;
use crate::policy::admission::{Admission, AdmissionLimits, Arrival, Decision};
use crate::policy::throttle::Present;
use crate::reset;
use crate::service::Service;
use crate::simulation::Simulation;
use crate::tls::{self, Identity, TlsError};

/// Why the relay does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not this machine's, or not allowed.
    #[error(
        "cannot listen on UDP {address}: {error}; stop what listens there, or set `listen` to \
         another address or port"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// The transport cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The endpoint, and its socket's life.
pub(crate) struct Bound {
    pub(crate) endpoint: Endpoint,
    pub(crate) socket: SocketWatch,
}

/// Closes the socket. quinn's own tasks hold it, and by themselves let go some time after the last
/// endpoint and connection are gone; until then its port is taken.
#[derive(Debug)]
pub(crate) struct SocketWatch {
    socket: Weak<dyn AsyncUdpSocket>,
    end: watch::Sender<bool>,
}

/// Runs quinn's tasks on tokio until they are told to end.
#[derive(Debug)]
struct EndingRuntime {
    end: watch::Receiver<bool>,
}

/// Binds the socket, or takes a simulation's.
pub(crate) fn bind(
    config: &Config,
    identity: &Identity,
    simulation: Option<&Simulation>,
) -> Result<Bound, ListenError> {
    let server = tls::server_config(identity, config.allow_classical, connections_max(config))?;
    let mut endpoint = reset::endpoint_config(identity);
    endpoint.rng_seed(simulation.map(|simulation| simulation.seed));
    let bind = || {
        let (end, ending) = watch::channel(false);
        let runtime = Arc::new(EndingRuntime { end: ending });
        let socket = match simulation {
            None => open(config.listen).and_then(|socket| runtime.wrap_udp_socket(socket))?,
            Some(simulation) => simulation.socket.clone(),
        };
        let watch = SocketWatch { socket: Arc::downgrade(&socket), end };
        let endpoint = Endpoint::new_with_abstract_socket(endpoint, Some(server), socket, runtime)?;
        Ok(Bound { endpoint, socket: watch })
    };
    bind().map_err(|error| ListenError::Bind { address: config.listen, error })
}

fn open(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(listen)?;
    enlarge_buffers(&socket);
    Ok(socket)
}

impl SocketWatch {
    /// Ends quinn's tasks and waits until the socket is closed; the caller has closed the endpoint,
    /// given its last packets some time, and bounds the wait.
    pub(crate) async fn close(self) {
        self.end.send_replace(true);
        while 0 < self.socket.strong_count() {
            tokio::task::yield_now().await;
        }
    }
}

impl Runtime for EndingRuntime {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut end = self.end.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                // A relay that is dropped instead of shut down leaves quinn to end by itself.
                Ok(_) = end.wait_for(|end| *end) => (),
                () = task => (),
            }
        });
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> std::time::Instant {
        TokioRuntime.now()
    }
}

/// Reads the TLS key and certificate again: connections from now on get them, those there are go
/// on. The key must be the one that links pin. On an error everything stays as it is.
///
/// # Errors
///
/// What is wrong, and what to do about it.
pub(crate) fn reload(
    endpoint: &Endpoint,
    config: &Config,
    pin: &KeyPin,
) -> Result<(), ReloadError> {
    let identity = Identity::open(&config.keys_dir)?.with_certificate(&config.tls_certificate)?;
    if identity.pin() != *pin {
        return Err(ReloadError::OtherKey);
    }
    let server = tls::server_config(&identity, config.allow_classical, connections_max(config))?;
    endpoint.set_server_config(Some(server));
    tracing::info!("TLS certificate read again");
    Ok(())
}

/// Why the TLS identity stays as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// Key or certificate.
    #[error("{0}; the relay goes on with what it has")]
    Tls(#[from] TlsError),
    /// The key is another.
    #[error(
        "tls.key is another key than the one that links pin, and clients would refuse this relay; \
         it goes on with the old one: put that back, or restart the relay if you mean to end \
         every link there is"
    )]
    OtherKey,
}

/// Lets connections in until the endpoint is closed.
pub(crate) async fn accept(endpoint: Endpoint, config: Config, service: Arc<Service>) {
    let mut admission = Admission::new(AdmissionLimits {
        connections_max: connections_max(&config),
        handshaking_before_retry: HANDSHAKING_BEFORE_RETRY,
        per_minute_per_prefix: config.handshakes_per_minute_per_prefix,
    });
    let handshaking = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    while let Some(incoming) = endpoint.accept().await {
        let arrival = Arrival {
            from: incoming.remote_address().ip(),
            validated: !incoming.may_retry(),
            open: endpoint.open_connections(),
            handshaking: handshaking.load(Ordering::Relaxed),
        };
        // Allowances run on elapsed time: a clock that is set must neither open nor close the door.
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match admission.decide(&arrival, Timestamp(elapsed_ms)) {
            Decision::Accept => {
                let prefix = service.throttle.prefix(arrival.from);
                let Some(present) = service.throttle.enter(prefix) else {
                    refuse(incoming, &arrival, &service);
                    continue;
                };
                let place = Handshaking::begin(&handshaking);
                tokio::spawn(Box::pin(handshake(incoming, place, present, service.clone())));
            }
            Decision::Retry => {
                service.metrics.retried.increment(1);
                // Fails only for validated arrivals, which are never asked.
                let _ = incoming.retry();
            }
            Decision::Refuse => refuse(incoming, &arrival, &service),
        }
    }
}

fn refuse(incoming: Incoming, arrival: &Arrival, service: &Service) {
    service.metrics.turned_away.increment(1);
    tracing::debug!(connections = arrival.open, "connection refused");
    incoming.refuse();
}

async fn handshake(
    incoming: Incoming,
    place: Handshaking,
    present: Present,
    service: Arc<Service>,
) {
    let Ok(connecting) = incoming.accept() else { return };
    let connected = tokio::time::timeout(HANDSHAKE_MAX, connecting).await;
    drop(place);
    match connected {
        Ok(Ok(connection)) => {
            service.metrics.completed.increment(1);
            connection::serve(connection, service, present).await;
        }
        // Why is between the client and its network; the reason could name either.
        Ok(Err(_)) | Err(_) => {
            service.metrics.failed.increment(1);
            tracing::debug!("handshake failed");
        }
    }
}

/// Counts an unfinished handshake while it lives.
struct Handshaking(Arc<AtomicUsize>);

impl Handshaking {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Handshaking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bursts wait in the kernel while this process writes a batch. The kernel may grant less
/// (`net.core.rmem_max`), which costs retransmissions and nothing else.
fn enlarge_buffers(socket: &UdpSocket) {
    use rustix::net::sockopt;
    let received = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER_BYTES);
    let sent = sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER_BYTES);
    if received.and(sent).is_err() {
        tracing::debug!(bytes = SOCKET_BUFFER_BYTES, "socket buffers stay as they are");
    }
}

fn connections_max(config: &Config) -> usize {
    usize::try_from(config.connections_max).unwrap_or(usize::MAX)
}

const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Two hundred handshakes are about half a second of one core.
const HANDSHAKING_BEFORE_RETRY: usize = 200;
/// For a handshake: several losses on a slow network, and not a connection slot for a minute.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
