//! A business's own books: its receipts, and the relay's heads, each joined to the one before.
//!
//! SPEC.md §14. A receipt is verified and stored when its message is accepted. The ledger is read from
//! where it was read to, at each connection and hourly: what was settled shows there and nowhere else.
//! A head stands for every line before it is kept, and continues the last head: a relay that changed
//! its books cannot join the two. Where they do not join, nothing is paid until a head does again.
//!
//! Polling, because a notice would be lost wherever nobody is connected, so that the ledger has to be
//! read on connecting anyway; and one sent as the day is settled would call every business at once.

mod lines;
mod statement;

pub use statement::CheckedStatement;

use plico_endpoint::id::ContentId;
use plico_protocol::frame::{Acceptance, ClientFrame, Consent, Headed, RelayFrame, Submission};
use plico_protocol::id::{AccountKey, AuthorityKey};
use plico_protocol::ledger::{
    Amount, Entry, EntryKind, EntrySequence, Head, Kept, LedgerKeyCertificate, Period, Receipt,
    VerifiedHead, VerifiedLedgerKey,
};
use plico_protocol::limits::{ENTRIES_PER_FRAME_MAX, STATEMENT_ENTRIES_MAX};
use plico_protocol::pricing::Millionths;
use plico_protocol::time::Timestamp;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use tokio::sync::oneshot;

use self::lines::{Lines, settle};
use super::BusinessConnectError;
use super::command::Job;
use super::core::BusinessCore;
use super::event::Trouble;
use crate::agent::lines::Lines as ToRelay;
use crate::agent::outgoing::Outgoing;
use crate::connection::ConnectError;
use crate::state::{Name, StateError, Table};

pub(super) type AskingStatement =
    oneshot::Sender<Result<Box<CheckedStatement>, BusinessConnectError>>;

/// What is known of the relay's ledger for this business.
pub(super) struct OwnLedger {
    /// Whose certificate the relay showed on this opening.
    pub(super) authority: Option<AuthorityKey>,
    record: Option<Record>,
    head_due: Timestamp,
    read_due: Timestamp,
    /// When reading on began: whatever was settled since is not in what was read.
    read_at: Timestamp,
    asking: Vec<(Period, AskingStatement)>,
    /// How many of them asked before the head that is on its way was asked for: it may lack what was
    /// charged before the others asked.
    heard: usize,
    /// What was read on this connection, and no head stands for yet.
    fresh: Vec<Entry>,
    /// Whether that went to the ledger's end when it was read.
    whole: bool,
    /// A head that stands for more than was read: the rest is read before another is asked for, so that
    /// a ledger that grows all the time is read to some end, too.
    ahead: Option<Box<Headed>>,
    /// Whether the relay's books did not join when they were last looked at: only what is free is sent.
    disputed: bool,
}

/// The keys, the last head and which lines are kept, as they are stored.
#[derive(Clone)]
struct Record {
    authority: AuthorityKey,
    keys: Vec<LedgerKeyCertificate>,
    head: Head,
    lines: Lines,
}

/// A receipt as it is stored, with whose message it was.
struct KeptRow {
    kept: Kept,
    customer: u64,
    id: ContentId,
}

impl OwnLedger {
    pub(super) fn load(state: &mut crate::state::State) -> Result<Self, StateError> {
        let (record, disputed) = state.read(|rows| {
            let record = rows.get(Table::Ledger, Name::ONLY)?;
            Ok::<_, StateError>((record, rows.has(Table::Ledger, DISPUTED)?))
        })?;
        let (asking, fresh) = (Vec::new(), Vec::new());
        let (head_due, read_due) = (Timestamp(0), Timestamp(0));
        Ok(Self {
            authority: None,
            record,
            head_due,
            read_due,
            read_at: Timestamp(0),
            asking,
            heard: 0,
            fresh,
            whole: false,
            ahead: None,
            disputed,
        })
    }

