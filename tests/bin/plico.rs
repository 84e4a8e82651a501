//! The command line as shipped, built before the tests that drive it.

use std::process::ExitCode;

fn main() -> ExitCode {
    plico_cli::main_with(plico_cli::Options::default())
}
