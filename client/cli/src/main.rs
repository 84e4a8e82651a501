//! The `plico` program. Everything is in the library, so that tests can build the same program
//! around a clock and an address of theirs.

use std::process::ExitCode;

fn main() -> ExitCode {
    plico_cli::main_with(plico_cli::Options::default())
}
