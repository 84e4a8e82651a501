//! The relay from outside: over the network, by its operator's commands, as a process.

mod common;
mod exchange;
mod operator;
mod streams;
