//! What a business's reputation is: whether it may send, and how many people it may write to unasked.
//! Pure, and public, so that a business knows the rule it is judged by. SPEC.md §11.2.
//!
//! A relay that cannot read content cannot tell wanted from unwanted. People can, and say so with a
//! proof: reputation is their reports against what was delivered outside their windows.

use crate::limits::{
    DEMOTED_PER_MILLION, DEMOTED_REPORTS_MIN, PROMOTED_DELIVERIES_MIN, PROMOTED_PER_MILLION,
    RATE_CARD_TIERS_MAX, REPUTATION_DAYS, SUSPENDED_PER_MILLION, SUSPENDED_REPORTS_MIN,
};
use crate::time::Day;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A place in the rate card's list of tiers; beyond its end the last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier(pub u8);

/// What is known of an account's last [`REPUTATION_DAYS`] days, today among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Proven reports that count: one per mailbox and day at most.
    pub reports: u32,
    /// Messages delivered outside windows.
    pub deliveries: u32,
}

/// Where an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// Whether it may send nothing until its operator restores it.
    pub suspended: bool,
    /// How many people it may write to unasked in a day.
    pub tier: Tier,
    /// The day of the last change; 0 where nothing was counted of the account yet.
    pub since: Day,
}

/// What a business is told of itself: where it stands, and what it is judged by next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountStanding {
    /// Where it stands.
    pub reputation: Reputation,
    /// As of now.
    pub inputs: Inputs,
    /// What it owes for itself.
    pub dues: Dues,
}

/// When an account's subscription is owed (SPEC.md §14.7); none of it where the rate card has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dues {
    /// The day on which the period ends that is not paid for yet.
    pub due: Option<Day>,
    /// Since when it is unpaid, if it is.
    pub unpaid: Option<Unpaid>,
}

/// A subscription that balance and credit did not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpaid {
    /// The day on which it was found so.
    pub since: Day,
    /// The first day on which nothing is taken from the account any more.
    pub stops: Day,
}

impl Inputs {
    /// Reports in a million deliveries; none without a delivery.
    pub fn per_million(&self) -> Option<u32> {
        let reports = u64::from(self.reports) * 1_000_000;
        let rate = reports.checked_div(u64::from(self.deliveries))?;
        Some(u32::try_from(rate).unwrap_or(u32::MAX))
    }

    /// Whether there are this many reports, and this many in a million deliveries.
    fn reach(&self, reports_min: u32, per_million: u32) -> bool {
        let deliveries = u64::from(self.deliveries);
        reports_min <= self.reports
            && u64::from(per_million) * deliveries <= u64::from(self.reports) * 1_000_000
    }
}

impl Reputation {
    /// An account that begins.
    pub fn new(today: Day) -> Self {
        Self { suspended: false, tier: Tier(0), since: today }
    }

    /// Where it stands once deliveries were counted: at most one step a day, and one up only after
    /// [`REPUTATION_DAYS`] days.
    #[must_use]
    pub fn judged(self, inputs: &Inputs, today: Day) -> Self {
        let Self { suspended, tier: Tier(tier), since } = self;
        if suspended || today <= since {
            return self;
        }
        if inputs.reach(SUSPENDED_REPORTS_MIN, SUSPENDED_PER_MILLION) {
            return Self { suspended: true, since: today, ..self };
        }
        if inputs.reach(DEMOTED_REPORTS_MIN, DEMOTED_PER_MILLION) {
            return match tier.checked_sub(1) {
                Some(lower) => Self { tier: Tier(lower), since: today, ..self },
                None => self,
            };
        }
        let rested = since.0.saturating_add(REPUTATION_DAYS) <= today.0;
        let proven =
            PROMOTED_DELIVERIES_MIN <= inputs.deliveries && !inputs.reach(1, PROMOTED_PER_MILLION);
        match rested && proven && usize::from(tier) + 1 < RATE_CARD_TIERS_MAX {
            true => Self { tier: Tier(tier + 1), since: today, ..self },
            false => self,
        }
    }

    /// As its operator restores it: it may send again, from the tier it had.
    #[must_use]
    pub fn restored(self, today: Day) -> Self {
        Self { suspended: false, since: today, ..self }
    }
}

impl Wire for Inputs {
    fn write(&self, out: &mut Writer) {
        let Self { reports, deliveries } = self;
        out.u32(*reports);
        out.u32(*deliveries);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { reports: reader.u32()?, deliveries: reader.u32()? })
    }
}

