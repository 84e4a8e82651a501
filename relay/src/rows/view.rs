//! What delivery and service read. Never writes; every call sees one point in time.

use std::sync::Arc;

use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{PrekeyStock, Sequence, SubmissionState};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::prekey::PrekeyId;
use plico_protocol::profile::SignedProfile;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::stamp::StampedOrigin;
use plico_protocol::time::Timestamp;

use crate::keys::Keys;
use crate::rows::{
    BadRow, OriginRow, PrekeysRow, ProfileRow, QueueKind, QueueRow, Rows, StandingRow,
    SubmissionRow, sequence_of,
};
use crate::store::{ReadError, Reader, Store, Table};

/// Reads committed rows. Cheap to clone.
#[derive(Clone)]
pub struct View {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rows: Rows,
}

/// An envelope that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEnvelope {
    /// Its number in its queue.
    pub sequence: Sequence,
    /// What the relay saw of its sender; none for what people send.
    pub origin: Option<StampedOrigin>,
    /// The envelope.
    pub envelope: Envelope,
    /// Whether it costs something, and its store does not know yet that it was offered.
    pub to_offer: bool,
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store's word.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row is not as it was written.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// An envelope is not there, or not of the size its origin says.
    #[error("an envelope on disk is not the one that was stored")]
    Envelope,
}

impl View {
    /// Reads `store` with the names and seals of `keys`.
    pub fn new(store: Arc<dyn Store>, keys: &Keys) -> Self {
        Self { store, rows: Rows::new(&keys.ring()) }
    }

    /// Whether a person's mailbox is open under this address.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn mailbox_exists(&self, address: &Address) -> Result<bool, ViewError> {
        let queue = self.queue(address)?;
        Ok(queue.is_some_and(|queue| queue.kind == QueueKind::Mailbox))
    }

    /// The newest sequence ever given out in a mailbox or inbox; 0 for none.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn last_sequence(&self, address: &Address) -> Result<Sequence, ViewError> {
        Ok(self.queue(address)?.map_or(Sequence(0), |queue| queue.last))
    }

    /// Up to where a mailbox or inbox is acknowledged; a subscription begins after it.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn acknowledged(&self, address: &Address) -> Result<Sequence, ViewError> {
        Ok(self.queue(address)?.map_or(Sequence(0), |queue| queue.acknowledged))
    }

    /// The envelopes after `after`, by rising sequence: at most `count_max`, of at most `bytes_max`
    /// together, and none that is past its hour, swept or not.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn envelopes_after(
        &self,
        address: &Address,
        after: Sequence,
        count_max: usize,
        bytes_max: usize,
        now: Timestamp,
    ) -> Result<Vec<StoredEnvelope>, ViewError> {
        let reader = self.store.reader()?;
        let name = self.rows.queue(address);
        let mut from = name.at(Sequence(after.0.saturating_add(1)));
        let mut found = Vec::new();
        let mut bytes_left = bytes_max;
        while found.len() < count_max {
            let limit = count_max - found.len();
            let page = reader.scan(Table::Origins, name.as_bytes(), &from, limit)?;
            let Some(last) = page.last() else { break };
            from = [&last.key, [0].as_slice()].concat();
            for entry in &page {
                let row: OriginRow = self.rows.open(&entry.key, &entry.value)?;
                if row.expires <= now.hour() {
                    continue;
                }
                let Some(left) = bytes_left.checked_sub(row.class.bytes()) else {
                    return Ok(found);
                };
                bytes_left = left;
                found.push(stored(&*reader, &entry.key, row)?);
            }
            if page.len() < limit {
                break;
            }
        }
        Ok(found)
    }

    /// What whoever knows a submission's id is told.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn submission_state(
        &self,
        id: &SubmitId,
        now: Timestamp,
    ) -> Result<SubmissionState, ViewError> {
        let key = self.rows.submission(id);
        let sealed = self.store.reader()?.get(Table::Submissions, key.as_bytes())?;
        let Some(sealed) = sealed else { return Ok(SubmissionState::Unknown) };
        let row: SubmissionRow = self.rows.open(key.as_bytes(), &sealed)?;
        Ok(row.state(now.hour()))
    }

    /// What is there of an account's prekeys.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn prekey_stock(&self, account: &AccountKey) -> Result<PrekeyStock, ViewError> {
        let key = self.rows.prekeys(account);
        let Some(value) = self.store.reader()?.get(Table::Prekeys, key.as_bytes())? else {
            let none = PrekeyId(0);
            return Ok(PrekeyStock { signed: none, kem: none, one_time: 0, highest: none });
        };
        let row: PrekeysRow = self.rows.open(key.as_bytes(), &value)?;
        Ok(row.stock())
    }

    /// What an account says of itself.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn profile(&self, account: &AccountKey) -> Result<Option<SignedProfile>, ViewError> {
        let key = self.rows.profile(account);
        let sealed = self.store.reader()?.get(Table::Profiles, key.as_bytes())?;
        let Some(sealed) = sealed else { return Ok(None) };
        let row: ProfileRow = self.rows.open(key.as_bytes(), &sealed)?;
        Ok(Some(row.profile))
    }

    /// How an account stands.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn standing(&self, account: &AccountKey) -> Result<StandingRow, ViewError> {
        let key = self.rows.standing(account);
        let sealed = self.store.reader()?.get(Table::Standings, key.as_bytes())?;
        let row = sealed.map(|sealed| self.rows.open(key.as_bytes(), &sealed)).transpose()?;
        Ok(row.unwrap_or_else(StandingRow::untouched))
    }

    fn queue(&self, address: &Address) -> Result<Option<QueueRow>, ViewError> {
        let key = self.rows.queue(address);
        let sealed = self.store.reader()?.get(Table::Queues, key.as_bytes())?;
        Ok(sealed.map(|sealed| self.rows.open(key.as_bytes(), &sealed)).transpose()?)
    }
}

fn stored(reader: &dyn Reader, key: &[u8], row: OriginRow) -> Result<StoredEnvelope, ViewError> {
    let bytes = reader.get(Table::Envelopes, key)?.ok_or(ViewError::Envelope)?;
    let envelope = Envelope::new(bytes).map_err(|_| ViewError::Envelope)?;
    if envelope.class() != row.class {
        return Err(ViewError::Envelope);
    }
    let sequence = sequence_of(key).ok_or(ViewError::Envelope)?;
    let to_offer = row.charge.is_some() && !row.offered;
    Ok(StoredEnvelope { sequence, origin: row.origin, envelope, to_offer })
}

impl From<ViewError> for Refusal {
    fn from(_: ViewError) -> Self {
        Self::new(Code::Busy).retry_after(READ_RETRY_MS)
    }
}

impl core::fmt::Debug for View {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("View(…)")
    }
}

/// After a failed read: long enough for a store to be opened again.
const READ_RETRY_MS: u32 = 5_000;
