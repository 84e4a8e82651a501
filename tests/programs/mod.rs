//! The programs that people and businesses run, as processes.

mod business;
mod shop;
