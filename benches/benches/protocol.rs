//! What both ends compute for each message, and what the relay checks, one operation at a time.
//!
//! Envelopes are sealed full, because an envelope costs the same whatever it says.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be measured")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use plico_endpoint::handshake::{RecipientKeys, ResponderKeys};
use plico_endpoint::hint::Hint;
use plico_endpoint::layout::MAILBOX_OVERHEAD_BYTES;
use plico_endpoint::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey};
use plico_endpoint::primitives::dh::{HintSecret, IdentitySecret};
use plico_endpoint::session::{BusinessSession, PersonSession};
use plico_protocol::certificate::BusinessKeys;
use plico_protocol::envelope::{Envelope, EnvelopeBytes, SizeClass};
use plico_protocol::frame::{
    Channel, ClientFrame, Delivery, Frame, Header, RelayFrame, Sequence, Submission,
};
use plico_protocol::id::{Address, SubmitId, TicketId, TicketOpening};
use plico_protocol::limits::FRAME_HEADER_BYTES;
use plico_protocol::mac::MacKey;
use plico_protocol::prekey::{Bundle, PrekeyId, VerifiedBundle};
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use plico_protocol::ticket::{
    Categories, Category, Epoch, Ticket, TicketFields, TicketKeyId, TicketUse, Zone, address_tag,
    ticket_commitment,
};
use plico_protocol::time::{Hour, Minute};

criterion_group!(benches, handshake, ratchet, frames, tickets);
criterion_main!(benches);

fn handshake(criterion: &mut Criterion) {
    let bank = Bank::new();
    let me = IdentitySecret::generate(&mut rng());
    let mut group = criterion.benchmark_group("handshake");
    group.bench_function("verify a bundle", |bench| {
        let account = bank.account.public();
        let bundle = bank.bundle();
        bench.iter(|| bundle.clone().verify(&account, NOW, NOW).unwrap());
    });
    let bundle = bank.verified_bundle();
    group.bench_function("initiate and seal the first message", |bench| {
        bench.iter(|| bank.initiate(&me, &bundle));
    });
    let (_, envelope) = bank.initiate(&me, &bundle);
    group.bench_function("respond and open it", |bench| {
        bench.iter(|| bank.respond(&envelope));
    });
    group.finish();
}

