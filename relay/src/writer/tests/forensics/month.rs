//! A month of traffic on a real store, one request to a commit: the quietest relay, whose disk says
//! most.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use plico_protocol::certificate::{BusinessKeys, Serial};
use plico_protocol::frame::Sequence;
use plico_protocol::id::{AccountKey, Address, DhKey, SubmitId};
use plico_protocol::ledger::Amount;
use plico_protocol::prekey::{
    KEM_KEY_BYTES, KemKey, PrekeyId, PrekeyType, Publication, SignedPrekey,
};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::profile::Profile;
use plico_protocol::report::Report;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use plico_protocol::ticket::{
    Categories, Category, Terms, Ticket, TicketUse, Zone, ticket_commitment,
};
use plico_protocol::time::Minute;

use crate::policy::consent::WindowRules;
use crate::request::{Digest, Pricing, Reply, Request};
use crate::store::{Change, CommitError, Fjall, ReadError, Reader, Store, Table};
use crate::writer::Limits;
use crate::writer::fixture::{
    OPENING, Seeded, UTILITY, World, acknowledge, card, certificate, envelope, keys, minted, person,
};

/// What happened, and what a thief of the disk may look for.
#[derive(Default)]
pub(super) struct Story {
    /// In order; those that wrote nothing are left out.
    pub(super) commits: Vec<Commit>,
    /// Keys, names and ids.
    pub(super) secrets: Vec<Vec<u8>>,
}

/// One commit, by what it was for.
pub(super) struct Commit {
    pub(super) what: &'static str,
    pub(super) tables: BTreeSet<Table>,
}

/// Notes which tables each commit wrote.
struct Noting {
    store: Fjall,
    commits: Mutex<Vec<BTreeSet<Table>>>,
}

impl Store for Noting {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.commits.lock().unwrap().push(changes.iter().map(|change| change.table).collect());
        self.store.commit(changes)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        self.store.reader()
    }

    fn recover(&self) -> Result<(), CommitError> {
        self.store.recover()
    }
}

/// The relay, its businesses and their customers.
pub(super) struct Month {
    world: World,
    noting: Arc<Noting>,
    chance: Seeded,
    story: Story,
    people: Vec<Person>,
}

struct Person {
    address: Address,
    bank: u8,
    ticket: Option<Ticket>,
    sent: u64,
}

impl Month {
    /// Opens a store in `path`, certifies the businesses and opens the mailboxes.
    pub(super) fn begin(path: &Path) -> Self {
        let store = Fjall::open(path).unwrap();
        let noting = Arc::new(Noting { store, commits: Mutex::default() });
        let limits = Limits { credit: Millionths(u64::MAX / 2), ..Limits::default() };
        let world = World::over(noting.clone(), keys(), limits);
        let (chance, story) = (Seeded(11), Story::default());
        let mut month = Self { world, noting, chance, story, people: Vec::new() };
        month.note("a relay starts for the first time");
        for n in 0..BANKS {
            let hour = month.world.now().hour();
            let (keys, handle) = (business(n), format!("business-{n}"));
            let certificate = Box::new(certificate(u64::from(n) + 1, &handle, keys, hour));
            month.call("a business is certified", Request::Certify { certificate });
            month.publish_profile(n);
            month.keep_secret(&[keys.account.as_bytes(), keys.inbox.as_bytes(), handle.as_bytes()]);
        }
        for n in 0..PEOPLE {
            let (address, bank) = (person(n + 100), n % BANKS);
            month.call("a mailbox is opened", Request::Open { address });
            month.keep_secret(&[address.as_bytes()]);
            month.people.push(Person { address, bank, ticket: None, sent: 0 });
        }
        month
    }

    /// Passes a day with a few messages of each kind.
    pub(super) fn day(&mut self, day: u32) {
        self.world.pass_hours(24);
        self.sweep();
        for bank in 0..BANKS {
            self.publish_prekeys(bank, day);
        }
        for _ in 0..WRITERS_PER_DAY {
            self.somebody_writes();
        }
        let at = self.chosen();
        match day % 8 {
            1 => self.report(at),
            3 => self.change_terms(at),
            5 => self.revoke(at),
            7 => self.pay(self.people[at].bank),
            _ => (),
        }
    }

    /// A certificate is revoked, and some people go.
    pub(super) fn end(mut self) -> Story {
        self.call("a certificate is revoked", Request::RevokeCertificate { serial: Serial(1) });
        for n in (0..PEOPLE).step_by(4) {
            let close = Request::Close { address: person(n + 100), handed: Sequence(u64::MAX) };
            self.call("a mailbox is closed", close);
        }
        self.story
    }

