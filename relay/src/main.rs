//! The `plico-relay` program. Everything is in the library, so that tests can build the same
//! program around a probe of theirs.

use std::process::ExitCode;

fn main() -> ExitCode {
    plico_relay::cli::main_with(plico_relay::Options::default())
}