fn ratchet(criterion: &mut Criterion) {
    let bank = Bank::new();
    let me = IdentitySecret::generate(&mut rng());
    let (person, envelope) = bank.initiate(&me, &bank.verified_bundle());
    let business = bank.respond(&envelope);
    let mut group = criterion.benchmark_group("ratchet");
    for class in SizeClass::ALL {
        let content = vec![7; class.bytes() - MAILBOX_OVERHEAD_BYTES - 1];
        group.throughput(Throughput::Bytes(class.bytes() as u64));
        // From a copy each time: a chain ends after a thousand messages without an answer.
        group.bench_function(BenchmarkId::new("seal", class.bytes()), |bench| {
            let seal =
                |mut from: BusinessSession| from.seal_to_mailbox(&content, &mut rng()).unwrap();
            bench.iter_batched(|| business.clone(), seal, BatchSize::SmallInput);
        });
        let sealed = business.clone().seal_to_mailbox(&content, &mut rng()).unwrap();
        group.bench_function(BenchmarkId::new("open", class.bytes()), |bench| {
            let open = |mut to: PersonSession| to.open(&sealed).unwrap();
            bench.iter_batched(|| person.clone(), open, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    for class in SizeClass::ALL {
        let envelope = EnvelopeBytes(Bytes::from(vec![7; class.bytes()]));
        let submit = ClientFrame::Submit(Box::new(Submission {
            id: SubmitId::compose(NOW, [1; 12]),
            to: Address::new([2; 32]),
            consent: None,
            envelope: envelope.clone(),
        }));
        let deliver = RelayFrame::Deliver(Box::new(Delivery {
            channel: Channel(0),
            sequence: Sequence(1),
            origin: None,
            envelope,
        }));
        group.throughput(Throughput::Bytes(class.bytes() as u64));
        group.bench_function(BenchmarkId::new("encode a delivery", class.bytes()), |bench| {
            bench.iter(|| black_box(&deliver).to_bytes());
        });
        let bytes = Bytes::from(submit.to_bytes());
        group.bench_function(BenchmarkId::new("decode a submission", class.bytes()), |bench| {
            bench.iter(|| decode(black_box(&bytes)));
        });
    }
    group.finish();
}

fn decode(bytes: &Bytes) -> ClientFrame {
    let header = *bytes.first_chunk().unwrap();
    let header = Header::parse::<ClientFrame>(header).unwrap();
    ClientFrame::decode_body(header, bytes.slice(FRAME_HEADER_BYTES..)).unwrap()
}

fn tickets(criterion: &mut Criterion) {
    let now = Minute(30_000_000);
    let (key, k_tag) = (MacKey::new([1; 32]), MacKey::new([2; 32]));
    let address = MailboxSecret::from_seed(&[3; 32]).public();
    let account = AccountSecret::from_seed(&[4; 32]).public();
    let opening = TicketOpening::new([5; 32]);
    let fields = TicketFields {
        categories: Categories::ALL,
        zone: Zone::UNKNOWN,
        messages_max: 50,
        opened_at: now,
        free_until: Some(now.plus(24 * 60)),
        valid_until: now.plus(60),
        epoch: Epoch(7),
        tag: address_tag(&k_tag, &address),
        commitment: ticket_commitment(&account, &opening),
        id: TicketId::new([6; 16]),
    };
    let ticket = Ticket::mint(&fields, TicketKeyId(1), &key);
    let category = Category::Service;
    let used = TicketUse { address: &address, account: &account, opening: &opening, category, now };
    let mut group = criterion.benchmark_group("ticket");
    group.bench_function("mint", |bench| {
        bench.iter(|| Ticket::mint(black_box(&fields), TicketKeyId(1), &key));
    });
    group.bench_function("check", |bench| {
        bench.iter(|| black_box(&ticket).check(&key, &k_tag, &used).unwrap());
    });
    group.finish();
}

/// A business with one prekey of each kind.
struct Bank {
    account: AccountSecret,
    identity: IdentitySecret,
    hint: HintSecret,
    signed: SignedPrekey,
    kem: KemPrekey,
    one_time: OneTimePrekey,
}

impl Bank {
    fn new() -> Self {
        let (end, rng) = (NOW.plus(24), &mut rng());
        Self {
            account: AccountSecret::from_seed(&[9; 32]),
            identity: IdentitySecret::generate(rng),
            hint: HintSecret::generate(rng),
            signed: SignedPrekey::generate(PrekeyId(1), end, rng),
            kem: KemPrekey::generate(PrekeyId(2), end, rng),
            one_time: OneTimePrekey::generate(PrekeyId(3), end, rng),
        }
    }

    fn bundle(&self) -> Bundle {
        Bundle {
            account: self.account.public(),
            signed: self.signed.sign(&self.account),
            kem: self.kem.sign(&self.account),
            one_time: Some(self.one_time.sign(&self.account)),
        }
    }

    fn verified_bundle(&self) -> VerifiedBundle {
        self.bundle().verify(&self.account.public(), NOW, NOW).unwrap()
    }

    fn initiate(&self, me: &IdentitySecret, bundle: &VerifiedBundle) -> (PersonSession, Envelope) {
        let keys = BusinessKeys {
            account: self.account.public(),
            identity: self.identity.public().key(),
            hint: self.hint.public().key(),
            inbox: Address::new([0; 32]),
        };
        let recipient = RecipientKeys::new(&keys).unwrap();
        PersonSession::initiate(me, &recipient, bundle, b"hello", &mut rng()).unwrap()
    }

    fn respond(&self, envelope: &Envelope) -> BusinessSession {
        let account = self.account.public();
        let Ok(Hint::First(first)) = Hint::read(envelope, &self.hint, &account) else {
            unreachable!("it is a first message")
        };
        let keys = ResponderKeys {
            account: &account,
            identity: &self.identity,
            signed: &self.signed,
            kem: &self.kem,
            one_time: Some(&self.one_time),
        };
        BusinessSession::respond(&keys, &first).unwrap().0
    }
}

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

const NOW: Hour = Hour(500_000);