    /// What a message may cost now: nothing, as long as the relay's books do not join.
    pub(super) fn limited(&self, price_max: Millionths) -> Millionths {
        if self.disputed { Millionths(0) } else { price_max }
    }

    pub(super) fn ask(&mut self, period: Period, answer: AskingStatement) {
        self.asking.push((period, answer));
        self.read_due = Timestamp(0);
    }

    /// When to look at the ledger again.
    pub(super) fn wake(&self) -> [Timestamp; 2] {
        [self.head_due, self.read_due]
    }

    /// The keys that this authority certified, and the last head.
    fn known(&self, account: &AccountKey) -> (Vec<VerifiedLedgerKey>, Option<VerifiedHead>) {
        let Some(Record { authority, keys, head, lines: _ }) = &self.record else {
            return Default::default();
        };
        let keys: Vec<_> = keys.iter().filter_map(|key| key.verify(authority).ok()).collect();
        let head = keys.iter().find_map(|key| head.verify(account, key).ok());
        (keys, head)
    }

    fn lines(&self) -> Lines {
        self.record.as_ref().map(|record| record.lines.clone()).unwrap_or_default()
    }

    fn next_reading(&self) -> Timestamp {
        Timestamp(self.read_at.0.saturating_add(READ_MS))
    }

    /// Forgets what was read and not kept, to read it again from what is kept.
    fn read_again(&mut self) {
        self.fresh.clear();
        self.ahead = None;
        (self.whole, self.read_due) = (false, Timestamp(0));
    }
}

impl BusinessCore {
    /// Reads what is new in the ledger, and has a head stand for it; asks for a head once a day also
    /// where nothing is new.
    pub(super) fn tend_ledger(&mut self, lines: &mut ToRelay) {
        let Some(line) = self.ready_line(lines) else { return };
        let (now, ledger) = (self.now(), &self.ledger);
        let reads = ledger.read_due <= now || ledger.head_due <= now;
        if ledger.authority.is_none() || self.jobs.has(&Job::ReadLedger) || !reads {
            return;
        }
        let read = count(&ledger.fresh);
        let heads = ledger.head_due <= now || read != 0 || !ledger.asking.is_empty();
        if !ledger.whole || ledger.ahead.is_some() {
            let from = EntrySequence(ledger.lines().size().saturating_add(read));
            if read == 0 {
                self.ledger.read_at = now;
            }
            self.jobs.ask(lines, line, Job::ReadLedger, ClientFrame::ReadLedger { from });
        } else if heads && !self.jobs.has(&Job::Head) {
            let since = ledger.record.as_ref().map_or(0, |record| record.head.claims().size);
            self.ledger.heard = self.ledger.asking.len();
            self.jobs.ask(lines, line, Job::Head, ClientFrame::Head { since });
        } else if !heads {
            self.ledger.read_again();
            self.ledger.read_due = self.ledger.next_reading();
        }
    }

    /// Takes a page of the ledger; the head follows the last one, unless it came before.
    pub(super) fn entries_came(&mut self, frame: RelayFrame) -> Result<(), StateError> {
        let refused = match frame {
            RelayFrame::Entries(page) => {
                let (fresh, end) = (&mut self.ledger.fresh, page.is_empty());
                self.ledger.whole = page.len() < ENTRIES_PER_FRAME_MAX;
                fresh.extend(page);
                let much = STATEMENT_ENTRIES_MAX < fresh.len();
                return match self.ledger.ahead.take() {
                    // Lines that a head was signed over are not there.
                    Some(_) if end || much => self.other_books(),
                    Some(headed) => self.head_came(RelayFrame::Headed(headed)),
                    None if much => self.other_books(),
                    None => Ok(()),
                };
            }
            RelayFrame::Refused(refusal) => Trouble::Refused(refusal.code).into(),
            _ => BusinessConnectError::from(ConnectError::NotPlico),
        };
        self.give_ledger_up(|| refused.clone());
        Ok(())
    }

