//! Who listens to which mailbox: one subscriber at a time, wherever it is connected.
//!
//! In memory only, and gone when a connection ends. The hub knows addresses, because it must find
//! a subscriber by one; it never says them. Several relay nodes would put their own hub behind
//! [`crate::writer::Wake`].

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plico_protocol::frame::{Channel, EndReason, Notice, Sequence};
use plico_protocol::id::{AccountKey, Address};
use tokio::sync::Notify;

use crate::writer::{Event, Wake};

/// Every subscription of this relay.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    table: Mutex<Table>,
}

/// Where a delivery stream hears what happened to its channels. Nothing queues up here: what is
/// told twice before it is heard is heard once.
#[derive(Debug, Default)]
pub(crate) struct Port {
    news: Mutex<News>,
    changed: Notify,
}

/// What happened since a port was last asked.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Channels whose mailbox may hold something new.
    pub(crate) arrived: BTreeSet<Channel>,
    /// Channels that ended.
    pub(crate) ended: Vec<(Channel, EndReason)>,
    /// Words to a business or a person; of each kind the latest.
    pub(crate) notices: Vec<Notice>,
}

/// A place in the hub, given up on drop unless another subscriber has taken it over.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    address: Address,
    number: u64,
    handed: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Table {
    subscribers: HashMap<Address, Subscriber>,
    /// The inbox of each business that listens.
    inboxes: HashMap<AccountKey, Address>,
    subscriptions: u64,
}

#[derive(Debug)]
struct Subscriber {
    port: Arc<Port>,
    channel: Channel,
    number: u64,
    account: Option<AccountKey>,
    /// The last sequence handed out that costs something, by this subscriber or one it took over.
    handed: Arc<AtomicU64>,
}

