//! The one source of randomness: the operating system's generator.

use getrandom::SysRng;
use getrandom::rand_core::{Rng, UnwrapErr};

/// The operating system's generator. It panics if the system has none to give: a client that went
/// on would make keys that can be guessed.
pub(crate) fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    system().fill_bytes(&mut bytes);
    bytes
}
