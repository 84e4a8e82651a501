//! The relay from outside: over the network, by its operator's commands, as a process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world, or sees another than it expects, stops there"
)]

mod common;
mod exchange;
mod operator;
mod streams;
