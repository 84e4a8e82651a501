//! The keys themselves and when each is made and destroyed.

use std::collections::BTreeMap;

use getrandom::rand_core::CryptoRng;
use plico_protocol::limits::TICKET_MINUTES_MAX;
use plico_protocol::mac::MacKey;
use plico_protocol::signature::LedgerSecret;
use plico_protocol::ticket::{TicketKeyId, TicketKeys};
use plico_protocol::time::{Day, Timestamp};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Seals values at rest (XChaCha20-Poly1305). Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

/// All keys of one moment.
#[derive(Clone, Debug)]
pub struct Ring {
    pub(super) row: MacKey,
    pub(super) seal: SealKey,
    pub(super) tag: MacKey,
    /// None until the next rotation, where it was taken out of the file to be replaced.
    pub(super) ledger: Option<LedgerSecret>,
    pub(super) tickets: BTreeMap<TicketKeyId, TicketKey>,
    pub(super) stamps: BTreeMap<Day, MacKey>,
}

/// A ticket key and when it was first used.
#[derive(Clone, Debug)]
pub(super) struct TicketKey {
    pub(super) since: Day,
    pub(super) key: MacKey,
}

impl SealKey {
    /// Takes 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The one door to the bytes.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(_) = self;
        f.write_str("SealKey(…)")
    }
}

impl Ring {
    /// Fresh keys throughout.
    pub(super) fn generate(now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let ring = Self {
            row: fresh(rng),
            seal: SealKey::new(*random(rng)),
            tag: fresh(rng),
            ledger: None,
            tickets: BTreeMap::new(),
            stamps: BTreeMap::new(),
        };
        ring.rotated(now, rng).unwrap_or(ring)
    }

    /// Names rows.
    pub fn row(&self) -> &MacKey {
        &self.row
    }

    /// Seals values at rest.
    pub fn seal(&self) -> &SealKey {
        &self.seal
    }

    /// Hides a ticket's mailbox.
    pub fn tag(&self) -> &MacKey {
        &self.tag
    }

    /// Signs the heads of accounts' ledgers; none where rotation failed.
    pub fn ledger(&self) -> Option<&LedgerSecret> {
        self.ledger.as_ref()
    }

    /// The key a ticket says it was MACed with; none if it was destroyed or never was.
    pub fn ticket(&self, id: TicketKeyId) -> Option<&MacKey> {
        self.tickets.get(&id).map(|ticket| &ticket.key)
    }

    /// The key that tickets are minted with; none when it is due for replacement, so that a
    /// failed rotation stops minting rather than stretching a key's life.
    pub fn minting(&self, now: Timestamp) -> Option<(TicketKeyId, &MacKey)> {
        let (id, newest) = self.newest_ticket()?;
        (!is_due(newest, now.day())).then_some((id, &newest.key))
    }

    /// The stamp key of a day; none where rotation failed, or once destroyed.
    pub fn stamp(&self, day: Day) -> Option<&MacKey> {
        self.stamps.get(&day)
    }

    /// The stamp key of a day as long as its stamps count, destroyed late or not.
    pub fn stamp_to_verify(&self, day: Day, today: Day) -> Option<&MacKey> {
        self.stamp(day).filter(|_| !stamp_is_over(day, today))
    }

