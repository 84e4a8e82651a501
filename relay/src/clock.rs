//! The one door to real time. Everything else is given a [`Timestamp`].

use std::time::{SystemTime, UNIX_EPOCH};

use plico_protocol::time::{Day, Hour, Minute, Timestamp};

/// Says what time it is. Production binaries have [`SystemClock`] and no other; simulations and
/// tests bring clocks of their own.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 counts as 1970: tickets and submissions are then refused, not misread.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A moment for a person's eyes: RFC 3339, UTC, with milliseconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    // What lies beyond the calendar (year 9999) is shown as the number it is.
    let moment = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| format!("{} ms", at.0), |moment| format!("{moment:.3}"))
}

/// A UTC day: RFC 3339.
pub(crate) fn rfc3339_day(day: Day) -> String {
    let moment = jiff::Timestamp::from_second(i64::from(day.0) * 86_400);
    moment.map_or_else(|_| format!("day {}", day.0), |at| at.strftime("%Y-%m-%d").to_string())
}

/// The beginning of an hour: RFC 3339, UTC, to the minute.
pub(crate) fn rfc3339_hour(hour: Hour) -> String {
    rfc3339_minute(Minute(hour.0.saturating_mul(60)))
}

/// The beginning of a minute: RFC 3339, UTC.
pub(crate) fn rfc3339_minute(minute: Minute) -> String {
    let moment = jiff::Timestamp::from_second(i64::from(minute.0) * 60);
    moment.map_or_else(
        |_| format!("minute {}", minute.0),
        |moment| moment.strftime("%Y-%m-%dT%H:%MZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        assert_eq!(rfc3339(Timestamp(1_795_240_800_007)), "2026-11-21T06:00:00.007Z");
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339_hour(Timestamp(1_795_240_800_000).hour()), "2026-11-21T06:00Z");
        assert_eq!(rfc3339(Timestamp(u64::MAX)), format!("{} ms", u64::MAX));
    }
}
