//! When an account's subscription falls due, and from when on one that is unpaid sends nothing.
//! SPEC.md §14.7.

use plico_protocol::ledger::Amount;
use plico_protocol::pricing::{Currency, Millionths, Subscription};
use plico_protocol::reputation::{Dues, Unpaid};
use plico_protocol::time::{Day, Minute, Timestamp};

use super::rate_card::RateCards;

/// How far an account's periods are entered in its ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Periods {
    /// The first day of the first one that is not; 0 before the account's first use.
    pub(crate) begun: Day,
    /// Since when one that fell due is not covered; 0 if none is.
    pub(crate) unpaid: Day,
}

/// What a relay that has a subscription asks for, as of today.
pub(crate) struct Calendar<'a> {
    cards: &'a RateCards,
    present: Subscription,
    currency: Currency,
    /// No period begins earlier: until then no subscription was asked for.
    from: Day,
    today: Day,
}

/// The next period's price and when it is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) due: Day,
    pub(crate) amount: Amount,
}

impl<'a> Calendar<'a> {
    /// None if the card that holds has no subscription, or none holds.
    pub(crate) fn new(cards: &'a RateCards, from: Day, now: Timestamp) -> Option<Self> {
        let fields = cards.at(now.minute())?.fields();
        let (present, currency) = (fields.subscription?, fields.currency);
        Some(Self { cards, present, currency, from, today: now.day() })
    }

    /// As they count: an account is used from today on at the latest, and what was unpaid when no
    /// subscription was asked for is forgiven.
    pub(crate) fn current(&self, periods: Periods) -> Periods {
        let begun = if periods.begun == Day(0) { self.today } else { periods.begun };
        let unpaid = if self.from < periods.unpaid { periods.unpaid } else { Day(0) };
        Periods { begun: begun.max(self.from), unpaid }
    }

    /// What is entered next.
    pub(crate) fn next(&self, periods: &Periods) -> Owed {
        let begin = Minute(periods.begun.begin().0.saturating_mul(60));
        let card = self.cards.at(begin).and_then(|card| card.fields().subscription);
        let Subscription { amount, days, grace_days: _ } = card.unwrap_or(self.present);
        let due = Day(periods.begun.0.saturating_add(u32::from(days)));
        Owed { due, amount: Amount { millionths: amount, currency: self.currency } }
    }

    /// What is owed by now together, and not entered.
    pub(crate) fn owed(&self, periods: Periods) -> Millionths {
        let mut sum = Millionths::ZERO;
        if periods.begun == Day(0) {
            return sum;
        }
        let mut periods = self.current(periods);
        for _ in 0..PERIODS_PER_DAY_MAX {
            let owed = self.next(&periods);
            if !self.is_due(&periods, &owed) {
                break;
            }
            sum = Millionths(sum.0.saturating_add(owed.amount.millionths.0));
            periods = Self::entered(&periods, &owed);
        }
        sum
    }

    /// Whether it is owed by now. For an account that is refused time stands still.
    pub(crate) fn is_due(&self, periods: &Periods, owed: &Owed) -> bool {
        owed.due <= self.day_of(periods)
    }

    /// After what is due on this day was entered.
    pub(crate) fn entered(periods: &Periods, owed: &Owed) -> Periods {
        Periods { begun: owed.due, ..*periods }
    }

    /// After it was found that what is due is not covered.
    pub(crate) fn uncovered(&self, periods: &Periods) -> Periods {
        let unpaid = if periods.unpaid == Day(0) { self.today } else { periods.unpaid };
        Periods { unpaid, ..*periods }
    }

    /// Once nothing is due: the days on which the account was refused count in no period.
    pub(crate) fn settled(&self, periods: &Periods) -> Periods {
        let refused = self.today.0.saturating_sub(self.day_of(periods).0);
        Periods { begun: Day(periods.begun.0.saturating_add(refused)), unpaid: Day(0) }
    }

    /// Since when an account is unpaid, and until when it sends.
    pub(crate) fn unpaid(&self, periods: &Periods) -> Option<Unpaid> {
        let since = Some(periods.unpaid).filter(|since| *since != Day(0))?;
        let stops = Day(since.0.saturating_add(u32::from(self.present.grace_days)));
        Some(Unpaid { since, stops })
    }

    /// The same, if it sends nothing any more.
    pub(crate) fn refuses(&self, periods: &Periods) -> Option<Unpaid> {
        self.unpaid(periods).filter(|unpaid| unpaid.stops <= self.today)
    }

    /// What a business is told; nothing before its first use.
    pub(crate) fn shown(&self, periods: Periods) -> Dues {
        if periods.begun == Day(0) {
            return Dues::default();
        }
        let periods = self.current(periods);
        Dues { due: Some(self.next(&periods).due), unpaid: self.unpaid(&periods) }
    }

    fn day_of(&self, periods: &Periods) -> Day {
        let stops = self.unpaid(periods).map(|unpaid| unpaid.stops);
        stops.map_or(self.today, |stops| stops.min(self.today))
    }
}

/// Periods entered at once: after a long stop the rest follows on the next day.
pub(crate) const PERIODS_PER_DAY_MAX: usize = 36;