    /// Whether [`crate::keys::Keys::rotate`] has something to add or to destroy.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.minting(now).is_none()
            || self.ledger.is_none()
            || self.stamp(now.day()).is_none()
            || self.has_outlived(now.day())
    }

    /// The ring that `now` asks for; none if this is it.
    pub(super) fn rotated(&self, now: Timestamp, rng: &mut dyn CryptoRng) -> Option<Self> {
        let today = now.day();
        if !self.is_due(now) {
            return None;
        }
        let mut next = self.clone();
        next.ledger.get_or_insert_with(|| LedgerSecret::from_seed(&random(rng)));
        next.stamps.entry(today).or_insert_with(|| fresh(rng));
        next.stamps.retain(|day, _| !stamp_is_over(*day, today));
        if next.minting(now).is_none() {
            next.tickets.insert(next.next_ticket(), TicketKey { since: today, key: fresh(rng) });
        }
        for id in next.outlived_tickets(today) {
            next.tickets.remove(&id);
        }
        Some(next)
    }

    /// The ring with a fresh ticket key, under an id that no ticket names yet: beside the others, or
    /// in their place. None if there are so many that ids might meet.
    pub(super) fn with_ticket(
        &self,
        end_all: bool,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Option<Self> {
        let id = self.next_ticket();
        let mut next = self.clone();
        if end_all {
            next.tickets.clear();
        }
        next.tickets.insert(id, TicketKey { since: now.day(), key: fresh(rng) });
        (next.tickets.len() <= TICKET_KEYS_MAX).then_some(next)
    }

    /// Which ticket keys verify; none before the first.
    pub(crate) fn ticket_keys(&self) -> Option<TicketKeys> {
        let (newest, _) = self.newest_ticket()?;
        let mut oldest = newest;
        // Fewer than there are ids, and without a gap.
        for _ in 1..self.tickets.len() {
            oldest = TicketKeyId(oldest.0.wrapping_sub(1));
        }
        Some(TicketKeys { oldest, newest })
    }

    /// Which ticket keys there are, and since which day: the newest first, which signs.
    pub(crate) fn ticket_days(&self) -> Vec<(TicketKeyId, Day)> {
        let Some((newest, _)) = self.newest_ticket() else { return Vec::new() };
        let mut days: Vec<_> = self.tickets.iter().map(|(id, key)| (*id, key.since)).collect();
        days.sort_by_key(|(id, _)| newest.0.wrapping_sub(id.0));
        days
    }

    /// The days that have a stamp key, in order.
    pub(crate) fn stamp_days(&self) -> Vec<Day> {
        self.stamps.keys().copied().collect()
    }

    fn has_outlived(&self, today: Day) -> bool {
        self.stamps.keys().any(|day| stamp_is_over(*day, today))
            || !self.outlived_tickets(today).is_empty()
    }

    /// A key signs until its successor comes; the last ticket it signed ends 400 days later.
    fn outlived_tickets(&self, today: Day) -> Vec<TicketKeyId> {
        let successor = |since: Day| {
            self.tickets.values().map(|ticket| ticket.since).filter(|other| since < *other).min()
        };
        let is_over = |ticket: &TicketKey| {
            successor(ticket.since).is_some_and(|end| end.0 + TICKET_DAYS_KEPT < today.0)
        };
        self.tickets.iter().filter(|(_, ticket)| is_over(ticket)).map(|(id, _)| *id).collect()
    }

    /// Of two keys of one day the later is the one that no other comes after.
    fn newest_ticket(&self) -> Option<(TicketKeyId, &TicketKey)> {
        let is_last = |id: &TicketKeyId| !self.tickets.contains_key(&id.next());
        let newest = self.tickets.iter().max_by_key(|(id, key)| (key.since, is_last(id)));
        newest.map(|(id, key)| (*id, key))
    }

    fn next_ticket(&self) -> TicketKeyId {
        self.newest_ticket().map_or(TicketKeyId(0), |(id, _)| id.next())
    }
}

fn is_due(newest: &TicketKey, today: Day) -> bool {
    newest.since.0.saturating_add(TICKET_KEY_DAYS) <= today.0
}

fn stamp_is_over(day: Day, today: Day) -> bool {
    day.0.saturating_add(STAMP_KEY_DAYS_KEPT) < today.0
}

fn fresh(rng: &mut dyn CryptoRng) -> MacKey {
    MacKey::new(*random(rng))
}

fn random(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *bytes);
    bytes
}

/// Days a ticket key signs.
pub(crate) const TICKET_KEY_DAYS: u32 = 30;
/// Days a ticket key verifies after its successor came: the longest life of a ticket, and one day
/// because days are whole.
const TICKET_DAYS_KEPT: u32 = TICKET_MINUTES_MAX / (24 * 60) + 1;
/// Days a stamp key is kept: 30 of retention, 30 to report, and two for clocks.
pub(crate) const STAMP_KEY_DAYS_KEPT: u32 = 62;

/// Ticket keys at once: an operator may add some to those of the calendar.
const TICKET_KEYS_MAX: usize = 128;

// Ticket key ids are one byte and wrap; the keys alive at once must not meet.
const _: () = assert!(TICKET_KEYS_MAX + (TICKET_DAYS_KEPT / TICKET_KEY_DAYS) as usize + 2 < 256);
