//! What relays and endpoints of Plico share: the wire format and the statements both can check.
//!
//! This crate performs no I/O and reads neither a clock nor system randomness: the time and every
//! random value are arguments. It cannot name a session, a message key or content; those belong
//! to `plico-endpoint`, on which the relay does not depend. `SPEC.md` beside this crate is the
//! normative text; each module names its section.
//!
//! Modules in reading order: the numbers and names ([`limits`], [`id`], [`time`]), the codec
//! ([`wire`]), what travels ([`envelope`], [`frame`], [`refusal`]), and the statements that are
//! signed or MACed ([`signature`], [`certificate`], [`profile`], [`prekey`], [`prove`], [`commitment`],
//! [`ticket`], [`stamp`]), what a message costs ([`pricing`]) and what a business owes ([`ledger`]),
//! and the address a person scans ([`link`]).

pub mod limits;
#[macro_use]
pub mod wire;
pub mod id;
pub mod time;

pub mod envelope;
pub mod frame;
pub mod refusal;

pub mod certificate;
pub mod commitment;
pub mod mac;
pub mod prekey;
pub mod profile;
pub mod prove;
pub mod report;
pub mod reputation;
pub mod signature;
pub mod stamp;
pub mod ticket;

pub mod ledger;
pub mod pricing;

pub mod link;

mod armour;
