//! The one door to real time. Everything else is given a [`Timestamp`].

use std::time::{SystemTime, UNIX_EPOCH};

use plico_protocol::time::Timestamp;

/// Says what time it is. Production binaries have [`SystemClock`] and no other; simulations and
/// tests bring clocks of their own.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 counts as 1970: tickets and submissions are then refused, not misread.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
