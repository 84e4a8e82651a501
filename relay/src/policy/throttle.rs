//! Which requests are too many: the published limits on accounts, mailboxes and networks.
//!
//! What is checked here costs a hash and a look into a table, before anything that costs more.
//! All of it is in memory and begins anew with the relay. Every limit fails open: where more keys
//! are short of their allowance than its table holds, some are whole again too early, because a
//! table that refused strangers would let whoever fills it silence everybody.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plico_protocol::envelope::SizeClass;
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::Timestamp;

use super::admission::network;
use super::limit::{Allowances, Rate, Wait};
use super::reach::Reach;
use crate::config::Config;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $counts:literal;)+) => {
        /// A limit whose refusal names it. SPEC.md §12.1 is this table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[$doc])* $variant,)+
        }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in refusals.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it counts.
            pub const fn counts(self) -> &'static str {
                match self { $(Self::$variant => $counts,)+ }
            }
        }
    };
}

rules! {
    /// Frames of a network.
    Frames = "frames", "frames of an address prefix, but acknowledgements and what a business submits";
    /// Mailboxes that a network opens.
    MailboxesOpened = "mailboxes_opened", "`Open` of an address prefix";
    /// Bundles that a network fetches.
    Bundles = "bundles", "`FetchBundle` of an address prefix; above it bundles come without a one-time prekey, and nothing is refused";
    /// What a network submits to inboxes.
    Submissions = "submissions", "submissions of an address prefix to inboxes";
    /// What a network submits to one inbox.
    InboxShare = "inbox_share", "submissions of an address prefix to one inbox";
    /// What one inbox takes.
    InboxQuota = "inbox_quota", "submissions to an inbox";
    /// Large envelopes for nobody.
    LargeWhileOffline = "large_while_offline", "submissions over 8 KiB to an inbox that nobody is subscribed to";
    /// What an account submits.
    AccountSubmissions = "account_submissions", "submissions of an account";
    /// Whom an account writes to unasked.
    Reach = "reach", "distinct mailboxes an account writes to outside their windows in a UTC day";
    /// What a mailbox gets.
    MailboxMessages = "mailbox_messages", "messages to a mailbox";
}

impl Rule {
    /// How many there may be where the operator says nothing else, in words.
    pub fn default(self) -> String {
        let limits = Config::default().throttle();
        let minutely = |count: u32| match (count / 1_000, count % 1_000) {
            (0, count) => format!("{count} a minute"),
            (thousands, rest) => format!("{thousands},{rest:03} a minute"),
        };
        match self {
            Self::Frames => minutely(limits.frames_per_minute_per_prefix),
            Self::MailboxesOpened => minutely(limits.mailboxes_opened_per_minute_per_prefix),
            Self::Bundles => minutely(limits.bundles_per_minute_per_prefix),
            Self::Submissions => minutely(limits.submissions_per_minute_per_prefix),
            Self::InboxShare => format!("{} % of the quota", limits.inbox_share_percent_per_prefix),
            Self::InboxQuota => "the rate card's `inbox_free_per_day`".to_owned(),
            Self::LargeWhileOffline => "none".to_owned(),
            Self::AccountSubmissions => minutely(limits.submissions_per_minute_per_account),
            Self::Reach => "the rate card's `tiers`".to_owned(),
            Self::MailboxMessages => {
                let count = minutely(limits.messages_per_minute_per_mailbox);
                format!("{count}, {MAILBOX_BURST} at once")
            }
        }
    }
}

/// How many of what; each at once, and then evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Connections that an address prefix may have open.
    pub connections_per_prefix_max: u32,
    /// [`Rule::Frames`] in a minute.
    pub frames_per_minute_per_prefix: u32,
    /// [`Rule::MailboxesOpened`] in a minute.
    pub mailboxes_opened_per_minute_per_prefix: u32,
    /// [`Rule::Bundles`] in a minute.
    pub bundles_per_minute_per_prefix: u32,
    /// [`Rule::Submissions`] in a minute.
    pub submissions_per_minute_per_prefix: u32,
    /// [`Rule::InboxShare`], of what the rate card lets an inbox take in a day.
    pub inbox_share_percent_per_prefix: u32,
    /// [`Rule::AccountSubmissions`] in a minute.
    pub submissions_per_minute_per_account: u32,
    /// [`Rule::MailboxMessages`] in a minute, and [`MAILBOX_BURST`] at once.
    pub messages_per_minute_per_mailbox: u32,
}

