//! The commit path over whole stores: what is kept, what is told, what is left on disk.

mod failure;
mod forensics;
mod leak;
mod ledger;
mod model;
mod retention;
mod sweep;
mod thread;
