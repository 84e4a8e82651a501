//! What a business's standing rests on: proven reports against what it delivered, in seven days.

use plico_protocol::time::Day;

/// What is known of an account's last seven days, today among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Proven reports that count: one per mailbox and day at most.
    pub reports: u32,
    /// Messages delivered outside windows.
    pub deliveries: u32,
}

/// The inputs day by day: no more is kept than the rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The newest day that counted something.
    pub(crate) newest: Day,
    /// That day's first, then the six before it.
    pub(crate) days: [Inputs; REPUTATION_DAYS],
}

impl Counts {
    /// Counts something today. What a clock that was set back brings counts as of the newest day.
    pub(crate) fn add(&mut self, today: Day, reports: u32, deliveries: u32) {
        *self = self.as_of(today);
        let [newest, ..] = &mut self.days;
        newest.reports = newest.reports.saturating_add(reports);
        newest.deliveries = newest.deliveries.saturating_add(deliveries);
    }

    /// Everything that counts today.
    #[cfg_attr(not(test), expect(dead_code, reason = "nothing is judged by it yet"))]
    pub(crate) fn inputs(&self, today: Day) -> Inputs {
        self.as_of(today).days.iter().fold(Inputs::default(), |sum, day| Inputs {
            reports: sum.reports.saturating_add(day.reports),
            deliveries: sum.deliveries.saturating_add(day.deliveries),
        })
    }

    fn as_of(&self, today: Day) -> Self {
        let passed = usize::try_from(today.0.saturating_sub(self.newest.0)).unwrap_or(usize::MAX);
        let mut days = [Inputs::default(); REPUTATION_DAYS];
        for (to, from) in days.iter_mut().skip(passed).zip(self.days) {
            *to = from;
        }
        Self { newest: self.newest.max(today), days }
    }
}

/// Days that count.
pub(crate) const REPUTATION_DAYS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &Counts, today: u32, reports: u32, deliveries: u32) {
        assert_eq!(counts.inputs(Day(today)), Inputs { reports, deliveries }, "day {today}");
    }

    #[test]
    fn a_day_counts_for_seven_days() {
        let mut counts = Counts::default();
        check(&counts, 1_000, 0, 0);
        counts.add(Day(1_000), 1, 10);
        counts.add(Day(1_003), 2, 20);
        counts.add(Day(1_003), 0, 5);
        check(&counts, 1_003, 3, 35);
        check(&counts, 1_006, 3, 35);
        check(&counts, 1_007, 2, 25);
        check(&counts, 1_009, 2, 25);
        check(&counts, 1_010, 0, 0);
        counts.add(Day(1_100), 1, 0);
        check(&counts, 1_100, 1, 0);
    }

    #[test]
    fn a_clock_that_was_set_back_loses_nothing() {
        let mut counts = Counts::default();
        counts.add(Day(1_000), 1, 1);
        counts.add(Day(990), 1, 1);
        check(&counts, 1_000, 2, 2);
    }
}
