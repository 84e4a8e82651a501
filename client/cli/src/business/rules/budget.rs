//! How often one customer is answered by itself: a customer may be a machine, too, and two of them
//! must not talk for ever.

use std::collections::HashMap;

use jiff::Timestamp;

/// Counts automatic answers of one UTC day. Begins at zero when the program starts.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    day: i64,
    /// By customer; emptied every day, so it holds no more than were answered in one.
    used: HashMap<u64, u32>,
}

/// What the budget says of one more answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// There is one left, and it is taken.
    Taken,
    /// This is the first that is refused.
    Now,
    /// Refused before, too.
    Before,
}

impl Budget {
    /// Takes one answer to a customer, if fewer than `most` were taken today.
    pub(crate) fn take(&mut self, customer: u64, most: u32, now: Timestamp) -> Spent {
        let day = now.as_second().div_euclid(86_400);
        if self.day != day {
            *self = Self { day, used: HashMap::new() };
        }
        let used = self.used.entry(customer).or_default();
        let before = *used;
        *used = used.saturating_add(1);
        match before.cmp(&most) {
            core::cmp::Ordering::Less => Spent::Taken,
            core::cmp::Ordering::Equal => Spent::Now,
            core::cmp::Ordering::Greater => Spent::Before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_so_many_answers_for_each_customer_and_no_more() {
        let mut budget = Budget::default();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let taken = [1, 1, 1, 1, 2].map(|customer| budget.take(customer, 2, at(86_399)));
        assert_eq!(taken, [Spent::Taken, Spent::Taken, Spent::Now, Spent::Before, Spent::Taken]);
        assert_eq!(budget.take(1, 2, at(86_400)), Spent::Taken);
    }
}
