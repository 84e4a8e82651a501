//! The Plico relay: it stores sealed envelopes before it acknowledges them and forwards them over
//! QUIC, knowing enough to deliver and no more.
//!
//! The stages of a request, which are also the modules in reading order:
//!
//! ```text
//! cli → config, keys → listener (accept) → connection (frames) → service (one function a request)
//!     → writer (the one commit path) → decide (pure) → rows → store → delivery (push, acknowledge)
//! ```
//!
//! [`Relay::start`] runs one inside another program, several if need be; `plico-relay` is
//! [`cli::main_with`] and nothing else.
//!
//! What this crate must not know: it does not depend on `plico-endpoint` and so cannot name a
//! session, a message key or content. Nothing here writes an address, an account, a ticket or an
//! IP to disk, logs or errors.

pub mod cli;
pub mod config;
pub mod metrics;
pub mod telemetry;

mod opening;
mod random;
mod relay;
mod rules;

pub mod clock;
pub mod keys;
pub mod tls;

mod listener;
pub mod policy;
mod reset;

mod connection;
mod service;

mod decide;
pub mod directory;
mod ledger;
pub mod request;
pub mod rows;
pub mod store;
pub mod writer;

mod delivery;

pub mod admin;
mod backup;
mod housekeeping;
pub mod simulation;
pub mod space;

pub use connection::code;
pub use listener::ListenError;
pub use opening::{OpeningError, Options};
pub use relay::{Relay, ShutdownError, StartError};
pub use rules::{Current, RulesError};
