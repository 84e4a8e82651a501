//! What a request does, as a pure function of stored facts: `decide(facts, request, now, fresh)`.
//!
//! No I/O beyond reading facts, no clock, no randomness but `fresh`. A refusal changes nothing.
//! Subscribers are woken generously: a repeated submission wakes again, because the first one's
//! wake may have been lost with the batch that met a full disk.
//!
//! Rules that are decided here and nowhere else:
//!
//! - A submission that is remembered is answered alike before anything else is looked at, however
//!   old its id; with other content it is `submit_id_reused`. Only what is not remembered can be
//!   `stale` or `early`.
//! - A missing mailbox and a ticket of another epoch are one answer, `revoked`.
//! - An address is a mailbox or an inbox, never both: an inbox cannot be opened as a mailbox, and
//!   a certificate that names an open mailbox as its inbox is refused.
//! - What a message costs is reserved in the commit that accepts it, and refused above what its sender
//!   allows or its account can pay. Without a rate card nothing costs anything.

mod accounts;
mod acknowledge;
mod batch;
mod certificates;
mod charge;
mod dues;
mod facts;
mod mailbox;
mod prekeys;
mod profiles;
mod reports;
mod settle;
mod submit;
mod sweep;
#[cfg(test)]
mod tests;

pub(crate) use accounts::{Kept, OpenAccount};
pub(crate) use batch::{Batch, Finished};
pub(crate) use facts::{AccountChange, Facts, Fixed, RowChange};
pub(crate) use settle::{leave, settle};
pub(crate) use sweep::{Mark, Marks, SWEPT_KEY, sweep};

use bytes::Bytes;
use getrandom::rand_core::CryptoRng;
use plico_protocol::certificate::{Serial, VerifiedCertificate};
use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Entry, EntryKind};
use plico_protocol::pricing::Millionths;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::{Day, Timestamp};

use crate::decide::facts::Value;
use crate::decide::submit::Submitted;
use crate::ledger::{AccountRow, ENTRIES_PER_ROW};
use crate::request::{Reply, Request};
use crate::rows::{BadRow, Sealed};
use crate::store::{ReadError, Table};
use crate::writer::Event;

/// Bounds of queues. Whoever exceeds one is refused `mailbox_full`; nothing younger than 30 days
/// is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Envelopes of one mailbox. Revoking removes all of them in one commit: 1,000 take some
    /// milliseconds.
    pub mailbox_envelopes_max: u32,
    /// Bytes of one mailbox's envelopes: 16 MiB is what a thousand small messages with some large
    /// ones take.
    pub mailbox_bytes_max: u64,
    /// Envelopes of one inbox: a business that is closed over a long weekend.
    pub inbox_envelopes_max: u32,
    /// Bytes of one inbox's envelopes.
    pub inbox_bytes_max: u64,
    /// How far an account may owe for which the operator set nothing else, in millionths: zero is
    /// payment in advance.
    pub credit: Millionths,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mailbox_envelopes_max: 1_000,
            mailbox_bytes_max: 16 * 1024 * 1024,
            inbox_envelopes_max: 100_000,
            inbox_bytes_max: 1024 * 1024 * 1024,
            credit: Millionths::ZERO,
        }
    }
}

/// What is to be written and what follows once it is.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) changes: Vec<RowChange>,
    pub(crate) accounts: Vec<AccountChange>,
    pub(crate) effects: Vec<Effect>,
    /// Entries of accounts' ledgers, in order.
    pub(crate) appended: Vec<(AccountKey, Entry)>,
    /// The entry of which the answer is to carry the receipt, once the batch is whole.
    pub(crate) receipt: Option<(AccountKey, Entry)>,
}

impl Decision {
    /// Whether it changes nothing of an account where it ends an envelope: what ends when, and so when a
    /// device came, is not to be read off an account's rows.
    fn keeps_apart(&self) -> bool {
        let ends = |change: &RowChange| change.table == Table::Envelopes && change.value.is_none();
        let is_of_account = |change: &RowChange| OF_ACCOUNTS.contains(&change.table);
        !self.changes.iter().any(ends)
            || (self.appended.is_empty()
                && self.accounts.is_empty()
                && !self.changes.iter().any(is_of_account))
    }
}

/// Tables whose rows are an account's.
pub(crate) const OF_ACCOUNTS: [Table; 9] = [
    Table::Prekeys,
    Table::OneTimePrekeys,
    Table::Profiles,
    Table::Standings,
    Table::Accounts,
    Table::Entries,
    Table::Tiles,
    Table::Free,
    Table::References,
];

/// What follows a commit.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A subscriber should look.
    Wake(Event),
    /// The directory has a new certificate.
    Certified(Box<VerifiedCertificate>),
    /// The directory has one less that stands.
    CertificateRevoked(Serial),
    /// An account sent something that is free.
    SentFree(AccountKey),
    /// How many it sent on a day is stored.
    FreeStored(Day, AccountKey),
    /// A sweep stands there within a bucket of this index.
    SweptTo(Table, Option<Mark>),
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) enum Denied {
    /// By rule.
    Refused(Refusal),
    /// Because facts are missing.
    Unreadable(FactError),
}

/// Why a fact is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Row(#[from] BadRow),
}

