//! `plico-load`: puts load on a relay and says what it took, what it cost, and how much that varied.
//!
//! ```text
//! cli → relay (spawns, certifies) → frames | sdk | idle | abuse (one round each) → report (median, spread)
//!        process (CPU, memory)       pair, pace, tally, wire, flood        machine
//! ```
//!
//! A round that lost, repeated or refused anything is no measurement: it ends the run with an
//! error. Latencies count from the moment a message was due, not from when it could be sent, so
//! that a relay that stalls does not hide its stall (coordinated omission).

mod cli;
mod failure;

mod machine;
mod process;
mod relay;

mod pace;
mod pair;
mod tally;
mod wire;

mod abuse;
mod flood;
mod frames;
mod idle;
mod metering;
mod sdk;
mod served;

mod report;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

/// As the relay's program has it, because a relay runs in this one too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody reads standard error: nothing is left to do about it.
            let _ = writeln!(std::io::stderr(), "plico-load: {failure}");
            ExitCode::FAILURE
        }
    }
}
