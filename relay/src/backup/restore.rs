//! A store from a backup, made fit to go on with.
//!
//! Between the backup and the loss the relay went on, and devices remember what it did. So what
//! would contradict them is not taken over:
//!
//! | table | in the backup | after a restore |
//! |---|---|---|
//! | `one_time_prekeys` | keys, some of them handed out since | dropped: a key handed out twice would tie two people's handshakes together; the business is told that it has none and brings others |
//! | `prekeys` | signed prekeys and the count of the above | kept, counting none; replaced daily anyway |
//! | `queues` | epochs and counters of then | kept, with sequences a restore ahead, so that no number names two envelopes. Counters and epochs are older than reality, which is why the ticket keys go |
//! | `envelopes`, `origins`, `expiries` | what waited then | kept: what was acknowledged since comes again, and devices know it by its content id; what was accepted since is lost |
//! | `submissions`, `forgets` | what was accepted until then | kept: a repetition of what came later is accepted anew, under the same content id |
//! | `certificates`, `revocations` | what was certified and revoked until then | kept: what came later has to be installed or revoked again, by the operator |
//! | `profiles` | what businesses said of themselves then | kept, until they publish again |
//! | `meta` | how far the sweeps came | kept: they catch up. A new generation of the ledgers begins, or heads signed since the backup would contradict those to come |
//! | `accounts`, `entries`, `tiles`, `pending` | balances and ledgers of then | kept: what was charged since is lost, and each ledger says so with its next entry |
//!
//! Every ticket ends (its key goes): one revoked since the backup would otherwise be honoured again,
//! and one used up be used twice. A ticket key made before a fresh one is not kept for checking
//! either. Devices are told when they connect, and give businesses other tickets.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use getrandom::rand_core::CryptoRng;
use plico_protocol::frame::Sequence;
use plico_protocol::ledger::Generation;
use plico_protocol::time::Timestamp;

use super::read::{BadBackup, Row, check};
use crate::decide::SWEPT_KEY;
use crate::keys::Keys;
use crate::rows::{BadRow, PrekeysRow, QueueRow, Rows, SweptRow};
use crate::store::{Change, CommitError, Fjall, OpenError, Store, Table};

/// What a restore brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) rows: u64,
    pub(crate) envelopes: u64,
    pub(crate) mailboxes: u64,
    pub(crate) certificates: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The file.
    #[error(transparent)]
    Backup(#[from] BadBackup),
    /// Another relay's keys, or rows that were altered.
    #[error(
        "the key directory does not fit this backup: {0}; restore the keys that were backed up \
         beside it"
    )]
    Keys(#[from] BadRow),
    /// Written by another version.
    #[error(
        "the backup has another schema version than this program; use the release that wrote it"
    )]
    Schema,
    /// The new store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new store.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The file system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Fills a new store in `path` from a backup file. The file is read twice: nothing is written before
/// all of it is known to be whole and to fit the keys. What an interrupted restore left in `path` is
/// removed; the caller knows that nothing else is there.
pub(crate) fn restore(
    file: &Path,
    path: &Path,
    keys: &Keys,
    now: Timestamp,
    fresh: &mut dyn CryptoRng,
) -> Result<Restored, RestoreError> {
    let rows = Rows::new(&keys.ring());
    let mut fits = Err(RestoreError::Schema);
    check(&mut reader(file)?, |row| {
        if let (Table::Meta, SWEPT_KEY) = (row.table, row.key.as_ref()) {
            rows.open::<SweptRow>(SWEPT_KEY, &row.value)?;
            fits = Ok(());
        }
        Ok::<(), RestoreError>(())
    })?;
    fits?;
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    let generation = Generation(now.minute().0);
    let store = Fjall::open(path)?;
    let mut filling = Filling { store, rows, generation, ready: Vec::new(), bytes: 0 };
    let mut restored = Restored::default();
    restored.rows = check(&mut reader(file)?, |row| {
        restored.count(&row);
        filling.take(row, fresh)
    })?;
    filling.commit()?;
    Ok(restored)
}

fn reader(file: &Path) -> Result<impl Read, BadBackup> {
    File::open(file).map(BufReader::new).map_err(BadBackup::Io)
}

/// A store that is being filled.
struct Filling {
    store: Fjall,
    rows: Rows,
    generation: Generation,
    ready: Vec<Change>,
    bytes: usize,
}

impl Filling {
    fn take(&mut self, row: Row, fresh: &mut dyn CryptoRng) -> Result<(), RestoreError> {
        self.bytes += row.key.len() + row.value.len();
        if let Some(change) = self.change(row, fresh)? {
            self.ready.push(change);
        }
        if BATCH_BYTES <= self.bytes || BATCH_ROWS <= self.ready.len() {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        self.bytes = 0;
        self.store.commit(&core::mem::take(&mut self.ready))
    }

    /// What of a row is taken over.
    fn change(&self, row: Row, fresh: &mut dyn CryptoRng) -> Result<Option<Change>, RestoreError> {
        let Row { table, key, value } = row;
        let changed = match table {
            Table::OneTimePrekeys => return Ok(None),
            // The new store has its mark already. Another one is of a version not read here.
            Table::Meta if *key != *SWEPT_KEY => {
                let reader = self.store.reader().map_err(OpenError::Read)?;
                let mark = reader.get(table, &key).map_err(OpenError::Read)?;
                return if mark == Some(value) { Ok(None) } else { Err(RestoreError::Schema) };
            }
            Table::Meta => {
                let swept = self.rows.open::<SweptRow>(&key, &value)?;
                let generation = self.generation;
                self.rows.put(key.as_ref(), &SweptRow { generation, ..swept }, fresh)
            }
            Table::Prekeys => {
                let prekeys = self.rows.open::<PrekeysRow>(&key, &value)?;
                self.rows.put(key.as_ref(), &PrekeysRow { one_time: 0, ..prekeys }, fresh)
            }
            Table::Queues => {
                let queue = self.rows.open::<QueueRow>(&key, &value)?;
                let last = Sequence(queue.last.0.saturating_add(SEQUENCES_PASSED_OVER));
                self.rows.put(key.as_ref(), &QueueRow { last, ..queue }, fresh)
            }
            _ => Change::put(table, key.as_ref(), value),
        };
        Ok(Some(changed))
    }
}

impl Restored {
    fn count(&mut self, row: &Row) {
        match row.table {
            Table::Envelopes => self.envelopes += 1,
            Table::Queues => self.mailboxes += 1,
            Table::Certificates => self.certificates += 1,
            _ => (),
        }
    }
}

/// More than one mailbox is given between a backup and its restore, at any rate (2³²).
const SEQUENCES_PASSED_OVER: u64 = 1 << 32;
/// What one commit of a restore writes, in bytes: a sync for every so many.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// And in rows.
const BATCH_ROWS: usize = 4_096;
