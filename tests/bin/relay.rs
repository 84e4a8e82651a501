//! The relay as shipped, but for a probe that stops the process at a named point of the commit
//! path, so that a test can kill it there.
//!
//! `PLICO_STOP_AT=POINT:N` stops the writer the Nth time it is at POINT. `PLICO_CLOCK_DAYS=N` has it run N days
//! later than it is.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program under test that cannot do as it is told must not pass for one that did"
)]

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plico_protocol::time::Timestamp;
use plico_relay::Options;
use plico_relay::clock::{Clock, SystemClock};
use plico_relay::writer::{NoProbe, Point, Probe};

fn main() -> ExitCode {
    let probe: Arc<dyn Probe> = match std::env::var("PLICO_STOP_AT") {
        Ok(at) => Arc::new(StopAt::parse(&at).unwrap_or_else(|| panic!("PLICO_STOP_AT={at}"))),
        Err(_) => Arc::new(NoProbe),
    };
    let options = Options { probe, ..Options::default() };
    plico_relay::cli::main_with(match std::env::var("PLICO_CLOCK_DAYS") {
        Ok(days) => Options { clock: Arc::new(Later(days.parse().expect("days"))), ..options },
        Err(_) => options,
    })
}

/// So many days later than it is.
struct Later(u64);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0 * 86_400_000)
    }
}

/// Stops the thread that commits, for good.
struct StopAt {
    point: Point,
    left: AtomicU32,
}

impl StopAt {
    fn parse(at: &str) -> Option<Self> {
        let (point, nth) = at.split_once(':')?;
        let left = AtomicU32::new(nth.parse().ok()?);
        Some(Self { point: Point::from_name(point)?, left })
    }
}

impl Probe for StopAt {
    fn reached(&self, point: Point) {
        if point != self.point || self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "stopped at {}", point.name()).expect("the test reads what we print");
        stdout.flush().expect("the test reads what we print");
        loop {
            std::thread::park();
        }
    }
}
