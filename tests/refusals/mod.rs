//! Bad input of every kind, each with its typed refusal and nothing else affected.

mod certificates;
mod connections;
mod delivery;
mod frames;
mod profiles;
mod reports;
mod submissions;
mod tickets;
mod transport;