impl Wire for Reputation {
    fn write(&self, out: &mut Writer) {
        let Self { suspended, tier: Tier(tier), since } = self;
        out.u8(u8::from(*suspended));
        out.u8(*tier);
        out.u32(since.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (suspended, tier) = (reader.flag("suspended")?, Tier(reader.u8()?));
        Ok(Self { suspended, tier, since: Day(reader.u32()?) })
    }
}

impl Wire for AccountStanding {
    fn write(&self, out: &mut Writer) {
        let Self { reputation, inputs, dues } = self;
        reputation.write(out);
        inputs.write(out);
        dues.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (reputation, inputs) = (Wire::read(reader)?, Wire::read(reader)?);
        Ok(Self { reputation, inputs, dues: Wire::read(reader)? })
    }
}

impl Wire for Dues {
    fn write(&self, out: &mut Writer) {
        let Self { due, unpaid } = self;
        out.optional(due.map(DueDay).as_ref());
        out.optional(unpaid.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let due: Option<DueDay> = reader.optional("has_due")?;
        Ok(Self { due: due.map(|DueDay(due)| due), unpaid: reader.optional("is_unpaid")? })
    }
}

/// A day as a value of its own: where it stands among others it is written as its number.
struct DueDay(Day);

impl Wire for DueDay {
    fn write(&self, out: &mut Writer) {
        out.u32(self.0.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self(Day(reader.u32()?)))
    }
}

impl Wire for Unpaid {
    fn write(&self, out: &mut Writer) {
        let Self { since, stops } = self;
        out.u32(since.0);
        out.u32(stops.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { since: Day(reader.u32()?), stops: Day(reader.u32()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Day = Day(20_000);

    /// On tier 2, for as many days.
    fn check(days: u32, reports: u32, deliveries: u32, expected: (bool, u8)) {
        let before = Reputation { suspended: false, tier: Tier(2), since: Day(TODAY.0 - days) };
        let after = before.judged(&Inputs { reports, deliveries }, TODAY);
        assert_eq!((after.suspended, after.tier.0), expected, "{reports} of {deliveries}");
        let changed = (after.suspended, after.tier) != (before.suspended, before.tier);
        assert_eq!(after.since, if changed { TODAY } else { before.since });
    }

    #[test]
    fn each_step_is_at_its_edge() {
        check(1, 20, 400, (true, 2));
        check(1, 19, 19, (false, 1));
        check(1, 20, 401, (false, 1));
        check(1, 5, 500, (false, 1));
        check(1, 4, 4, (false, 2));
        check(1, 5, 501, (false, 2));
        check(7, 0, 500, (false, 3));
        check(6, 0, 500, (false, 2));
        check(7, 0, 499, (false, 2));
        check(7, 1, 1_000, (false, 2));
        check(7, 1, 1_001, (false, 3));
    }

    #[test]
    fn a_day_brings_one_step_and_a_clock_set_back_none() {
        assert_eq!(Reputation::new(TODAY).since, TODAY);
        check(0, 20, 20, (false, 2));
        let once = Reputation::new(Day(0)).judged(&Inputs { reports: 0, deliveries: 500 }, TODAY);
        assert_eq!(once.tier, Tier(1));
        assert_eq!(once.judged(&Inputs { reports: 20, deliveries: 20 }, TODAY), once);
        assert_eq!(once.judged(&Inputs { reports: 20, deliveries: 20 }, Day(1)), once);
    }

    #[test]
    fn the_ladder_has_two_ends() {
        let many = Inputs { reports: 0, deliveries: 1_000_000 };
        let climbed = (1..100).fold(Reputation::new(Day(0)), |reputation, week| {
            reputation.judged(&many, Day(7 * week))
        });
        assert_eq!(usize::from(climbed.tier.0) + 1, RATE_CARD_TIERS_MAX);
        let bad = Inputs { reports: 5, deliveries: 5 };
        let fallen =
            (0..20).fold(climbed, |reputation, day| reputation.judged(&bad, Day(900 + day)));
        assert_eq!((fallen.tier, fallen.suspended), (Tier(0), false));
    }

    #[test]
    fn only_the_operator_ends_a_suspension() {
        let suspended = Reputation { suspended: true, tier: Tier(3), since: Day(0) };
        assert_eq!(suspended.judged(&Inputs { reports: 0, deliveries: 9_999 }, TODAY), suspended);
        let restored = Reputation { suspended: false, tier: Tier(3), since: TODAY };
        assert_eq!(suspended.restored(TODAY), restored);
    }

    #[test]
    fn a_rate_needs_a_delivery() {
        assert_eq!(Inputs { reports: 3, deliveries: 0 }.per_million(), None);
        assert_eq!(Inputs { reports: 3, deliveries: 1_000 }.per_million(), Some(3_000));
        let most = Inputs { reports: u32::MAX, deliveries: 1 };
        assert_eq!(most.per_million(), Some(u32::MAX));
    }
}
