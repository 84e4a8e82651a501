//! SDK for people and businesses that talk through a Plico relay.

pub mod clock;
mod random;
pub mod state;
