//! What costs something and was handed to its recipient, until it is acknowledged or the store knows.
//!
//! Pure, with the time passed in. Whoever reads a message and never says so does not read it for free:
//! after five seconds, or when the channel ends, the store is told that it was offered.

use std::collections::BTreeMap;
use std::time::Duration;

use plico_protocol::frame::{Channel, Sequence};
use plico_protocol::id::Address;
use tokio::time::Instant;

/// Everything up to `up_to` in this mailbox was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) address: Address,
    pub(crate) up_to: Sequence,
}

/// What a stream handed out and the store does not know of.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    open: BTreeMap<Channel, (Offer, Instant)>,
    /// Of channels that ended.
    ended: Vec<Offer>,
    /// Which the store did not take, and when to tell it again.
    refused: Vec<(Offer, Instant)>,
}

impl Offers {
    /// Something that costs was written to a channel.
    pub(crate) fn handed(&mut self, channel: Channel, offer: Offer, now: Instant) {
        let (open, _) = self.open.entry(channel).or_insert((offer, now + PATIENCE));
        open.up_to = offer.up_to;
    }

    /// What is acknowledged is opened or unreadable, and was more than offered.
    pub(crate) fn acknowledged(&mut self, channel: Channel, up_to: Sequence) {
        if self.open.get(&channel).is_some_and(|(offer, _)| offer.up_to <= up_to) {
            self.open.remove(&channel);
        }
    }

    /// A channel ended: what it had is due.
    pub(crate) fn end(&mut self, channel: Channel) {
        self.ended.extend(self.open.remove(&channel).map(|(offer, _)| offer));
    }

    /// The stream ended: everything is due.
    pub(crate) fn end_all(&mut self) {
        self.ended.extend(core::mem::take(&mut self.open).into_values().map(|(offer, _)| offer));
    }

    /// The store did not take it: on a full disk whoever reads, waits for room and revokes would
    /// have read for free.
    pub(crate) fn refused(&mut self, offer: Offer, now: Instant) {
        self.refused.push((offer, now + PAUSE));
    }

    /// One of which the store is to be told now.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Offer> {
        if let Some(at) = self.refused.iter().position(|(_, due)| *due <= now) {
            return Some(self.refused.swap_remove(at).0);
        }
        let waited = self.open.iter().find(|(_, (_, due))| *due <= now);
        if let Some(channel) = waited.map(|(channel, _)| *channel) {
            self.end(channel);
        }
        self.ended.pop()
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.open.values().chain(&self.refused).map(|(_, due)| *due).min()
    }
}

/// In which a device that stores what it gets has acknowledged it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Until a store that refused is told again: longer than a commit, and a revocation is rarely sooner.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const A: Address = Address::new([1; 32]);

    fn offer(up_to: u64) -> Offer {
        Offer { address: A, up_to: Sequence(up_to) }
    }

    #[test]
    fn five_seconds_after_the_first_everything_handed_is_offered() {
        let mut offers = Offers::default();
        let start = Instant::now();
        offers.handed(Channel(1), offer(3), start);
        offers.handed(Channel(1), offer(5), start + Duration::from_secs(4));
        assert_eq!(offers.next(), Some(start + PATIENCE));
        assert_eq!(offers.due(start + PATIENCE - Duration::from_millis(1)), None);
        assert_eq!(offers.due(start + PATIENCE), Some(offer(5)));
        assert_eq!((offers.next(), offers.due(start + PATIENCE)), (None, None));
    }

    #[test]
    fn what_is_acknowledged_in_time_is_not_offered_and_what_is_left_is() {
        let mut offers = Offers::default();
        let start = Instant::now();
        offers.handed(Channel(1), offer(3), start);
        offers.handed(Channel(2), offer(8), start);
        offers.acknowledged(Channel(1), Sequence(3));
        offers.acknowledged(Channel(2), Sequence(7));
        offers.end(Channel(1));
        assert_eq!(offers.due(start), None);
        offers.end_all();
        assert_eq!(offers.due(start), Some(offer(8)));
    }

    #[test]
    fn what_the_store_refused_is_told_again_after_a_pause() {
        let mut offers = Offers::default();
        let start = Instant::now();
        offers.refused(offer(3), start);
        assert_eq!((offers.next(), offers.due(start)), (Some(start + PAUSE), None));
        assert_eq!(offers.due(start + PAUSE), Some(offer(3)));
        assert_eq!((offers.next(), offers.due(start + PAUSE)), (None, None));
    }
}
