//! What an application may choose about connections and time.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use plico_protocol::pricing::Millionths;

use super::network::Network;
use crate::clock::{Clock, SystemClock};
use crate::probe::{NoProbe, Probe};

/// How a client connects and which clock it reads. The default is right for everyone but tests.
#[derive(Clone)]
pub struct Options {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) allow_classical: bool,
    pub(crate) network: Option<Arc<dyn Network>>,
    pub(crate) price_max: Millionths,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            probe: Arc::new(NoProbe),
            bind: None,
            allow_classical: false,
            network: None,
            price_max: Millionths::ZERO,
        }
    }
}

impl Options {
    /// Reads this clock.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Tells of every named point of the agent's work: for tests that crash it there.
    #[must_use]
    pub fn probe(self, probe: impl Probe) -> Self {
        Self { probe: Arc::new(probe), ..self }
    }

    /// Sends through this network instead of UDP: for simulations.
    #[must_use]
    pub fn network(self, network: impl Network) -> Self {
        Self { network: Some(Arc::new(network)), ..self }
    }

    /// Sends from this local address.
    #[must_use]
    pub fn bind(self, address: IpAddr) -> Self {
        Self { bind: Some(address), ..self }
    }

    /// A business's: the most that one message may cost, in the relay's currency. Without it only what
    /// is free goes out, and the rest is refused `over_price_limit`.
    #[must_use]
    pub fn price_max(self, price_max: Millionths) -> Self {
        Self { price_max, ..self }
    }

    /// Accepts relays whose key exchange a quantum computer would break. What an observer records
    /// of such a connection may be read later: which mailboxes it proved, not content.
    #[must_use]
    pub fn dangerous_allow_classical(self) -> Self {
        Self { allow_classical: true, ..self }
    }

    /// Opens a state on a thread that may block: Argon2id takes some tenths of a second. In a
    /// simulation, where the thread's pace would choose who goes first, it is done at once.
    pub(crate) async fn aside<T: Send + 'static, E: From<io::Error> + Send + 'static>(
        &self,
        open: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        if self.network.is_some() {
            return open();
        }
        let opened = tokio::task::spawn_blocking(open).await;
        opened.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

impl core::fmt::Debug for Options {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { clock: _, probe: _, bind: _, allow_classical, network: _, price_max } = self;
        write!(f, "Options(allow_classical: {allow_classical}, price_max: {price_max})")
    }
}
