//! What a deterministic simulation puts in the place of UDP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::AsyncUdpSocket;

/// A network inside the program. On a runtime whose clock is paused, a client in it does the same at
/// every run, but for its keys.
pub trait Network: Send + Sync + 'static {
    /// A socket of its own, in place of one bound to `local`.
    ///
    /// # Errors
    ///
    /// What an operating system would say.
    fn socket(&self, local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// What the next connection draws from: packet numbers to skip, paddings, delays before it is
    /// tried again.
    fn seed(&self) -> [u8; 32];
}
