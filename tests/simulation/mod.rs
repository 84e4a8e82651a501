//! People, a business and a relay in one process from one seed, and the judge of what happened.

mod checker;
mod history;
mod print;
mod recorder;
