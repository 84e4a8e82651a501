//! What tests share: relays inside the program and as processes, a client that speaks frames, and
//! people and businesses as bare keys.

pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod relay;
pub(crate) mod world;
