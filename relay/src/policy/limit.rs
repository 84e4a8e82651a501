//! How often something may happen: the generic cell rate algorithm (ITU-T I.371), pure, with the
//! clock passed in; and a bounded table of such allowances.
//!
//! Nothing of a key is kept: a key becomes 64 bits under a hash key drawn at start, so what is in
//! memory names nobody and nobody outside can aim at somebody's place.

use std::hash::{BuildHasher, Hash, RandomState};

/// `burst` at once, and then one each `interval_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval_us: u64,
    burst: u32,
}

/// One allowance: when it is whole again (the theoretical arrival time), in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    whole_at_us: u64,
}

/// It was too often; the milliseconds after which once more is within the allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// At least 1.
    pub ms: u32,
}

/// The allowances of many keys. Where more keys than fit are short of theirs at one time, the one
/// that is nearest to being whole gives way and is whole at once: a full table fails open.
pub struct Allowances {
    key: RandomState,
    sets: Vec<[Entry; WAYS]>,
}

impl Rate {
    /// One each `interval_us`, and `burst` at once; neither is less than 1.
    pub const fn new(interval_us: u64, burst: u32) -> Self {
        let interval_us = if interval_us == 0 { 1 } else { interval_us };
        let burst = if burst == 0 { 1 } else { burst };
        Self { interval_us, burst }
    }

    /// So many a minute, and a minute's worth at once.
    pub const fn per_minute(count: u32) -> Self {
        Self::per(MINUTE_US, count)
    }

    /// So many a day, and a day's worth at once.
    pub const fn per_day(count: u32) -> Self {
        Self::per(24 * 60 * MINUTE_US, count)
    }

    const fn per(period_us: u64, count: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self::new(period_us / count as u64, count)
    }

    fn burst_us(&self) -> u64 {
        self.interval_us.saturating_mul(u64::from(self.burst))
    }
}

impl Allowance {
    /// Takes one, if it is within the rate. One that is not does not count.
    ///
    /// # Errors
    ///
    /// [`Wait`].
    pub fn take(&mut self, rate: Rate, now_us: u64) -> Result<(), Wait> {
        let end_us = now_us.saturating_add(rate.burst_us());
        // Never further ahead than a burst, or a clock set back would refuse for as long.
        let whole_at_us = self.whole_at_us.clamp(now_us, end_us).saturating_add(rate.interval_us);
        match whole_at_us.checked_sub(end_us) {
            None | Some(0) => {
                self.whole_at_us = whole_at_us;
                Ok(())
            }
            Some(over_us) => {
                let ms = u32::try_from(over_us.div_ceil(1_000)).unwrap_or(u32::MAX);
                Err(Wait { ms })
            }
        }
    }
}

impl Allowances {
    /// Room for at least `keys` that are short of their allowance at one time; 16 bytes each.
    pub fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(WAYS).next_power_of_two();
        Self { key: RandomState::new(), sets: vec![[Entry::default(); WAYS]; sets] }
    }

    /// Takes one of a key's allowance.
    ///
    /// # Errors
    ///
    /// [`Wait`].
    pub fn take(&mut self, key: impl Hash, rate: Rate, now_us: u64) -> Result<(), Wait> {
        let hash = self.key.hash_one(key);
        let sets = self.sets.len().max(1);
        let place = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default() % sets;
        let Some(set) = self.sets.get_mut(place) else { return Ok(()) };
        let (mut found, mut nearest) = (None, None::<&mut Entry>);
        for entry in set {
            if entry.hash == hash {
                found = Some(entry);
                break;
            }
            let whole_at_us = entry.allowance.whole_at_us;
            if nearest.as_ref().is_none_or(|near| whole_at_us < near.allowance.whole_at_us) {
                nearest = Some(entry);
            }
        }
        let Some(entry) = found.or(nearest) else { return Ok(()) };
        if entry.hash != hash {
            *entry = Entry { hash, allowance: Allowance::default() };
        }
        entry.allowance.take(rate, now_us)
    }
}

