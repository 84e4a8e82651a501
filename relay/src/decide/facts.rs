//! What a request is decided on: the store as of the last commit, and over it what the requests
//! before it in the same batch will write.
//!
//! Rows of the batch stay open until it is written: a queue that fifty requests of one batch count
//! up is sealed once, not fifty times.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use getrandom::rand_core::CryptoRng;
use plico_protocol::certificate::{Certificate, Serial};
use plico_protocol::frame::Sequence;
use plico_protocol::id::{AccountKey, Address, AuthorityKey};
use plico_protocol::ledger::{Entry, EntrySequence, Generation, Subtree, TreeHash};
use plico_protocol::time::{Day, Timestamp};

use crate::decide::accounts::{ChangedAccount, OpenAccount};
use crate::decide::{FactError, Kept, Limits, Marks, SWEPT_KEY};
use crate::directory::Directory;
use crate::keys::Ring;
use crate::ledger::{
    AccountRow, EntriesRow, FreeCounts, ROW_LEVELS, ReferenceRow, TileRow, missing,
};
use crate::policy::rate_card::RateCards;
use crate::rows::{
    BadRow, CertificateRow, OriginRow, PrekeysRow, ProfileRow, QueueRow, RowName, Rows, Sealed,
    StandingRow, SubmissionRow, SweptRow, sequence_of,
};
use crate::store::{Change, Reader, Table};

/// Facts of one batch.
pub(crate) struct Facts<'a> {
    reader: &'a dyn Reader,
    /// What the batch wrote (`Some`) and removed (`None`) so far, but for accounts.
    pending: BTreeMap<Table, BTreeMap<Vec<u8>, Option<Value>>>,
    /// Accounts that the batch changes, with the rows their next entries go to.
    accounts: BTreeMap<AccountKey, ChangedAccount>,
    /// How far sweeps and settlement came, which every message to a person is asked of.
    swept: OnceCell<SweptRow>,
    pub(super) rows: &'a Rows,
    pub(super) ring: &'a Ring,
    pub(super) authority: &'a AuthorityKey,
    pub(super) directory: &'a Directory,
    pub(super) limits: &'a Limits,
    pub(super) generation: Generation,
    pub(super) rate_cards: &'a RateCards,
    pub(super) certified: bool,
    pub(super) free: &'a FreeCounts,
    pub(super) marks: &'a Marks,
    kept: &'a Kept,
}

/// A row as a decision leaves it.
#[derive(Debug)]
pub(crate) struct RowChange {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    /// None removes it.
    pub(super) value: Option<Value>,
}

/// An account as a decision leaves it.
#[derive(Debug)]
pub(crate) struct AccountChange {
    pub(super) row: AccountRow,
    /// Whether its row is written: not where it follows from the one on disk and the entries since.
    pub(super) is_written: bool,
}

/// What a row holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// As it is on disk.
    Stored(Bytes),
    /// An encoding that is yet to be sealed.
    Open(Bytes),
}

/// Keys, names and bounds that do not change during a batch.
pub(crate) struct Fixed<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) ring: &'a Ring,
    pub(crate) authority: &'a AuthorityKey,
    pub(crate) directory: &'a Directory,
    pub(crate) limits: &'a Limits,
    /// Of the ledgers, since the relay's last restore.
    pub(crate) generation: Generation,
    /// What the relay asks for; for messages, their requests say.
    pub(crate) rate_cards: &'a RateCards,
    /// Whether there is a certified key to sign receipts with.
    pub(crate) certified: bool,
    /// What is counted and not stored.
    pub(crate) free: &'a FreeCounts,
    /// Where the sweeps stand.
    pub(crate) marks: &'a Marks,
    /// What is known of accounts without reading it.
    pub(crate) kept: &'a Kept,
}

