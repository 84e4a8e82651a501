//! Points in time as the wire carries them: always counted from the Unix epoch, always passed in.

use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A point in time in milliseconds since the Unix epoch. Never on the wire: coarser units are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// Whole minutes since the Unix epoch, the unit of tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub u32);

/// Whole hours since the Unix epoch, the unit of submissions, prekeys, certificates and expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

/// Whole UTC days since the Unix epoch, the unit of stamp keys and settlements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Timestamp {
    /// The minute that contains this point; a time past the year 10,000 saturates.
    pub fn minute(self) -> Minute {
        Minute(saturate(self.0 / 60_000))
    }

    /// The hour that contains this point.
    pub fn hour(self) -> Hour {
        Hour(saturate(self.0 / 3_600_000))
    }

    /// The UTC day that contains this point.
    pub fn day(self) -> Day {
        self.hour().day()
    }
}

impl Minute {
    /// The hour that contains this minute.
    pub fn hour(self) -> Hour {
        Hour(self.0 / 60)
    }

    /// This minute and `minutes` more.
    #[must_use]
    pub fn plus(self, minutes: u32) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// The last multiple of `step` minutes that is not after this minute.
    #[must_use]
    pub fn round_down(self, step: u32) -> Self {
        Self(self.0 / step * step)
    }
}

impl Hour {
    /// This hour and `hours` more.
    #[must_use]
    pub fn plus(self, hours: u32) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// This hour less `hours`.
    #[must_use]
    pub fn minus(self, hours: u32) -> Self {
        Self(self.0.saturating_sub(hours))
    }

    /// The UTC day that contains this hour.
    pub fn day(self) -> Day {
        Day(self.0 / 24)
    }
}

impl Day {
    /// Its first hour.
    pub fn begin(self) -> Hour {
        Hour(self.0.saturating_mul(24))
    }

    /// The first hour of the day after this one.
    pub fn end(self) -> Hour {
        Hour(self.0.saturating_add(1).saturating_mul(24))
    }
}

impl Wire for Minute {
    fn write(&self, out: &mut Writer) {
        out.u32(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u32().map(Self)
    }
}

impl Wire for Hour {
    fn write(&self, out: &mut Writer) {
        out.u32(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u32().map(Self)
    }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_rounded_down_to_a_step() {
        assert_eq!(Minute(10).round_down(5), Minute(10));
        assert_eq!(Minute(14).round_down(5), Minute(10));
    }

    #[test]
    fn the_last_hour_of_a_day_belongs_to_it() {
        assert_eq!(Timestamp(2 * 86_400_000 - 1).day(), Day(1));
        assert_eq!(Hour(47).day(), Day(1));
        assert_eq!((Day(1).begin(), Day(1).end()), (Hour(24), Hour(48)));
    }

    #[test]
    fn a_time_beyond_the_wire_saturates() {
        assert_eq!(Timestamp(u64::MAX).minute(), Minute(u32::MAX));
    }
}
