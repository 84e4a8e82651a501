//! Rules as pure functions of facts and limits: the caller gathers the facts, passes the time in
//! and carries the decision out.

pub mod admission;
pub mod consent;
pub(crate) mod dues;
pub mod limit;
pub mod rate_card;
pub mod reach;
pub mod reputation;
pub mod throttle;
pub mod zones;
