//! `kill -9` of a real relay process at every named point of its commit path.

mod applications;
mod frames;
