//! `kill -9` of real processes: a relay alone at every named point of its commit path, and the three
//! programs together at every named point of each and at random moments.

mod applications;
mod frames;
mod programs;
pub(crate) mod trio;