/// A decision in the making.
pub(crate) struct Draft<'a> {
    facts: &'a Facts<'a>,
    now: Timestamp,
    fresh: &'a mut dyn CryptoRng,
    decision: Decision,
}

/// Decides one request. Where facts cannot be read the request is refused as `busy` and nothing
/// changes: one damaged row must not stop the others' messages.
pub(crate) fn decide(
    facts: &Facts<'_>,
    request: &Request,
    now: Timestamp,
    fresh: &mut dyn CryptoRng,
) -> (Reply, Decision) {
    let mut draft = Draft { facts, now, fresh, decision: Decision::default() };
    match draft.request(request) {
        Ok(frame) => (Ok(frame), draft.decision),
        Err(denied) => (Err(denied.into_refusal()), Decision::default()),
    }
}

impl Draft<'_> {
    fn request(&mut self, request: &Request) -> Result<RelayFrame, Denied> {
        let rows = self.facts.rows;
        match request {
            Request::Open { address } => self.open(address),
            Request::Close { address, handed } => self.close(address, *handed),
            Request::Mint { address, terms, window, zone } => {
                self.mint(address, terms, *window, *zone)
            }
            Request::Revoke { address, handed } => self.revoke(address, *handed),
            Request::ChangeTerms { address, terms, zone } => {
                self.change_terms(address, terms, *zone)
            }
            Request::SubmitToInbox { id, digest, inbox, account, envelope } => {
                let (row, queue) = (rows.submission(id), rows.queue(inbox));
                let submitted = Submitted { id, digest, to: inbox, account, envelope, row, queue };
                self.submit_to_inbox(&submitted)
            }
            Request::SubmitToMailbox {
                id,
                digest,
                to,
                account,
                ticket,
                category,
                pricing,
                envelope,
            } => {
                let (row, queue) = (rows.submission(id), rows.queue(to));
                let submitted = Submitted { id, digest, to, account, envelope, row, queue };
                self.submit_to_mailbox(&submitted, ticket, *category, pricing)
            }
            Request::Offer { address, up_to } => {
                self.offer(address, *up_to)?;
                Ok(RelayFrame::Opened)
            }
            Request::Acknowledge { address, channel, up_to, unreadable } => {
                self.acknowledge(address, *up_to, unreadable)?;
                Ok(RelayFrame::Acknowledged { channel: *channel, up_to: *up_to })
            }
            Request::PublishPrekeys { account, publication } => self.publish(account, publication),
            Request::TakeBundle { account, one_time } => self.take_bundle(account, *one_time),
            Request::PublishProfile { account, profile } => self.publish_profile(account, profile),
            Request::Report { report } => self.report(report),
            Request::Standing { account } => self.standing(account),
            Request::Restore { account } => self.restore(account),
            Request::Pay { account, amount, reference, correction } => {
                let kind = if *correction { EntryKind::Correction } else { EntryKind::Payment };
                self.pay(account, kind, *amount, reference.as_deref())
            }
            Request::SetCredit { account, credit } => self.set_credit(account, *credit),
            Request::Certify { certificate } => self.certify(certificate),
            Request::RevokeCertificate { serial } => self.revoke_certificate(*serial),
        }
    }

    fn put<R: Sealed>(&mut self, key: impl Into<Vec<u8>>, value: &R) {
        self.change(R::TABLE, key, Some(Value::Open(value.encoded().into())));
    }

    fn put_account(&mut self, row: AccountRow) {
        self.decision.accounts.push(AccountChange { row, is_written: true });
    }

    /// An account to which entries were appended, and nothing else changed: it is written where they
    /// fill their row. Until then it follows from that row, which is shorter, and is written anyway.
    fn grow_account(&mut self, row: AccountRow) {
        let own = self.decision.appended.iter().filter(|(account, _)| *account == row.account);
        let fills = |entry: &Entry| (entry.sequence.0 + 1).is_multiple_of(ENTRIES_PER_ROW);
        let is_written = own.into_iter().any(|(_, entry)| fills(entry));
        self.decision.accounts.push(AccountChange { row, is_written });
    }

    fn put_clear(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        self.change(table, key, Some(Value::Stored(value.into())));
    }

    fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.change(table, key, None);
    }

    fn change(&mut self, table: Table, key: impl Into<Vec<u8>>, value: Option<Value>) {
        self.decision.changes.push(RowChange { table, key: key.into(), value });
    }

    fn wake(&mut self, event: Event) {
        self.decision.effects.push(Effect::Wake(event));
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fresh.fill_bytes(&mut bytes);
        bytes
    }
}

impl Denied {
    fn into_refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Unreadable(error) => error.into_refusal(),
        }
    }
}

impl FactError {
    /// Logged here, because the peer is told nothing of it.
    pub(crate) fn into_refusal(self) -> Refusal {
        tracing::error!(target: "plico_relay::writer", error = %self, "a request met unreadable rows");
        busy()
    }
}

impl From<Code> for Denied {
    fn from(code: Code) -> Self {
        Self::Refused(Refusal::new(code))
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FactError> for Denied {
    fn from(error: FactError) -> Self {
        Self::Unreadable(error)
    }
}

/// What only the operator can mend: a key that could not be made, a row that cannot be read.
pub(crate) fn busy() -> Refusal {
    Refusal::new(Code::Busy).retry_after(BUSY_RETRY_MS)
}

const BUSY_RETRY_MS: u32 = 60_000;
