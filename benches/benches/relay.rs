//! The relay's commit path without network, disk or its thread: names, seals, decisions, answers.
//!
//! One iteration takes a batch of submissions in and then lets all of them go again by one
//! acknowledgement, as a device that reads along does.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be measured")]

use std::sync::Arc;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use plico_protocol::certificate::{
    BusinessKeys, CertificateBody, DomainCheck, Handle, Serial, VerifiedCertificate,
};
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{Channel, Sequence};
use plico_protocol::id::{DhKey, SubmitId};
use plico_protocol::signature::{AccountSecret, AuthoritySecret, MailboxSecret};
use plico_protocol::ticket::Categories;
use plico_protocol::time::Timestamp;
use plico_relay::clock::Clock;
use plico_relay::keys::Keys;
use plico_relay::request::{Digest, Request};
use plico_relay::store::{Disk, Memory};
use plico_relay::writer::{Core, Limits, NoProbe, NoWake, Setup};

criterion_group!(benches, commit);
criterion_main!(benches);

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    for batch in [1_u64, 64] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::new("submit and acknowledge", batch), |bench| {
            let mut desk = Desk::new();
            bench.iter(|| desk.round(batch));
        });
    }
    group.finish();
}

/// A commit path with one certified inbox.
struct Desk {
    core: Core,
    keys: BusinessKeys,
    envelope: Envelope,
    accepted: u64,
}

impl Desk {
    fn new() -> Self {
        let authority = AuthoritySecret::from_seed(&[1; 32]);
        let setup = Setup {
            store: Arc::new(Memory::open(&Disk::default()).unwrap()),
            keys: Keys::in_memory(&authority, NOW, &mut UnwrapErr(SysRng)),
            clock: Arc::new(Standing),
            rng: Box::new(UnwrapErr(SysRng)),
            limits: Limits::default(),
            wake: Arc::new(NoWake),
            probe: Arc::new(NoProbe),
        };
        let mut core = Core::open(setup).unwrap();
        let certificate = certificate(&authority);
        let keys = certificate.body().keys;
        let request = Request::Certify { certificate: Box::new(certificate) };
        core.commit_batch(vec![request]).unwrap().pop().unwrap().unwrap();
        let envelope = Envelope::new(Bytes::from(vec![7; 2048])).unwrap();
        Self { core, keys, envelope, accepted: 0 }
    }

    fn round(&mut self, batch: u64) {
        let submissions = (0..batch).map(|_| self.submission()).collect();
        self.commit(submissions);
        let up_to = Sequence(self.accepted);
        let (address, channel, unreadable) = (self.keys.inbox, Channel(0), Vec::new());
        self.commit(vec![Request::Acknowledge { address, channel, up_to, unreadable }]);
    }

    fn submission(&mut self) -> Request {
        self.accepted += 1;
        let mut chosen = [0; 12];
        chosen[4..].copy_from_slice(&self.accepted.to_be_bytes());
        let id = SubmitId::compose(NOW.hour(), chosen);
        let BusinessKeys { inbox, account, .. } = self.keys;
        let digest = Digest::of(id.as_bytes());
        Request::SubmitToInbox { id, digest, inbox, account, envelope: self.envelope.clone() }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        let answers = self.core.commit_batch(requests).unwrap();
        assert!(answers.iter().all(Result::is_ok), "a refusal is no work");
    }
}

fn certificate(authority: &AuthoritySecret) -> VerifiedCertificate {
    let body = CertificateBody {
        serial: Serial(1),
        handle: Handle::new("bank").unwrap(),
        display_name: "Bank".to_owned(),
        domain: "bank.example".to_owned(),
        domain_check: DomainCheck::Dns,
        keys: BusinessKeys {
            account: AccountSecret::from_seed(&[5; 32]).public(),
            identity: DhKey::new([2; 32]),
            hint: DhKey::new([3; 32]),
            inbox: MailboxSecret::from_seed(&[4; 32]).public(),
        },
        categories: Categories::ALL,
        valid_from: NOW.hour(),
        valid_to: NOW.hour().plus(90 * 24),
    };
    body.sign(authority).unwrap()
}

/// Always the same moment.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW
    }
}

const NOW: Timestamp = Timestamp(1_795_159_800_000);
