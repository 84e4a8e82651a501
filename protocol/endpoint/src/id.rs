//! Names that only endpoints know. `Debug` shows the type alone.

use plico_protocol::opaque_bytes;

opaque_bytes!(
    /// SID: names a session between its two ends. The relay never sees it.
    SessionId,
    32
);
opaque_bytes!(
    /// Names a handshake for the memory of those seen. The responder keeps it at least as long as
    /// the private halves it was made with, and refuses a repeat: without a one-time key nothing
    /// else would stop a recorded first message from opening again (PQXDH §4.2).
    ReplayId,
    32
);
opaque_bytes!(
    /// Names one piece of content; random, and kept when it is sent again.
    ContentId,
    16
);

impl ContentId {
    /// A fresh id.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut id = [0; Self::BYTES];
        rng.fill_bytes(&mut id);
        Self(id)
    }
}
