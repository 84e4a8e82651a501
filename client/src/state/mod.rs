//! Durable state: one SQLite file whose rows are sealed, for one process at a time.
//!
//! Write-ahead log with `synchronous = FULL`, so a transaction that returned survives a power cut;
//! `secure_delete`, so deleted rows are overwritten (frames of the log that were not yet
//! checkpointed keep them until then). A row's value is XChaCha20-Poly1305 under the data key with
//! a random nonce; its associated data is table, row name and generation, so no row can stand in
//! for another or claim another generation. Putting the whole file back to an older copy is not
//! noticed here; a business notices it at its relay. In the file one sees how many rows each table has, how long they are and how often
//! they were written, and nothing else: names are numbers that count, or keyed hashes. So one
//! sees how many conversations a person has, by number, and how many messages of each are kept.

mod backup;
mod key;
mod lock;
mod rows;
mod seal;
mod table;

pub use backup::{BackupError, RestoreError};
pub(crate) use backup::{back_up, restore};
use backup::{beside, put_in_place};
pub use key::Protection;
pub(crate) use rows::Rows;
pub(crate) use table::{Name, Table};

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use plico_endpoint::id::ContentId;
use plico_protocol::frame::Submission;
use plico_protocol::mac::MacKey;
use plico_protocol::wire::{DecodeError, Wire};
use rusqlite::{Connection, params};

use key::WrappedKey;
use lock::Lock;
use rows::RowKeys;

use crate::probe::{NoProbe, Point, Probe};

/// Why a state was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "another program has this state open, and two would break its messages; close the other first"
    )]
    Locked,
    /// The passphrase or key file is not the one it was made with.
    #[error("this passphrase or key file did not make this state; use the one that did")]
    WrongKey,
    /// The key file could not be read or made.
    #[error("the key file cannot be read or made ({0}); check its path and rights")]
    KeyFile(#[source] io::Error),
    /// Others than its owner may read the key file.
    #[error("others may read the key file (mode {mode:o}); set its mode to 600")]
    KeyFileExposed {
        /// Its permission bits.
        mode: u32,
    },
    /// It exists already.
    #[error("there is a state at this path already; open it, or choose another path")]
    Exists,
    /// There is none.
    #[error("there is no state at this path; check the path, or create one")]
    Missing,
    /// The file is empty: it was cut short.
    #[error(
        "the state's file is empty, so what was in it is lost; put a backup in its place, or delete it and its key file to begin anew"
    )]
    Emptied,
    /// It is some other file.
    #[error("the file at this path is no state; check the path")]
    Foreign,
    /// It is a business's where a person's was asked for, or the other way round.
    #[error("this state belongs to {found}, not to {expected}; open it as what it is")]
    OtherOwner {
        /// Whose was asked for.
        expected: Owner,
        /// Whose it is.
        found: Owner,
    },
    /// It was written by a later version.
    #[error("the state has version {found} and this program knows {known}; update this program")]
    Version {
        /// The version in the file.
        found: u32,
        /// The version this program writes.
        known: u32,
    },
    /// The file could not be opened.
    #[error("the state's file cannot be opened ({0}); check its path and rights")]
    Io(#[from] io::Error),
    /// The database or a row in it cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why the state could not be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite failed.
    #[error("the state's file cannot be read or written ({0}); check the disk, then open it again")]
    Database(#[from] rusqlite::Error),
    /// A row does not open: it was altered, moved or damaged.
    #[error("the state is damaged or was altered (in `{table}`); restore it from a backup")]
    Corrupt {
        /// Which table.
        table: &'static str,
    },
    /// A row opens, but does not hold what this version writes.
    #[error(
        "the state holds what this version cannot read (in `{table}`: {error}); update this program"
    )]
    Unreadable {
        /// Which table.
        table: &'static str,
        /// What was wrong.
        error: DecodeError,
    },
}

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A person.
    Person = 1,
    /// A business.
    Business = 2,
}

/// An open state.
pub(crate) struct State {
    database: Connection,
    rows: RowKeys,
    probe: Arc<dyn Probe>,
    _lock: Lock,
}

impl State {
    /// Makes a state where there is none.
    pub(crate) fn create(
        path: &Path,
        protection: &Protection,
        owner: Owner,
    ) -> Result<Self, OpenError> {
        if path.try_exists()? && !may_be_state(path)? {
            return Err(OpenError::Foreign);
        }
        let lock = Lock::take(path)?.ok_or(OpenError::Locked)?;
        if path.try_exists()? && is_finished(&connect(path)?)? {
            return Err(OpenError::Exists);
        }
        // Under another name until it is whole: an empty file under its own is one that was cut short.
        // Made before the key file, so a key file without either is of a state that is lost.
        let part = beside(path, UNFINISHED);
        remove_database(&part)?;
        create_file(&part)?;
        let (wrapped, key) = WrappedKey::create(protection)?;
        let mut database = connect(&part)?;
        let transaction = database.transaction().map_err(StateError::from)?;
        transaction.execute_batch(SCHEMA).map_err(StateError::from)?;
        transaction
            .execute(
                "INSERT INTO head (version, owner, key) VALUES (?1, ?2, ?3)",
                params![VERSION, owner as u8, wrapped.encode()],
            )
            .map_err(StateError::from)?;
        transaction.commit().map_err(StateError::from)?;
        // The last connection that closes takes the log with it.
        drop(database);
        File::open(&part)?.sync_all()?;
        // The log of a state that is gone would be played into this one.
        remove_database(path)?;
        put_in_place(&part, path)?;
        Ok(Self::new(connect(path)?, &key, lock))
    }