/// A network, as long as this relay runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix(u64);

/// Too many of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Of what.
    pub rule: Rule,
    /// How many there may be, in words.
    pub limit: String,
    /// When to try again, in milliseconds; 0 where waiting does not help.
    pub retry_after_ms: u32,
}

/// Every allowance of this relay.
#[derive(Debug)]
pub struct Throttle {
    limits: ThrottleLimits,
    key: RandomState,
    tables: Vec<Mutex<Allowances>>,
    reach: Mutex<Reach>,
    present: Arc<Mutex<HashMap<Prefix, u32>>>,
}

/// A connection that counts for its network until it is dropped.
#[derive(Debug)]
pub struct Present {
    prefix: Prefix,
    present: Arc<Mutex<HashMap<Prefix, u32>>>,
}

/// Messages a mailbox takes at once.
pub const MAILBOX_BURST: u32 = 45;

impl Throttle {
    /// With every allowance whole.
    pub fn new(limits: ThrottleLimits) -> Self {
        let table = |rule: &Rule| Mutex::new(Allowances::new(keys(*rule)));
        let tables = Rule::ALL.iter().map(table).collect();
        Self {
            limits,
            key: RandomState::new(),
            tables,
            reach: Mutex::default(),
            present: Arc::default(),
        }
    }

    /// The network of an address: its /24 or /48.
    pub fn prefix(&self, address: IpAddr) -> Prefix {
        Prefix(self.key.hash_one(network(address)))
    }

    /// Lets one more connection of a network in. Bounded by the connections there may be at all.
    pub fn enter(&self, prefix: Prefix) -> Option<Present> {
        let mut present = lock(&self.present);
        let count = present.get(&prefix).copied().unwrap_or_default();
        if self.limits.connections_per_prefix_max <= count {
            return None;
        }
        present.insert(prefix, count.saturating_add(1));
        Some(Present { prefix, present: self.present.clone() })
    }

    /// One more frame of a network.
    ///
    /// # Errors
    ///
    /// [`Limited`], as of every function here.
    pub fn frame(&self, prefix: Prefix, now_us: u64) -> Result<(), Limited> {
        self.minutely(Rule::Frames, prefix, self.limits.frames_per_minute_per_prefix, now_us)
    }

    /// One more mailbox that a network opens.
    ///
    /// # Errors
    ///
    /// [`Limited`].
    pub fn open(&self, prefix: Prefix, now_us: u64) -> Result<(), Limited> {
        let limit = self.limits.mailboxes_opened_per_minute_per_prefix;
        self.minutely(Rule::MailboxesOpened, prefix, limit, now_us)
    }

    /// Whether one more bundle for a network comes with a one-time prekey, of which a business
    /// has few.
    pub fn one_time_prekey(&self, prefix: Prefix, now_us: u64) -> bool {
        let limit = self.limits.bundles_per_minute_per_prefix;
        self.minutely(Rule::Bundles, prefix, limit, now_us).is_ok()
    }

    /// One more submission of a network to an inbox, which takes `quota` a day.
    ///
    /// # Errors
    ///
    /// [`Limited`].
    pub fn to_inbox(
        &self,
        prefix: Prefix,
        inbox: &Address,
        quota: u32,
        now_us: u64,
    ) -> Result<(), Limited> {
        let limits = &self.limits;
        let limit = limits.submissions_per_minute_per_prefix;
        self.minutely(Rule::Submissions, prefix, limit, now_us)?;
        let share = u64::from(quota) * u64::from(limits.inbox_share_percent_per_prefix) / 100;
        let share = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        // The share first: what a network has too much must not count for everybody's quota.
        self.daily(Rule::InboxShare, (prefix, inbox), share, now_us)?;
        self.daily(Rule::InboxQuota, inbox, quota, now_us)
    }

    /// One more submission of an account.
    ///
    /// # Errors
    ///
    /// [`Limited`].
    pub fn account(&self, account: &AccountKey, now_us: u64) -> Result<(), Limited> {
        let limit = self.limits.submissions_per_minute_per_account;
        self.minutely(Rule::AccountSubmissions, account, limit, now_us)
    }

