//! What a deterministic simulation puts in the machine's place. Production binaries bring none, and
//! no setting does.

mod inside;

pub use inside::{Inside, InsideError, Line, Parts, Stream};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn::AsyncUdpSocket;

/// Without a UDP socket, a thread or a socket for commands of its own, a relay on a runtime whose
/// clock is paused does the same at every run.
#[derive(Clone)]
pub struct Simulation {
    /// Carries datagrams, in place of a UDP socket on `listen`.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// What quinn draws from: packet numbers to skip, paddings.
    pub seed: [u8; 32],
    /// How long the writer, here a task, gathers requests for a commit: the duration of a sync.
    pub sync: Duration,
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { socket: _, seed: _, sync } = self;
        f.debug_struct("Simulation").field("sync", sync).finish_non_exhaustive()
    }
}
