//! Durable state: one SQLite file whose rows are sealed, for one process at a time.
//!
//! Write-ahead log with `synchronous = FULL`, so a transaction that returned survives a power cut;
//! `secure_delete`, so deleted rows are overwritten (frames of the log that were not yet
//! checkpointed keep them until then). A row's value is XChaCha20-Poly1305 under the data key with
//! a random nonce; its associated data is table, row name and generation, so no row can stand in
//! for another or claim another generation. Putting the whole file back to an older copy is not
//! noticed. In the file one sees how many rows each table has, how long they are and how often
//! they were written, and nothing else: names are numbers that count, or keyed hashes.

mod key;
mod lock;
mod seal;
mod table;

pub use key::Protection;
pub(crate) use table::{Name, Table};

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use plico_protocol::mac::{MacKey, first16};
use plico_protocol::wire::{DecodeError, Wire};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use key::WrappedKey;
use lock::Lock;
use seal::Cipher;

/// Why a state was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process has this state open; two would use message keys twice")]
    Locked,
    /// The passphrase or key file is not the one it was made with.
    #[error("the passphrase or key file is not the one this state was made with")]
    WrongKey,
    /// The key file could not be read or made.
    #[error("the key file cannot be used: {0}")]
    KeyFile(#[source] io::Error),
    /// Others than its owner may read the key file.
    #[error("the key file has mode {mode:o}; set it to 600")]
    KeyFileExposed {
        /// Its permission bits.
        mode: u32,
    },
    /// It exists already.
    #[error("there is a state at this path already")]
    Exists,
    /// There is none.
    #[error("there is no state at this path")]
    Missing,
    /// It is a business's where a person's was asked for, or the other way round.
    #[error("this state belongs to {found}, not to {expected}")]
    OtherOwner {
        /// Whose was asked for.
        expected: Owner,
        /// Whose it is.
        found: Owner,
    },
    /// It was written by a later version.
    #[error("the state has schema version {found}; this program knows {known}")]
    Version {
        /// The version in the file.
        found: u32,
        /// The version this program writes.
        known: u32,
    },
    /// The file could not be opened.
    #[error("the state cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// The database or a row in it cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why the state could not be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite failed.
    #[error("the state's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A row does not open: it was altered, moved or damaged.
    #[error("a row of table `{table}` was altered or damaged")]
    Corrupt {
        /// Which table.
        table: &'static str,
    },
    /// A row opens, but does not hold what this version writes.
    #[error("a row of table `{table}` cannot be read: {error}")]
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
    _lock: Lock,
}

/// Reads and writes of one transaction. Dropped without [`State::write`]'s success, it did nothing.
pub(crate) struct Rows<'a> {
    transaction: Transaction<'a>,
    keys: &'a RowKeys,
}

struct RowKeys {
    cipher: Cipher,
    names: MacKey,
}

impl State {
    /// Makes a state where there is none.
    pub(crate) fn create(
        path: &Path,
        protection: &Protection,
        owner: Owner,
    ) -> Result<Self, OpenError> {
        let lock = Lock::take(path)?.ok_or(OpenError::Locked)?;
        if path.try_exists()? && is_finished(&connect(path)?)? {
            return Err(OpenError::Exists);
        }
        let (wrapped, key) = WrappedKey::create(protection)?;
        create_file(path)?;
        let mut database = connect(path)?;
        let transaction = database.transaction().map_err(StateError::from)?;
        transaction.execute_batch(SCHEMA).map_err(StateError::from)?;
        transaction
            .execute(
                "INSERT INTO head (version, owner, key) VALUES (?1, ?2, ?3)",
                params![VERSION, owner as u8, wrapped.encode()],
            )
            .map_err(StateError::from)?;
        transaction.commit().map_err(StateError::from)?;
        Ok(Self { database, rows: RowKeys::new(&key), _lock: lock })
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
        let lock = Lock::take(path)?.ok_or(OpenError::Locked)?;
        let database = connect(path)?;
        if !is_finished(&database)? {
            return Err(OpenError::Missing);
        }
        let (version, found, wrapped) = head(&database)?;
        if version != VERSION {
            return Err(OpenError::Version { found: version, known: VERSION });
        }
        if found != owner {
            return Err(OpenError::OtherOwner { expected: owner, found });
        }
        let key = wrapped.unwrap(protection)?;
        Ok(Self { database, rows: RowKeys::new(&key), _lock: lock })
    }

