//! A business's own books: its receipts, and the relay's heads, each joined to the one before.
//!
//! SPEC.md §14. A receipt is verified and stored when its message is accepted. The head is asked for
//! daily, from the last one on: a relay that changed its books cannot join the two.

use plico_protocol::frame::{Acceptance, ClientFrame, Headed, RelayFrame, Submission};
use plico_protocol::id::AuthorityKey;
use plico_protocol::ledger::{
    Books, Disagreement, Entry, EntryKind, EntrySequence, Frontier, Head, Kept,
    LedgerKeyCertificate, Period, Proof, Receipt, Statement, TooMuch, Verified, VerifiedHead,
    VerifiedLedgerKey, totals, verify,
};
use plico_protocol::limits::ENTRIES_PER_FRAME_MAX;
use plico_protocol::time::Timestamp;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use tokio::sync::oneshot;

use super::command::{AccountCommand, Command, Job};
use super::core::BusinessCore;
use super::event::Trouble;
use super::{Business, BusinessConnectError};
use crate::agent::Stopped;
use crate::agent::lines::Lines;
use crate::connection::ConnectError;
use crate::state::{Name, StateError, Table};

/// A statement and what this business makes of it.
#[derive(Clone, Debug)]
pub struct CheckedStatement {
    /// As the relay's ledger gives it.
    pub statement: Statement,
    /// Whether it agrees with the receipts and heads kept here; else the first line that does not.
    pub verified: Result<Verified, Disagreement>,
}

pub(super) type AskingStatement =
    oneshot::Sender<Result<Box<CheckedStatement>, BusinessConnectError>>;

/// What is known of the relay's ledger for this business.
pub(super) struct OwnLedger {
    /// Whose certificate the relay showed on this opening.
    pub(super) authority: Option<AuthorityKey>,
    record: Option<Record>,
    head_due: Timestamp,
    pub(super) asking: Vec<(Period, AskingStatement)>,
    /// Of the ledger, from the first entry on, while somebody asks.
    entries: Vec<Entry>,
    whole: bool,
}

/// The keys and the last head, as they are stored.
#[derive(Clone)]
struct Record {
    authority: AuthorityKey,
    keys: Vec<LedgerKeyCertificate>,
    head: Option<Head>,
}

/// A receipt as it is stored.
struct KeptRow(Kept);

impl Business {
    /// What the relay charges for a period, checked line by line against the receipts and heads kept
    /// here. Waits until there is a connection, and reads the whole ledger.
    ///
    /// # Errors
    ///
    /// [`BusinessConnectError`].
    pub async fn statement(
        &self,
        period: Period,
    ) -> Result<Box<CheckedStatement>, BusinessConnectError> {
        self.agent
            .ask(|answer| Command::Account(AccountCommand::Statement { period, answer }))
            .await?
    }

    /// Checks a statement that was kept, or came from the operator, with what is kept here. A head
    /// that is later than the statement's is left out: nothing here joins the two.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn check_statement(
        &self,
        statement: Statement,
    ) -> Result<Box<CheckedStatement>, Stopped> {
        let statement = Box::new(statement);
        self.agent
            .ask(|answer| Command::Account(AccountCommand::CheckStatement { statement, answer }))
            .await
    }
}

impl OwnLedger {
    pub(super) fn load(state: &mut crate::state::State) -> Result<Self, StateError> {
        let record = state.read(|rows| rows.get(Table::Ledger, Name::ONLY))?;
        let (asking, entries) = (Vec::new(), Vec::new());
        let head_due = Timestamp(0);
        Ok(Self { authority: None, record, head_due, asking, entries, whole: false })
    }

    /// The keys that this authority certified, and the last head.
    fn known(
        &self,
        account: &plico_protocol::id::AccountKey,
    ) -> (Vec<VerifiedLedgerKey>, Option<VerifiedHead>) {
        let Some(Record { authority, keys, head }) = &self.record else {
            return Default::default();
        };
        let keys: Vec<_> = keys.iter().filter_map(|key| key.verify(authority).ok()).collect();
        let verified = |head: &Head| keys.iter().find_map(|key| head.verify(account, key).ok());
        let head = head.as_ref().and_then(verified);
        (keys, head)
    }
}

