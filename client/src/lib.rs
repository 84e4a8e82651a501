//! SDK for people and businesses that talk through a Plico relay.

pub mod clock;
pub mod connection;
mod random;
pub mod state;
