//! The delivery stream of one connection: envelopes out, acknowledgements in, answers in order.
//!
//! One task owns the channels, so nothing here is locked. It never waits for the writer while it
//! could deliver: acknowledgements that are on their way to disk wait in `pending`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{Channel, Delivery, Notice, RelayFrame, Sequence};
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::limits::{
    ONE_TIME_PREKEYS_LOW, REQUESTS_IN_PROGRESS_PER_STREAM_MAX, SIZE_CLASSES,
};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::TicketKeyId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::channels::{Channels, Turn};
use super::hub::{Port, Subscription};
use super::offers::{Offer, Offers};
use crate::connection::{Answer, Item, Outbox, Unheard};
use crate::request::Request;
use crate::service::Service;
use crate::writer::Pending;

/// Serves a delivery stream from its first subscription until the client ends it.
pub(crate) async fn deliver(
    service: Arc<Service>,
    account: Option<AccountKey>,
    first: Address,
    outbox: Outbox,
    queue: mpsc::Receiver<Box<Item>>,
) {
    let mut session = Session {
        service,
        outbox,
        port: Arc::default(),
        channels: Channels::default(),
        pending: VecDeque::new(),
        resting: None,
        offers: Offers::default(),
        telling: VecDeque::new(),
    };
    session.subscribe(first, account);
    session.tell_ticket_keys(account);
    let ended = session.run(queue).await;
    session.offers.end_all();
    // Before the subscriptions go: what was handed out is known from them or from the store.
    session.tell_all_offers().await;
    if ended.is_ok() {
        session.outbox.finish().await;
    }
}

struct Session {
    service: Arc<Service>,
    outbox: Outbox,
    port: Arc<Port>,
    channels: Channels<Subscription>,
    /// Answers not known yet, in order.
    pending: VecDeque<Answer>,
    /// A read failed: no turns until then.
    resting: Option<Instant>,
    offers: Offers,
    /// What the store is being told.
    telling: VecDeque<(Offer, Pending)>,
}

impl Session {
    /// Ends when the client has finished its side and everything it asked is answered.
    async fn run(&mut self, mut queue: mpsc::Receiver<Box<Item>>) -> Result<(), Unheard> {
        loop {
            while self.may_take()
                && let Ok(item) = queue.try_recv()
            {
                self.take(*item).await?;
            }
            self.hear();
            self.tell_offers().await;
            self.answer_ready().await;
            if self.take_turn() {
                self.outbox.flush().await?;
                continue;
            }
            self.outbox.flush().await?;
            let pause = self.resting.or(self.offers.next());
            tokio::select! {
                biased;
                item = queue.recv(), if self.may_take() => match item {
                    Some(item) => self.take(*item).await?,
                    None => return self.answer_all().await,
                },
                frame = front(&mut self.pending) => self.say(&frame),
                () = self.port.changed() => (),
                () = told(&mut self.telling, &mut self.offers) => (),
                () = rested(pause) => self.resting = None,
            }
        }
    }

    fn may_take(&self) -> bool {
        self.pending.len() < REQUESTS_IN_PROGRESS_PER_STREAM_MAX
    }

    async fn take(&mut self, item: Item) -> Result<(), Unheard> {
        match item {
            Item::Answer(answer) => self.pending.push_back(answer),
            Item::Acknowledge { channel, up_to, unreadable } => {
                let answer = self.acknowledge(channel, up_to, unreadable).await;
                self.pending.push_back(answer);
            }
            Item::Subscribe { address, account } => {
                // Its answer comes after those before it, and its envelopes after its answer.
                self.answer_all().await?;
                self.subscribe(address, account);
            }
        }
        Ok(())
    }

    /// Between turns, so that a long backlog does not hold acknowledgements up.
    async fn answer_ready(&mut self) {
        while let Some(answer) = self.pending.front_mut()
            && let Some(frame) = answer.frame_if_ready().await
        {
            self.pending.pop_front();
            self.say(&frame);
        }
    }

    async fn answer_all(&mut self) -> Result<(), Unheard> {
        self.answer_ready().await;
        while !self.pending.is_empty() {
            self.outbox.flush().await?;
            let frame = front(&mut self.pending).await;
            self.say(&frame);
            self.answer_ready().await;
        }
        Ok(())
    }

