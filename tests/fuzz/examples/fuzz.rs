//! libFuzzer, on the target that the environment variable `TARGET` names.

#![no_main]

use std::alloc::System;
use std::sync::LazyLock;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use plico_fuzz::{TARGETS, Target};

/// Ends the process where a decoder allocates more than it may.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| {
        eprintln!("TARGET must be one of {:?}", TARGETS.map(|target| target.name));
        std::process::exit(2)
    })
});

fuzz_target!(|input: &[u8]| {
    if TARGET.name == "decode" {
        let allowed = ALLOCATOR.allocated() + BYTES_PER_BYTE * input.len() + BYTES_BESIDE;
        // Within what the process may take at all, so this cannot fail.
        let _ = ALLOCATOR.set_limit(allowed);
    }
    (TARGET.run)(input);
    let _ = ALLOCATOR.set_limit(usize::MAX);
});

/// A decoder takes a small multiple of what it reads, and the check of it as much again.
const BYTES_PER_BYTE: usize = 64;
/// Of errors, tables of settings and the like.
const BYTES_BESIDE: usize = 256 * 1024;
