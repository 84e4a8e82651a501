//! Connections to relays: who is trusted, how frames travel, and coming back after a loss.
//!
//! Reading order: [`options`] (what the application chooses), [`network`] (a simulation's), [`tls`] (the pin), [`dial`] (one
//! QUIC connection), [`stream`] and [`streams`] (frames on it), [`mod@line`] (a connection that is kept up).
//!
//! A line knows nothing of conversations: it carries what it is asked and reports what came. Every
//! line has a UDP socket of its own, so an anonymous and a person's connection do not share a
//! port. What still links the two is the IP address and the time: a relay's operator can match
//! them by these, and hiding the address needs a proxy.

mod dial;
mod line;
mod network;
mod options;
mod stream;
mod streams;
mod tls;

pub use dial::ConnectError;
pub use network::Network;
pub use options::Options;

pub(crate) use line::{Ask, Line, LineEvent, LineId, Proving, Report, Token};
