//! Delivery: who listens ([`hub`]), what is in flight ([`channels`]), and the session that pushes
//! envelopes and takes acknowledgements ([`session`]).

mod channels;
pub(crate) mod hub;
mod session;

pub(crate) use session::deliver;
