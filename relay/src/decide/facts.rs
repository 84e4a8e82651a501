//! What a request is decided on: the store as of the last commit, and over it what the requests
//! before it in the same batch will write.

use std::collections::BTreeMap;

use bytes::Bytes;
use plico_protocol::certificate::{Certificate, Serial};
use plico_protocol::frame::Sequence;
use plico_protocol::id::{Address, AuthorityKey};
use plico_protocol::wire::Wire;

use crate::decide::{FactError, Limits};
use crate::directory::Directory;
use crate::keys::Ring;
use crate::rows::{
    BadRow, OriginRow, PrekeysRow, ProfileRow, QueueRow, RowName, Rows, Sealed, SubmissionRow,
    sequence_of, serial_key,
};
use crate::store::{Change, Entry, Reader, Table};

/// Facts of one batch.
pub(crate) struct Facts<'a> {
    reader: &'a dyn Reader,
    /// What the batch wrote (`Some`) and removed (`None`) so far.
    pending: BTreeMap<(Table, Vec<u8>), Option<Bytes>>,
    pub(super) rows: &'a Rows,
    pub(super) ring: &'a Ring,
    pub(super) authority: &'a AuthorityKey,
    pub(super) directory: &'a Directory,
    pub(super) limits: &'a Limits,
}

/// Keys, names and bounds that do not change during a batch.
pub(crate) struct Fixed<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) ring: &'a Ring,
    pub(crate) authority: &'a AuthorityKey,
    pub(crate) directory: &'a Directory,
    pub(crate) limits: &'a Limits,
}

impl<'a> Facts<'a> {
    /// What `reader` sees.
    pub(crate) fn new(reader: &'a dyn Reader, fixed: Fixed<'a>) -> Self {
        let Fixed { rows, ring, authority, directory, limits } = fixed;
        Self { reader, pending: BTreeMap::new(), rows, ring, authority, directory, limits }
    }

    /// Shows a decision's changes to the requests that follow.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        for Change { table, key, value } in changes {
            self.pending.insert((table, key), value);
        }
    }

    /// Everything the batch writes, each row once.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        let change = |((table, key), value)| Change { table, key, value };
        self.pending.into_iter().map(change).collect()
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
        let entries = self.scan(Table::Origins, queue.as_bytes(), &from, limit)?;
        let origin = |entry: &Entry| {
            let row = self.rows.open(&entry.key, &entry.value)?;
            Ok((sequence_of(&entry.key).unwrap_or_default(), row))
        };
        entries.iter().map(origin).collect()
    }

    pub(super) fn prekeys(&self, account: &RowName) -> Result<Option<PrekeysRow>, FactError> {
        self.sealed(account.as_bytes())
    }

    pub(super) fn profile(&self, account: &RowName) -> Result<Option<ProfileRow>, FactError> {
        self.sealed(account.as_bytes())
    }

    pub(super) fn certificate(&self, serial: Serial) -> Result<Option<Certificate>, FactError> {
        let table = Table::Certificates.name();
        let value = self.get(Table::Certificates, &serial_key(serial))?;
        let row = value.map(Certificate::decode).transpose();
        Ok(row.map_err(|error| BadRow::Form { table, error })?)
    }

    pub(super) fn sealed<R: Sealed>(&self, key: &[u8]) -> Result<Option<R>, FactError> {
        let value = self.get(R::TABLE, key)?;
        Ok(value.map(|value| self.rows.open(key, &value)).transpose()?)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, FactError> {
        match self.pending.get(&(table, key.to_vec())) {
            Some(pending) => Ok(pending.clone()),
            None => Ok(self.reader.get(table, key)?),
        }
    }

    /// As [`Reader::scan`], with the batch's changes laid over it.
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, FactError> {
        let start = (table, prefix.max(from).to_vec());
        let pending = || {
            let within = |key: &Vec<u8>| key.starts_with(prefix);
            self.pending
                .range(start.clone()..)
                .take_while(move |((t, k), _)| *t == table && within(k))
        };
        // Each pending removal can hide one stored row; so many more are read.
        let removed = pending().filter(|(_, value)| value.is_none()).count();
        let stored = self.reader.scan(table, prefix, from, limit.saturating_add(removed))?;
        let mut merged: BTreeMap<Bytes, Bytes> =
            stored.into_iter().map(|entry| (entry.key, entry.value)).collect();
        for ((_, key), value) in pending() {
            let key = Bytes::copy_from_slice(key);
            match value {
                Some(value) => merged.insert(key, value.clone()),
                None => merged.remove(&key),
            };
        }
        let entry = |(key, value)| Entry { key, value };
        Ok(merged.into_iter().take(limit).map(entry).collect())
    }
}
