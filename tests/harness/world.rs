//! People and businesses as bare keys, for tests that speak frames.

use std::sync::OnceLock;
use std::time::SystemTime;

use plico_protocol::certificate::{BusinessKeys, CertificateRequest, Handle};
use plico_protocol::envelope::{EnvelopeBytes, SizeClass};
use plico_protocol::frame::{ClientFrame, Consent, Submission};
use plico_protocol::id::{Address, DhKey, SubmitId, TicketOpening};
use plico_protocol::prekey::{
    KEM_KEY_BYTES, KemKey, PrekeyId, PrekeyType, Publication, SignedPrekey,
};
use plico_protocol::pricing::Millionths;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use plico_protocol::ticket::{Categories, Category, Terms, Ticket, ticket_commitment};
use plico_protocol::time::{Hour, Timestamp};

/// When the tests' clocks begin: 2026-11-21 06:00 UTC, on the hour and the minute.
pub(crate) const BEGINNING: Timestamp = Timestamp(1_795_240_800_000);

/// A business.
pub(crate) struct Bank {
    pub(crate) account: AccountSecret,
    pub(crate) inbox: MailboxSecret,
}

/// A person.
pub(crate) struct Customer {
    pub(crate) mailbox: MailboxSecret,
    pub(crate) opening: TicketOpening,
}

impl Bank {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            account: AccountSecret::from_seed(&[seed; 32]),
            inbox: MailboxSecret::from_seed(&[seed.wrapping_add(100); 32]),
        }
    }

    pub(crate) fn keys(&self) -> BusinessKeys {
        BusinessKeys {
            account: self.account.public(),
            identity: DhKey::new([9; 32]),
            hint: DhKey::new([9; 32]),
            inbox: self.inbox.public(),
        }
    }

    /// What it hands to the operator.
    pub(crate) fn request(&self, handle: &str) -> CertificateRequest {
        let (handle, domain) = (Handle::new(handle).unwrap(), format!("{handle}.example"));
        let name = format!("The {handle}");
        CertificateRequest::sign(handle, name, domain, self.keys(), &self.account, &self.inbox)
    }

    /// Prekeys with one-time ids from `first`; the keys are no real ones, the signatures are.
    pub(crate) fn publication(&self, first: u32, count: u32, now: Hour) -> Publication {
        let end = now.plus(24);
        let dh = DhKey::new([9; 32]);
        let sign = |kind, id| SignedPrekey::sign(kind, PrekeyId(id), end, dh, &self.account);
        let kem = KemKey::new(Box::new([8; KEM_KEY_BYTES]));
        Publication {
            signed: sign(PrekeyType::Signed, 1),
            kem: SignedPrekey::sign(PrekeyType::Kem, PrekeyId(2), end, kem, &self.account),
            void: PrekeyId(0),
            one_time: (first..first + count).map(|id| sign(PrekeyType::OneTime, id)).collect(),
        }
    }
}

impl Customer {
    pub(crate) fn new(seed: u8) -> Self {
        let mailbox = MailboxSecret::from_seed(&[seed; 32]);
        Self { mailbox, opening: TicketOpening::new([seed; 32]) }
    }

    pub(crate) fn address(&self) -> Address {
        self.mailbox.public()
    }

    /// Service and utility, 50 messages, for an hour from the beginning, for this bank.
    pub(crate) fn terms(&self, bank: &Bank) -> Terms {
        Terms {
            categories: Categories::of(&[Category::Service, Category::Utility]).unwrap(),
            messages_max: 50,
            valid_until: BEGINNING.minute().plus(60),
            commitment: ticket_commitment(&bank.account.public(), &self.opening),
        }
    }

    /// What a bank shows to write to this customer.
    pub(crate) fn consent(&self, ticket: Ticket) -> Consent {
        Consent {
            ticket,
            opening: self.opening,
            category: Category::Service,
            price_max: Millionths::UNIT,
        }
    }
}

/// A submission to an inbox with the id `n` of the beginning's hour.
pub(crate) fn submission_to(inbox: &Address, n: u32, class: SizeClass) -> ClientFrame {
    submission(*inbox, submit_id(n), None, class.bytes())
}

/// A submission to a mailbox under a ticket.
pub(crate) fn answer_to(to: &Address, n: u32, consent: Consent) -> ClientFrame {
    submission(*to, submit_id(n), Some(consent), SizeClass::Small.bytes())
}

/// A submission with each part chosen.
pub(crate) fn submission(
    to: Address,
    id: SubmitId,
    consent: Option<Consent>,
    bytes: usize,
) -> ClientFrame {
    let envelope = EnvelopeBytes(vec![id.as_bytes()[15]; bytes].into());
    ClientFrame::Submit(Box::new(Submission { id, to, consent, envelope }))
}

/// A submission to an inbox on a relay that runs by the real clock.
pub(crate) fn submission_now(inbox: &Address, n: u32, class: SizeClass) -> ClientFrame {
    submission(*inbox, submit_id_now(n), None, class.bytes())
}

/// The id `n` of the hour in which this test program began.
pub(crate) fn submit_id_now(n: u32) -> SubmitId {
    static HOUR: OnceLock<Hour> = OnceLock::new();
    submit_id_at(*HOUR.get_or_init(|| now().hour()), n)
}

/// The real time, for relays that run as processes.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

/// The id `n` of the beginning's hour.
pub(crate) fn submit_id(n: u32) -> SubmitId {
    submit_id_at(BEGINNING.hour(), n)
}

/// The id `n` of an hour.
pub(crate) fn submit_id_at(hour: Hour, n: u32) -> SubmitId {
    let mut random = [0; 12];
    random[8..].copy_from_slice(&n.to_be_bytes());
    SubmitId::compose(hour, random)
}
