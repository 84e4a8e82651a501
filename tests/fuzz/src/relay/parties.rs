//! Who is there: people, businesses and the operator, with keys that are made once.

use std::sync::LazyLock;

use plico_protocol::certificate::{
    BusinessKeys, CertificateBody, DomainCheck, Handle, Serial, VerifiedCertificate,
};
use plico_protocol::id::{DhKey, TicketCommitment, TicketOpening};
use plico_protocol::limits::CERTIFICATE_HOURS_MAX;
use plico_protocol::prekey::{
    KEM_KEY_BYTES, KemKey, PrekeyId, PrekeyType, Publication, SignedPrekey,
};
use plico_protocol::prove::{ExporterValue, Proof};
use plico_protocol::signature::{AccountSecret, AuthoritySecret, MailboxSecret};
use plico_protocol::ticket::{Categories, ticket_commitment};
use plico_protocol::time::Hour;

pub(super) static PARTIES: LazyLock<Parties> = LazyLock::new(Parties::new);

pub(super) struct Parties {
    pub(super) authority: AuthoritySecret,
    pub(super) people: [MailboxSecret; PEOPLE],
    pub(super) shops: [Shop; SHOPS],
    /// Of each mailbox, account and inbox, in this order.
    pub(super) proofs: Vec<Proof>,
}

/// A business.
pub(super) struct Shop {
    pub(super) account: AccountSecret,
    pub(super) inbox: MailboxSecret,
    pub(super) handle: Handle,
}

impl Parties {
    fn new() -> Self {
        let people = [1, 2, 3].map(|n| MailboxSecret::from_seed(&[n; 32]));
        let shop = |n: u8, handle: &str| Shop {
            account: AccountSecret::from_seed(&[n; 32]),
            inbox: MailboxSecret::from_seed(&[n + 1; 32]),
            handle: Handle::new(handle).unwrap(),
        };
        let shops = [shop(11, "bank"), shop(21, "airline")];
        let mut proofs: Vec<Proof> =
            people.iter().map(|person| Proof::mailbox(person, &EXPORTER)).collect();
        for shop in &shops {
            proofs.push(Proof::account(&shop.account, &EXPORTER));
            proofs.push(Proof::inbox(&shop.inbox, &EXPORTER));
        }
        Self { authority: AuthoritySecret::from_seed(&[9; 32]), people, shops, proofs }
    }

    /// Of a mailbox.
    pub(super) fn person(&self, which: usize) -> &MailboxSecret {
        &self.people[which % PEOPLE]
    }

    pub(super) fn shop(&self, which: usize) -> &Shop {
        &self.shops[which % SHOPS]
    }

    pub(super) fn proof_of_person(&self, which: usize) -> &Proof {
        &self.proofs[which % PEOPLE]
    }

    /// Of its account, and of its inbox.
    pub(super) fn proofs_of_shop(&self, which: usize) -> &[Proof] {
        let at = PEOPLE + which % SHOPS * 2;
        &self.proofs[at..at + 2]
    }
}

impl Shop {
    pub(super) fn commitment(&self) -> TicketCommitment {
        ticket_commitment(&self.account.public(), &OPENING)
    }

    pub(super) fn certificate(&self, serial: u64, from: Hour) -> VerifiedCertificate {
        let body = CertificateBody {
            serial: Serial(serial),
            handle: self.handle.clone(),
            display_name: "Shop".to_owned(),
            domain: "shop.example".to_owned(),
            domain_check: DomainCheck::Dns,
            keys: BusinessKeys {
                account: self.account.public(),
                identity: DhKey::new([2; 32]),
                hint: DhKey::new([3; 32]),
                inbox: self.inbox.public(),
            },
            categories: Categories::ALL,
            valid_from: from,
            valid_to: from.plus(CERTIFICATE_HOURS_MAX),
        };
        body.sign(&PARTIES.authority).unwrap()
    }

    /// With so many one-time prekeys from an id on.
    pub(super) fn publication(&self, first: u32, count: u32, now: Hour) -> Publication {
        let (end, by) = (now.plus(48), &self.account);
        let dh = |kind, id| SignedPrekey::sign(kind, PrekeyId(id), end, DhKey::new([5; 32]), by);
        let key = KemKey::new(Box::new([6; KEM_KEY_BYTES]));
        Publication {
            signed: dh(PrekeyType::Signed, first.max(1)),
            kem: SignedPrekey::sign(PrekeyType::Kem, PrekeyId(first.max(1)), end, key, by),
            void: PrekeyId(0),
            one_time: (first..first + count).map(|id| dh(PrekeyType::OneTime, id)).collect(),
        }
    }
}

pub(super) const PEOPLE: usize = 3;
pub(super) const SHOPS: usize = 2;
/// Of every connection.
pub(super) const EXPORTER: ExporterValue = ExporterValue([7; 32]);
pub(super) const OPENING: TicketOpening = TicketOpening::new([8; 32]);