    fn somebody_writes(&mut self) {
        let at = self.chosen();
        let Person { address, bank, .. } = self.people[at];
        let ticket = self.mint(at);
        let account = business(bank).account;
        self.call("a bundle is fetched", Request::TakeBundle { account, one_time: true });
        let inbox = business(bank).inbox;
        let id = self.id();
        let request = Request::SubmitToInbox {
            id,
            digest: Digest::of(id.as_bytes()),
            inbox,
            account,
            envelope: envelope(bank),
        };
        self.call("a message to a business is accepted", request);
        let up_to = self.world.view().last_sequence(&inbox).unwrap().0;
        self.call("a business acknowledges", acknowledge(inbox, up_to, &[]));
        for category in [Category::Service, Category::Utility, Category::Utility] {
            self.answer(at, &ticket, category);
        }
        match self.chance.below(4) {
            0 => self.call(
                "a charged message is handed out",
                Request::Offer { address, up_to: Sequence(self.people[at].sent) },
            ),
            1 => (),
            _ => self.acknowledge(at),
        }
        // Days after its window, what was free costs something.
        let other = self.chosen();
        if let Some(ticket) = self.people[other].ticket {
            self.answer(other, &ticket, Category::Service);
        }
    }

    fn mint(&mut self, at: usize) -> Ticket {
        let Person { address, bank, .. } = self.people[at];
        let (terms, window) = (self.terms(bank), Some(WindowRules::default()));
        let request = Request::Mint { address, terms, window, zone: Zone::UNKNOWN };
        let ticket = minted(self.reply("a ticket is minted", request));
        self.keep_secret(&[&ticket.as_bytes()[72..88]]);
        self.people[at].ticket = Some(ticket);
        ticket
    }

    fn answer(&mut self, at: usize, ticket: &Ticket, category: Category) {
        let Person { address, bank, .. } = self.people[at];
        let account = business(bank).account;
        let (ring, now) = (self.world.keys.ring(), self.world.now().minute());
        let used =
            TicketUse { address: &address, account: &account, opening: &OPENING, category, now };
        let key = ring.ticket(ticket.key_id()).unwrap();
        let Ok(checked) = ticket.check(key, ring.tag(), &used) else { return };
        let what = match category == Category::Service && checked.in_window(now) {
            true => "a message to a person is accepted, free",
            false => "a message to a person is accepted, charged",
        };
        let id = self.id();
        let request = Request::SubmitToMailbox {
            id,
            digest: Digest::of(id.as_bytes()),
            to: address,
            account,
            ticket: checked,
            category,
            pricing: Pricing { card: Some(card()), certified: true, price_max: UTILITY },
            envelope: envelope(bank),
        };
        if self.try_call(what, request).is_ok() {
            self.people[at].sent += 1;
        }
    }

    /// One in four of what it was sent last did not open.
    fn acknowledge(&mut self, at: usize) {
        let Person { address, sent, .. } = self.people[at];
        let unreadable: &[u64] = if self.chance.below(4) == 0 { &[sent] } else { &[] };
        self.call("a person acknowledges", acknowledge(address, sent, unreadable));
    }

    fn report(&mut self, at: usize) {
        let view = self.world.view();
        let waiting = self.people.iter().cycle().skip(at).take(self.people.len());
        let now = self.world.now();
        let found = waiting.filter_map(|person| {
            let after = Sequence(0);
            let read = view.envelopes_after(&person.address, after, 99, 1 << 20, now).unwrap();
            let outside = |of: &plico_protocol::stamp::StampedOrigin| {
                of.origin.reason == plico_protocol::stamp::Reason::OutsideWindow
            };
            let message = read.into_iter().find(|one| one.origin.as_ref().is_some_and(outside))?;
            Some((person.address, message))
        });
        let Some((address, message)) = { found }.next() else { return };
        let (commitment, class) = (message.envelope.commitment(), message.envelope.class());
        let origin = message.origin.unwrap();
        let ring = self.world.keys.ring();
        let stamp = ring.stamp_to_verify(origin.origin.hour.day(), now.day());
        let report = Report { address, commitment, class, origin, disclosure: None };
        let report = report.prove(stamp, ring.tag()).unwrap();
        self.call("a report is counted", Request::Report { report });
    }

    fn change_terms(&mut self, at: usize) {
        let Person { address, bank, .. } = self.people[at];
        let terms = self.terms(bank);
        let request = Request::ChangeTerms { address, terms, zone: Zone::UNKNOWN };
        self.people[at].ticket = Some(minted(self.reply("terms are changed", request)));
    }

    fn revoke(&mut self, at: usize) {
        let address = self.people[at].address;
        let request = Request::Revoke { address, handed: Sequence(u64::MAX) };
        self.call("a person revokes", request);
    }

