//! What an operator does to a relay, running or not: certificates in, certificates out.
//!
//! The [`Desk`] carries commands out; a running relay hears them on a Unix socket in its data
//! directory ([`socket`]), and where none runs, a command opens the directory itself. No command
//! reads anything about people.

pub mod command;
mod desk;
pub mod issue;
pub mod ledger;
pub mod socket;

pub use desk::Desk;
pub(crate) use desk::{Live, Standing};
