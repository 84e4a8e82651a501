//! A level that only rises, and those who wait for it. A `watch` channel of tokio wakes them in an
//! order it draws itself; this one wakes them in the order they came.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Begins at 0.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    level: AtomicU8,
    risen: Notify,
}

impl Signal {
    pub(crate) fn level(&self) -> u8 {
        self.level.load(Ordering::Relaxed)
    }

    pub(crate) fn raise(&self, level: u8) {
        self.level.store(level, Ordering::Relaxed);
        self.risen.notify_waiters();
    }

    /// Waits until it is at this level or above.
    pub(crate) async fn reached(&self, level: u8) {
        loop {
            let risen = self.risen.notified();
            if level <= self.level() {
                return;
            }
            risen.await;
        }
    }
}