    /// Takes a head, if it continues the last one and stands for what was read.
    pub(super) fn head_came(&mut self, frame: RelayFrame) -> Result<(), StateError> {
        let now = self.now();
        self.ledger.head_due = Timestamp(now.0.saturating_add(HEAD_MS));
        self.ledger.read_due = self.ledger.next_reading();
        let RelayFrame::Headed(headed) = frame else {
            self.give_ledger_up(|| ConnectError::NotPlico.into());
            return Ok(());
        };
        let (Some(head), Some(authority)) = (self.believed(&headed), self.ledger.authority) else {
            return self.other_books();
        };
        let (_, last) = self.ledger.known(&self.identity.account.public());
        let mut lines = self.ledger.lines();
        let body = head.body();
        if lines.is_restored(body) {
            lines.begin_anew(body.generation);
            self.ledger.read_again();
            self.keep_head(&headed, authority, lines.clone(), true)?;
        }
        let new = body.size.saturating_sub(lines.size());
        if count(&self.ledger.fresh) < new {
            (self.ledger.ahead, self.ledger.read_due) = (Some(headed), Timestamp(0));
            return Ok(());
        }
        self.ledger.fresh.truncate(usize::try_from(new).unwrap_or(usize::MAX));
        let Ok(lines) = lines.grown(&self.ledger.fresh, body) else {
            return self.other_books();
        };
        self.keep_head(&headed, authority, lines, false)?;
        self.ledger.fresh.clear();
        self.ledger.whole = false;
        self.state_accounts(head, last, &headed.link)
    }

    /// Keeps a head, what it stands for, and what became of charges, in one transaction.
    fn keep_head(
        &mut self,
        headed: &Headed,
        authority: AuthorityKey,
        mut lines: Lines,
        anew: bool,
    ) -> Result<(), StateError> {
        let now = self.now();
        let record = self.ledger.record.take();
        let mut keys = record.map_or_else(Vec::new, |record| record.keys);
        if !keys.contains(&headed.key) {
            keys.push(headed.key);
            keys.drain(..keys.len().saturating_sub(KEYS_MAX));
        }
        let fresh = &self.ledger.fresh;
        let record = self.state.write::<_, StateError>(|rows| {
            if anew {
                rows.clear(Table::Line)?;
            }
            Lines::keep(rows, fresh)?;
            lines.forget_old(rows)?;
            settle(rows, fresh, now)?;
            let record = Record { authority, keys, head: headed.head, lines };
            rows.put(Table::Ledger, Name::ONLY, &record)?;
            rows.delete(Table::Ledger, DISPUTED)?;
            Ok(record)
        })?;
        self.ledger.record = Some(record);
        self.ledger.disputed = false;
        Ok(())
    }

    /// The relay's lines and heads are not those of one ledger: nothing is paid until they are.
    fn other_books(&mut self) -> Result<(), StateError> {
        self.give_ledger_up(|| Trouble::Ledger.into());
        let since = self.now().hour();
        self.state.write(|rows| rows.put(Table::Ledger, DISPUTED, &since))?;
        self.ledger.disputed = true;
        self.trouble(Trouble::Ledger)
    }

    /// A head of this account, signed by a key that the authority certified, that continues the last.
    fn believed(&self, headed: &Headed) -> Option<VerifiedHead> {
        let account = self.identity.account.public();
        let key = headed.key.verify(&self.ledger.authority?).ok()?;
        let head = headed.head.verify(&account, &key).ok()?;
        let (_, last) = self.ledger.known(&account);
        // One that lines were read up to since is the last one itself.
        let joined = |last: VerifiedHead| last.precedes(&head, &headed.link).is_ok();
        let continues = last.is_none_or(|last| last == head || joined(last));
        continues.then_some(head)
    }