impl Hub {
    /// Makes `port` the subscriber of a mailbox, or of the inbox of `account`; the one before hears
    /// that it was taken over. Subscribe first and read the store afterwards: what is stored in between is heard.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        address: Address,
        port: &Arc<Port>,
        channel: Channel,
        account: Option<AccountKey>,
    ) -> Subscription {
        let mut table = self.lock();
        table.subscriptions += 1;
        let number = table.subscriptions;
        let before = table.subscribers.get(&address);
        let handed = before.map(|before| before.handed.clone()).unwrap_or_default();
        let place = handed.clone();
        let subscriber = Subscriber { port: port.clone(), channel, number, account, handed };
        if let Some(account) = account {
            table.inboxes.insert(account, address);
        }
        if let Some(before) = table.subscribers.insert(address, subscriber) {
            before.port.tell(|news| news.ended.push((before.channel, EndReason::TakenOver)));
        }
        Subscription { hub: self.clone(), address, number, handed: place }
    }

    /// Up to where a mailbox's subscriber was handed what costs something; 0 for nothing.
    pub(crate) fn handed(&self, address: &Address) -> Sequence {
        let table = self.lock();
        let subscriber = table.subscribers.get(address);
        Sequence(subscriber.map_or(0, |subscriber| subscriber.handed.load(Ordering::SeqCst)))
    }

    fn arrived(&self, address: &Address) {
        if let Some(Subscriber { port, channel, .. }) = self.lock().subscribers.get(address) {
            port.tell(|news| {
                news.arrived.insert(*channel);
            });
        }
    }

    /// Whether somebody listens to a mailbox.
    pub(crate) fn is_subscribed(&self, address: &Address) -> bool {
        self.lock().subscribers.contains_key(address)
    }

    fn ended(&self, address: &Address, reason: EndReason) {
        if let Some(Subscriber { port, channel, .. }) = self.lock().remove(address) {
            port.tell(|news| news.ended.push((channel, reason)));
        }
    }

    fn notice(&self, account: &AccountKey, notice: Notice) {
        let table = self.lock();
        let inbox = table.inboxes.get(account);
        if let Some(Subscriber { port, .. }) = inbox.and_then(|i| table.subscribers.get(i)) {
            port.tell(|news| news.notice(notice));
        }
    }

    /// Tells every person. It holds the table for some tenths of a second where a million listen,
    /// which an operator who ends every ticket can bear.
    fn notice_people(&self, notice: Notice) {
        let table = self.lock();
        for subscriber in table.subscribers.values().filter(|s| s.account.is_none()) {
            subscriber.port.tell(|news| news.notice(notice));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Hub {
    fn wake(&self, event: Event) {
        match event {
            Event::Arrived { address } => self.arrived(&address),
            Event::Ended { address, reason } => self.ended(&address, reason),
            Event::PrekeysLow { account, one_time } => {
                self.notice(&account, Notice::PrekeysLow { one_time });
            }
            Event::Unpaid { account, stops } => self.notice(&account, Notice::Unpaid { stops }),
            Event::TicketsEnded(keys) => self.notice_people(Notice::TicketKeys(keys)),
        }
    }
}

impl Table {
    fn remove(&mut self, address: &Address) -> Option<Subscriber> {
        let subscriber = self.subscribers.remove(address)?;
        if let Some(account) = &subscriber.account
            && self.inboxes.get(account) == Some(address)
        {
            self.inboxes.remove(account);
        }
        Some(subscriber)
    }
}

impl News {
    fn notice(&mut self, notice: Notice) {
        let kind = core::mem::discriminant(&notice);
        self.notices.retain(|waiting| core::mem::discriminant(waiting) != kind);
        self.notices.push(notice);
    }
}

impl Port {
    /// Waits until something has happened. Cancel-safe; a word said before the call is not lost.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes what happened.
    pub(crate) fn take(&self) -> News {
        core::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }
}

impl Subscription {
    /// Something that costs was handed out; before it can reach anybody, so that whoever revokes on
    /// reading it finds it noted.
    pub(crate) fn hand(&self, sequence: Sequence) {
        self.handed.fetch_max(sequence.0, Ordering::SeqCst);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut table = self.hub.lock();
        let mine = |s: &Subscriber| s.number == self.number;
        if table.subscribers.get(&self.address).is_some_and(mine) {
            table.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use plico_protocol::ticket::{TicketKeyId, TicketKeys};

    use super::*;

    const MAILBOX: Address = Address::new([1; 32]);
    const ACCOUNT: AccountKey = AccountKey::new([2; 32]);

    fn port() -> Arc<Port> {
        Arc::default()
    }

    #[test]
    fn a_second_subscriber_takes_over_and_keeps_its_place_when_the_first_leaves() {
        let (hub, first, second) = (Arc::new(Hub::default()), port(), port());
        let one = hub.subscribe(MAILBOX, &first, Channel(7), None);
        let _two = hub.subscribe(MAILBOX, &second, Channel(9), None);
        assert_eq!(first.take().ended, [(Channel(7), EndReason::TakenOver)]);
        drop(one);
        hub.wake(Event::Arrived { address: MAILBOX });
        assert!(first.take().arrived.is_empty());
        assert_eq!(second.take().arrived, BTreeSet::from([Channel(9)]));
    }

    #[test]
    fn what_was_handed_out_is_known_until_nobody_subscribes() {
        let (hub, first, second) = (Arc::new(Hub::default()), port(), port());
        let one = hub.subscribe(MAILBOX, &first, Channel(7), None);
        assert_eq!(hub.handed(&MAILBOX), Sequence(0));
        one.hand(Sequence(5));
        let two = hub.subscribe(MAILBOX, &second, Channel(9), None);
        assert_eq!(hub.handed(&MAILBOX), Sequence(5), "by the one that was taken over");
        two.hand(Sequence(4));
        assert_eq!(hub.handed(&MAILBOX), Sequence(5));
        drop((one, two));
        assert_eq!(hub.handed(&MAILBOX), Sequence(0));
    }

    #[test]
    fn a_closed_mailbox_ends_its_channel_and_a_left_one_is_silent() {
        let (hub, port) = (Arc::new(Hub::default()), port());
        let subscription = hub.subscribe(MAILBOX, &port, Channel(0), Some(ACCOUNT));
        hub.wake(Event::Ended { address: MAILBOX, reason: EndReason::Closed });
        assert_eq!(port.take().ended, [(Channel(0), EndReason::Closed)]);
        drop(subscription);
        drop(hub.subscribe(MAILBOX, &port, Channel(1), None));
        hub.wake(Event::Arrived { address: MAILBOX });
        assert!(port.take().arrived.is_empty());
        assert!(hub.lock().subscribers.is_empty());
    }

    #[tokio::test]
    async fn what_was_told_before_waiting_is_heard_once() {
        let (hub, port) = (Arc::new(Hub::default()), port());
        let _subscription = hub.subscribe(MAILBOX, &port, Channel(0), Some(ACCOUNT));
        hub.wake(Event::Arrived { address: MAILBOX });
        hub.wake(Event::Arrived { address: MAILBOX });
        hub.wake(Event::PrekeysLow { account: ACCOUNT, one_time: 5 });
        hub.wake(Event::PrekeysLow { account: ACCOUNT, one_time: 4 });
        port.changed().await;
        let news = port.take();
        assert_eq!(news.arrived.len(), 1);
        assert_eq!(news.notices, [Notice::PrekeysLow { one_time: 4 }]);
    }

    #[test]
    fn people_hear_once_that_tickets_ended_and_businesses_do_not() {
        let (hub, person, business) = (Arc::new(Hub::default()), port(), port());
        let other = Address::new([3; 32]);
        let _one = hub.subscribe(MAILBOX, &person, Channel(0), None);
        let _two = hub.subscribe(other, &person, Channel(1), None);
        let _inbox = hub.subscribe(Address::new([4; 32]), &business, Channel(0), Some(ACCOUNT));
        let keys = TicketKeys { oldest: TicketKeyId(2), newest: TicketKeyId(2) };
        hub.wake(Event::TicketsEnded(keys));
        assert_eq!(person.take().notices, [Notice::TicketKeys(keys)]);
        assert_eq!(business.take().notices, []);
    }
}
