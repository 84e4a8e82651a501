//! Delivery: who listens ([`hub`]), what is in flight ([`channels`]), what
//! was handed out and must be paid for ([`offers`]), and the session that pushes
//! envelopes and takes acknowledgements ([`session`]).

mod channels;
pub(crate) mod hub;
mod offers;
mod session;

pub(crate) use session::deliver;
