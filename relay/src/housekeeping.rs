//! What a relay does without being asked: it ends what is past its hour and watches its disk.
//!
//! Real time only says how often to look; what is past its hour, the injected clock says.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::metrics::Sampler;
use crate::space::Watermark;
use crate::writer::Writer;

/// Looks after things for as long as it is polled.
pub(crate) async fn keep(writer: Writer, watermark: Watermark, sampler: Sampler) {
    let mut sweep = every(SWEEP);
    let mut poll = every(POLL);
    loop {
        tokio::select! {
            biased;
            _ = poll.tick() => {
                watermark.poll();
                sampler.sample();
            }
            _ = sweep.tick() => {
                if let Err(refusal) = writer.sweep().await {
                    tracing::warn!(code = refusal.code.name(), "sweep put off");
                }
            }
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// A sweep with nothing to do writes nothing. Expiry is exact to the hour without it: what is past
/// its hour is not delivered, swept or not.
const SWEEP: Duration = Duration::from_secs(60);
/// Rarer, and a full disk would be met by the writer first.
const POLL: Duration = Duration::from_secs(2);