impl<'a> Facts<'a> {
    /// What `reader` sees.
    pub(crate) fn new(reader: &'a dyn Reader, fixed: Fixed<'a>) -> Self {
        let Fixed {
            rows,
            ring,
            authority,
            directory,
            limits,
            generation,
            rate_cards,
            certified,
            free,
            marks,
            kept,
        } = fixed;
        Self {
            reader,
            pending: BTreeMap::new(),
            accounts: BTreeMap::new(),
            swept: OnceCell::new(),
            rows,
            ring,
            authority,
            directory,
            limits,
            generation,
            rate_cards,
            certified,
            free,
            marks,
            kept,
        }
    }

    /// Opens an account that is to be changed.
    ///
    /// # Errors
    ///
    /// [`FactError`] if it cannot be read.
    pub(crate) fn open_account(&mut self, account: &AccountKey) -> Result<(), FactError> {
        if !self.accounts.contains_key(account) {
            let open = self.read_account(account)?;
            self.accounts.insert(*account, ChangedAccount::new(open));
        }
        Ok(())
    }

    /// Shows an entry of an account that is open.
    pub(crate) fn append(&mut self, account: &AccountKey, entry: Entry) {
        debug_assert!(
            self.accounts.contains_key(account),
            "an entry of an account that is not open"
        );
        let Some(changed) = self.accounts.get_mut(account) else { return };
        if let Some(full) = changed.append(entry) {
            let key = changed.open.entries.with_entry(entry.sequence);
            let row = Value::Open(full.encoded().into());
            self.pending.entry(Table::Entries).or_default().insert(key, Some(row));
        }
    }

    /// Shows what an account has become that is open.
    pub(crate) fn put_account(&mut self, AccountChange { row, is_written }: AccountChange) {
        if let Some(changed) = self.accounts.get_mut(&row.account) {
            changed.open.row = row;
            changed.is_written |= is_written;
        }
    }

    /// Shows a decision's changes to the requests that follow.
    pub(crate) fn apply(&mut self, changes: Vec<RowChange>) {
        for RowChange { table, key, value } in changes {
            if table == SweptRow::TABLE {
                self.swept.take();
            }
            self.pending.entry(table).or_default().insert(key, value);
        }
    }

    /// Everything the batch writes, each row once, and sealed that should be; and the accounts that it
    /// changed, to be kept once it is on disk.
    pub(crate) fn into_changes(self, fresh: &mut dyn CryptoRng) -> (Vec<Change>, Vec<OpenAccount>) {
        let Self { pending, accounts, rows: names, .. } = self;
        let count = pending.values().map(BTreeMap::len).sum::<usize>() + 2 * accounts.len();
        let mut changes = Vec::with_capacity(count);
        for (table, rows) in pending {
            for (key, value) in rows {
                let value = value.map(|value| match value {
                    Value::Stored(bytes) => bytes,
                    Value::Open(plain) => names.seal(table, &key, &plain, fresh),
                });
                changes.push(Change { table, key, value });
            }
        }
        let mut kept = Vec::with_capacity(accounts.len());
        for ChangedAccount { open, is_written, is_grown } in accounts.into_values() {
            if is_written {
                changes.push(names.put(*open.name.as_bytes(), &open.row, fresh));
            }
            if is_grown {
                let key = open.entries.with_entry(open.row.next());
                changes.push(names.put(key, &open.newest, fresh));
            }
            kept.push(open);
        }
        (changes, kept)
    }

    /// How far sweeps and settlement came; of a store that was never swept, from `now` on.
    pub(super) fn swept(&self, now: Timestamp) -> Result<SweptRow, FactError> {
        if let Some(swept) = self.swept.get() {
            return Ok(*swept);
        }
        let swept = self.sealed(SWEPT_KEY)?;
        let swept = swept.unwrap_or_else(|| SweptRow::begun(now.hour()));
        Ok(*self.swept.get_or_init(|| swept))
    }

    pub(super) fn queue(&self, address: &Address) -> Result<Option<QueueRow>, FactError> {
        self.sealed(self.rows.queue(address).as_bytes())
    }

    pub(super) fn queue_named(&self, name: &RowName) -> Result<Option<QueueRow>, FactError> {
        self.sealed(name.as_bytes())
    }

    pub(super) fn origin(&self, key: &[u8]) -> Result<Option<OriginRow>, FactError> {
        self.sealed(key)
    }

