//! What was promised, by the answers that were given.

use std::collections::{BTreeMap, BTreeSet};

use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{
    Acceptance, ClientFrame, Consent, Delivery, RelayFrame, Sequence, Submission, SubmissionState,
};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::ledger::{Entry, Receipt};
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::mac::sha256;
use plico_protocol::prekey::Bundle;
use plico_protocol::pricing::Millionths;
use plico_protocol::report::Reported;
use plico_protocol::stamp::StampedOrigin;
use plico_protocol::ticket::{Terms, Ticket, ticket_commitment};
use plico_protocol::time::{Hour, Timestamp};
use plico_relay::config::Config;

use super::parties::{PARTIES, SHOPS};

/// What a relay must keep to.
pub(super) struct Model {
    mailbox: Bounds,
    inbox: Bounds,
    /// The furthest that any account may ever owe.
    pub(super) credit_max: Millionths,
    queues: BTreeMap<Address, Queue>,
    eras: u64,
    pub(super) tickets: Vec<Minted>,
    /// What was accepted, by id, with the hash of its frame body.
    known: BTreeMap<[u8; 16], [u8; 32]>,
    /// Frames that were submitted, with the slot of who did.
    pub(super) sent: Vec<(usize, Submission)>,
    pub(super) delivered: Vec<(Address, Delivery)>,
    handed_out: BTreeSet<(AccountKey, u32)>,
    counted: BTreeSet<[u8; 32]>,
    pub(super) receipts: Vec<(AccountKey, Receipt)>,
    pub(super) ledgers: BTreeMap<AccountKey, Vec<Entry>>,
    /// One-time prekeys published by each business.
    pub(super) published: [u32; SHOPS],
    serials: u64,
    counter: u32,
    /// Minutes that passed.
    pub(super) passed: u64,
}

struct Bounds {
    envelopes: usize,
    bytes: usize,
}

/// A mailbox that is open, or an inbox.
#[derive(Default)]
struct Queue {
    era: u64,
    used: u32,
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Clone)]
struct Waiting {
    id: SubmitId,
    hash: [u8; 32],
    bytes: usize,
    expires: Hour,
}

/// A ticket that was given to a business.
pub(super) struct Minted {
    pub(super) ticket: Ticket,
    pub(super) address: Address,
    terms: Terms,
    era: u64,
}

