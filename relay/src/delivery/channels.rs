//! What one delivery stream has in flight: credit, turns and acknowledgements. Pure: it neither
//! reads the store nor writes the stream, it says what to read next and what an answer means.

use std::collections::{BTreeMap, VecDeque};

use plico_protocol::frame::{Channel, Sequence};
use plico_protocol::id::Address;
use plico_protocol::limits::{
    CHANNELS_PER_CONNECTION_MAX, SIZE_CLASSES, UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX,
    UNACKNOWLEDGED_PER_CHANNEL_MAX,
};
use plico_protocol::refusal::Code;

/// The channels of one delivery stream. `S` is what keeps a channel's place in the hub.
#[derive(Debug)]
pub(crate) struct Channels<S> {
    /// Boxed: a tree sets room for eleven values aside with the first, and most streams have one.
    open: BTreeMap<Channel, Box<Open<S>>>,
    /// Channels that may have something to read, in the order of their turns.
    turns: VecDeque<Channel>,
    next: u16,
    unacknowledged_bytes: usize,
}

/// A turn: read this much of this mailbox, then call [`Channels::sent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) channel: Channel,
    pub(crate) address: Address,
    pub(crate) after: Sequence,
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
struct Open<S> {
    address: Address,
    /// Held for its drop.
    subscription: S,
    delivered: Sequence,
    in_flight: VecDeque<(Sequence, usize)>,
    /// The last envelope that waited when the subscription began, until `Drained` is due.
    backlog_end: Option<Sequence>,
    /// Whether the mailbox may hold more than was read.
    may_hold_more: bool,
}

impl<S> Default for Channels<S> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), turns: VecDeque::new(), next: 0, unacknowledged_bytes: 0 }
    }
}

impl<S> Channels<S> {
    /// A number for a channel, whether it is then opened or not. One is used again only after all
    /// others, so that late news or a late acknowledgement of a channel does not hit another mailbox.
    ///
    /// # Errors
    ///
    /// `too_many` channels.
    pub(crate) fn take_number(&mut self) -> Result<Channel, Code> {
        if CHANNELS_PER_CONNECTION_MAX <= self.open.len() {
            return Err(Code::TooMany);
        }
        let mut numbers = (self.next..=u16::MAX).chain(0..self.next).map(Channel);
        let free = numbers.find(|number| !self.open.contains_key(number)).ok_or(Code::TooMany)?;
        self.next = free.0.wrapping_add(1);
        Ok(free)
    }

    /// Opens the channel numbered by [`Channels::take_number`]. Everything after `acknowledged` is
    /// to be delivered; what waited when the subscription began ends with `backlog_end`.
    pub(crate) fn open(
        &mut self,
        channel: Channel,
        address: Address,
        subscription: S,
        acknowledged: Sequence,
        backlog_end: Sequence,
    ) {
        let open = Open {
            address,
            subscription,
            delivered: acknowledged,
            in_flight: VecDeque::new(),
            backlog_end: Some(backlog_end),
            may_hold_more: false,
        };
        self.open.insert(channel, Box::new(open));
        self.arrived(channel);
    }

    /// Forgets a channel, with its credit. False if there is none.
    pub(crate) fn end(&mut self, channel: Channel) -> bool {
        let Some(open) = self.open.remove(&channel) else { return false };
        let bytes: usize = open.in_flight.iter().map(|(_, bytes)| bytes).sum();
        self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_sub(bytes);
        self.turns.retain(|turn| *turn != channel);
        true
    }

    /// What keeps a channel's place in the hub.
    pub(crate) fn subscription(&self, channel: Channel) -> Option<&S> {
        self.open.get(&channel).map(|open| &open.subscription)
    }

    /// The mailbox may hold something new.
    pub(crate) fn arrived(&mut self, channel: Channel) {
        if let Some(open) = self.open.get_mut(&channel) {
            open.may_hold_more = true;
            self.queue_turn(channel);
        }
    }

    /// Whose turn it is, if credit allows any.
    pub(crate) fn turn(&mut self) -> Option<Turn> {
        let bytes = UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX - self.unacknowledged_bytes.min(MAX);
        if bytes < LARGEST {
            return None;
        }
        let channel = self.turns.pop_front()?;
        let open = self.open.get(&channel)?;
        Some(Turn {
            channel,
            address: open.address,
            after: open.delivered,
            count_max: TURN_ENVELOPES_MAX.min(open.count_left()),
            bytes_max: TURN_BYTES_MAX.min(bytes),
        })
    }

    /// Notes what a turn sent. `more` says whether the mailbox may hold more than was read. True
    /// if `Drained` is now due on this channel.
    pub(crate) fn sent(
        &mut self,
        channel: Channel,
        sent: impl IntoIterator<Item = (Sequence, usize)>,
        more: bool,
    ) -> bool {
        let Some(open) = self.open.get_mut(&channel) else { return false };
        for (sequence, bytes) in sent {
            open.in_flight.push_back((sequence, bytes));
            open.delivered = sequence;
            self.unacknowledged_bytes += bytes;
        }
        open.may_hold_more = more;
        let drained = open.backlog_end.is_some_and(|end| !more || end <= open.delivered);
        if drained {
            open.backlog_end = None;
        }
        self.queue_turn(channel);
        drained
    }

    /// The mailbox an acknowledgement is about. Its credit comes back with
    /// [`Channels::acknowledged`], once the store has let go.
    ///
    /// # Errors
    ///
    /// `unknown_channel` or `ack_beyond_delivered`.
    pub(crate) fn check(&self, channel: Channel, up_to: Sequence) -> Result<Address, Code> {
        let open = self.open.get(&channel).ok_or(Code::UnknownChannel)?;
        match up_to <= open.delivered {
            true => Ok(open.address),
            false => Err(Code::AckBeyondDelivered),
        }
    }