    /// Runs `change` in one transaction. If it or the commit fails, nothing happened.
    pub(crate) fn write<T, E: From<StateError>>(
        &mut self,
        change: impl FnOnce(&Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.database.transaction().map_err(StateError::from)?;
        let rows = Rows { transaction, keys: &self.rows };
        let value = change(&rows)?;
        rows.transaction.commit().map_err(StateError::from)?;
        Ok(value)
    }

    /// Reads in one transaction.
    pub(crate) fn read<T>(
        &mut self,
        read: impl FnOnce(&Rows<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.write(read)
    }

    /// Moves the log into the database, where `secure_delete` overwrites what was deleted.
    pub(crate) fn checkpoint(&self) -> Result<(), StateError> {
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

impl Rows<'_> {
    /// Writes a row, under a higher generation than the one it replaces.
    pub(crate) fn put(
        &self,
        table: Table,
        name: Name<'_>,
        value: &impl Wire,
    ) -> Result<(), StateError> {
        self.put_bytes(table, name, &Zeroizing::new(value.encode()))
    }

    /// The same for bytes.
    pub(crate) fn put_bytes(
        &self,
        table: Table,
        name: Name<'_>,
        value: &[u8],
    ) -> Result<(), StateError> {
        let row = self.keys.name(table, name);
        let generation = self
            .transaction
            .prepare_cached("SELECT generation FROM sealed WHERE kind = ?1 AND name = ?2")?
            .query_row(params![table as u8, row], |found| found.get::<_, i64>(0))
            .optional()?
            .map_or(1, |generation| generation.saturating_add(1));
        let sealed = self.keys.cipher.seal(&associated_data(table, &row, generation), value);
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO sealed (kind, name, generation, value)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![table as u8, row, generation, sealed])?;
        Ok(())
    }

    /// Reads a row.
    pub(crate) fn get<T: Wire>(
        &self,
        table: Table,
        name: Name<'_>,
    ) -> Result<Option<T>, StateError> {
        self.get_bytes(table, name)?.map(|bytes| decode(table, bytes)).transpose()
    }

    /// The same for bytes.
    pub(crate) fn get_bytes(
        &self,
        table: Table,
        name: Name<'_>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let row = self.keys.name(table, name);
        let found = self
            .transaction
            .prepare_cached("SELECT generation, value FROM sealed WHERE kind = ?1 AND name = ?2")?
            .query_row(params![table as u8, row], |found| {
                Ok((found.get::<_, i64>(0)?, found.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        found.map(|(generation, value)| self.keys.open(table, &row, generation, &value)).transpose()
    }

    /// Whether there is such a row; its value is not opened.
    pub(crate) fn has(&self, table: Table, name: Name<'_>) -> Result<bool, StateError> {
        let row = self.keys.name(table, name);
        Ok(self
            .transaction
            .prepare_cached("SELECT 1 FROM sealed WHERE kind = ?1 AND name = ?2")?
            .exists(params![table as u8, row])?)
    }

    /// Deletes a row, if there is one.
    pub(crate) fn delete(&self, table: Table, name: Name<'_>) -> Result<(), StateError> {
        let row = self.keys.name(table, name);
        self.transaction
            .prepare_cached("DELETE FROM sealed WHERE kind = ?1 AND name = ?2")?
            .execute(params![table as u8, row])?;
        Ok(())
    }

    /// Deletes the rows of a table for which `gone` holds.
    pub(crate) fn delete_where<T: Wire>(
        &self,
        table: Table,
        gone: impl Fn(&T) -> bool,
    ) -> Result<(), StateError> {
        for (row, value) in self.rows::<T>(table, None)? {
            if gone(&value) {
                self.transaction
                    .prepare_cached("DELETE FROM sealed WHERE kind = ?1 AND name = ?2")?
                    .execute(params![table as u8, row])?;
            }
        }
        Ok(())
    }

    /// Every row of a table whose names count, in their order.
    pub(crate) fn ordered<T: Wire>(&self, table: Table) -> Result<Vec<(u64, T)>, StateError> {
        self.numbered(table, None)
    }

    /// The first row of a table whose names count.
    pub(crate) fn first<T: Wire>(&self, table: Table) -> Result<Option<(u64, T)>, StateError> {
        Ok(self.numbered(table, Some(1))?.pop())
    }

    /// A number no row of this table ever had.
    pub(crate) fn next_number(&self, table: Table) -> Result<u64, StateError> {
        let counter = Name::Hidden(table.label().as_bytes());
        let next = self.get::<Counter>(Table::Counter, counter)?.map_or(1, |counter| counter.0);
        self.put(Table::Counter, counter, &Counter(next.saturating_add(1)))?;
        Ok(next)
    }

    fn numbered<T: Wire>(
        &self,
        table: Table,
        limit: Option<u32>,
    ) -> Result<Vec<(u64, T)>, StateError> {
        let corrupt = StateError::Corrupt { table: table.label() };
        let rows = self.rows::<T>(table, limit)?.into_iter();
        let numbered = rows.map(|(row, value)| {
            let number = row.as_slice().try_into().ok().map(u64::from_be_bytes);
            number.map(|number| (number, value))
        });
        numbered.collect::<Option<_>>().ok_or(corrupt)
    }

    fn rows<T: Wire>(
        &self,
        table: Table,
        limit: Option<u32>,
    ) -> Result<Vec<(Vec<u8>, T)>, StateError> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT name, generation, value FROM sealed WHERE kind = ?1 ORDER BY name LIMIT ?2",
        )?;
        let limit = limit.map_or(-1, i64::from);
        let found = statement.query_map(params![table as u8, limit], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        found
            .map(|row| {
                let (name, generation, value) = row?;
                let plain = self.keys.open(table, &name, generation, &value)?;
                Ok((name, decode(table, plain)?))
            })
            .collect()
    }
}

impl RowKeys {
    fn new(key: &MacKey) -> Self {
        let cipher = Cipher::new(key, b"plico/1 state rows\0");
        Self { cipher, names: MacKey::new(key.mac(&[b"plico/1 state names\0"])) }
    }

    fn name(&self, table: Table, name: Name<'_>) -> Vec<u8> {
        match name {
            Name::Number(number) => number.to_be_bytes().to_vec(),
            Name::Hidden(name) => first16(self.names.mac(&[&[table as u8], name])).to_vec(),
        }
    }

    fn open(
        &self,
        table: Table,
        row: &[u8],
        generation: i64,
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StateError> {
        self.cipher
            .open(&associated_data(table, row, generation), value)
            .ok_or(StateError::Corrupt { table: table.label() })
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

/// What counts rows.
struct Counter(u64);

impl Wire for Counter {
    fn write(&self, out: &mut plico_protocol::wire::Writer) {
        out.u64(self.0);
    }

    fn read(reader: &mut plico_protocol::wire::Reader) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

fn associated_data(table: Table, row: &[u8], generation: i64) -> Vec<u8> {
    [&[table as u8], row, &generation.to_be_bytes()].concat()
}

/// Decodes from a copy that is wiped when the last slice of it goes.
fn decode<T: Wire>(table: Table, plain: Zeroizing<Vec<u8>>) -> Result<T, StateError> {
    T::decode(bytes::Bytes::from_owner(plain))
        .map_err(|error| StateError::Unreadable { table: table.label(), error })
}

/// Opens a state on a thread that may block: Argon2id takes some tenths of a second.
pub(crate) async fn aside<T: Send + 'static>(
    open: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or_else(|error| Err(OpenError::Io(io::Error::other(error))))
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
    // With exclusive locking SQLite keeps the log's index in memory and no `-shm` file.
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "secure_delete", "ON")?;
    Ok(database)
}

/// Whether its creation was finished: a power cut may leave a file without tables.
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

const VERSION: u32 = 1;
const SCHEMA: &str = "
    CREATE TABLE head (version INTEGER NOT NULL, owner INTEGER NOT NULL, key BLOB NOT NULL) STRICT;
    CREATE TABLE sealed (
        kind INTEGER NOT NULL, name BLOB NOT NULL, generation INTEGER NOT NULL,
        value BLOB NOT NULL, PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;";

#[cfg(test)]
mod tests;
