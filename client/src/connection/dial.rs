//! One QUIC connection to the relay of a link, from a socket of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plico_protocol::limits;
use plico_protocol::link::RelayLink;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint, EndpointConfig, TokenStore, TransportConfig, VarInt};
use tokio::time::timeout;

use super::options::Options;
use super::tls::{self, PinnedKey};

/// Why there is no connection to a relay. Except for what only the application can change, the
/// client goes on trying.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Another key answered: another relay, or someone between.
    #[error(
        "another server answered than the link names; get the link again from who gave it to you"
    )]
    WrongPin,
    /// The relay has only key exchanges that a quantum computer breaks.
    #[error(
        "the relay's encryption is too old to be safe from quantum computers; its operator must update it"
    )]
    ClassicalOnly,
    /// Something answers there that does not speak this protocol.
    #[error("what answers at this address is no Plico relay; check the link")]
    NotPlico,
    /// The host name has no usable address.
    #[error("no address was found for the relay's name; check the link and this device's network")]
    Unresolved,
    /// Nothing answers.
    #[error("the relay does not answer; check the network, connecting goes on meanwhile")]
    Unreachable,
    /// The relay has as many connections as it may.
    #[error("the relay has no room for more connections; it is tried again soon")]
    Full,
    /// The relay is stopping.
    #[error("the relay is stopping or restarting; it is tried again soon")]
    ShuttingDown,
    /// The relay's TLS gives no exporter value, so nobody can prove a key to it.
    #[error(
        "the relay cannot check who connects, because its software is faulty; tell its operator"
    )]
    NoExporter,
    /// A connection ended, or a request was not answered in time.
    #[error("the connection to the relay was lost; connecting goes on")]
    Lost,
    /// This machine gave no socket.
    #[error("this device allows no network connection ({0}); check its settings")]
    Socket(String),
}

/// Dials one relay, always from the same socket.
pub(super) struct Dialer {
    relay: RelayLink,
    options: Options,
    endpoint: Option<Endpoint>,
}

impl Dialer {
    pub(super) fn new(relay: RelayLink, options: Options) -> Self {
        Self { relay, options, endpoint: None }
    }

