//! What tests share: relays inside the program and as processes, a client that speaks frames, people
//! and businesses as bare keys and as applications.

pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod relay;
pub(crate) mod sdk;
pub(crate) mod world;
