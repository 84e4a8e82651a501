//! When a person's message opens a window and what a business may send until the person writes
//! again. Pure: the mailbox's row is the only memory.

use plico_protocol::limits::{WINDOW_DAYS_PER_MONTH_MAX, WINDOW_ROUNDING_MINUTES};
use plico_protocol::ticket::window_end;
use plico_protocol::time::{Day, Minute};

/// The operator's rules for windows, as the rate card states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRules {
    /// Hours of a window: a day, so that a business answers in its own working hours.
    pub hours: u8,
    /// On how many days of a calendar month (UTC) one mailbox may open a window. A relay cannot
    /// tell a person's message from one that an app sends by itself, every day, to keep its
    /// business's answers free of charge.
    pub days_per_month: u8,
}

impl Default for WindowRules {
    fn default() -> Self {
        Self { hours: 24, days_per_month: WINDOW_DAYS_PER_MONTH_MAX }
    }
}

/// On which days a mailbox opened windows: no more than is needed to count those of one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WindowDays {
    /// Months since year 0; 0 before the first window.
    pub(crate) month: u16,
    /// Day of that month on which the last window was opened.
    pub(crate) last: u8,
    /// On how many of its days one was opened.
    pub(crate) count: u8,
}

impl WindowDays {
    /// These and `today`; none where the month's are used up.
    fn with(self, today: Day, days_max: u8) -> Option<Self> {
        let (month, day) = calendar(today);
        if self.month != month {
            return (0 < days_max).then_some(Self { month, last: day, count: 1 });
        }
        if self.last == day {
            return Some(self);
        }
        let count = self.count.saturating_add(1);
        (count <= days_max).then_some(Self { month, last: day, count })
    }
}

/// The end of the window that a person's message gets now, and the days on which there were any.
/// `running` is the end of the last one. Where the month's days are used up it is that one, or one
/// that is over already: the message goes out all the same, and its answers are charged.
pub(crate) fn open_window(
    now: Minute,
    running: Minute,
    days: WindowDays,
    rules: WindowRules,
) -> (Minute, WindowDays) {
    match days.with(now.hour().day(), rules.days_per_month) {
        Some(days) => (window_end(now, rules.hours).max(running), days),
        None => (now.round_down(WINDOW_ROUNDING_MINUTES).max(running), days),
    }
}

/// Months since year 0 and the day of the month.
fn calendar(day: Day) -> (u16, u8) {
    let seconds = i64::from(day.0) * 86_400;
    // Beyond the year 9999 every day is one and the same.
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    let date = moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    let month = date.year().unsigned_abs() * 12 + u16::from(date.month().unsigned_abs());
    (month, date.day().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-01.
    const NOVEMBER: Day = Day(20_758);

    fn minute(day: Day, minute: u32) -> Minute {
        Minute(day.0 * 24 * 60 + minute)
    }

    fn check(rules: WindowRules, opened: &[(u32, bool)]) {
        let mut days = WindowDays::default();
        for (day, opens) in opened {
            let now = minute(Day(NOVEMBER.0 + day), 601);
            let (end, next) = open_window(now, Minute(0), days, rules);
            assert_eq!(now < end, *opens, "day {day} of {opened:?}");
            assert_eq!(end.0 % 5, 0);
            days = next;
        }
    }

    #[test]
    fn a_month_counts_its_days_and_the_next_begins_anew() {
        assert_eq!(calendar(NOVEMBER), (2026 * 12 + 11, 1));
        assert_eq!(calendar(Day(NOVEMBER.0 + 30)), (2026 * 12 + 12, 1));
        let two = WindowRules { days_per_month: 2, ..WindowRules::default() };
        check(two, &[(0, true), (0, true), (9, true), (10, false), (9, true), (29, false)]);
        check(two, &[(28, true), (29, true), (30, true), (31, true), (32, false)]);
        check(WindowRules::default(), &[(0, true), (29, true), (30, true)]);
        check(WindowRules { days_per_month: 0, ..two }, &[(0, false), (30, false)]);
    }

    #[test]
    fn a_window_lasts_as_long_as_the_card_says_and_the_longest_counts() {
        let now = minute(NOVEMBER, 1);
        let rules = |hours| WindowRules { hours, ..WindowRules::default() };
        let open =
            |running, hours| open_window(now, running, WindowDays::default(), rules(hours)).0;
        assert_eq!(open(Minute(0), 24), minute(NOVEMBER, 10 + 24 * 60));
        assert_eq!(open(Minute(0), 72), minute(NOVEMBER, 10 + 72 * 60));
        assert_eq!(open(now.plus(3 * 24 * 60), 24), now.plus(3 * 24 * 60));
    }

    #[test]
    fn a_day_without_a_window_keeps_the_one_that_runs() {
        let used_up = WindowDays { month: 2026 * 12 + 11, last: 1, count: 1 };
        let one = WindowRules { days_per_month: 1, ..WindowRules::default() };
        let now = minute(Day(NOVEMBER.0 + 1), 7);
        let running = minute(Day(NOVEMBER.0 + 1), 500);
        assert_eq!(open_window(now, running, used_up, one), (running, used_up));
        assert_eq!(open_window(now, Minute(1), used_up, one).0, now.round_down(5));
    }
}
