//! The one commit path: every change of state goes through one thread.
//!
//! The thread takes what queued while the last sync ran (natural group commit, no timer), has
//! each request decided with the ones before it already seen, applies all of it as one atomic
//! transaction, syncs once, and then wakes subscribers and answers all. [`Core`] is the path
//! without the thread, for simulations.
//!
//! A failed sync is fatal: nobody is answered and the process ends, because what the medium holds
//! is no longer known (after a failed fsync a second one may succeed without having written
//! anything). The next start makes durable anew whatever it finds of the batch. A full disk is no
//! such failure: the batch is refused as `storage_full`, and the store is opened again in process
//! once there is room, connections kept, with the same care. A client repeats its submission under
//! the same id and is answered once. Nor is a failure of the store's background work, if opening
//! it again, once, mends it.

mod commit;
#[cfg(test)]
pub(crate) mod fixture;
mod probe;
mod receipts;
mod task;
#[cfg(test)]
mod tests;
mod thread;
mod wake;

pub use commit::{Core, CoreError, Fatal, Setup, Swept};
pub use probe::{NoProbe, Point, Probe};
pub use thread::{OnFatal, Pending, Running, Writer, exit_process};
pub(crate) use thread::{start, start_task};
pub use wake::{Event, NoWake, Wake};

pub use crate::decide::Limits;