    /// Opens a state.
    pub(crate) fn open(
        path: &Path,
        protection: &Protection,
        owner: Owner,
    ) -> Result<Self, OpenError> {
        if !path.try_exists()? {
            return Err(OpenError::Missing);
        }
        // Before anything is made beside somebody else's file.
        if !may_be_state(path)? {
            return Err(OpenError::Foreign);
        }
        let lock = Lock::take(path)?.ok_or(OpenError::Locked)?;
        let database = connect(path)?;
        // A new one in its place would look as if nothing had been lost.
        if !is_finished(&database)? {
            return Err(OpenError::Emptied);
        }
        let (version, found, wrapped) = head(&database)?;
        if version != VERSION {
            return Err(OpenError::Version { found: version, known: VERSION });
        }
        if found != owner {
            return Err(OpenError::OtherOwner { expected: owner, found });
        }
        let key = wrapped.unwrap(protection)?;
        Ok(Self::new(database, &key, lock))
    }

    fn new(database: Connection, key: &MacKey, lock: Lock) -> Self {
        Self { database, rows: RowKeys::new(key), probe: Arc::new(NoProbe), _lock: lock }
    }

    /// Lets `probe` watch, from now on.
    pub(crate) fn watched_by(self, probe: Arc<dyn Probe>) -> Self {
        Self { probe, ..self }
    }

    /// Tells the probe.
    pub(crate) fn reached(&self, point: Point) {
        self.probe.reached(point);
    }

    /// Tells the probe of content that is sealed.
    pub(crate) fn sealed(&self, content: ContentId, submission: &Submission, first: bool) {
        self.probe.sealed(content, submission, first);
    }

    /// Runs `change` in one transaction. If it or the commit fails, nothing happened.
    pub(crate) fn write<T, E: From<StateError>>(
        &mut self,
        change: impl FnOnce(&Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.database.transaction().map_err(StateError::from)?;
        let rows = Rows { transaction, keys: &self.rows };
        let value = change(&rows)?;
        self.probe.reached(Point::BeforeCommit);
        rows.transaction.commit().map_err(StateError::from)?;
        self.probe.reached(Point::AfterCommit);
        Ok(value)
    }

    /// Reads in one transaction.
    pub(crate) fn read<T>(
        &mut self,
        read: impl FnOnce(&Rows<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let transaction = self.database.transaction().map_err(StateError::from)?;
        read(&Rows { transaction, keys: &self.rows })
    }

    /// Moves the log into the database, where `secure_delete` overwrites what was deleted.
    pub(crate) fn checkpoint(&self) -> Result<(), StateError> {
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

impl core::fmt::Display for Owner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Person => "a person",
            Self::Business => "a business",
        })
    }
}

/// Deletes a database that was never used, or lost its file, with what SQLite keeps beside it.
fn remove_database(path: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(beside(path, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    Ok(())
}

/// Made before SQLite touches it, so that it is never readable by others.
fn create_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn connect(path: &Path) -> Result<Connection, StateError> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "secure_delete", "ON")?;
    Ok(database)
}

/// Whether a file is a database or empty, as one is that was never written to.
fn may_be_state(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    let magic = b"SQLite format 3\0";
    File::open(path)?.take(magic.len() as u64).read_to_end(&mut begin)?;
    Ok(begin.is_empty() || begin == magic)
}

/// Whether a state was made in it, and it was not cut short since.
fn is_finished(database: &Connection) -> Result<bool, StateError> {
    Ok(database
        .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'head'")?
        .exists([])?)
}

fn head(database: &Connection) -> Result<(u32, Owner, WrappedKey), StateError> {
    let corrupt = || StateError::Corrupt { table: "head" };
    let (version, owner, key): (u32, u8, Vec<u8>) =
        database.query_row("SELECT version, owner, key FROM head", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let owner = match owner {
        1 => Owner::Person,
        2 => Owner::Business,
        _ => return Err(corrupt()),
    };
    Ok((version, owner, WrappedKey::decode(key).map_err(|_| corrupt())?))
}

/// What a state's name ends with while it is made.
const UNFINISHED: &str = ".new";
const VERSION: u32 = 1;
const SCHEMA: &str = "
    CREATE TABLE head (version INTEGER NOT NULL, owner INTEGER NOT NULL, key BLOB NOT NULL) STRICT;
    CREATE TABLE sealed (
        kind INTEGER NOT NULL, name BLOB NOT NULL, generation INTEGER NOT NULL,
        value BLOB NOT NULL, PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;";

#[cfg(test)]
mod tests;
