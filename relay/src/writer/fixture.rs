//! A relay's inside for tests: a clock that is set, randomness that repeats, a store that crashes.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use getrandom::rand_core::{TryCryptoRng, TryRng};
use plico_protocol::certificate::{
    BusinessKeys, CertificateBody, DomainCheck, Handle, Serial, VerifiedCertificate,
};
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{Channel, RelayFrame, Sequence};
use plico_protocol::id::{AccountKey, Address, DhKey, SubmitId, TicketOpening};
use plico_protocol::pricing::{CardFields, Currency, Millionths, Prices, RateCard, Tariff};
use plico_protocol::refusal::Code;
use plico_protocol::signature::{AccountSecret, AuthoritySecret, MailboxSecret};
use plico_protocol::ticket::{
    Categories, Category, CheckedTicket, Terms, Ticket, TicketUse, Zone, ticket_commitment,
};
use plico_protocol::time::{Hour, Minute, Timestamp};

use crate::clock::Clock;
use crate::keys::Keys;
use crate::policy::consent::WindowRules;
use crate::request::{Digest, Pricing, Reply, Request};
use crate::rows::View;
use crate::store::{Disk, Memory, Store};
use crate::writer::{Core, Event, Limits, NoProbe, Setup, Wake};

/// Repeats itself for the same seed (splitmix64). For tests only.
pub(crate) struct Seeded(pub(crate) u64);

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|value| value as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.try_next_u32()? as u8;
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// Stands still until it is set.
pub(crate) struct SetClock(AtomicU64);

impl SetClock {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.0))
    }

    pub(crate) fn after(now: Timestamp, ms: u64) -> Timestamp {
        Timestamp(now.0 + ms)
    }

    pub(crate) fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Remembers who was woken.
#[derive(Default)]
pub(crate) struct Woken(Mutex<Vec<Event>>);

impl Woken {
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Wake for Woken {
    fn wake(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A core over some store, with everything around it in reach.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) woken: Arc<Woken>,
    pub(crate) store: Arc<dyn Store>,
}

/// 2026-11-20 07:30 UTC, in the middle of an hour and of a day.
pub(crate) const START: Timestamp = Timestamp(1_795_159_800_000);

impl World {
    /// Over a fresh disk in memory.
    pub(crate) fn new() -> (Self, Disk) {
        let disk = Disk::default();
        let store = Arc::new(Memory::open(&disk).unwrap());
        (Self::over(store, keys(), Limits::default()), disk)
    }

    /// Over a store, at [`START`].
    pub(crate) fn over(store: Arc<dyn Store>, keys: Keys, limits: Limits) -> Self {
        Self::seeded(store, keys, limits, 7)
    }

    /// With randomness of its own: after a crash nothing may come again.
    pub(crate) fn seeded(store: Arc<dyn Store>, keys: Keys, limits: Limits, seed: u64) -> Self {
        let clock = Arc::new(SetClock::at(START));
        let woken = Arc::new(Woken::default());
        let setup = Setup {
            store: Arc::clone(&store),
            keys: keys.clone(),
            clock: clock.clone(),
            rng: Box::new(Seeded(seed)),
            limits,
            wake: woken.clone(),
            probe: Arc::new(NoProbe),
        };
        let core = Core::open(setup).unwrap();
        Self { core, keys, clock, woken, store }
    }

