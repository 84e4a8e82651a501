//! Randomness of the operating system, fetched some hundreds of bytes at a time.
//!
//! Each sealed row takes a fresh nonce, three or more for each message; fetched one by one they
//! are a system call each.

use core::convert::Infallible;

use getrandom::rand_core::{CryptoRng, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// Hands out the bytes of a source in order, each once. Bytes handed out are wiped here: they may
/// be keys.
pub(crate) struct Pool<R> {
    source: R,
    bytes: Zeroizing<[u8; POOL_BYTES]>,
    used: usize,
}

impl<R: CryptoRng> Pool<R> {
    /// Takes from `source` once something is asked for.
    pub(crate) fn new(source: R) -> Self {
        Self { source, bytes: Zeroizing::new([0; POOL_BYTES]), used: POOL_BYTES }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        self.fill(&mut taken);
        taken
    }

    fn fill(&mut self, to: &mut [u8]) {
        if POOL_BYTES < to.len() {
            return self.source.fill_bytes(to);
        }
        if POOL_BYTES - self.used < to.len() {
            self.source.fill_bytes(&mut *self.bytes);
            self.used = 0;
        }
        for (to, from) in to.iter_mut().zip(self.bytes.iter_mut().skip(self.used)) {
            *to = core::mem::take(from);
        }
        self.used += to.len();
    }
}

impl<R: CryptoRng> TryRng for Pool<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.fill(to);
        Ok(())
    }
}

impl<R: CryptoRng> TryCryptoRng for Pool<R> {}

/// Some forty nonces: the kernel works longer on these than the call itself takes.
const POOL_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use getrandom::rand_core::Rng as _;

    use super::*;

    /// Counts upwards.
    struct Counting(u8);

    impl TryRng for Counting {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("only bytes are asked for")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("only bytes are asked for")
        }

        fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
            for byte in to {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
            Ok(())
        }
    }

    impl TryCryptoRng for Counting {}

    #[test]
    fn each_byte_is_handed_out_once_and_wiped() {
        let mut pool = Pool::new(Counting(0));
        let mut nonce = [0; 24];
        pool.fill_bytes(&mut nonce);
        assert_eq!((nonce[0], nonce[23]), (1, 24));
        pool.fill_bytes(&mut nonce);
        assert_eq!((nonce[0], nonce[23]), (25, 48));
        assert_eq!(pool.bytes[..48], [0; 48]);
        assert_eq!(pool.next_u32().to_ne_bytes(), [49, 50, 51, 52]);
    }

    #[test]
    fn what_is_left_is_not_stretched() {
        let mut pool = Pool::new(Counting(0));
        let mut most = [0; POOL_BYTES - 4];
        pool.fill_bytes(&mut most);
        // Four bytes are left: eight come from the next thousand, of which each byte is new.
        assert_eq!(pool.next_u64().to_ne_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
        let mut more = [0; POOL_BYTES + 1];
        pool.fill_bytes(&mut more);
        assert_eq!((more[0], more[POOL_BYTES]), (1, 1));
    }
}
