//! The committed corpus and what is made of the vectors, through the functions that are fuzzed.

#![cfg(test)]

use plico_fuzz::{TARGETS, Target};

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).unwrap()
}

/// Names the input that fails.
fn replay(name: &str) {
    let target = target(name);
    let (seeds, corpus) = ((target.seeds)(), target.corpus());
    assert!(!seeds.is_empty() && !corpus.is_empty());
    let inputs = seeds.iter().map(|input| ("vectors", input));
    for (of, input) in inputs.chain(corpus.iter().map(|input| ("corpus", input))) {
        let outcome = std::panic::catch_unwind(|| (target.run)(input));
        let hex = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(outcome.is_ok(), "{name} fails on this of the {of}: {}", hex());
    }
}

#[test]
fn decoders_replay() {
    replay("decode");
}

#[test]
fn handshakes_replay() {
    replay("handshake");
}

#[test]
fn ratchets_replay() {
    replay("ratchet");
}

#[test]
fn verifications_replay() {
    replay("verify");
}

#[test]
fn relays_replay() {
    replay("relay");
}