    fn pay(&mut self, bank: u8) {
        let currency = Currency::new(*b"EUR").unwrap();
        let amount = Amount { millionths: UTILITY, currency };
        let account = business(bank).account;
        let reference = format!("transfer {} of {bank}", self.world.now().0);
        self.keep_secret(&[reference.as_bytes()]);
        let reference = Some(reference);
        self.call(
            "a business pays",
            Request::Pay { account, amount, reference, correction: false },
        );
    }

    fn publish_profile(&mut self, bank: u8) {
        let issued = self.world.now().minute();
        let description = format!("What business {bank} does.");
        self.keep_secret(&[description.as_bytes()]);
        let profile = Profile { issued, description, ..Profile::default() };
        let profile = Box::new(profile.sign(&secret(bank)).unwrap());
        let account = business(bank).account;
        let request = Request::PublishProfile { account, profile };
        self.call("a profile is published", request);
    }

    fn publish_prekeys(&mut self, bank: u8, day: u32) {
        let (end, by) = (self.world.now().hour().plus(48), secret(bank));
        let dh = DhKey::new([9; 32]);
        let sign = |kind, id| SignedPrekey::sign(kind, PrekeyId(id), end, dh, &by);
        let kem = KemKey::new(Box::new([8; KEM_KEY_BYTES]));
        let publication = Box::new(Publication {
            signed: sign(PrekeyType::Signed, day),
            kem: SignedPrekey::sign(PrekeyType::Kem, PrekeyId(day), end, kem, &by),
            void: PrekeyId(0),
            one_time: (0..4).map(|n| sign(PrekeyType::OneTime, day * 4 + n)).collect(),
        });
        let account = business(bank).account;
        self.call("prekeys are published", Request::PublishPrekeys { account, publication });
    }

    fn sweep(&mut self) {
        while self.world.core.sweep().unwrap().more {}
        self.note("what is past its hour ends or is forgotten");
        while self.world.core.settle().unwrap().more {}
        self.note("a day is settled");
    }

    fn terms(&self, bank: u8) -> Terms {
        Terms {
            categories: Categories::ALL,
            messages_max: 999,
            valid_until: Minute(self.world.now().minute().0 + 300 * 24 * 60),
            commitment: ticket_commitment(&business(bank).account, &OPENING),
        }
    }

    fn id(&mut self) -> SubmitId {
        let mut chosen = [0; 12];
        chosen.fill_with(|| self.chance.below(256) as u8);
        let id = SubmitId::compose(self.world.now().hour(), chosen);
        self.keep_secret(&[&chosen]);
        id
    }

    fn chosen(&mut self) -> usize {
        self.chance.below(self.people.len())
    }

    fn keep_secret(&mut self, secrets: &[&[u8]]) {
        self.story.secrets.extend(secrets.iter().map(|secret| secret.to_vec()));
    }

    fn call(&mut self, what: &'static str, request: Request) {
        self.reply(what, request).unwrap();
    }

    fn reply(&mut self, what: &'static str, request: Request) -> Reply {
        let reply = self.try_call(what, request);
        assert!(reply.is_ok(), "{what}: {reply:?}");
        reply
    }

    fn try_call(&mut self, what: &'static str, request: Request) -> Reply {
        let reply = self.world.call(request);
        self.note(what);
        reply
    }

    /// Takes down what was committed since.
    fn note(&mut self, what: &'static str) {
        let commits = std::mem::take(&mut *self.noting.commits.lock().unwrap());
        self.story.commits.extend(commits.into_iter().map(|tables| Commit { what, tables }));
    }
}

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        use getrandom::rand_core::TryRng as _;
        self.try_next_u64().map_or(0, |drawn| (drawn % end as u64) as usize)
    }
}

/// Whose accounts there are.
pub(super) fn accounts() -> impl Iterator<Item = AccountKey> {
    (0..BANKS).map(|n| business(n).account)
}

/// Whose mailboxes there are, with the business each is for.
pub(super) fn mailboxes() -> impl Iterator<Item = (Address, AccountKey)> {
    (0..PEOPLE).map(|n| (person(n + 100), business(n % BANKS).account))
}

fn business(n: u8) -> BusinessKeys {
    let inbox = MailboxSecret::from_seed(&[50 + n; 32]).public();
    let unused = DhKey::new([2; 32]);
    BusinessKeys { account: secret(n).public(), identity: unused, hint: unused, inbox }
}

fn secret(n: u8) -> AccountSecret {
    AccountSecret::from_seed(&[30 + n; 32])
}

const BANKS: u8 = 4;
const PEOPLE: u8 = 60;
const WRITERS_PER_DAY: usize = 4;
