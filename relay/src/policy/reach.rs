//! How many people a business writes to unasked: distinct mailboxes outside their windows in a UTC
//! day, by tier.
//!
//! In memory only, because a set on disk of whom a business writes to would be what this relay must
//! not have. Entries are hashes under a key that is drawn each day and lost with it. After a restart
//! an account may reach as many again. A full set fails open: what is not in it is not counted.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use plico_protocol::id::{AccountKey, Address};
use plico_protocol::pricing::TIER_UNLIMITED;
use plico_protocol::time::{Day, Timestamp};

use super::limit::Wait;

/// Whom each account reached today.
#[derive(Default)]
pub struct Reach {
    day: Day,
    key: RandomState,
    reached: HashMap<u64, HashSet<u64>>,
    entries: usize,
}

/// Mailboxes remembered in a day, of all accounts together: some 40 MB.
pub const REACH_ENTRIES_MAX: usize = 1 << 21;

impl Reach {
    /// One more message of an account to a mailbox, for an account that may reach `limit` of them
    /// in a day. A mailbox that was reached today is no further one.
    ///
    /// # Errors
    ///
    /// The time until the next UTC day.
    pub fn take(
        &mut self,
        account: &AccountKey,
        mailbox: &Address,
        limit: u32,
        now: Timestamp,
    ) -> Result<(), Wait> {
        // A clock that was set back begins no day anew.
        if self.day < now.day() {
            *self = Self { day: now.day(), ..Self::default() };
        }
        if limit == TIER_UNLIMITED {
            return Ok(());
        }
        let account = self.key.hash_one(account);
        let mailbox = self.key.hash_one((account, mailbox));
        let reached = self.reached.entry(account).or_default();
        if reached.contains(&mailbox) {
            return Ok(());
        }
        if usize::try_from(limit).is_ok_and(|limit| limit <= reached.len()) {
            return Err(Wait { ms: until_end(self.day, now) });
        }
        if self.entries < REACH_ENTRIES_MAX {
            reached.insert(mailbox);
            self.entries += 1;
        }
        Ok(())
    }
}

impl core::fmt::Debug for Reach {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { day: _, key: _, reached: _, entries } = self;
        f.debug_struct("Reach").field("entries", entries).finish_non_exhaustive()
    }
}

/// Milliseconds until a day is over; at least 1.
fn until_end(day: Day, now: Timestamp) -> u32 {
    let end_ms = u64::from(day.end().0).saturating_mul(3_600_000);
    u32::try_from(end_ms.saturating_sub(now.0)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last minute of a day.
    const EVENING: Timestamp = Timestamp(20_001 * 86_400_000 - 60_000);

    fn account(n: u8) -> AccountKey {
        AccountKey::new([n; 32])
    }

    fn mailbox(n: u8) -> Address {
        Address::new([n; 32])
    }

    #[test]
    fn an_account_reaches_as_many_as_its_tier_says_and_those_again() {
        let mut reach = Reach::default();
        let mut take = |n, now| reach.take(&account(1), &mailbox(n), 250, now);
        for n in 0..250 {
            assert_eq!(take(n, EVENING), Ok(()));
        }
        assert_eq!(take(250, EVENING), Err(Wait { ms: 60_000 }));
        assert_eq!(take(7, EVENING), Ok(()), "one that was reached is no further one");
        let midnight = Timestamp(EVENING.0 + 60_000);
        assert_eq!(take(250, Timestamp(midnight.0 - 1)), Err(Wait { ms: 1 }));
        assert_eq!(take(250, midnight), Ok(()));
        assert_eq!(take(251, EVENING), Ok(()), "a clock set back begins no day anew");
    }

    #[test]
    fn accounts_do_not_count_for_one_another() {
        let mut reach = Reach::default();
        assert_eq!(reach.take(&account(1), &mailbox(1), 1, EVENING), Ok(()));
        assert!(reach.take(&account(1), &mailbox(2), 1, EVENING).is_err());
        assert_eq!(reach.take(&account(2), &mailbox(2), 1, EVENING), Ok(()));
    }

    #[test]
    fn the_highest_tier_is_not_counted_and_a_full_set_counts_no_more() {
        let mut reach = Reach::default();
        for n in 0..10 {
            assert_eq!(reach.take(&account(1), &mailbox(n), TIER_UNLIMITED, EVENING), Ok(()));
        }
        assert_eq!(reach.entries, 0);
        reach.entries = REACH_ENTRIES_MAX;
        for n in 0..10 {
            assert_eq!(reach.take(&account(1), &mailbox(n), 2, EVENING), Ok(()));
        }
        assert!(reach.reached.values().all(HashSet::is_empty));
    }
}
