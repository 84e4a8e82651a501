//! SDK for people and businesses that talk through a Plico relay.

mod agent;
mod business;
mod clock;
mod connection;
mod message;
mod person;
mod random;
mod state;

pub use agent::Stopped;
pub use agent::journal::EventId;
pub use agent::outbox::MessageState;
pub use message::Message;
pub use person::Person;