impl BusinessCore {
    /// Asks for the head once a day, and for the whole ledger where somebody wants a statement.
    pub(super) fn tend_ledger(&mut self, lines: &mut Lines) {
        let Some(line) = self.ready_line(lines) else { return };
        let reads = !self.ledger.asking.is_empty() && !self.ledger.whole;
        if reads && !self.jobs.has(&Job::ReadLedger) {
            let from = EntrySequence(count(&self.ledger.entries));
            self.jobs.ask(lines, line, Job::ReadLedger, ClientFrame::ReadLedger { from });
        }
        let due = self.ledger.authority.is_some() && self.ledger.head_due <= self.now();
        if due && !self.jobs.has(&Job::Head) {
            let head = self.ledger.record.as_ref().and_then(|record| record.head);
            let since = head.map_or(0, |head| head.claims().size);
            self.jobs.ask(lines, line, Job::Head, ClientFrame::Head { since });
        }
    }

    /// Takes a page of the ledger; the head follows the last one.
    pub(super) fn entries_came(&mut self, frame: RelayFrame) {
        match frame {
            RelayFrame::Entries(page) => {
                self.ledger.whole = page.len() < ENTRIES_PER_FRAME_MAX;
                self.ledger.entries.extend(page);
                if self.ledger.whole {
                    self.ledger.head_due = Timestamp(0);
                }
            }
            RelayFrame::Refused(refusal) => {
                self.tell_statements(|| Err(Trouble::Refused(refusal.code).into()));
            }
            _ => self.tell_statements(|| Err(ConnectError::NotPlico.into())),
        }
    }

    /// Takes a head, if it continues the last one.
    pub(super) fn head_came(&mut self, frame: RelayFrame) -> Result<(), StateError> {
        let now = self.now();
        self.ledger.head_due = Timestamp(now.0.saturating_add(HEAD_MS));
        let RelayFrame::Headed(headed) = frame else { return Ok(()) };
        let Some(head) = self.believed(&headed) else {
            return self.trouble(Trouble::Ledger);
        };
        let Some(authority) = self.ledger.authority else { return Ok(()) };
        let account = self.identity.account.public();
        let (_, last) = self.ledger.known(&account);
        let mut keys = self.ledger.record.take().map_or_else(Vec::new, |record| record.keys);
        if !keys.contains(&headed.key) {
            keys.push(headed.key);
            keys.drain(..keys.len().saturating_sub(KEYS_MAX));
        }
        let record = Record { authority, keys, head: Some(*head.head()) };
        self.state.write(|rows| rows.put(Table::Ledger, Name::ONLY, &record))?;
        self.ledger.record = Some(record);
        if self.ledger.whole {
            self.state_accounts(head, last, &headed.link)?;
        }
        Ok(())
    }

    /// A head of this account, signed by a key that the authority certified, that continues the last.
    fn believed(&self, headed: &Headed) -> Option<VerifiedHead> {
        let account = self.identity.account.public();
        let key = headed.key.verify(&self.ledger.authority?).ok()?;
        let head = headed.head.verify(&account, &key).ok()?;
        let (_, last) = self.ledger.known(&account);
        let continues = last.is_none_or(|last| last.precedes(&head, &headed.link).is_ok());
        continues.then_some(head)
    }

    /// Keeps the receipt of a message that costs something. One of another message, or for more than
    /// was allowed, is trouble; the message is accepted all the same.
    pub(super) fn keep_receipt(
        &mut self,
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
        let allowed = submission.consent.map(|consent| consent.price_max);
        if !ours || allowed < Some(entry.amount.millionths) {
            return self.trouble(Trouble::Ledger);
        }
        if !signed {
            // By a key that is newer than the last head; a statement checks it again.
            self.ledger.head_due = Timestamp(0);
        }
        let row = KeptRow(Kept { receipt: receipt.clone(), ended: None });
        let name = Name::Number(entry.sequence.0);
        self.state.write::<_, StateError>(|rows| {
            // Asked for again, it is joined to a later head; what ended it is kept.
            match rows.get::<KeptRow>(Table::Receipt, name)? {
                Some(KeptRow(kept)) if kept.receipt.entry == row.0.receipt.entry => Ok(()),
                _ => rows.put(Table::Receipt, name, &row),
            }
        })
    }

