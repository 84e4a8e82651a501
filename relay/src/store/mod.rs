//! Where rows are kept: one atomic, synced commit at a time, and reads of one point in time.
//!
//! A store knows tables, keys and bytes; what they mean, how they are named and sealed is
//! [`crate::rows`]' business. [`Memory`] is the reference and serves simulations, [`Fjall`] is the
//! embedded default; one conformance suite runs over both.
//!
//! Committed means on the medium, and what a store shows was synced since the last failure: after a
//! failed sync the bytes read back may be in memory alone, and a later sync proves nothing of them.
//! So a store that opens, at the start or after a failure, writes and syncs anew whatever it
//! replays, before it shows any of it. A batch that was refused may then be there, durable like any
//! other; one that was answered always is. Opening needs disk space for that and fails as full
//! without it.
//!
//! Nothing here assumes that one process
//! alone reads and writes, beyond the lock each implementation takes for itself.

mod fjall;
mod memory;
mod schema;
#[cfg(test)]
mod tests;

pub use fjall::Fjall;
pub use memory::{Disk, Memory};
pub use schema::SCHEMA_VERSION;

use bytes::Bytes;

/// One concern, one table. [`crate::rows`] lists what each holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Schema version, key check, how far the sweeps came.
    Meta = 1,
    /// A mailbox's or inbox's counters.
    Queues = 2,
    /// Envelopes, as received.
    Envelopes = 3,
    /// What the relay saw of a stored envelope.
    Origins = 4,
    /// Which envelopes end in which hour.
    Expiries = 5,
    /// What became of submissions.
    Submissions = 6,
    /// Which submissions are forgotten in which hour.
    Forgets = 7,
    /// Certificates.
    Certificates = 8,
    /// Numbers of revoked certificates.
    Revocations = 9,
    /// Signed prekeys of an account.
    Prekeys = 10,
    /// One-time prekeys of an account.
    OneTimePrekeys = 11,
    /// What an account says of itself.
    Profiles = 12,
    /// Which reports were made.
    Reports = 13,
    /// How many reports each business has.
    Standings = 14,
    /// Balances and trees of accounts.
    Accounts = 15,
    /// The entries of accounts' ledgers.
    Entries = 16,
    /// Subtrees of accounts' trees.
    Tiles = 17,
    /// Charges that wait for the day's settlement.
    Pending = 18,
    /// How many free messages accounts sent, by day.
    Free = 19,
    /// Under which references payments were entered.
    References = 20,
}

impl Table {
    /// Every table, by number.
    pub const ALL: &'static [Self] = &[
        Self::Meta,
        Self::Queues,
        Self::Envelopes,
        Self::Origins,
        Self::Expiries,
        Self::Submissions,
        Self::Forgets,
        Self::Certificates,
        Self::Revocations,
        Self::Prekeys,
        Self::OneTimePrekeys,
        Self::Profiles,
        Self::Reports,
        Self::Standings,
        Self::Accounts,
        Self::Entries,
        Self::Tiles,
        Self::Pending,
        Self::Free,
        Self::References,
    ];

    /// The number that separates names and sealed values of different tables; never reused.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Queues => "queues",
            Self::Envelopes => "envelopes",
            Self::Origins => "origins",
            Self::Expiries => "expiries",
            Self::Submissions => "submissions",
            Self::Forgets => "forgets",
            Self::Certificates => "certificates",
            Self::Revocations => "revocations",
            Self::Prekeys => "prekeys",
            Self::OneTimePrekeys => "one_time_prekeys",
            Self::Profiles => "profiles",
            Self::Reports => "reports",
            Self::Standings => "standings",
            Self::Accounts => "accounts",
            Self::Entries => "entries",
            Self::Tiles => "tiles",
            Self::Pending => "pending",
            Self::Free => "free",
            Self::References => "references",
        }
    }
}

/// One row written or removed.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub table: Table,
    /// Which row.
    pub key: Vec<u8>,
    /// The new value; none removes the row, there or not.
    pub value: Option<Bytes>,
}

/// A row as a scan returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// Durable tables.
pub trait Store: Send + Sync {
    /// Applies all changes or none, and returns once they survive a power cut. Where two changes
    /// name one row, the later holds. Readers see nothing of it before it is durable: otherwise
    /// an envelope could be delivered, and its number used again after a crash.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; whether the changes are there is then unknown until [`Store::recover`] or
    /// the next start.
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError>;

    /// Everything committed so far, unmoved by later commits. Never waits for the store to open.
    ///
    /// # Errors
    ///
    /// [`ReadError::Closed`] while the store is not open.
    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError>;

    /// After [`CommitError::Full`]: makes the store take commits again, if there is room. What is
    /// there afterwards is durable, the batch that did not fit included if it is there.
    ///
    /// # Errors
    ///
    /// [`CommitError::Full`] as long as there is no room; the store can still be read if it could
    /// be before, unless the room ended in the middle of opening.
    fn recover(&self) -> Result<(), CommitError>;

    /// Bytes it takes on its medium, as far as known.
    fn bytes(&self) -> Option<u64> {
        None
    }
}

/// A point in time of a store. Short-lived: [`Store::recover`] waits for readers to go.
pub trait Reader {
    /// One row's value.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// The rows whose key begins with `prefix` and is not below `from`, by rising key, at most
    /// `limit`.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError>;
}

/// Why changes were not applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No space left on the medium.
    #[error("the disk is full; free some space")]
    Full,
    /// Anything else: nothing may be answered, the process must end.
    #[error("the store failed to commit: {0}")]
    Failed(#[source] Box<dyn core::error::Error + Send + Sync>),
}

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store is between closing and opening again.
    #[error("the store is not open")]
    Closed,
    /// The engine failed.
    #[error("the store failed to read: {0}")]
    Failed(#[source] Box<dyn core::error::Error + Send + Sync>),
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("the data directory is in use by another plico-relay; stop that one first")]
    Locked,
    /// Written by another version.
    #[error(
        "the data directory has schema version {found}, this program reads {expected} and nothing was changed; use the release that wrote it"
    )]
    Schema {
        /// The version on disk.
        found: u32,
        /// [`SCHEMA_VERSION`].
        expected: u32,
    },
    /// The version row is not one.
    #[error("the data directory's schema version cannot be read; it is damaged or not Plico's")]
    NotPlico,
    /// The engine failed to open.
    #[error("the data directory cannot be opened: {0}")]
    Failed(#[source] Box<dyn core::error::Error + Send + Sync>),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Change {
    /// Writes a row.
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) -> Self {
        Self { table, key: key.into(), value: Some(value.into()) }
    }

    /// Removes a row.
    pub fn remove(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self { table, key: key.into(), value: None }
    }
}

impl core::fmt::Debug for Change {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { table, key: _, value } = self;
        let verb = if value.is_some() { "put" } else { "remove" };
        write!(f, "Change({verb} {})", table.name())
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Entry({} bytes)", self.value.len())
    }
}
