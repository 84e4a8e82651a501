//! What a business is judged by, day by day. The rule is `plico_protocol::reputation`'s.

use plico_protocol::limits::REPUTATION_DAYS;
use plico_protocol::reputation::Inputs;
use plico_protocol::time::Day;

/// The inputs day by day: no more is kept than the rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The newest day that counted something.
    pub(crate) newest: Day,
    /// That day's first, then the six before it.
    pub(crate) days: [Inputs; DAYS],
}

impl Counts {
    /// Counts something of a day: today, or the day that is settled. What is older than the days
    /// that count does not.
    pub(crate) fn add(&mut self, day: Day, reports: u32, deliveries: u32) {
        *self = self.as_of(day);
        let ago = usize::try_from(self.newest.0.saturating_sub(day.0)).unwrap_or(usize::MAX);
        let Some(counted) = self.days.get_mut(ago) else { return };
        counted.reports = counted.reports.saturating_add(reports);
        counted.deliveries = counted.deliveries.saturating_add(deliveries);
    }

    /// Everything that counts today.
    pub(crate) fn inputs(&self, today: Day) -> Inputs {
        self.as_of(today).days.iter().fold(Inputs::default(), |sum, day| Inputs {
            reports: sum.reports.saturating_add(day.reports),
            deliveries: sum.deliveries.saturating_add(day.deliveries),
        })
    }

    /// Whether anything was delivered on this day or after it.
    pub(crate) fn delivered_since(&self, day: Day) -> bool {
        let days = (0..).map(|ago| Day(self.newest.0.saturating_sub(ago))).zip(&self.days);
        days.take_while(|(of, _)| day <= *of).any(|(_, counted)| 0 < counted.deliveries)
    }

    fn as_of(&self, today: Day) -> Self {
        let passed = usize::try_from(today.0.saturating_sub(self.newest.0)).unwrap_or(usize::MAX);
        let mut days = [Inputs::default(); DAYS];
        for (to, from) in days.iter_mut().skip(passed).zip(self.days) {
            *to = from;
        }
        Self { newest: self.newest.max(today), days }
    }
}

/// As many as count.
pub(crate) const DAYS: usize = REPUTATION_DAYS as usize;

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
    fn a_day_is_counted_also_when_it_is_over() {
        let mut counts = Counts::default();
        counts.add(Day(1_000), 1, 1);
        counts.add(Day(999), 1, 1);
        counts.add(Day(993), 1, 1);
        check(&counts, 1_000, 2, 2);
        check(&counts, 1_006, 1, 1);
    }
}
