//! Every choice of a world, drawn from its seed.

use std::ops::Range;
use std::time::Duration;

/// A sequence of choices. Each place of the world has one of its own, so that one more choice here
/// does not change all that follow elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The choices of one place in the world of a seed.
    pub(crate) fn of(seed: u64, place: &str) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(seed.to_be_bytes().into_iter().chain(place.bytes()).fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of a range that is not empty.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(&mut self, times: u64) -> bool {
        self.within(0..1_000) < times
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let count = u64::try_from(from.len()).unwrap();
        &from[usize::try_from(self.within(0..count)).unwrap()]
    }

    /// Milliseconds of a range.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// A sequence of its own for a part of this place.
    pub(crate) fn branch(&mut self) -> Self {
        Self(self.next())
    }

    /// A seed for something that draws by itself.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_exact_mut(8).for_each(|to| to.copy_from_slice(&self.next().to_be_bytes()));
        seed
    }
}