    pub(super) fn submission(&self, name: &RowName) -> Result<Option<SubmissionRow>, FactError> {
        self.sealed(name.as_bytes())
    }

    /// The envelopes of a queue after `after`, at most `limit`.
    pub(super) fn origins(
        &self,
        queue: &RowName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, OriginRow)>, FactError> {
        let from = queue.at(Sequence(after.0.saturating_add(1)));
        let rows = self.scan_sealed(queue.as_bytes(), &from, limit)?;
        Ok(rows
            .into_iter()
            .map(|(key, row)| (sequence_of(&key).unwrap_or_default(), row))
            .collect())
    }

    pub(super) fn prekeys(&self, account: &RowName) -> Result<Option<PrekeysRow>, FactError> {
        self.sealed(account.as_bytes())
    }

    pub(super) fn profile(&self, account: &RowName) -> Result<Option<ProfileRow>, FactError> {
        self.sealed(account.as_bytes())
    }

    /// As it begins today where nothing is known of it.
    pub(super) fn standing(
        &self,
        account: &AccountKey,
        today: Day,
    ) -> Result<StandingRow, FactError> {
        Ok(self.known_standing(account)?.unwrap_or_else(|| StandingRow::new(today)))
    }

    /// None where nothing is known of it.
    pub(super) fn known_standing(
        &self,
        account: &AccountKey,
    ) -> Result<Option<StandingRow>, FactError> {
        self.sealed(self.rows.standing(account).as_bytes())
    }

    /// Whether there is a row, whatever it holds.
    pub(super) fn holds(&self, table: Table, key: &[u8]) -> Result<bool, FactError> {
        Ok(self.get(table, key)?.is_some())
    }

    /// An account of a business; without entries if it has none yet.
    pub(crate) fn account(&self, account: &AccountKey) -> Result<AccountRow, FactError> {
        let changed = self.accounts.get(account).map(|changed| &changed.open);
        match changed.or_else(|| self.kept.get(account)) {
            Some(open) => Ok(open.row.clone()),
            None => Ok(self.read_account(account)?.row),
        }
    }

    /// An account as the last commit left it.
    fn read_account(&self, account: &AccountKey) -> Result<OpenAccount, FactError> {
        if let Some(kept) = self.kept.get(account) {
            return Ok(kept.clone());
        }
        let (name, entries) = (self.rows.account(account), self.rows.entries(account));
        let Some(row) = self.sealed::<AccountRow>(name.as_bytes())? else {
            let (row, newest) = (AccountRow::new(*account), EntriesRow::default());
            return Ok(OpenAccount { name, entries, row, newest });
        };
        let newest: Option<EntriesRow> = self.sealed(&entries.with_entry(row.next()))?;
        let row = row.with(newest.as_ref())?;
        let newest = newest.filter(EntriesRow::has_room).unwrap_or_default();
        Ok(OpenAccount { name, entries, row, newest })
    }

    /// The entry of the payment under a reference.
    pub(super) fn payment(&self, reference: &RowName) -> Result<Option<ReferenceRow>, FactError> {
        self.sealed(reference.as_bytes())
    }

    pub(super) fn entry(
        &self,
        account: &AccountKey,
        sequence: EntrySequence,
    ) -> Result<Option<Entry>, FactError> {
        let changed = self.accounts.get(account);
        if let Some(entry) = changed.and_then(|changed| changed.open.newest.entry(sequence)) {
            return Ok(Some(entry));
        }
        let row: Option<EntriesRow> =
            self.sealed(&self.rows.entries(account).with_entry(sequence))?;
        Ok(row.and_then(|row| row.entry(sequence)))
    }

