//! The `plico-relay` program. Everything is in the library, so that tests can build the same
//! program around a probe of theirs.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A message is some hundred allocations, many of them freed by another thread than took them,
/// which glibc's allocator answers with locks and system calls.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[cfg(feature = "unmetered")]
compile_error!("a relay that charges nothing is for benches/README.md, and never a program");

fn main() -> ExitCode {
    plico_relay::cli::main_with(plico_relay::Options::default())
}
