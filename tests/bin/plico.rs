//! The command line as shipped, but for a probe that stops its agent at a named point, so that a
//! test can kill it there.
//!
//! `PLICO_STOP_AT=POINT:N` stops it the Nth time it is at POINT. `PLICO_CLOCK_DAYS=N` has it run N days later
//! than it is.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program under test that cannot do as it is told must not pass for one that did"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use plico_client::probe::{Point, Probe};
use plico_client::{Clock, SystemClock};
use plico_protocol::time::Timestamp;

fn main() -> ExitCode {
    let mut options = plico_cli::Options::default();
    if let Ok(at) = std::env::var("PLICO_STOP_AT") {
        let probe = StopAt::parse(&at).unwrap_or_else(|| panic!("PLICO_STOP_AT={at}"));
        options.client = options.client.probe(probe);
    }
    if let Ok(days) = std::env::var("PLICO_CLOCK_DAYS") {
        options.client = options.client.clock(Later(days.parse().expect("days")));
    }
    plico_cli::main_with(options)
}

/// So many days later than it is.
struct Later(u64);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0 * 86_400_000)
    }
}

/// Stops the agent, for good.
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
        use std::io::Write;
        // Its standard output belongs to whoever talks.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "stopped at {}", point.name()).expect("the test reads what we write");
        drop(stderr);
        loop {
            std::thread::park();
        }
    }
}
