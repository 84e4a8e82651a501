//! What is fuzzed: for each target one function that takes any bytes and panics where a promise does
//! not hold. libFuzzer calls them (`examples/fuzz.rs`), and ordinary tests replay the committed corpus
//! and every vector through them (`tests/replay.rs`).
//!
//! | target | what its bytes are | what must hold |
//! |---|---|---|
//! | [`decode`] | which decoder, and what it reads | what decodes encodes to the same bytes; nothing is allocated beyond a small multiple of what came |
//! | [`handshake`](mod@handshake) | a changed first message, a session to begin, an attacker's keys or handshake | nothing but the honest begins a session; both ends agree |
//! | [`ratchet`](mod@ratchet) | sends, deliveries in any order, repeats, forgeries, restarts, backups | each message opens once and as it was sealed; what is refused changes no state |
//! | [`verify`](mod@verify) | a valid vector and changes to it; books that a relay with its key rewrites | no changed ticket, certificate, profile, prekey, receipt, rate card, report, proof or statement is believed |
//! | [`relay`](mod@relay) | frames of people and businesses on a relay in memory, time, crashes, full disks | accepted is delivered or ends by rule, in order; a refusal changes nothing on disk; balances and queues keep their bounds |
//!
//! Inputs are read by a cursor that runs out ([`input`]), so every input is valid and a longer one
//! does more.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in these functions is a finding"
)]

pub mod decode;
pub mod handshake;
pub mod ratchet;
pub mod relay;
pub mod verify;

pub mod input;
mod seeded;
mod vectors;

/// Something that is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its file in the corpus.
    pub name: &'static str,
    /// Takes any bytes.
    ///
    /// # Panics
    ///
    /// Where a promise does not hold.
    pub run: fn(&[u8]),
    /// What to begin from: made of the vectors, so that nothing is kept twice.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: [Target; 5] = [
    Target { name: "decode", run: decode::decode, seeds: decode::seeds },
    Target { name: "handshake", run: handshake::handshake, seeds: handshake::seeds },
    Target { name: "ratchet", run: ratchet::ratchet, seeds: ratchet::seeds },
    Target { name: "verify", run: verify::verify, seeds: verify::seeds },
    Target { name: "relay", run: relay::relay, seeds: relay::seeds },
];

impl Target {
    /// What the vectors do not lead to: `corpus/NAME.hex`.
    pub fn corpus(&self) -> Vec<Vec<u8>> {
        let path = format!("{}/corpus/{}.hex", env!("CARGO_MANIFEST_DIR"), self.name);
        let text = std::fs::read_to_string(path).unwrap();
        let inputs = text.lines().filter(|line| !line.starts_with('#'));
        inputs.map(|line| vectors::unhex(line).unwrap()).collect()
    }
}
