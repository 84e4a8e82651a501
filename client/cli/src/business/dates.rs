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

/// When a certificate ends or ended, at `now`; and how to renew one where it is time to.
pub(super) fn certified(end: i64, now: i64, zone: &TimeZone) -> (String, Option<&'static str>) {
    let at = local_second(end, zone);
    let days = (end - now).abs() / 86_400;
    let counted = format!("{days} day{}", if days == 1 { "" } else { "s" });
    let text = match end <= now {
        true => format!("ended {at}, {counted} ago: nobody can look this business up"),
        false => format!("until {at}, {counted} from now"),
    };
    (text, (end - now < RENEW_DAYS * 86_400).then_some(RENEW))
}

/// As the relay warns.
const RENEW_DAYS: i64 = 14;
/// Whoever renews keeps keys and customers.
pub(super) const RENEW: &str = "plico business request --out FILE.request; the operator runs plico-relay \
    business verify FILE.request --checked dns; then plico business install-certificate \
    HANDLE.certificate";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_readable() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(local("2026-11-21T23:30:00Z", &zone), "2026-11-22 00:30");
        assert_eq!(local_second(0, &zone), "1970-01-01 01:00");
    }

    #[test]
    fn a_certificate_that_ended_says_when_and_how_to_renew_it() {
        let check = |end: i64, says: &str, renews: bool| {
            let (text, renewal) = certified(end, 1_000_000_000, &TimeZone::UTC);
            assert!(text.contains(says), "{text}");
            assert_eq!(renewal.is_some(), renews, "{text}");
        };
        check(1_000_000_000 + 90 * 86_400, "until 2001-12-08 01:46, 90 days from now", false);
        check(1_000_000_000 + 86_400 + 600, ", 1 day from now", true);
        check(1_000_000_000 - 10 * 86_400, "ended 2001-08-30 01:46, 10 days ago", true);
    }
}
