//! The embedded store: fjall, an LSM tree whose journal is synced once per commit.
//!
//! One keyspace per table. A commit writes the journal, syncs it and only then becomes visible,
//! which is why the commit path has no point between the write and the sync.
//!
//! Any failed write poisons fjall for good, so [`Store::recover`] drops the engine and opens it
//! again, in process: what the journal holds whole is there again, a torn tail is cut off. Opening,
//! here as at the start, is not done before all of it is in synced tables (see `journal`).

mod journal;
#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

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
    /// None while it is opened again, and from then on if that fails.
    engine: RwLock<Option<Arc<Engine>>>,
    /// Held by whoever opens it again.
    reopening: Mutex<()>,
}

struct Engine {
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
        let engine = Engine::open(path).map_err(|error| open_error(path, error))?;
        let engine = RwLock::new(Some(Arc::new(engine)));
        let store = Self { path: path.to_owned(), engine, reopening: Mutex::new(()) };
        schema::check(&store)?;
        Ok(store)
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Never held while anything is read, written or waited for.
    fn place(&self) -> RwLockWriteGuard<'_, Option<Arc<Engine>>> {
        self.engine.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, changes: &[Change]) -> Result<(), Attempt> {
        let engine = self.engine().ok_or(Attempt::Closed)?;
        engine.write(changes).map_err(Attempt::Engine)
    }
}

/// Why changes were not written at the first attempt.
enum Attempt {
    Closed,
    Engine(Error),
}

impl Attempt {
    fn into_commit_error(self, path: &Path) -> CommitError {
        match self {
            // It could not be opened again, for want of space.
            Self::Closed => CommitError::Full,
            Self::Engine(error) => commit_error(path, error),
        }
    }
}

impl Store for Fjall {
    fn bytes(&self) -> Option<u64> {
        self.engine()?.database.disk_space().ok()
    }

    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let written = match self.write(changes) {
            // A flush in the background failed, before anything of this commit was written, and
            // its cause may have passed. It is tried anew once; where that fails too, so does this.
            Err(Attempt::Engine(Error::Poisoned)) => {
                self.recover()?;
                self.write(changes)
            }
            written => written,
        };
        written.map_err(|attempt| attempt.into_commit_error(&self.path))
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        let engine = self.engine().ok_or(ReadError::Closed)?;
        Ok(Box::new(FjallReader { snapshot: engine.database.snapshot(), engine }))
    }

    fn recover(&self) -> Result<(), CommitError> {
        let _reopening = self.reopening.lock().unwrap_or_else(PoisonError::into_inner);
        let unflushed = self.engine().map_or(0, |engine| engine.database.write_buffer_size());
        if has_less_than(&self.path, REOPEN_BYTES.saturating_add(unflushed)) {
            return Err(CommitError::Full);
        }
        let engine = self.place().take();
        if let Some(engine) = engine {
            close(engine);
        }
        match Engine::open(&self.path) {
            Ok(engine) => {
                *self.place() = Some(Arc::new(engine));
                Ok(())
            }
            Err(error) => Err(commit_error(&self.path, error)),
        }
    }
}

impl Engine {
    fn open(path: &Path) -> Result<Self, Error> {
        journal::seal(path)?;
        let database = Database::builder(path).journal_compression(CompressionType::None).open()?;
        let keyspaces = Table::ALL
            .iter()
            .map(|table| database.keyspace(table.name(), || options(*table)))
            .collect::<Result<Vec<_>, _>>()?;
        let engine = Self { keyspaces, database };
        engine.settle()?;
        Ok(engine)
    }

    /// Waits until what was replayed is in synced tables (80 ms where every table has something,
    /// measured with a debug build on a virtual disk). The engine's workers are at it already;
    /// one that fails poisons the database, which is all that can be seen of it from here.
    fn settle(&self) -> Result<(), Error> {
        while 0 < self.database.write_buffer_size() {
            self.database.persist(PersistMode::Buffer)?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn write(&self, changes: &[Change]) -> Result<(), Error> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for Change { table, key, value } in changes {
            let keyspace = self.keyspace(*table)?;
            match value {
                Some(value) => batch.insert(keyspace, key.as_slice(), value.as_ref()),
                None => batch.remove(keyspace, key.as_slice()),
            }
        }
        batch.commit()
    }

    fn keyspace(&self, table: Table) -> Result<&Keyspace, Error> {
        let index = usize::from(table.byte()) - 1;
        self.keyspaces.get(index).ok_or(Error::KeyspaceDeleted)
    }
}

/// Drops the engine once its last reader is gone: the lock on the directory must be free, or
/// opening would find it taken.
fn close(mut engine: Arc<Engine>) {
    loop {
        match Arc::try_unwrap(engine) {
            Ok(engine) => return drop(engine),
            Err(shared) => engine = shared,
        }
        std::thread::sleep(PAUSE);
    }
}

/// A snapshot, and a hold on the database it reads from.
struct FjallReader {
    snapshot: Snapshot,
    engine: Arc<Engine>,
}

impl FjallReader {
    fn keyspace(&self, table: Table) -> Result<&Keyspace, ReadError> {
        self.engine.keyspace(table).map_err(read_error)
    }
}

impl Reader for FjallReader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let value = self.snapshot.get(self.keyspace(table)?, key).map_err(read_error)?;
        Ok(value.map(Bytes::from_owner))
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
            let (key, value) = (Bytes::copy_from_slice(&key), Bytes::from_owner(value));
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

fn open_error(path: &Path, error: Error) -> OpenError {
    if matches!(error, Error::Locked) {
        return OpenError::Locked;
    }
    match commit_error(path, error) {
        CommitError::Full => OpenError::Commit(CommitError::Full),
        CommitError::Failed(error) => OpenError::Failed(error),
    }
}

fn commit_error(path: &Path, error: Error) -> CommitError {
    let full = match &error {
        Error::Io(error) | Error::Storage(LsmError::Io(error)) => is_no_space(error),
        // A flush failed, and its cause is gone.
        Error::Poisoned => has_less_than(path, FLUSH_BYTES),
        _ => false,
    };
    if full { CommitError::Full } else { CommitError::Failed(Box::new(error)) }
}

fn read_error(error: Error) -> ReadError {
    ReadError::Failed(Box::new(error))
}

fn is_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

fn has_less_than(path: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < bytes)
}

/// What fjall needs for a flush (a memtable of 64 MiB) and a new journal: with less than this free,
/// a failure that names no cause is taken for a full disk.
const FLUSH_BYTES: u64 = 128 * 1024 * 1024;
/// Beside what is not in tables yet, opening again needs this much: the batch that did not fit (at
/// most 8 MiB and a request), and what surrounds the rows of a table. With less free it would only
/// lead to the next failure.
const REOPEN_BYTES: u64 = 16 * 1024 * 1024;
/// Between two looks at what other threads have done: readers stay for microseconds, a flush of
/// a few rows takes a millisecond.
const PAUSE: Duration = Duration::from_millis(1);
