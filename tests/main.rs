//! Everything tested across crates, in one program, in reading order.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world, or sees another than it expects, stops there"
)]

mod harness;

mod backup;
mod consent;
mod conversation;
mod crash;
mod dues;
mod full_disk;
mod leak;
mod ledger;
mod limits;
mod lost;
mod operator;
mod prices;
mod pricing;
mod profile;
mod programs;
mod refusals;
mod renewal;
mod restore;
mod simulation;
mod structure;
mod trust;