impl core::fmt::Debug for Allowances {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { key: _, sets } = self;
        f.debug_struct("Allowances").field("sets", &sets.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u64,
    allowance: Allowance,
}

/// A set is two cache lines.
const WAYS: usize = 8;
const MINUTE_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_000_000_000_000;

    #[test]
    fn a_burst_passes_and_one_more_waits_for_its_interval() {
        let (mut allowance, rate) = (Allowance::default(), Rate::new(6_000_000, 3));
        for _ in 0..3 {
            assert_eq!(allowance.take(rate, NOW), Ok(()));
        }
        assert_eq!(allowance.take(rate, NOW), Err(Wait { ms: 6_000 }));
        assert_eq!(allowance.take(rate, NOW + 5_999_999), Err(Wait { ms: 1 }));
        assert_eq!(allowance.take(rate, NOW + 6_000_000), Ok(()));
        assert_eq!(allowance.take(rate, NOW + 6_000_000), Err(Wait { ms: 6_000 }));
        assert_eq!(allowance.take(rate, NOW + 12_000_000), Ok(()));
    }

    #[test]
    fn a_refused_one_costs_nothing_and_a_pause_makes_it_whole() {
        let (mut allowance, rate) = (Allowance::default(), Rate::per_minute(2));
        for _ in 0..1_000 {
            let _ = allowance.take(rate, NOW);
        }
        assert_eq!(allowance.take(rate, NOW), Err(Wait { ms: 30_000 }));
        let later = NOW + 60_000_000;
        assert_eq!([0; 3].map(|_| allowance.take(rate, later).is_ok()), [true, true, false]);
    }

    #[test]
    fn a_clock_set_back_costs_one_interval() {
        let (mut allowance, rate) = (Allowance::default(), Rate::new(1_000_000, 2));
        assert_eq!(allowance.take(rate, NOW), Ok(()));
        assert_eq!(allowance.take(rate, 0), Err(Wait { ms: 1_000 }));
    }

    #[test]
    fn odd_rates_are_no_division_by_zero() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.take(Rate::per_minute(0), NOW), Ok(()));
        assert_eq!(allowance.take(Rate::new(u64::MAX, u32::MAX), u64::MAX), Ok(()));
        assert_eq!(Rate::per_day(24 * 60), Rate::new(60_000_000, 1_440));
    }

    #[test]
    fn a_key_has_its_own_allowance_beside_others() {
        let (mut allowances, rate) = (Allowances::new(1_000), Rate::per_minute(1));
        for key in 0..100 {
            assert_eq!(allowances.take(key, rate, NOW), Ok(()), "{key}");
        }
        for key in 0..100 {
            assert_eq!(allowances.take(key, rate, NOW), Err(Wait { ms: 60_000 }), "{key}");
        }
    }

    #[test]
    fn a_full_table_stays_as_large_as_it_is_and_fails_open() {
        let (mut allowances, rate) = (Allowances::new(8), Rate::per_minute(1));
        for key in 0..10_000 {
            assert_eq!(allowances.take(key, rate, NOW), Ok(()));
        }
        assert_eq!(allowances.sets.len(), 1);
    }

    proptest! {
        #[test]
        fn no_span_of_time_has_more_than_burst_and_rate(
            steps in prop::collection::vec(0u64..3_000_000, 1..200),
            burst in 1u32..10,
        ) {
            let rate = Rate::new(1_000_000, burst);
            let (mut allowance, mut now, mut taken) = (Allowance::default(), NOW, Vec::new());
            for step in steps {
                now += step;
                if allowance.take(rate, now).is_ok() {
                    taken.push(now);
                }
            }
            for (at, first) in taken.iter().enumerate() {
                for (count, last) in taken.iter().skip(at).enumerate() {
                    let most = u64::from(burst) + (last - first) / 1_000_000;
                    prop_assert!(u64::try_from(count).unwrap() < most + 1);
                }
            }
        }
    }
}