    /// An answer; a confirmed acknowledgement gives its credit back.
    fn say(&mut self, frame: &RelayFrame) {
        if let RelayFrame::Acknowledged { channel, up_to } = frame {
            self.channels.acknowledged(*channel, *up_to);
            self.offers.acknowledged(*channel, *up_to);
        }
        self.outbox.push(frame);
    }

    fn subscribe(&mut self, address: Address, account: Option<AccountKey>) {
        let opened = self.open(address, account);
        match opened {
            Ok(channel) => {
                self.outbox.push(&RelayFrame::Subscribed { channel });
                let notices = account.map(|account| self.notices(&account));
                for notice in notices.into_iter().flatten() {
                    self.outbox.push(&RelayFrame::Notice(notice));
                }
            }
            Err(refusal) => self.outbox.push(&RelayFrame::Refused(refusal)),
        }
    }

    fn open(&mut self, address: Address, account: Option<AccountKey>) -> Result<Channel, Refusal> {
        let channel = self.channels.take_number().map_err(Refusal::new)?;
        let view = &self.service.view;
        if let Some(account) = &account {
            self.check_inbox(&address, account)?;
        }
        // Subscribed before the store is read: what is stored in between is heard.
        let subscription = self.service.hub.subscribe(address, &self.port, channel, account);
        if account.is_none() && !view.mailbox_exists(&address)? {
            return Err(Refusal::new(Code::NoMailbox));
        }
        let backlog_end = view.last_sequence(&address)?;
        let acknowledged = view.acknowledged(&address)?;
        self.channels.open(channel, address, subscription, acknowledged, backlog_end);
        Ok(channel)
    }

    /// An inbox must be certified for the account; expired or revoked, it can still be drained.
    fn check_inbox(&self, inbox: &Address, account: &AccountKey) -> Result<(), Refusal> {
        let certified = self.service.directory.inbox(inbox);
        match certified.is_some_and(|c| c.certificate.body().keys.account == *account) {
            true => Ok(()),
            false => Err(Refusal::new(Code::NotCertified)),
        }
    }

    fn notices(&self, account: &AccountKey) -> Vec<Notice> {
        let stock = self.service.view.prekey_stock(account).map(|stock| stock.one_time);
        let low = stock.ok().filter(|left| *left as usize <= ONE_TIME_PREKEYS_LOW);
        let certified = self.service.directory.by_account(account);
        let now = self.service.clock.now();
        let end = certified.map(|certified| certified.certificate.body().valid_to);
        let hours = end.map(|end| end.0.saturating_sub(now.hour().0));
        let ending = hours.filter(|hours| *hours <= CERTIFICATE_ENDS_HOURS);
        let dues = self.service.view.dues(account, &self.service.rules.rate_cards.get(), now);
        let unpaid = dues.ok().and_then(|dues| dues.unpaid);
        let low = low.map(|one_time| Notice::PrekeysLow { one_time });
        let ending = ending.map(|hours| Notice::CertificateEnds { hours });
        let unpaid = unpaid.map(|unpaid| Notice::Unpaid { stops: unpaid.stops });
        [low, ending, unpaid].into_iter().flatten().collect()
    }

    /// A person's device may have given tickets since it was last here that ended all together. As
    /// long as there was no other key than the first there is nothing to say.
    fn tell_ticket_keys(&mut self, account: Option<AccountKey>) {
        let keys = self.service.keys.ring().ticket_keys();
        let told = keys.filter(|keys| account.is_none() && keys.oldest != TicketKeyId(0));
        if let Some(keys) = told {
            self.outbox.push(&RelayFrame::Notice(Notice::TicketKeys(keys)));
        }
    }

    async fn acknowledge(
        &mut self,
        channel: Channel,
        up_to: Sequence,
        unreadable: Vec<Sequence>,
    ) -> Answer {
        // Repeated ones too go to the writer: only what is committed may be confirmed.
        match self.channels.check(channel, up_to) {
            Ok(address) => {
                let request = Request::Acknowledge { address, channel, up_to, unreadable };
                Answer::Written(self.service.writer.enqueue(request).await)
            }
            Err(code) => Answer::refused(code),
        }
    }