    /// Keeps the receipt of a message that costs something. One of another message, or for more than
    /// was allowed, is trouble; the message is accepted all the same.
    pub(super) fn keep_receipt(
        &mut self,
        outgoing: &Outgoing,
        submission: &Submission,
        acceptance: &Acceptance,
    ) -> Result<(), StateError> {
        let Some(receipt) = acceptance.receipt.as_deref() else { return Ok(()) };
        if acceptance.id != submission.id {
            return Ok(());
        }
        let account = self.identity.account.public();
        let (keys, _) = self.ledger.known(&account);
        let signed = keys.iter().any(|key| receipt.verify(&account, key).is_ok());
        let entry = &receipt.entry;
        let ours = entry.kind == EntryKind::Accept
            && entry.message.is_some_and(|message| message.submission == submission.id);
        if !ours || !self.is_allowed(submission.consent.as_ref(), &entry.amount) {
            return self.trouble(Trouble::Ledger);
        }
        if !signed {
            // By a key that is newer than the last head; a statement checks it again.
            self.ledger.head_due = Timestamp(0);
        }
        let kept = Kept { receipt: receipt.clone(), ended: None };
        let row = KeptRow { kept, customer: outgoing.peer, id: outgoing.id };
        let name = Name::Number(entry.sequence.0);
        self.state.write::<_, StateError>(|rows| {
            // Asked for again, it is joined to a later head; what ended it is kept.
            match rows.get::<KeptRow>(Table::Receipt, name)? {
                Some(had) if had.kept.receipt.entry == row.kept.receipt.entry => Ok(()),
                _ => rows.put(Table::Receipt, name, &row),
            }
        })
    }

    /// Whether a consent allows a charge: a limit is one in the currency of the card kept here.
    pub(super) fn is_allowed(&self, consent: Option<&Consent>, charged: &Amount) -> bool {
        let card = self.card_now().map(|card| card.fields().currency);
        let known = card.is_none_or(|currency| currency == charged.currency);
        known && consent.is_some_and(|consent| charged.millionths <= consent.price_max)
    }

    /// Forgets what was read and not kept, and tells whoever waits for a statement why.
    pub(super) fn give_ledger_up(&mut self, why: impl Fn() -> BusinessConnectError) {
        let later = Timestamp(self.now().0.saturating_add(READ_MS));
        self.ledger.read_again();
        self.ledger.read_due = later;
        self.ledger.head_due = self.ledger.head_due.max(later);
        for (_, asking) in self.ledger.asking.drain(..) {
            let _ = asking.send(Err(why()));
        }
    }

    /// On the next connection the ledger is read at once.
    pub(super) fn ledger_lost(&mut self, why: impl Fn() -> BusinessConnectError) {
        self.give_ledger_up(why);
        self.ledger.read_due = Timestamp(0);
    }
}

fn count(entries: &[Entry]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

impl Wire for Record {
    fn write(&self, out: &mut Writer) {
        let Self { authority, keys, head, lines } = self;
        authority.write(out);
        out.count(keys.len());
        keys.iter().for_each(|key| key.write(out));
        head.write(out);
        lines.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let authority = Wire::read(reader)?;
        let count = reader.count("ledger_keys", KEYS_MAX)?;
        let keys = (0..count).map(|_| Wire::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { authority, keys, head: Wire::read(reader)?, lines: Wire::read(reader)? })
    }
}

impl Wire for KeptRow {
    fn write(&self, out: &mut Writer) {
        let Self { kept: Kept { receipt, ended }, customer, id } = self;
        receipt.write(out);
        out.optional(ended.as_ref());
        out.u64(*customer);
        id.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let receipt = Receipt::read(reader)?;
        let kept = Kept { receipt, ended: reader.optional("has_ended")? };
        Ok(Self { kept, customer: reader.u64()?, id: Wire::read(reader)? })
    }
}

/// The row that is there, with the hour since, while the relay's books do not join.
const DISPUTED: Name<'_> = Name::Number(1);
/// Milliseconds after which the head is asked for again (a day).
const HEAD_MS: u64 = 24 * READ_MS;
/// Milliseconds after which the ledger is read on (an hour): what is settled is dated by the day.
const READ_MS: u64 = 60 * 60 * 1_000;
/// Ledger keys kept: one lasts a year.
const KEYS_MAX: usize = 8;

#[cfg(test)]
mod tests;
