//! Times as people read them: this machine's.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The time of day, now.
pub(super) fn clock(zone: &TimeZone) -> String {
    Timestamp::now().to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// A day and time, from RFC 3339.
pub(super) fn local(text: &str, zone: &TimeZone) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// A day and time, from seconds since the Unix epoch.
pub(super) fn local_second(second: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(second).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Whole days until then; 0 if it is over.
pub(super) fn days_until(second: i64) -> i64 {
    (second - Timestamp::now().as_second()).max(0) / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_readable() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(local("2026-11-21T23:30:00Z", &zone), "2026-11-22 00:30");
        assert_eq!(local_second(0, &zone), "1970-01-01 01:00");
        assert_eq!(days_until(0), 0);
        let now = Timestamp::now().as_second();
        assert_eq!(days_until(now + 3 * 86_400 + 600), 3);
    }
}