    /// Takes in what the hub says.
    fn hear(&mut self) {
        let news = self.port.take();
        for channel in news.arrived {
            self.channels.arrived(channel);
        }
        for (channel, reason) in news.ended {
            self.offers.end(channel);
            if self.channels.end(channel) {
                self.outbox.push(&RelayFrame::Ended { channel, reason });
            }
        }
        for notice in news.notices {
            self.outbox.push(&RelayFrame::Notice(notice));
        }
    }

    /// Tells the store what was handed out and not acknowledged, without waiting for it.
    async fn tell_offers(&mut self) {
        while let Some(offer) = self.offers.due(Instant::now()) {
            let Offer { address, up_to } = offer;
            let request = Request::Offer { address, up_to };
            // Boxed, as there is room for it in every stream that waits.
            let answer = Box::pin(self.service.writer.enqueue(request)).await;
            self.telling.push_back((offer, answer));
        }
    }

    /// The same, until the store has taken everything.
    async fn tell_all_offers(&mut self) {
        loop {
            self.tell_offers().await;
            if !self.telling.is_empty() {
                told(&mut self.telling, &mut self.offers).await;
            } else if let Some(due) = self.offers.next() {
                tokio::time::sleep_until(due).await;
            } else {
                return;
            }
        }
    }

    /// Reads and sends for one channel. False if there is nothing to send or no credit.
    fn take_turn(&mut self) -> bool {
        if self.resting.is_some() {
            return false;
        }
        let Some(turn) = self.channels.turn() else { return false };
        let Turn { channel, address, after, count_max, bytes_max } = turn;
        let now = self.service.clock.now();
        let read = self.service.view.envelopes_after(&address, after, count_max, bytes_max, now);
        let Ok(envelopes) = read.inspect_err(|error| {
            tracing::error!(error = %error, "envelopes cannot be read; trying again");
        }) else {
            self.resting = Some(Instant::now() + READ_PAUSE);
            self.channels.arrived(channel);
            return false;
        };
        let sent: Vec<_> =
            envelopes.iter().map(|e| (e.sequence, e.envelope.bytes().len())).collect();
        let bytes: usize = sent.iter().map(|(_, bytes)| bytes).sum();
        let more = sent.len() == count_max || bytes_max < bytes + LARGEST;
        self.outbox.reserve(bytes + sent.len() * BESIDE_ENVELOPE_BYTES);
        if let Some(last) = envelopes.iter().rfind(|stored| stored.to_offer) {
            let (up_to, subscription) = (last.sequence, self.channels.subscription(channel));
            subscription.into_iter().for_each(|place| place.hand(up_to));
            self.offers.handed(channel, Offer { address, up_to }, Instant::now());
        }
        for stored in envelopes {
            let envelope = EnvelopeBytes(stored.envelope.bytes().clone());
            let (sequence, origin) = (stored.sequence, stored.origin);
            let delivery = Delivery { channel, sequence, origin, envelope };
            self.outbox.push(&RelayFrame::Deliver(Box::new(delivery)));
        }
        if self.channels.sent(channel, sent, more) {
            self.outbox.push(&RelayFrame::Drained { channel });
        }
        true
    }
}

/// The first answer, once it is known; never, where there is none. Cancel-safe.
async fn front(pending: &mut VecDeque<Answer>) -> RelayFrame {
    let Some(answer) = pending.front_mut() else { return core::future::pending().await };
    let frame = answer.frame().await;
    pending.pop_front();
    frame
}

/// Once the store took an offer or did not; never, where it is told of none. Cancel-safe. One that
/// stops takes nothing any more.
async fn told(telling: &mut VecDeque<(Offer, Pending)>, offers: &mut Offers) {
    let Some((offer, answer)) = telling.front_mut() else { return core::future::pending().await };
    let (offer, reply) = (*offer, answer.await);
    telling.pop_front();
    if reply.is_err_and(|refusal| refusal.code != Code::ShuttingDown) {
        offers.refused(offer, Instant::now());
    }
}

/// Once a pause is over; never, where there is none.
async fn rested(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => core::future::pending().await,
    }
}

/// Hours before a certificate's end from which on a business is told (14 days).
const CERTIFICATE_ENDS_HOURS: u32 = 14 * 24;
/// After a failed read: while the store is opened again after a full disk.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// What a delivery has beside its envelope: its header and fields, and a stamped origin.
const BESIDE_ENVELOPE_BYTES: usize = 160;
const LARGEST: usize = {
    let [.., largest] = SIZE_CLASSES;
    largest
};
