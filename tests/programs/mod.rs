//! The programs that people and businesses run, as processes: in a terminal, and from scripts.

mod billing;
mod business;
mod chat;
mod output;
mod places;
mod scripts;
mod sealed;
pub(crate) mod shop;
mod terminal;
mod unreached;