    /// Gives the credit of what was removed from the store back.
    pub(crate) fn acknowledged(&mut self, channel: Channel, up_to: Sequence) {
        let Some(open) = self.open.get_mut(&channel) else { return };
        while let Some((_, bytes)) = open.in_flight.pop_front_if(|(s, _)| *s <= up_to) {
            self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_sub(bytes);
        }
        self.queue_turn(channel);
    }

    /// At the end of the line, if it may have something and has credit.
    fn queue_turn(&mut self, channel: Channel) {
        let open = self.open.get(&channel);
        let due = open.is_some_and(|open| open.may_hold_more && 0 < open.count_left());
        if due && !self.turns.contains(&channel) {
            self.turns.push_back(channel);
        }
    }
}

impl<S> Open<S> {
    fn count_left(&self) -> usize {
        UNACKNOWLEDGED_PER_CHANNEL_MAX.saturating_sub(self.in_flight.len())
    }
}

const MAX: usize = UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX;
/// A read is begun only if the largest envelope would fit, so that it always brings one.
const LARGEST: usize = {
    let [.., largest] = SIZE_CLASSES;
    largest
};
/// Of one turn: large enough to fill packets, small enough that 256 channels share fairly.
const TURN_ENVELOPES_MAX: usize = 16;
/// Of one turn.
const TURN_BYTES_MAX: usize = 2 * LARGEST;

#[cfg(test)]
mod tests {
    use super::*;

    const A: Address = Address::new([1; 32]);
    const B: Address = Address::new([2; 32]);

    fn with(addresses: &[Address]) -> Channels<()> {
        let mut channels = Channels::default();
        for address in addresses {
            let number = channels.take_number().unwrap();
            channels.open(number, *address, (), Sequence(0), Sequence(2));
        }
        channels
    }

    /// Sends a turn's worth of envelopes of `bytes` each, as from an endless mailbox.
    fn send(channels: &mut Channels<()>, bytes: usize) -> Option<Turn> {
        let turn = channels.turn()?;
        let count = turn.count_max.min(turn.bytes_max / bytes) as u64;
        let sent = (1..=count).map(|n| (Sequence(turn.after.0 + n), bytes));
        channels.sent(turn.channel, sent, true);
        Some(turn)
    }

    #[test]
    fn channels_take_turns() {
        let mut channels = with(&[A, B]);
        let turns: Vec<_> = (0..4).map(|_| send(&mut channels, 2048).unwrap().address).collect();
        assert_eq!(turns, [A, B, A, B]);
    }

    #[test]
    fn a_channel_stops_at_its_bound_and_goes_on_after_an_acknowledgement() {
        let mut channels = with(&[A]);
        while send(&mut channels, 2048).is_some() {}
        let delivered = Sequence(UNACKNOWLEDGED_PER_CHANNEL_MAX as u64);
        let beyond = Sequence(delivered.0 + 1);
        assert_eq!(channels.check(Channel(0), beyond), Err(Code::AckBeyondDelivered));
        assert_eq!(channels.check(Channel(0), delivered), Ok(A));
        assert_eq!(channels.turn(), None, "what is only asked for is still in flight");
        channels.acknowledged(Channel(0), Sequence(3));
        channels.acknowledged(Channel(0), Sequence(2));
        let turn = channels.turn().unwrap();
        assert_eq!((turn.after, turn.count_max), (delivered, 3));
    }

    #[test]
    fn bytes_of_all_channels_together_are_bounded() {
        let mut channels = with(&[A, B]);
        let mut turns = 0;
        while send(&mut channels, LARGEST).is_some() {
            turns += 1;
        }
        assert_eq!(channels.unacknowledged_bytes, MAX);
        assert_eq!(turns, MAX / TURN_BYTES_MAX);
        channels.acknowledged(Channel(0), Sequence(1));
        assert_eq!(channels.turn().unwrap().bytes_max, LARGEST);
    }

    #[test]
    fn drained_is_said_once_when_the_backlog_is_through() {
        let mut channels = with(&[A]);
        channels.turn().unwrap();
        assert!(!channels.sent(Channel(0), [(Sequence(1), 2048)], true));
        channels.turn().unwrap();
        assert!(channels.sent(Channel(0), [(Sequence(2), 2048)], true));
        channels.turn().unwrap();
        assert!(!channels.sent(Channel(0), [], false));
        assert_eq!(channels.turn(), None);
        channels.arrived(Channel(0));
        assert_eq!(channels.turn().unwrap().after, Sequence(2));
    }

    #[test]
    fn an_empty_backlog_is_drained_at_once() {
        let mut channels = with(&[A]);
        channels.turn().unwrap();
        assert!(channels.sent(Channel(0), [], false));
    }

    #[test]
    fn an_ended_channel_gives_its_credit_back_and_its_number_rests() {
        let mut channels = with(&[A, B]);
        send(&mut channels, LARGEST);
        assert!(channels.end(Channel(0)));
        assert!(!channels.end(Channel(0)));
        assert_eq!(channels.unacknowledged_bytes, 0);
        assert_eq!(channels.check(Channel(0), Sequence(1)), Err(Code::UnknownChannel));
        assert_eq!(channels.take_number(), Ok(Channel(2)));
    }

    #[test]
    fn one_channel_too_many_is_refused() {
        let mut channels = with(&[A; CHANNELS_PER_CONNECTION_MAX]);
        assert_eq!(channels.take_number(), Err(Code::TooMany));
        channels.end(Channel(3));
        assert_eq!(channels.take_number(), Ok(Channel(256)));
    }
}