    /// A subtree of an account's tree that is within a row, or stored.
    pub(crate) fn subtree(
        &self,
        account: &AccountKey,
        subtree: Subtree,
    ) -> Result<TreeHash, FactError> {
        if subtree.level <= ROW_LEVELS {
            let changed = self.accounts.get(account);
            if let Some(hash) = changed.and_then(|changed| changed.open.newest.subtree(subtree)) {
                return Ok(hash);
            }
            let sequence = EntrySequence(subtree.leaves().start);
            let key = self.rows.entries(account).with_entry(sequence);
            let row: Option<EntriesRow> = self.sealed(&key)?;
            let hash = row.and_then(|row| row.subtree(subtree));
            return Ok(hash.ok_or(missing::<EntriesRow>())?);
        }
        let row: Option<TileRow> = self.sealed(&self.rows.tile(account, subtree))?;
        Ok(row.ok_or(missing::<TileRow>())?.0)
    }

    pub(super) fn certificate(&self, serial: Serial) -> Result<Option<Certificate>, FactError> {
        let row: Option<CertificateRow> = self.sealed(self.rows.certificate(serial).as_bytes())?;
        Ok(row.map(|row| row.certificate))
    }

    pub(super) fn sealed<R: Sealed>(&self, key: &[u8]) -> Result<Option<R>, FactError> {
        let value = self.get(R::TABLE, key)?;
        Ok(value.map(|value| self.open(key, value)).transpose()?)
    }

    /// The keys at or after `from` that begin with `prefix`, at most `limit`.
    pub(super) fn scan_keys(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Bytes>, FactError> {
        Ok(self.scan(table, prefix, from, limit)?.map(|(key, _)| key).collect())
    }

    /// The rows of a table from a key on, at most `limit`; none for one that is damaged.
    pub(super) fn scan_readable<R: Sealed>(
        &self,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Option<R>)>, FactError> {
        let rows = self.scan(R::TABLE, &[], from, limit)?;
        let open = |(key, value): (Bytes, Value)| {
            let row = self.open(&key, value).ok();
            (key, row)
        };
        Ok(rows.map(open).collect())
    }

    /// The rows at or after `from` whose keys begin with `prefix`, at most `limit`.
    pub(super) fn scan_sealed<R: Sealed>(
        &self,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, R)>, FactError> {
        let rows = self.scan(R::TABLE, prefix, from, limit)?;
        let open = |(key, value): (Bytes, Value)| {
            let row = self.open(&key, value)?;
            Ok((key, row))
        };
        rows.map(open).collect()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, FactError> {
        match self.pending.get(&table).and_then(|rows| rows.get(key)) {
            Some(pending) => Ok(pending.clone()),
            None => Ok(self.reader.get(table, key)?.map(Value::Stored)),
        }
    }

    fn open<R: Sealed>(&self, key: &[u8], value: Value) -> Result<R, BadRow> {
        match value {
            Value::Stored(sealed) => self.rows.open(key, &sealed),
            Value::Open(plain) => decode(plain),
        }
    }

    /// As [`Reader::scan`], with the batch's changes laid over it.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<impl Iterator<Item = (Bytes, Value)>, FactError> {
        let start = prefix.max(from);
        let pending = || {
            let rows = self.pending.get(&table).into_iter();
            rows.flat_map(|rows| rows.range::<[u8], _>((Bound::Included(start), Bound::Unbounded)))
                .take_while(|(key, _)| key.starts_with(prefix))
        };
        // Each pending removal can hide one stored row; so many more are read.
        let removed = pending().filter(|(_, value)| value.is_none()).count();
        let stored = self.reader.scan(table, prefix, from, limit.saturating_add(removed))?;
        let mut stored: Vec<_> =
            stored.into_iter().map(|entry| (entry.key, Value::Stored(entry.value))).collect();
        // As it mostly is: the scans of sweeps, settlements and acknowledgements come first in a batch.
        if pending().next().is_some() {
            let mut merged: BTreeMap<Bytes, Value> = stored.into_iter().collect();
            for (key, value) in pending() {
                let key = Bytes::copy_from_slice(key);
                match value {
                    Some(value) => merged.insert(key, value.clone()),
                    None => merged.remove(&key),
                };
            }
            stored = merged.into_iter().collect();
        }
        Ok(stored.into_iter().take(limit))
    }
}

fn decode<R: Sealed>(plain: Bytes) -> Result<R, BadRow> {
    R::decode(plain).map_err(|error| BadRow::Form { table: R::TABLE.name(), error })
}