    /// Answers everyone who asked for a statement.
    fn state_accounts(
        &mut self,
        head: VerifiedHead,
        last: Option<VerifiedHead>,
        link: &Proof,
    ) -> Result<(), StateError> {
        let size = head.body().size;
        if count(&self.ledger.entries) < size {
            // It grew meanwhile.
            (self.ledger.whole, self.ledger.head_due) = (false, Timestamp(0));
            return Ok(());
        }
        let books = self.books(last)?;
        let mut entries = core::mem::take(&mut self.ledger.entries);
        entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        self.ledger.whole = false;
        for (period, answer) in core::mem::take(&mut self.ledger.asking) {
            let statement = statement(&entries, period, &head, &books, link);
            let checked = statement.map(|statement| {
                let verified = verify(&statement, &books);
                CheckedStatement { statement, verified }
            });
            if let Ok(CheckedStatement { verified: Ok(verified), .. }) = &checked {
                self.note_ended(verified)?;
            }
            let refused = |_| BusinessConnectError::from(Trouble::Ledger);
            let _ = answer.send(checked.map(Box::new).map_err(refused));
        }
        Ok(())
    }

    /// Everything kept here that a statement is checked with.
    fn books(&mut self, head: Option<VerifiedHead>) -> Result<Books, StateError> {
        let account = self.identity.account.public();
        let (keys, _) = self.ledger.known(&account);
        let rows = self.state.read(|rows| rows.ordered::<KeptRow>(Table::Receipt))?;
        let signed = |kept: &Kept| keys.iter().any(|k| kept.receipt.verify(&account, k).is_ok());
        if !rows.iter().all(|(_, KeptRow(kept))| signed(kept)) {
            self.trouble(Trouble::Ledger)?;
        }
        let receipts = rows.into_iter().map(|(at, KeptRow(kept))| (EntrySequence(at), kept));
        Ok(Books { account, keys, receipts: receipts.collect(), head })
    }

    pub(super) fn check_statement(
        &mut self,
        statement: Statement,
    ) -> Result<CheckedStatement, StateError> {
        let (_, last) = self.ledger.known(&self.identity.account.public());
        let size = statement.head.claims().size;
        let books = self.books(last.filter(|last| last.body().size <= size))?;
        let verified = verify(&statement, &books);
        Ok(CheckedStatement { statement, verified })
    }

    /// Remembers beside each receipt what ended its charge: nothing may end it again.
    fn note_ended(&mut self, verified: &Verified) -> Result<(), StateError> {
        self.state.write::<_, StateError>(|rows| {
            for (accept, ended) in &verified.ended {
                let name = Name::Number(accept.0);
                if let Some(KeptRow(kept)) = rows.get::<KeptRow>(Table::Receipt, name)? {
                    let row = KeptRow(Kept { ended: Some(*ended), ..kept });
                    rows.put(Table::Receipt, name, &row)?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn tell_statements(
        &mut self,
        answer: impl Fn() -> Result<Box<CheckedStatement>, BusinessConnectError>,
    ) {
        self.ledger.entries.clear();
        self.ledger.whole = false;
        for (_, asking) in self.ledger.asking.drain(..) {
            let _ = asking.send(answer());
        }
    }
}

/// A statement from the first entry dated in the period on.
fn statement(
    entries: &[Entry],
    period: Period,
    head: &VerifiedHead,
    books: &Books,
    link: &Proof,
) -> Result<Statement, TooMuch> {
    let first = entries.iter().position(|entry| period.contains(entry.hour));
    let (before, listed) = entries.split_at(first.unwrap_or(entries.len()));
    let mut opening = Frontier::default();
    before.iter().for_each(|entry| opening.push(entry.hash(), |_, _| ()));
    let earlier = books.head.is_some_and(|last| last.body().size < opening.size());
    Ok(Statement {
        period,
        opening,
        entries: listed.to_vec(),
        totals: totals(listed, period)?,
        head: *head.head(),
        link: if earlier { link.clone() } else { Proof::default() },
    })
}

fn count(entries: &[Entry]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

impl Wire for Record {
    fn write(&self, out: &mut Writer) {
        let Self { authority, keys, head } = self;
        authority.write(out);
        out.count(keys.len());
        keys.iter().for_each(|key| key.write(out));
        out.optional(head.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let authority = Wire::read(reader)?;
        let count = reader.count("ledger_keys", KEYS_MAX)?;
        let keys = (0..count).map(|_| Wire::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { authority, keys, head: reader.optional("has_head")? })
    }
}

impl Wire for KeptRow {
    fn write(&self, out: &mut Writer) {
        let Kept { receipt, ended } = &self.0;
        receipt.write(out);
        out.optional(ended.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let receipt = Receipt::read(reader)?;
        Ok(Self(Kept { receipt, ended: reader.optional("has_ended")? }))
    }
}

/// Milliseconds after which the head is asked for again (a day).
const HEAD_MS: u64 = 24 * 60 * 60 * 1_000;
/// Ledger keys kept: one lasts a year.
const KEYS_MAX: usize = 8;