    pub(crate) fn view(&self) -> View {
        self.core.view()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass_hours(&self, hours: u32) {
        self.clock.set(Timestamp(self.now().0 + u64::from(hours) * 3_600_000));
    }

    pub(crate) fn sweep(&mut self) {
        while self.core.sweep().unwrap().more {}
        while self.core.settle().unwrap().more {}
    }

    /// One request in a commit of its own.
    pub(crate) fn call(&mut self, request: Request) -> Reply {
        self.core.commit_batch(vec![request]).unwrap().pop().unwrap()
    }

    pub(crate) fn mint(&mut self, address: Address, messages_max: u16, window: bool) -> Ticket {
        let terms = terms(self.now(), messages_max);
        let window = window.then(WindowRules::default);
        let reply = self.call(Request::Mint { address, terms, window, zone: Zone::UNKNOWN });
        minted(reply)
    }

    /// What the service does before it asks the writer.
    pub(crate) fn checked(&self, ticket: &Ticket, address: &Address) -> CheckedTicket {
        let ring = self.keys.ring();
        let used = TicketUse {
            address,
            account: &bank().account,
            opening: &OPENING,
            category: Category::Service,
            now: self.now().minute(),
        };
        ticket.check(ring.ticket(ticket.key_id()).unwrap(), ring.tag(), &used).unwrap()
    }

    pub(crate) fn to_mailbox(&self, n: u8, address: Address, ticket: &Ticket) -> Request {
        let id = self.id(n);
        Request::SubmitToMailbox {
            id,
            digest: Digest::of(id.as_bytes()),
            to: address,
            account: bank().account,
            ticket: self.checked(ticket, &address),
            category: Category::Service,
            pricing: free(),
            envelope: envelope(n),
        }
    }

    pub(crate) fn to_inbox(&self, n: u8) -> Request {
        let id = self.id(n);
        let BusinessKeys { inbox, account, .. } = bank();
        let digest = Digest::of(id.as_bytes());
        Request::SubmitToInbox { id, digest, inbox, account, envelope: envelope(n) }
    }

    /// An id of this hour.
    pub(crate) fn id(&self, n: u8) -> SubmitId {
        SubmitId::compose(self.now().hour(), [n; 12])
    }

    pub(crate) fn certify_bank(&mut self) {
        let hour = self.now().hour();
        let certificate = Box::new(certificate(1, "bank", bank(), hour));
        self.call(Request::Certify { certificate }).unwrap();
    }
}

pub(crate) fn keys() -> Keys {
    Keys::in_memory(&authority(), START, &mut Seeded(3))
}

pub(crate) fn authority() -> AuthoritySecret {
    AuthoritySecret::from_seed(&[1; 32])
}

pub(crate) fn bank() -> BusinessKeys {
    BusinessKeys {
        account: bank_account().public(),
        identity: DhKey::new([2; 32]),
        hint: DhKey::new([3; 32]),
        inbox: MailboxSecret::from_seed(&[4; 32]).public(),
    }
}

pub(crate) fn bank_account() -> AccountSecret {
    AccountSecret::from_seed(&[5; 32])
}

pub(crate) fn certificate(
    serial: u64,
    handle: &str,
    keys: BusinessKeys,
    from: Hour,
) -> VerifiedCertificate {
    let body = CertificateBody {
        serial: Serial(serial),
        handle: Handle::new(handle).unwrap(),
        display_name: "Bank".to_owned(),
        domain: "bank.example".to_owned(),
        domain_check: DomainCheck::Dns,
        keys,
        categories: Categories::ALL,
        valid_from: from,
        valid_to: from.plus(90 * 24),
    };
    body.sign(&authority()).unwrap()
}

/// A person's mailbox.
pub(crate) fn person(n: u8) -> Address {
    MailboxSecret::from_seed(&[n; 32]).public()
}

pub(crate) fn other_account() -> AccountKey {
    AccountSecret::from_seed(&[6; 32]).public()
}

pub(crate) fn envelope(n: u8) -> Envelope {
    Envelope::new(Bytes::from(vec![n; 2048])).unwrap()
}

pub(crate) fn terms(now: Timestamp, messages_max: u16) -> Terms {
    Terms {
        categories: Categories::ALL,
        messages_max,
        valid_until: Minute(now.minute().0 + 300 * 24 * 60),
        commitment: ticket_commitment(&bank().account, &OPENING),
    }
}

pub(crate) fn acknowledge(address: Address, up_to: u64, unreadable: &[u64]) -> Request {
    Request::Acknowledge {
        address,
        channel: Channel(0),
        up_to: Sequence(up_to),
        unreadable: unreadable.iter().copied().map(Sequence).collect(),
    }
}

/// Nothing was handed out.
pub(crate) fn revoke(address: Address) -> Request {
    Request::Revoke { address, handed: Sequence(0) }
}

/// Nothing was handed out.
pub(crate) fn close(address: Address) -> Request {
    Request::Close { address, handed: Sequence(0) }
}

pub(crate) fn minted(reply: Reply) -> Ticket {
    match reply {
        Ok(RelayFrame::Minted(ticket)) => *ticket,
        other => panic!("no ticket: {other:?}"),
    }
}

pub(crate) fn code(reply: Reply) -> Code {
    match reply {
        Err(refusal) => refusal.code,
        Ok(frame) => panic!("not refused: {frame:?}"),
    }
}

/// What a utility message costs by [`card`], anywhere.
pub(crate) const UTILITY: Millionths = Millionths(50_000);

/// Service is free in the window; a utility message costs [`UTILITY`].
pub(crate) fn card() -> Arc<RateCard> {
    let service = Some(Millionths(30_000));
    card_of(Prices { service, utility: Some(UTILITY), ..Prices::default() })
}

fn card_of(prices: Prices) -> Arc<RateCard> {
    let countries = vec![Zone::new(*b"FR").unwrap()];
    let fields = CardFields {
        issued: START.minute(),
        valid_from: Minute(0),
        valid_until: Minute(u32::MAX),
        currency: Currency::new(*b"EUR").unwrap(),
        window_hours: 24,
        window_days_per_month: 31,
        free_in_window: Categories::of(&[Category::Service]),
        subscription: None,
        inbox_free_per_day: 1,
        tiers: vec![250],
        tariffs: vec![Tariff { name: "one".to_owned(), countries, prices }],
    };
    Arc::new(fields.check().unwrap())
}

/// Nothing costs anything.
pub(crate) fn free() -> Pricing {
    let zero = Some(Millionths::ZERO);
    let prices = Prices { service: zero, utility: zero, authentication: zero, marketing: zero };
    Pricing { card: Some(card_of(prices)), certified: true, price_max: Millionths::ZERO }
}

pub(crate) const OPENING: TicketOpening = TicketOpening::new([8; 32]);
