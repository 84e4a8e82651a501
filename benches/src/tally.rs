//! What one pair did during a measured window.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Counts and latencies of a window of time.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Messages delivered.
    pub(crate) delivered: u64,
    /// From due to `Accepted`, in µs.
    pub(crate) accept: Histogram<u64>,
    /// From due to delivered, in µs.
    pub(crate) end_to_end: Histogram<u64>,
}

/// A tally that is written by a pair and taken at the ends of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Tally>>);

/// Some points of a distribution, in µs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// The time that all parts of a run measure by: µs since it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Instant);

impl Shared {
    /// A message was answered.
    pub(crate) fn accepted(&self, latency_us: u64) {
        self.with(|tally| tally.accept.saturating_record(latency_us));
    }

    /// A message arrived.
    pub(crate) fn delivered(&self, latency_us: u64) {
        self.with(|tally| {
            tally.delivered += 1;
            tally.end_to_end.saturating_record(latency_us);
        });
    }

    /// What happened since it was last taken.
    pub(crate) fn take(&self) -> Tally {
        self.with(core::mem::take)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally {
    /// Adds another pair's.
    pub(crate) fn add(mut self, other: &Self) -> Self {
        self.delivered += other.delivered;
        // Fails only between histograms of different bounds.
        let _ = self.accept.add(&other.accept);
        let _ = self.end_to_end.add(&other.end_to_end);
        self
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { delivered: 0, accept: histogram(), end_to_end: histogram() }
    }
}

impl Quantiles {
    /// Of a histogram in µs.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() }
    }
}

impl Watch {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// µs since the beginning.
    pub(crate) fn now_us(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long until `at_us`.
    pub(crate) fn until(self, at_us: u64) -> Duration {
        Duration::from_micros(at_us.saturating_sub(self.now_us()))
    }

    /// Records one that was due at `due_us` and is done now.
    pub(crate) fn since(self, due_us: u64) -> u64 {
        self.now_us().saturating_sub(due_us)
    }
}

/// Two significant digits: enough for a median of rounds, small enough for one of each pair.
#[expect(clippy::expect_used, reason = "the bounds are constants, which a test tries")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("bounds of a histogram")
}

/// Longer latencies count as this: no round lasts so long.
const LATENCY_US_MAX: u64 = 600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_add_up_and_are_taken_once() {
        let (one, other) = (Shared::default(), Shared::default());
        one.delivered(100);
        one.delivered(LATENCY_US_MAX + 1);
        other.delivered(300);
        other.accepted(50);
        let sum = one.take().add(&other.take());
        let quantiles = Quantiles::of(&sum.end_to_end);
        assert_eq!((sum.delivered, sum.accept.len(), quantiles.p50), (3, 1, 301));
        assert!(LATENCY_US_MAX <= quantiles.max);
        assert_eq!(one.take().delivered, 0);
    }
}