impl Model {
    pub(super) fn new(config: &Config) -> Self {
        let bounds = |envelopes: u32, bytes: u64| Bounds {
            envelopes: envelopes.try_into().unwrap(),
            bytes: bytes.try_into().unwrap(),
        };
        let inboxes = PARTIES.shops.iter().map(|shop| (shop.inbox.public(), Queue::default()));
        Self {
            mailbox: bounds(config.mailbox_envelopes_max, config.mailbox_bytes_max),
            inbox: bounds(config.inbox_envelopes_max, config.inbox_bytes_max),
            credit_max: config.credit,
            queues: inboxes.collect(),
            eras: 0,
            tickets: Vec::new(),
            known: BTreeMap::new(),
            sent: Vec::new(),
            delivered: Vec::new(),
            handed_out: BTreeSet::new(),
            counted: BTreeSet::new(),
            receipts: Vec::new(),
            ledgers: BTreeMap::new(),
            published: [1; SHOPS],
            serials: 0,
            counter: 0,
            passed: 0,
        }
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    /// The newest certificate's, or an earlier one's.
    pub(super) fn serial(&self, back: u8) -> u64 {
        self.serials.saturating_sub(u64::from(back)).max(1)
    }

    /// Another number each time.
    pub(super) fn count(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    /// Takes the answer to a frame in, after a look at whether it may be.
    pub(super) fn answered(
        &mut self,
        account: Option<AccountKey>,
        asked: &ClientFrame,
        body: &[u8],
        answer: &RelayFrame,
        now: Timestamp,
    ) {
        match (asked, answer) {
            (_, RelayFrame::Refused(_)) => (),
            (ClientFrame::Submit(sent), RelayFrame::Accepted(accepted)) => {
                self.accepted(account, sent, body, accepted, now);
            }
            (ClientFrame::Open { address }, RelayFrame::Opened) => self.open(*address),
            (ClientFrame::Close { address }, RelayFrame::Closed) => {
                assert!(!is_inbox(address), "an inbox that a person closed");
                self.queues.remove(address);
            }
            (ClientFrame::Mint { address, terms, .. }, RelayFrame::Minted(ticket)) => {
                self.minted(*address, terms, ticket, false);
            }
            (ClientFrame::ChangeTerms { address, terms }, RelayFrame::Minted(ticket)) => {
                self.minted(*address, terms, ticket, true);
            }
            (ClientFrame::Revoke { address }, RelayFrame::Revoked) => {
                let era = self.next_era();
                let queue = self.queues.get_mut(address).expect("a mailbox that is open");
                queue.waiting.clear();
                queue.era = era;
            }
            (ClientFrame::Status { id }, RelayFrame::State(state)) => self.told(id, *state),
            (ClientFrame::FetchBundle { account }, RelayFrame::Prekeys(bundle)) => {
                self.fetched(account, bundle, now);
            }
            (ClientFrame::Report(report), RelayFrame::Reported(outcome)) => {
                self.reported(&report.origin, *outcome);
            }
            (ClientFrame::Prove(_), RelayFrame::Proved)
            | (ClientFrame::LookUp { .. }, RelayFrame::Certified { .. })
            | (ClientFrame::PublishPrekeys(_) | ClientFrame::PrekeyStatus, RelayFrame::Stock(_))
            | (ClientFrame::PublishProfile(_), RelayFrame::ProfilePublished)
            | (ClientFrame::AskStanding, RelayFrame::Standing(_))
            | (ClientFrame::FetchRateCard { .. }, RelayFrame::RateCard { .. })
            | (ClientFrame::Head { .. }, RelayFrame::Headed(_))
            | (ClientFrame::ReadLedger { .. }, RelayFrame::Entries(_)) => (),
            _ => panic!("{asked:?} was answered {answer:?}"),
        }
    }

    fn next_era(&mut self) -> u64 {
        self.eras += 1;
        self.eras
    }

    fn open(&mut self, address: Address) {
        assert!(!is_inbox(&address), "an inbox that was opened as a mailbox");
        let era = self.next_era();
        self.queues.entry(address).or_insert_with(|| Queue { era, ..Queue::default() });
    }

    fn minted(&mut self, address: Address, terms: &Terms, ticket: &Ticket, ends_others: bool) {
        let era = self.next_era();
        let queue = self.queues.get_mut(&address).expect("a mailbox that is open");
        if ends_others {
            queue.era = era;
        }
        queue.used = 0;
        let era = queue.era;
        self.tickets.push(Minted { ticket: *ticket, address, terms: *terms, era });
    }

    fn accepted(
        &mut self,
        account: Option<AccountKey>,
        sent: &Submission,
        body: &[u8],
        accepted: &Acceptance,
        now: Timestamp,
    ) {
        assert_eq!(accepted.id, sent.id);
        let digest = sha256(&[body]);
        if let Some(known) = self.known.insert(*sent.id.as_bytes(), digest) {
            assert_eq!(known, digest, "one id for two submissions");
            return;
        }
        if let Some(consent) = &sent.consent {
            self.allowed(account.expect("a business"), &sent.to, consent, now);
        }
        if let Some(receipt) = &accepted.receipt {
            let consent = sent.consent.expect("a business's message");
            let message = receipt.entry.message.expect("a receipt for a message");
            assert_eq!(message.submission, sent.id);
            assert!(receipt.entry.amount.millionths <= consent.price_max, "dearer than allowed");
            self.receipts.push((account.expect("a business"), (**receipt).clone()));
        }
        let queue = self.queues.get_mut(&sent.to).expect("a mailbox or an inbox");
        let bytes = sent.envelope.0.len();
        let envelope = Envelope::new(sent.envelope.0.clone()).expect("of a size class");
        queue.last += 1;
        let hash = sha256(&[envelope.bytes()]);
        let expires = now.hour().plus(RETENTION_HOURS);
        queue.waiting.insert(queue.last, Waiting { id: sent.id, hash, bytes, expires });
        let Bounds { envelopes, bytes } =
            if is_inbox(&sent.to) { &self.inbox } else { &self.mailbox };
        assert!(queue.waiting.len() <= *envelopes, "more envelopes than a queue holds");
        let held: usize = queue.waiting.values().map(|waiting| waiting.bytes).sum();
        assert!(held <= *bytes, "more bytes than a queue holds");
    }

    /// That a person allowed a message.
    fn allowed(&mut self, account: AccountKey, to: &Address, consent: &Consent, now: Timestamp) {
        let mut tickets = self.tickets.iter();
        let minted = tickets.find(|minted| minted.ticket == consent.ticket);
        let minted = minted.expect("a ticket that the relay minted");
        let Minted { address, terms, era, .. } = minted;
        let queue = self.queues.get_mut(to).expect("a mailbox that is open");
        assert_eq!((to, *era), (address, queue.era), "a ticket of this mailbox, not ended");
        assert_eq!(ticket_commitment(&account, &consent.opening), terms.commitment);
        assert!(now.minute() < terms.valid_until && terms.categories.contains(consent.category));
        queue.used += 1;
        assert!(queue.used <= u32::from(terms.messages_max), "more messages than allowed");
    }

    fn told(&self, id: &SubmitId, state: SubmissionState) {
        let waits = self
            .queues
            .values()
            .any(|queue| queue.waiting.values().any(|waiting| waiting.id == *id));
        assert!(!waits || state == SubmissionState::Queued, "accepted, and told {state:?}");
        let known = self.known.contains_key(id.as_bytes());
        assert!(known || state == SubmissionState::Unknown, "never accepted, and told {state:?}");
    }

    fn fetched(&mut self, account: &AccountKey, bundle: &Bundle, now: Timestamp) {
        let (bundle, hour) = (bundle.clone(), now.hour());
        let one_time = bundle.one_time.as_ref().map(|prekey| prekey.id.0);
        // Expired ones are handed out too: who fetches them refuses.
        let _ = bundle.verify(account, hour, hour);
        if let Some(id) = one_time {
            assert!(self.handed_out.insert((*account, id)), "a one-time prekey handed out twice");
        }
    }

    fn reported(&mut self, origin: &StampedOrigin, outcome: Reported) {
        let counts = outcome == Reported::Counted;
        let first = !counts || self.counted.insert(*origin.stamp.as_bytes());
        assert!(first, "a report that counts twice");
        let known = self.delivered.iter().any(|(_, delivery)| delivery.origin == Some(*origin));
        assert!(known, "a report of what was never delivered");
    }

    /// An envelope that a subscriber got.
    pub(super) fn delivers(&mut self, address: Address, delivery: &Delivery, now: Timestamp) {
        let queue = self.queues.get(&address).expect("a queue that is there");
        let waiting = queue.waiting.get(&delivery.sequence.0).expect("an envelope that waits");
        assert_eq!(waiting.hash, sha256(&[&delivery.envelope.0]), "another envelope");
        assert!(now.hour() < waiting.expires, "delivered after its time");
        assert_eq!(delivery.origin.is_none(), is_inbox(&address));
        self.delivered.push((address, delivery.clone()));
    }

    /// The sequences that wait, in order.
    pub(super) fn waiting(&self, address: &Address) -> Vec<u64> {
        self.queues
            .get(address)
            .map(|queue| queue.waiting.keys().copied().collect())
            .unwrap_or_default()
    }

    pub(super) fn acknowledged(&mut self, address: &Address, up_to: Sequence) {
        if let Some(queue) = self.queues.get_mut(address) {
            queue.waiting.retain(|sequence, _| up_to.0 < *sequence);
        }
    }

    pub(super) fn expire(&mut self, now: Hour) {
        for queue in self.queues.values_mut() {
            queue.waiting.retain(|_, waiting| now < waiting.expires);
        }
    }

    /// Whether this address is subscribed to without being refused.
    pub(super) fn is_there(&self, address: &Address) -> bool {
        self.queues.contains_key(address)
    }
}

pub(super) fn is_inbox(address: &Address) -> bool {
    PARTIES.shops.iter().any(|shop| shop.inbox.public() == *address)
}
