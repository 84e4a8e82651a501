//! Office hours: days of the week, times of day, days that are closed, in one time zone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// When people are there to answer.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    zone: TimeZone,
    /// Open times of each day from Monday on, in minutes from midnight, end excluded.
    open: [Vec<(u16, u16)>; 7],
    closed: Vec<Date>,
}

/// Why a text is no opening time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no opening time ({problem}); write days and hours like `Mon-Fri 08:00-18:00` or `Sat,Sun 10:00-16:00`"
)]
pub(super) struct BadHours {
    text: String,
    problem: &'static str,
}

impl Hours {
    pub(super) fn new(zone: TimeZone, closed: Vec<Date>) -> Self {
        Self { zone, open: Default::default(), closed }
    }

    /// Adds opening times like `Mon-Fri 08:00-18:00`.
    pub(super) fn open(&mut self, text: &str) -> Result<(), BadHours> {
        let bad = |problem| BadHours { text: text.to_owned(), problem };
        let (days, times) = text.trim().split_once(' ').ok_or(bad("days or hours are missing"))?;
        let (from, to) =
            times.trim().split_once('-').ok_or(bad("the hours need a start and an end"))?;
        let from = minutes(from).ok_or(bad("a time of day is 00:00 to 24:00"))?;
        let to = minutes(to).ok_or(bad("a time of day is 00:00 to 24:00"))?;
        if to <= from {
            return Err(bad("it ends before it begins; past midnight, write two"));
        }
        for part in days.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let day = |name| weekday(name).ok_or(bad("days are Mon Tue Wed Thu Fri Sat Sun"));
            let (first, last) = (day(first)?, day(last)?);
            if last < first {
                return Err(bad("the days run backwards; write two, with a comma"));
            }
            for (number, times) in self.open.iter_mut().enumerate() {
                if (first..=last).contains(&number) {
                    times.push((from, to));
                }
            }
        }
        Ok(())
    }

    /// Whether somebody is there.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let weekday = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let times = self.open.get(weekday).map(Vec::as_slice).unwrap_or_default();
        !self.closed.contains(&local.date())
            && times.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }
}

/// `HH:MM` in minutes from midnight.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let at = hours * 60 + minutes;
    (minutes < 60 && at <= 24 * 60).then_some(at)
}

/// The days from Monday, counted from 0.
fn weekday(name: &str) -> Option<usize> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    days.iter().position(|day| name.trim().eq_ignore_ascii_case(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(open: &[&str]) -> Result<Hours, BadHours> {
        let mut hours =
            Hours::new(TimeZone::fixed(jiff::tz::offset(1)), vec![jiff::civil::date(2026, 12, 25)]);
        open.iter().try_for_each(|text| hours.open(text))?;
        Ok(hours)
    }

    #[test]
    fn an_office_is_open_by_its_own_clock() {
        let hours =
            hours(&["Mon-Fri 08:00-12:00", "mon,wed 13:30-18:00", "Sun 00:00-24:00"]).unwrap();
        let check = |at: &str| hours.is_open(at.parse().unwrap());
        // 23 November 2026 is a Monday; the office is an hour ahead of UTC.
        assert!(!check("2026-11-23T06:59:59Z"));
        assert!(check("2026-11-23T07:00:00Z"));
        assert!(!check("2026-11-23T11:00:00Z"));
        assert!(check("2026-11-23T12:30:00Z"));
        assert!(!check("2026-11-24T12:30:00Z"));
        assert!(!check("2026-11-21T09:00:00Z"));
        assert!(check("2026-11-22T22:59:59Z"));
        assert!(!check("2026-11-22T23:00:00Z"));
        // A Friday, and a holiday.
        assert!(!check("2026-12-25T09:00:00Z"));
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, problem: &str| {
            let error = hours(&[text]).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        };
        check("Monday", "missing");
        check("Mon 08:00", "a start and an end");
        check("Mon 8:00-12:00", "00:00 to 24:00");
        check("Mon 08:00-24:01", "00:00 to 24:00");
        check("Mon 22:00-02:00", "write two");
        check("Montag 08:00-12:00", "days are Mon");
        check("Fri-Mon 08:00-12:00", "backwards");
    }
}
