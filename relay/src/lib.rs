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
//! What this crate must not know: it does not depend on `plico-endpoint` and so cannot name a
//! session, a message key or content. Nothing here writes an address, an account, a ticket or an
//! IP to disk, logs or errors.