    /// Connects to the first address that answers as it should.
    pub(super) async fn dial(&mut self) -> Result<quinn::Connection, ConnectError> {
        let host = self.relay.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let found = tokio::net::lookup_host((host.as_str(), self.relay.port)).await;
        let addresses: Vec<SocketAddr> = found
            .map_err(|_| ConnectError::Unresolved)?
            .filter(|address| self.options.bind.is_none_or(|b| b.is_ipv4() == address.is_ipv4()))
            .collect();
        let mut failure = ConnectError::Unresolved;
        for address in addresses {
            match self.dial_address(address, &host).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Moves to a new socket, for a network that changed: the old one may be bound to an address
    /// that is gone, and without this nothing arrives until the idle timeout (quinn #1160).
    pub(super) fn rebind(&self) {
        let Some(endpoint) = &self.endpoint else { return };
        let Ok(local) = endpoint.local_addr() else { return };
        let local = self.local(local);
        let rebound = match &self.options.network {
            None => UdpSocket::bind(local).and_then(|socket| endpoint.rebind(socket)),
            Some(network) => {
                network.socket(local).and_then(|socket| endpoint.rebind_abstract(socket))
            }
        };
        if let Err(error) = rebound {
            tracing::debug!(%error, "the socket could not be replaced");
        }
    }

    /// What delays between attempts are drawn from; none is anything.
    pub(super) fn seed(&self) -> Option<u64> {
        let network = self.options.network.as_ref()?;
        network.seed().first_chunk().copied().map(u64::from_be_bytes)
    }

    /// Tells the relay that no more comes, and waits until that left.
    pub(super) async fn close(&self) {
        let Some(endpoint) = &self.endpoint else { return };
        endpoint.close(DONE, b"");
        let _ = timeout(CLOSE_TIMEOUT, endpoint.wait_idle()).await;
    }

    async fn dial_address(
        &mut self,
        address: SocketAddr,
        host: &str,
    ) -> Result<quinn::Connection, ConnectError> {
        let verifier = Arc::new(PinnedKey::new(self.relay.relay));
        let config = config(Arc::clone(&verifier), self.options.allow_classical)?;
        let endpoint = self.endpoint(address)?;
        let connecting = endpoint
            .connect_with(config, address, host)
            .map_err(|error| ConnectError::Socket(error.to_string()))?;
        match timeout(HANDSHAKE_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(_)) if verifier.saw_other() => Err(ConnectError::WrongPin),
            Ok(Err(error)) => Err(reason(&error)),
            Err(_) => Err(ConnectError::Unreachable),
        }
    }

    fn endpoint(&mut self, to: SocketAddr) -> Result<Endpoint, ConnectError> {
        let fits = |endpoint: &Endpoint| {
            endpoint.local_addr().is_ok_and(|local| local.is_ipv4() == to.is_ipv4())
        };
        if let Some(endpoint) = self.endpoint.as_ref().filter(|endpoint| fits(endpoint)) {
            return Ok(endpoint.clone());
        }
        let endpoint =
            self.open(self.local(to)).map_err(|error| ConnectError::Socket(error.to_string()))?;
        self.endpoint = Some(endpoint.clone());
        Ok(endpoint)
    }

    /// An endpoint that knows QUIC version 1 alone.
    fn open(&self, local: SocketAddr) -> io::Result<Endpoint> {
        let runtime =
            quinn::default_runtime().ok_or_else(|| io::Error::other("no tokio runtime"))?;
        let mut config = EndpointConfig::default();
        config.supported_versions(vec![QUIC_V1]);
        let Some(network) = &self.options.network else {
            return Endpoint::new(config, None, UdpSocket::bind(local)?, runtime);
        };
        config.rng_seed(Some(network.seed()));
        Endpoint::new_with_abstract_socket(config, None, network.socket(local)?, runtime)
    }

    /// The local address for a peer of this family.
    fn local(&self, to: SocketAddr) -> SocketAddr {
        let any = if to.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        SocketAddr::new(self.options.bind.unwrap_or(any), 0)
    }
}

/// What the end of a connection means.
pub(super) fn reason(error: &ConnectionError) -> ConnectError {
    let crypto = |alert: u8| quinn::TransportErrorCode::crypto(alert);
    let code = match error {
        ConnectionError::TransportError(error) => error.code,
        ConnectionError::ConnectionClosed(close) => close.error_code,
        ConnectionError::ApplicationClosed(close) if close.error_code == SHUTTING_DOWN => {
            return ConnectError::ShuttingDown;
        }
        ConnectionError::ApplicationClosed(close) if close.error_code == NO_EXPORTER => {
            return ConnectError::NoExporter;
        }
        ConnectionError::TimedOut => return ConnectError::Unreachable,
        _ => return ConnectError::Lost,
    };
    match code {
        // We offer one key exchange, so a peer that finds none in common lacks it.
        code if code == crypto(ALERT_HANDSHAKE_FAILURE) => ConnectError::ClassicalOnly,
        code if code == crypto(ALERT_NO_APPLICATION_PROTOCOL) => ConnectError::NotPlico,
        // RFC 9000 §20.1: how a relay without room refuses, before a connection costs it anything.
        quinn::TransportErrorCode::CONNECTION_REFUSED => ConnectError::Full,
        _ => ConnectError::Lost,
    }
}

fn config(
    verifier: Arc<PinnedKey>,
    allow_classical: bool,
) -> Result<quinn::ClientConfig, ConnectError> {
    let unusable = |_| ConnectError::Socket("the TLS provider lacks TLS 1.3".to_owned());
    let tls = tls::config(verifier, allow_classical).map_err(unusable)?;
    let crypto =
        QuicClientConfig::try_from(tls).map_err(|error| ConnectError::Socket(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    config.token_store(Arc::new(NoTokens));
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(VarInt::from_u32(limits::IDLE_MS_MAX).into()))
        .keep_alive_interval(Some(Duration::from_millis(limits::KEEP_ALIVE_MS)))
        .stream_receive_window(VarInt::from_u32(limits::STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(limits::CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(limits::CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .allow_spin(false);
    transport
}

/// Keeps no tokens: a relay that gets one back knows that two connections are one client's.
struct NoTokens;

impl TokenStore for NoTokens {
    fn insert(&self, _server_name: &str, _token: Bytes) {}

    fn take(&self, _server_name: &str) -> Option<Bytes> {
        None
    }
}

/// SPEC.md §3; a later version is another protocol to us.
const QUIC_V1: u32 = 1;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Connection close codes of SPEC.md §3.
const DONE: VarInt = VarInt::from_u32(0);
const SHUTTING_DOWN: VarInt = VarInt::from_u32(1);
const NO_EXPORTER: VarInt = VarInt::from_u32(3);
/// TLS alerts (RFC 8446 §6.2, RFC 7301 §3.2).
const ALERT_HANDSHAKE_FAILURE: u8 = 40;
const ALERT_NO_APPLICATION_PROTOCOL: u8 = 120;

#[cfg(test)]
mod tests;
