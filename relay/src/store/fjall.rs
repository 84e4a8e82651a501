//! The embedded store: fjall, an LSM tree whose journal is synced once per commit.
//!
//! One keyspace per table. A commit writes the journal, syncs it and only then becomes visible,
//! which is why the commit path has no point between the write and the sync.
//!
//! A full disk poisons fjall for good (any failed journal write does), so [`Store::recover`] drops
//! it and opens it again, in process: what the journal holds whole is there again, a torn tail is
//! cut off. Readers go on with the poisoned one until there is room.

#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use fjall::config::CompressionPolicy;
use fjall::{
    CompressionType, Database, Error, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode,
    Readable, Snapshot,
};

use super::schema;
use crate::store::{Change, CommitError, Entry, OpenError, ReadError, Reader, Store, Table};

/// A fjall database in a directory of its own, locked to this process.
pub struct Fjall {
    path: PathBuf,
    open: RwLock<Option<Opened>>,
}

struct Opened {
    /// By [`Table::byte`], from 1. Declared before `database`, so that it is dropped first.
    keyspaces: Vec<Keyspace>,
    database: Database,
}

impl Fjall {
    /// Opens or creates the database in `path`.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let open = RwLock::new(Some(Opened::open(path)?));
        let store = Self { path: path.to_owned(), open };
        schema::check(&store)?;
        Ok(store)
    }

    fn guard(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_less_than(&self, bytes: u64) -> bool {
        rustix::fs::statvfs(&self.path)
            .is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < bytes)
    }

    fn commit_error(&self, error: Error) -> CommitError {
        let full = match &error {
            Error::Io(error) | Error::Storage(LsmError::Io(error)) => is_no_space(error),
            // A background flush failed before, and its cause is gone.
            Error::Poisoned => self.has_less_than(FLUSH_BYTES),
            _ => false,
        };
        if full { CommitError::Full } else { CommitError::Failed(Box::new(error)) }
    }
}

impl Store for Fjall {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let guard = self.guard();
        let open = guard.as_ref().ok_or(CommitError::Full)?;
        let mut batch = open.database.batch().durability(Some(PersistMode::SyncAll));
        for Change { table, key, value } in changes {
            let keyspace = open.keyspace(*table).map_err(|e| CommitError::Failed(Box::new(e)))?;
            match value {
                Some(value) => batch.insert(keyspace, key.as_slice(), value.as_ref()),
                None => batch.remove(keyspace, key.as_slice()),
            }
        }
        batch.commit().map_err(|error| self.commit_error(error))
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        let guard = self.guard();
        let snapshot = guard.as_ref().ok_or(ReadError::Closed)?.database.snapshot();
        Ok(Box::new(FjallReader { snapshot, guard }))
    }

    fn recover(&self) -> Result<(), CommitError> {
        if self.has_less_than(REOPEN_BYTES) {
            return Err(CommitError::Full);
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // The lock on the directory is released first, or opening would find it taken.
        drop(open.take());
        match Opened::open(&self.path) {
            Ok(reopened) => {
                *open = Some(reopened);
                Ok(())
            }
            Err(OpenError::Commit(error)) => Err(error),
            Err(error) => Err(CommitError::Failed(Box::new(error))),
        }
    }
}

impl Opened {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let database = Database::builder(path)
            .journal_compression(CompressionType::None)
            .open()
            .map_err(open_error)?;
        let keyspaces = Table::ALL
            .iter()
            .map(|table| database.keyspace(table.name(), || options(*table)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(open_error)?;
        Ok(Self { keyspaces, database })
    }

    fn keyspace(&self, table: Table) -> Result<&Keyspace, Error> {
        let index = usize::from(table.byte()) - 1;
        self.keyspaces.get(index).ok_or(Error::KeyspaceDeleted)
    }
}

/// A snapshot, and a hold on the database it reads from.
struct FjallReader<'a> {
    snapshot: Snapshot,
    guard: RwLockReadGuard<'a, Option<Opened>>,
}

impl FjallReader<'_> {
    fn keyspace(&self, table: Table) -> Result<&Keyspace, ReadError> {
        let open = self.guard.as_ref().ok_or(ReadError::Closed)?;
        open.keyspace(table).map_err(read_error)
    }
}

impl Reader for FjallReader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let value = self.snapshot.get(self.keyspace(table)?, key).map_err(read_error)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let Some(range) = range_of(prefix, from) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for row in self.snapshot.range(self.keyspace(table)?, range).take(limit) {
            let (key, value) = row.into_inner().map_err(read_error)?;
            let (key, value) = (Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value));
            entries.push(Entry { key, value });
        }
        Ok(entries)
    }
}

impl core::fmt::Debug for Fjall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fjall").finish_non_exhaustive()
    }
}

type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The keys that begin with `prefix` and are not below `from`; none if there can be none. The end
/// matters: without it a scan that finds little steps over every removed row of the prefixes after
/// its own (measured: 144 ms after 100,000 removals).
fn range_of(prefix: &[u8], from: &[u8]) -> Option<KeyRange> {
    let start = prefix.max(from).to_vec();
    match successor(prefix) {
        Some(end) if end <= start => None,
        Some(end) => Some((Bound::Included(start), Bound::Excluded(end))),
        None => Some((Bound::Included(start), Bound::Unbounded)),
    }
}

/// The first key after all that begin with `prefix`; none where no key is.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let (at, last) = prefix.iter().enumerate().rfind(|(_, byte)| **byte != u8::MAX)?;
    let mut end = prefix.get(..at)?.to_vec();
    end.push(last.saturating_add(1));
    Some(end)
}

/// Envelopes are ciphertext: compressing them costs time and saves nothing. For the same reason the
/// journal, which is mostly envelopes, is not compressed.
fn options(table: Table) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default();
    match table {
        Table::Envelopes => {
            options.data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
        }
        _ => options,
    }
}

fn open_error(error: Error) -> OpenError {
    match error {
        Error::Locked => OpenError::Locked,
        Error::Io(error) | Error::Storage(LsmError::Io(error)) if is_no_space(&error) => {
            OpenError::Commit(CommitError::Full)
        }
        error => OpenError::Failed(Box::new(error)),
    }
}

fn read_error(error: Error) -> ReadError {
    ReadError::Failed(Box::new(error))
}

fn is_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// What fjall needs for a flush (a memtable of 64 MiB) and a new journal: with less than this free,
/// a failure that names no cause is taken for a full disk.
const FLUSH_BYTES: u64 = 128 * 1024 * 1024;
/// With less than this free, opening again would only lead to the next failure.
const REOPEN_BYTES: u64 = 4 * 1024 * 1024;