    /// One more message to a mailbox, once its ticket was checked: a stranger must not be able to
    /// use a mailbox's allowance up.
    ///
    /// # Errors
    ///
    /// [`Limited`].
    pub fn mailbox(&self, mailbox: &Address, now_us: u64) -> Result<(), Limited> {
        let limit = self.limits.messages_per_minute_per_mailbox.max(1);
        let rate = Rate::new(MINUTE_US / u64::from(limit), MAILBOX_BURST);
        self.take(Rule::MailboxMessages, mailbox, rate, now_us).map_err(|wait| {
            let limit = format!("{limit} a minute, {MAILBOX_BURST} at once");
            Limited { rule: Rule::MailboxMessages, limit, retry_after_ms: wait.ms }
        })
    }

    /// One more message of an account to a mailbox outside its window, for an account whose tier
    /// reaches `limit` of them in a day.
    ///
    /// # Errors
    ///
    /// [`Limited`].
    pub fn reach(
        &self,
        account: &AccountKey,
        mailbox: &Address,
        limit: u32,
        now: Timestamp,
    ) -> Result<(), Limited> {
        lock(&self.reach).take(account, mailbox, limit, now).map_err(|wait| {
            let limit = format!("{limit} mailboxes a day");
            Limited { rule: Rule::Reach, limit, retry_after_ms: wait.ms }
        })
    }

    fn minutely(&self, rule: Rule, key: impl Hash, count: u32, now_us: u64) -> Result<(), Limited> {
        let limit = || format!("{count} a minute");
        self.take(rule, key, Rate::per_minute(count), now_us).map_err(|wait| Limited {
            rule,
            limit: limit(),
            retry_after_ms: wait.ms,
        })
    }

    fn daily(&self, rule: Rule, key: impl Hash, count: u32, now_us: u64) -> Result<(), Limited> {
        let limit = || format!("{count} a day");
        self.take(rule, key, Rate::per_day(count), now_us).map_err(|wait| Limited {
            rule,
            limit: limit(),
            retry_after_ms: wait.ms,
        })
    }

    fn take(&self, rule: Rule, key: impl Hash, rate: Rate, now_us: u64) -> Result<(), Wait> {
        let place = Rule::ALL.iter().position(|each| *each == rule);
        match place.and_then(|place| self.tables.get(place)) {
            Some(table) => lock(table).take(key, rate, now_us),
            None => Ok(()),
        }
    }
}

/// An envelope for an inbox: a large one waits until somebody is there to take it.
///
/// # Errors
///
/// [`Limited`].
pub fn while_offline(
    class: SizeClass,
    is_subscribed: impl FnOnce() -> bool,
) -> Result<(), Limited> {
    if class <= SizeClass::Medium || is_subscribed() {
        return Ok(());
    }
    let limit = "8 KiB while it is offline".to_owned();
    Err(Limited { rule: Rule::LargeWhileOffline, limit, retry_after_ms: LARGE_RETRY_MS })
}

impl From<Limited> for Refusal {
    fn from(limited: Limited) -> Self {
        let Limited { rule, limit, retry_after_ms } = limited;
        let detail = format!("{}: at most {limit}", rule.name());
        Self::because(Code::RateLimited, detail).retry_after(retry_after_ms)
    }
}

impl Present {
    /// Which network.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut present = lock(&self.present);
        match present.get(&self.prefix).copied() {
            Some(count) if 1 < count => drop(present.insert(self.prefix, count - 1)),
            _ => drop(present.remove(&self.prefix)),
        }
    }
}

impl core::fmt::Debug for Prefix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(_) = self;
        f.write_str("Prefix(…)")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys that may be short of their allowance at one time: 3.5 MiB in all.
fn keys(rule: Rule) -> usize {
    match rule {
        Rule::InboxShare | Rule::MailboxMessages => 1 << 16,
        Rule::Frames
        | Rule::MailboxesOpened
        | Rule::Bundles
        | Rule::Submissions
        | Rule::InboxQuota
        | Rule::AccountSubmissions => 1 << 14,
        // No allowance by time.
        Rule::LargeWhileOffline | Rule::Reach => 0,
    }
}

const MINUTE_US: u64 = 60_000_000;
/// A business that was away may come back; the device asks once a minute.
const LARGE_RETRY_MS: u32 = 60_000;
